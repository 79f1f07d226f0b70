"""Themes from TOML files: nine named colours each, ours in `themes/`, the user's own in the config folder.

A file that cannot be used is told by name and reason, and the others still load.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from textual.color import Color, ColorParseError
from textual.theme import Theme

import themes as shipped
from core.errors import InvalidInput
from core.paths import config_dir

DEFAULT: Final = "dark"
COLORS: Final = ("background", "raised", "text", "muted", "faint", "accent", "good", "busy", "bad")
"""What every theme gives: a ground and one raised above it, text and two greys, one accent, three states."""

VARIABLES: Final = {"muted": "#8a93a0", "faint": "#39414b", "raised": "#1b2026"}
"""What Tarmac's style sheets use beyond Textual's own variables, for themes that are not from a file."""

_KEYS = ("name", "about", "dark", "ansi", "colors")
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class ThemeFile:
    """One theme as read: its name, a sentence about it, and Textual's form."""

    name: str
    about: str
    theme: Theme


def load() -> tuple[list[ThemeFile], list[str]]:
    """All themes that can be used, and one line for each file that cannot.

    A user's theme of the same name takes the place of a shipped one.
    """
    found: dict[str, ThemeFile] = {}
    problems: list[str] = []
    for folder in (Path(shipped.__file__).parent, config_dir() / "themes"):
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
        except OSError:
            continue
        for path in files:
            try:
                entry = read(path)
            except InvalidInput as error:
                problems.append(f"{path.name}: {error.why}")
            else:
                found[entry.name] = entry
    return list(found.values()), problems


def read(path: Path) -> ThemeFile:
    """The theme in one file.

    Raises:
        InvalidInput: `why` names what is wrong and, for a mistyped key, the nearest valid one.
    """
    what = f"the theme {path.name} cannot be used"
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise InvalidInput(what, f"larger than {_MAX_BYTES // 1024} KiB")
        data = tomllib.loads(text.decode())
    except OSError as error:
        raise InvalidInput(what, error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(what, f"not TOML ({error})") from error
    try:
        return _theme(data, default_name=path.stem)
    except ValueError as error:
        raise InvalidInput(what, str(error)) from error


def _theme(data: dict[str, object], default_name: str) -> ThemeFile:
    for key in data:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}{_nearest(key, _KEYS)}")
    colors = data.get("colors", {})
    if not isinstance(colors, dict):
        raise ValueError("[colors] is not a table")
    for key in colors:
        if key not in COLORS:
            raise ValueError(f"unknown colour {key!r}{_nearest(key, COLORS)}")
    missing = [key for key in COLORS if key not in colors]
    if missing:
        raise ValueError(f"no colour {missing[0]!r}")
    for key, value in colors.items():
        try:
            Color.parse(value)
        except (ColorParseError, TypeError, AttributeError):
            raise ValueError(f"{key} = {value!r} is not a colour") from None
    name, about = data.get("name", default_name), data.get("about", "")
    dark, ansi = data.get("dark", True), data.get("ansi", False)
    if not (isinstance(name, str) and isinstance(about, str)) or not name:
        raise ValueError("name and about are texts")
    if not (isinstance(dark, bool) and isinstance(ansi, bool)):
        raise ValueError("dark and ansi are true or false")
    return ThemeFile(name, about, _textual(name, colors, dark=dark, ansi=ansi))


def _textual(name: str, colors: dict[str, str], *, dark: bool, ansi: bool) -> Theme:
    accent, raised, text = colors["accent"], colors["raised"], colors["text"]
    # Sixteen colours leave no shade for a raised ground, so there the cursor is told by reversed accent.
    ground, ink = ("ansi_default", accent) if ansi else (raised, text)
    return Theme(
        name=name,
        primary=accent,
        secondary=accent,
        accent=accent,
        success=colors["good"],
        warning=colors["busy"],
        error=colors["bad"],
        foreground=None if ansi else text,
        background=None if ansi else colors["background"],
        surface=None if ansi else colors["background"],
        panel=None if ansi else raised,
        dark=dark,
        ansi=ansi,
        variables={
            "muted": colors["muted"],
            "faint": colors["faint"],
            "raised": ground,
            "text": text,
            "text-muted": colors["muted"],
            "text-disabled": colors["faint"],
            "border": accent,
            "border-blurred": colors["faint"],
            "block-cursor-background": ground,
            "block-cursor-foreground": ink,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": ground,
            "block-cursor-blurred-foreground": ink,
            "block-hover-background": ground,
            "scrollbar": colors["faint"],
            "scrollbar-hover": colors["muted"],
            "scrollbar-active": accent,
            "scrollbar-background": "ansi_default" if ansi else colors["background"],
            "scrollbar-background-hover": "ansi_default" if ansi else colors["background"],
            "scrollbar-background-active": "ansi_default" if ansi else colors["background"],
            "scrollbar-corner-color": "ansi_default" if ansi else colors["background"],
            "input-cursor-background": text,
            "input-cursor-foreground": "ansi_default" if ansi else colors["background"],
            "input-cursor-text-style": "reverse" if ansi else "none",
            # Textual's own style sheets name these in every theme, and its ANSI palette leaves them out.
            "ansi-background": "ansi_default" if ansi else "transparent",
            "ansi-foreground": "ansi_default" if ansi else "transparent",
        },
    )


def _nearest(key: str, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (allowed: {', '.join(allowed)})"
