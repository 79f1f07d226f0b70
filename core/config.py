"""The settings: config.toml and TARMAC_* environment variables, checked strictly, each value knowing where it is from.

A wrong value never stops the program: it is told with file, key and what is allowed, and the default holds.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from core.errors import InvalidInput, Refused
from core.paths import config_dir, write_atomic

FILE_NAME = "config.toml"
PREFIX = "TARMAC_"

Origin = Literal["default", "file", "environment"]

_OTHER_VARIABLES = {
    "TARMAC_HOME",
    "TARMAC_INCEPTION",
    "TARMAC_INCEPTION_REPOSITORY",
    "TARMAC_LOG",
    "TARMAC_REQUIRE_CLIENTS",
    "TARMAC_REQUIRE_HAPROXY",
    "TARMAC_REQUIRE_SLURM",
    "TARMAC_REQUIRE_TERMINALS",
}
"""Variables of the same prefix that are no settings."""


def _setting(
    default: Any, about: str, *, choices: tuple[str, ...] = (), low: int = 0, high: int = 0, pattern: str = ""
) -> Any:
    limits = {"about": about, "choices": choices, "low": low, "high": high, "pattern": pattern}
    return field(default=default, metadata=limits)


@dataclass(frozen=True)
class Settings:
    """Every setting with its default. The line beside each is what the settings screen shows."""

    images: str = _setting(
        "auto",
        "How pictures are drawn in the terminal; auto asks the terminal",
        choices=("auto", "kitty", "sixel", "iterm2", "blocks", "off"),
    )
    link: int = _setting(
        1000,
        "Kilobytes a second that pictures may send while they move; still ones are always whole",
        low=20,
        high=100_000,
    )
    theme: str = _setting("dark", "Colours: the name of a theme file", pattern=r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")
    mouse: bool = _setting(True, "Whether the mouse works; off leaves it to the terminal's own selection")
    animations: bool = _setting(False, "Whether things slide and fade; each costs bytes over SSH")
    notify: str = _setting(
        "auto",
        "How the terminal tells that a run has ended; auto is its own notification, where it has one, and the bell",
        choices=("auto", "bell", "off"),
    )
    device: str = _setting(
        "auto", "Where models run: auto, cpu, cuda, or one GPU as cuda:1", pattern=r"auto|cpu|mps|cuda(:\d{1,3})?"
    )
    threads: int = _setting(0, "Processor threads of a worker; 0 is as many as are free when it starts", high=1024)


@dataclass(frozen=True)
class Setting:
    """One setting as a screen shows it."""

    key: str
    value: str | bool | int
    default: str | bool | int
    origin: Origin
    about: str
    allowed: str
    """What values it takes, in words."""
    choices: tuple[str, ...] = ()
    """All values, where they can be listed."""
    variable: str = ""
    """The environment variable that overrides the file."""


@dataclass(frozen=True)
class Config:
    """The settings in force, where each is from, and what could not be used."""

    settings: Settings
    origins: dict[str, Origin]
    problems: tuple[InvalidInput, ...]
    path: Path

    def entries(self) -> list[Setting]:
        """All settings in their order."""
        return [
            Setting(
                key=each.name,
                value=getattr(self.settings, each.name),
                default=_default(each.name),
                origin=self.origins[each.name],
                about=each.metadata["about"],
                allowed=_allowed(each.name),
                choices=_choices(each.name),
                variable=PREFIX + each.name.upper(),
            )
            for each in fields(Settings)
        ]


def config_path() -> Path:
    """Where config.toml is or would be."""
    return config_dir() / FILE_NAME


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The settings now: defaults, overridden by the file, overridden by the environment. Never raises."""
    path = path if path is not None else config_path()
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {each.name: "default" for each in fields(Settings)}
    problems: list[InvalidInput] = []

    def take(key: str, value: object, origin: Origin, place: str) -> None:
        try:
            values[key] = check(key, value, place)
            origins[key] = origin
        except InvalidInput as problem:
            problems.append(problem)

    try:
        from_file = _read(path)
    except Refused as error:
        from_file = {}
        problems.append(InvalidInput(error.what, error.why, error.do))
    for key, value in from_file.items():
        take(key, value, "file", str(path))
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES or not text:
            continue
        key = variable.removeprefix(PREFIX).lower()
        take(key, _from_text(key, text), "environment", f"the environment variable {variable}")
    return Config(Settings(**values), origins, tuple(problems), path)


