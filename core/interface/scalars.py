"""The plain data types: any, number, text, boolean, category, file, directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from core.errors import InvalidInput
from core.interface.base import (
    DataType,
    declared_count,
    declared_number,
    declared_text,
    finite,
    nearest,
    shorten,
)

_INT64 = 2**63 - 1

_WORDS = {"true": True, "yes": True, "on": True, "1": True} | {"false": False, "no": False, "off": False, "0": False}


@dataclass(eq=False)
class Any(DataType):
    """Whatever JSON can hold."""

    description: str | None = None

    type_name: ClassVar[str] = "any"

    def allowed(self) -> str:
        return "anything that JSON can hold"

    def validate(self, name: str, value: object) -> object:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            self.refuse(name, value)
        return value


@dataclass(eq=False)
class Number(DataType):
    """A finite number, in a range and on a step if these are given.

    The step counts from `min` (from 0 without one); `max` and `default` are allowed wherever they lie.
    Value inside the program: int or float; int where min and step are whole.
    """

    description: str | None = None
    default: int | float | None = None
    step: int | float | None = None
    min: int | float | None = None
    max: int | float | None = None

    type_name: ClassVar[str] = "number"
    spec_keys: ClassVar[Mapping[str, str]] = {"default": "default", "step": "step", "min": "min", "max": "max"}

    def __post_init__(self) -> None:
        for field in ("default", "step", "min", "max"):
            if (value := getattr(self, field)) is not None:
                declared_number(value, f"a number's {field}")
        if self.step is not None and self.step <= 0:
            raise InvalidInput(f"a number's step cannot be {self.step}", "allowed is a number above 0")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise InvalidInput(f"a number's min cannot be {self.min}", f"allowed is at most its max, {self.max}")
        if self.default is not None and not self._in_range(self.default):
            raise InvalidInput(f"a number's default cannot be {self.default}", f"allowed is {self.allowed()}")

    def details(self) -> dict[str, object]:
        bounds = {"min": self.min, "max": self.max, "step": self.step}
        return {"default": self.default_value(), **{key: value for key, value in bounds.items() if value is not None}}

    def default_value(self) -> int | float:
        if self.default is not None:
            return self.default
        if self.min is not None:
            return self.min
        return 0 if self.max is None or self.max >= 0 else self.max

    def allowed(self) -> str:
        if self.min is not None and self.max is not None:
            span = f" from {self.min} to {self.max}"
        elif self.min is not None:
            span = f" of at least {self.min}"
        else:
            span = "" if self.max is None else f" of at most {self.max}"
        kind = "a whole number" if self._whole() and self.step == 1 else "a number"
        steps = f" in steps of {self.step}" if self.step is not None and self.step != 1 else ""
        return kind + span + steps

    def validate(self, name: str, value: object) -> int | float:
        number = value.item() if isinstance(value, np.integer | np.floating) else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            self.refuse(name, value)
        if not finite(number) or not self._in_range(number):
            self.refuse(name, value)
        if isinstance(number, int) and abs(number) > _INT64:
            self.refuse(name, value, "it does not fit into 64 bits")
        if not self._on_step(number):
            self.refuse(name, value)
        if self._whole() and isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
            return int(number)
        return number

    def _in_range(self, value: int | float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def _on_step(self, value: int | float) -> bool:
        if self.step is None or value in (self.default, self.max):
            return True
        if self._whole():
            whole = isinstance(value, int) or value.is_integer()
            return whole and (int(value) - int(self.min or 0)) % self.step == 0
        steps = (value - (self.min or 0)) / self.step
        # Decimal steps are not exact in binary: allow what arithmetic loses, and no more.
        return abs(steps - round(steps)) <= 1e-6 + 1e-12 * abs(steps)

    def _whole(self) -> bool:
        return isinstance(self.step, int) and (self.min is None or float(self.min).is_integer())


@dataclass(eq=False)
class Text(DataType):
    """A text of limited length, in characters."""

    description: str | None = None
    default: str = ""
    min_length: int = 0
    max_length: int | None = None

    type_name: ClassVar[str] = "text"
    spec_keys: ClassVar[Mapping[str, str]] = {
        "default": "default",
        "minLength": "min_length",
        "maxLength": "max_length",
    }

    def __post_init__(self) -> None:
        self.default = declared_text(self.default, "a text's default")
        self.min_length = declared_count(self.min_length, "a text's min_length")
        if self.max_length is not None:
            self.max_length = declared_count(self.max_length, "a text's max_length", self.min_length)
        if self.default and not self._fits(self.default):
            raise InvalidInput(f"a text's default cannot be {shorten(self.default)}", f"allowed is {self.allowed()}")

    def details(self) -> dict[str, object]:
        limit = {} if self.max_length is None else {"maxLength": self.max_length}
        return {"default": self.default, "minLength": self.min_length, **limit}

    def default_value(self) -> str | None:
        return self.default if self._fits(self.default) else None

    def allowed(self) -> str:
        if self.max_length is not None:
            return f"a text of {self.min_length} to {self.max_length} characters"
        return f"a text of at least {self.min_length} characters" if self.min_length else "a text"

    def validate(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            self.refuse(name, value)
        if not self._fits(value):
            self.refuse(name, value, f"it has {len(value)} characters")
        if not value.isascii() and _has_surrogate(value):
            self.refuse(name, value.encode("utf-8", "replace").decode(), "it holds half of a surrogate pair")
        return value

    def from_text(self, name: str, text: str) -> str:
        return self.validate(name, text)

    def _fits(self, value: str) -> bool:
        return len(value) >= self.min_length and (self.max_length is None or len(value) <= self.max_length)


@dataclass(eq=False)
class Boolean(DataType):
    """True or false, and nothing that merely looks like it."""

    description: str | None = None
    default: bool = False

    type_name: ClassVar[str] = "boolean"
    spec_keys: ClassVar[Mapping[str, str]] = {"default": "default"}

    def __post_init__(self) -> None:
        self.default = self.validate("a boolean's default", self.default)

    def details(self) -> dict[str, object]:
        return {"default": self.default}

    def default_value(self) -> bool:
        return self.default

    def allowed(self) -> str:
        return "true or false"

    def validate(self, name: str, value: object) -> bool:
        if not isinstance(value, bool | np.bool_):
            self.refuse(name, value)
        return bool(value)

    def from_text(self, name: str, text: str) -> bool:
        word = text.strip().lower()
        if word not in _WORDS:
            self.refuse(name, text)
        return _WORDS[word]


@dataclass(eq=False)
class Category(DataType):
    """One of some names."""

    description: str | None = None
    choices: Sequence[str] | None = None
    default: str | None = None

    type_name: ClassVar[str] = "category"
    spec_keys: ClassVar[Mapping[str, str]] = {"oneOf": "choices", "default": "default"}

    def __post_init__(self) -> None:
        choices = self.choices
        if isinstance(choices, str) or not isinstance(choices, Sequence) or not choices:
            raise InvalidInput(f"a category's choices cannot be {shorten(choices)}", "allowed is a list of names")
        self.choices: Sequence[str] = tuple(declared_text(choice, "a category's choice") for choice in choices)
        self._known = frozenset(self.choices)
        if self.default is None:
            self.default = self.choices[0]
        self.default = self.validate("a category's default", self.default)

    def details(self) -> dict[str, object]:
        return {"oneOf": list(self.choices or ()), "default": self.default}

    def default_value(self) -> str | None:
        return self.default

    def allowed(self) -> str:
        choices = list(self.choices or ())
        names = ", ".join(shorten(choice, 24) for choice in choices[:8])
        return f"one of {names}" + (f" and {len(choices) - 8} more" if len(choices) > 8 else "")

    def validate(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            self.refuse(name, value)
        if value not in self._known:
            raise InvalidInput(
                f"{name} cannot be {shorten(value)}",
                f"allowed is {self.allowed()}",
                nearest(value, self._known) if len(self._known) > 8 else "",
            )
        return value

    def from_text(self, name: str, text: str) -> str:
        return self.validate(name, text)


@dataclass(eq=False)
class File(DataType):
    """A file (or folder) on this machine, by path; it must exist when it is given.

    Value inside the program: the absolute path as a text. A URL is not fetched: what to download is the user's to say,
    elsewhere. Whoever takes values from strangers must not pass paths on.
    """

    description: str | None = None
    is_directory: bool = False
    extension: str | None = None
    default: str | None = None

    type_name: ClassVar[str] = "file"
    spec_keys: ClassVar[Mapping[str, str]] = {
        "isDirectory": "is_directory",
        "extension": "extension",
        "default": "default",
    }

    def __post_init__(self) -> None:
        if not isinstance(self.is_directory, bool):
            raise InvalidInput(f"a file's is_directory cannot be {shorten(self.is_directory)}", "allowed is a boolean")
        for field in ("extension", "default"):
            if (value := getattr(self, field)) is not None:
                declared_text(value, f"a file's {field}")

    @classmethod
    def build(cls, arguments: dict[str, object], depth: int) -> DataType:
        if arguments.get("is_directory") is True and arguments.get("extension") is None:
            return Directory(arguments["description"], arguments.get("default"))  # type: ignore[arg-type]
        return cls(**arguments)  # type: ignore[arg-type]

    def details(self) -> dict[str, object]:
        given = {"isDirectory": self.is_directory, "extension": self.extension, "default": self.default}
        return {key: value for key, value in given.items() if value}

    def default_value(self) -> str | None:
        return self.default

    def allowed(self) -> str:
        kind = "the path of a folder" if self.is_directory else "the path of a file"
        return f"{kind} ending in {self.extension}" if self.extension else kind

    def validate(self, name: str, value: object) -> str:
        if not isinstance(value, str | os.PathLike) or not str(value):
            self.refuse(name, value)
        text = str(value)
        if "\0" in text:
            self.refuse(name, value, "a path has no zero character")
        if "://" in text:
            self.refuse(name, value, "addresses are not fetched")
        path = Path(text).expanduser()
        try:
            right = path.is_dir() if self.is_directory else path.is_file()
        except OSError:
            right = False
        if not right:
            there = os.path.lexists(path) if len(text) < 4096 else False
            self.refuse(name, value, "it is something else" if there else "there is no such path")
        if self.extension and not path.name.lower().endswith(self.extension.lower()):
            self.refuse(name, value)
        return str(path.absolute())

    def from_text(self, name: str, text: str) -> str:
        return self.validate(name, text)


class Directory(File):
    """A folder on this machine, by path. In a spec it is a file with `isDirectory`."""

    def __init__(self, description: str | None = None, default: str | None = None) -> None:
        super().__init__(description, is_directory=True, default=default)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
