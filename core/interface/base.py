"""What every data type has: a spec, validation, wire forms, a default; and how a spec becomes a type again.

The spec JSON is that of Runway's Model SDK 0.6 (github.com/runwayml/model-sdk, runway/data_types.py), so that its
clients know what a model takes. Unlike Runway's, these types check what they declare.
"""

from __future__ import annotations

import difflib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, NoReturn

from core.errors import InvalidInput

SPEC_DEPTH = 8
"""How deep arrays of arrays may nest in a spec."""

_REGISTRY: dict[str, type[DataType]] = {}


class DataType(ABC):
    """One declared input, output or option: what values it takes and how they travel."""

    type_name: ClassVar[str] = ""
    """The `type` of the spec."""

    spec_keys: ClassVar[Mapping[str, str]] = {}
    """Spec keys of this type and the constructor argument that each is."""

    description: str | None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "type_name" in cls.__dict__:
            _REGISTRY[cls.type_name] = cls

    # -- to and from a spec

    def spec(self, name: str) -> dict[str, object]:
        """The spec JSON of this type under `name`."""
        return {"name": name, "type": self.type_name, "description": self.description, **self.details()}

    def details(self) -> dict[str, object]:
        """What the spec says beyond name, type and description."""
        return {}

    @staticmethod
    def from_spec(spec: Mapping[str, object], _depth: int = 0) -> DataType:
        """The type that `spec` declares; keys it does not know are ignored.

        Raises:
            InvalidInput: The spec is not one, or declares what cannot be.
        """
        if not isinstance(spec, Mapping):
            raise InvalidInput(f"a data type cannot be {shorten(spec)}", "allowed is an object with name and type")
        if _depth > SPEC_DEPTH:
            raise InvalidInput("a data type is nested too deeply", f"at most {SPEC_DEPTH} levels of arrays are allowed")
        type_name = spec.get("type")
        kind = _REGISTRY.get(type_name) if isinstance(type_name, str) else None
        if kind is None:
            raise InvalidInput(f"unknown data type {shorten(type_name)}", f"known are {', '.join(sorted(_REGISTRY))}")
        arguments: dict[str, object] = {
            argument: spec[key] for key, argument in kind.spec_keys.items() if spec.get(key) is not None
        }
        description = spec.get("description")
        arguments["description"] = description if isinstance(description, str) else None
        return kind.build(arguments, _depth)

    @classmethod
    def build(cls, arguments: dict[str, object], depth: int) -> DataType:
        """An instance from constructor arguments that came out of a spec."""
        return cls(**arguments)

    # -- values

    @abstractmethod
    def validate(self, name: str, value: object) -> object:
        """`value` in its one form inside the program.

        Raises:
            InvalidInput: It is not allowed; the message names the input, the value and what is allowed.
        """

    @abstractmethod
    def allowed(self) -> str:
        """What is allowed, in words that follow "allowed is"."""

    def to_json(self, value: object) -> object:
        """A validated value in its JSON form."""
        return value

    def from_json(self, name: str, data: object) -> object:
        """The validated value of a JSON form.

        Raises:
            InvalidInput: As `validate`.
        """
        return self.validate(name, data)

    def from_text(self, name: str, text: str) -> object:
        """The validated value of what a person typed: plain text where that is clear, else JSON.

        Raises:
            InvalidInput: As `validate`.
        """
        try:
            data = json.loads(text)
        except ValueError:
            data = text
        return self.from_json(name, data)

    def default_value(self) -> object | None:
        """The value of an input that was not given; None when it must be."""
        return None

    def refuse(self, name: str, value: object, detail: str = "") -> NoReturn:
        """Raise the `InvalidInput` that names the input, the value and what is allowed."""
        why = f"allowed is {self.allowed()}"
        raise InvalidInput(f"{name} cannot be {shorten(value)}", f"{detail}; {why}" if detail else why)

    # -- equality: two types are the same if they declare the same

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and self.spec("") == other.spec("")

    def __hash__(self) -> int:
        return hash(json.dumps(self.spec(""), sort_keys=True))


def shorten(value: object, limit: int = 60) -> str:
    """`value` as a message shows it: long ones cut, arrays by shape, text quoted."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"an array of {'x'.join(map(str, shape))} {getattr(value, 'dtype', '')}".rstrip()
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        # Cut before repr: a value may be a picture of many megabytes as text.
        return repr(value) if len(value) <= limit else f"{value[:limit]!r}... ({len(value)} characters)"
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"a list of {len(value)}, [{', '.join(shorten(item, 12) for item in value[:3])}, ...]"
    if isinstance(value, list | tuple):
        return f"[{', '.join(shorten(item, 24) for item in value)}]"
    if isinstance(value, Mapping):
        return f"an object with {len(value)} keys"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return f"a number of {int(value.bit_length() * 0.30103) + 1} digits"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value) if isinstance(value, int | float) else str(value)
    return text if len(text) <= limit else text[:limit] + "..."


def nearest(name: str, names: Iterable[str]) -> str:
    """Advice naming the names nearest to `name`, or all of a few."""
    known = [str(item) for item in names]
    close = difflib.get_close_matches(name[:100], known, n=2)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}" if known else ""


# -- checks of constructor arguments: they may come from a manifest, so they are as strict as those of values


def declared_count(value: object, what: str, low: int = 0) -> int:
    """A whole number of at least `low` that a declaration gives."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InvalidInput(f"{what} cannot be {shorten(value)}", f"allowed is a whole number of at least {low}")
    return value


def declared_number(value: object, what: str) -> int | float:
    """A finite number that a declaration gives."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not finite(value):
        raise InvalidInput(f"{what} cannot be {shorten(value)}", "allowed is a finite number")
    return value


def declared_text(value: object, what: str) -> str:
    """A text that a declaration gives."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} cannot be {shorten(value)}", "allowed is a text")
    return value


def finite(value: int | float) -> bool:
    """Whether a number is neither NaN nor infinite, as a float too."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