def check(key: str, value: object, place: str = "") -> str | bool | int:
    """`value` if setting `key` may have it.

    Args:
        key: Name of the setting.
        value: As TOML gave it.
        place: Where it was found, for the message.

    Raises:
        InvalidInput: There is no such setting (names the nearest), or it may not have this value (names what it may).
    """
    here = f" in {place}" if place else ""
    known = {each.name: each for each in fields(Settings)}
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        do = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}"
        raise InvalidInput(f"unknown setting {key[:60]}{here}", "", do)
    limits = known[key].metadata
    good = type(value) is type(_default(key))
    if good and isinstance(value, str):
        good = value in limits["choices"] if limits["choices"] else bool(re.fullmatch(limits["pattern"], value))
    elif good and type(value) is int:
        good = limits["low"] <= value <= limits["high"]
    if not good or not isinstance(value, str | bool | int):
        near = difflib.get_close_matches(value, limits["choices"], n=1) if isinstance(value, str) else []
        do = f"Did you mean {near[0]}?" if near else ""
        raise InvalidInput(f"{key} is {value!r:.60}{here}", f"it must be {_allowed(key)}", do)
    return value


def save(key: str, value: str | bool | int | None, path: Path | None = None) -> None:
    """Write one setting into the file; everything else in it, comments too, stays. None takes the setting out.

    Raises:
        InvalidInput: There is no such setting, or it may not have this value.
        Refused: The file is not TOML; it is left as it is.
        StorageError: The disk said no.
    """
    import tomlkit  # 40 ms that only writers need

    path = path if path is not None else config_path()
    if value is None:
        check(key, _default(key))
    else:
        check(key, value)
    _read(path)
    document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    if value is None:
        document.pop(key, None)
    elif key in document:
        document[key] = value
    else:
        _append(document, key, value)
    write_atomic(path, tomlkit.dumps(document))


def _append(document: Any, key: str, value: str | bool | int) -> None:
    import tomlkit

    about = next(each.metadata["about"] for each in fields(Settings) if each.name == key)
    if document.as_string() and not document.as_string().endswith("\n"):
        document.add(tomlkit.nl())
    document.add(tomlkit.comment(about))
    document.add(key, value)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{path} cannot be used", f"it is not TOML ({error})", "Mend it, or delete it") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read", error.strerror or str(error)) from error


def _from_text(key: str, text: str) -> object:
    """What an environment variable says, in the type of the setting; text that does not fit stays text."""
    default = _default(key)
    lowered = text.strip().lower()
    if isinstance(default, bool):
        return {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }.get(lowered, text)
    if isinstance(default, int):
        return int(lowered) if re.fullmatch(r"-?\d{1,9}", lowered) else text
    return lowered if _choices(key) else text.strip()


def _default(key: str) -> Any:
    return next((each.default for each in fields(Settings) if each.name == key), None)


def _choices(key: str) -> tuple[str, ...]:
    return next((each.metadata["choices"] for each in fields(Settings) if each.name == key), ())


def _allowed(key: str) -> str:
    default, limits = _default(key), next(each.metadata for each in fields(Settings) if each.name == key)
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int):
        return f"a whole number from {limits['low']} to {limits['high']}"
    if limits["choices"]:
        return "one of " + ", ".join(limits["choices"])
    return {"device": "auto, cpu, mps, cuda or cuda:N", "theme": "the name of a theme"}.get(key, "text")
