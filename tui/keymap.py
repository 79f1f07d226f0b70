"""The user's own keys: `keymap.toml` in the config folder, checked strictly and applied to the bindings by id.

The file is a plain table: a binding's id, then one key or several with commas between them.

    "directory.import" = "i,f5"
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.binding import Binding, BindingType

from core.paths import config_dir

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.screen import Screen

_MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})
_MAX_BYTES = 64 * 1024


def keymap_path() -> Path:
    """Where the user's keys are kept."""
    return config_dir() / "keymap.toml"


def load(known: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The overrides that can be used (id → keys), and one line for each that cannot.

    Args:
        known: The ids of all bindings there are.
    """
    path = keymap_path()
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            return {}, [f"larger than {_MAX_BYTES // 1024} KiB"]
        data = tomllib.loads(text.decode())
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [error.strerror or str(error)]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"not TOML ({error})"]
    return check(data, known)


def check(data: Mapping[str, object], known: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Sort a keymap's entries into those that can be used and sentences about those that cannot."""
    ids = sorted(set(known))
    good: dict[str, str] = {}
    problems: list[str] = []
    for name, keys in data.items():
        if name not in ids:
            near = difflib.get_close_matches(name, ids, n=1, cutoff=0.5)
            problems.append(f"no action {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
        elif not isinstance(keys, str) or not keys.strip():
            problems.append(f'{name}: the keys are a text, such as "i,f5"')
        elif bad := [key for key in keys.split(",") if not _is_key(key.strip())]:
            problems.append(f"{name}: {bad[0].strip()!r} is not a key")
        else:
            good[name] = keys
    return good, problems


def bindings_of(*nodes: type) -> list[Binding]:
    """The bindings that classes declare themselves, as `Binding` objects."""
    found: list[Binding] = []
    for node in nodes:
        declared: list[BindingType] = vars(node).get("BINDINGS", [])
        found.extend(binding for binding in declared if isinstance(binding, Binding))
    return found


def _is_key(key: str) -> bool:
    if len(key) == 1:
        return key.isprintable() and not key.isspace()
    *modifiers, last = key.split("+")
    return bool(last) and last.replace("_", "").isalnum() and last.islower() and _MODIFIERS.issuperset(modifiers)


def live_bindings(screen: Screen[Any]) -> Iterator[tuple[str, DOMNode, Binding, str]]:
    """(key, owner, binding, tooltip) of what works on `screen` now: the focused widget's first, the app's last.

    Textual leaves in what some characters are bound to even where the focused widget types them; those are left out.
    """
    focused = screen.focused
    for key, (node, binding, enabled, tooltip) in screen.active_bindings.items():
        name = key_name(key)
        typed = focused is not None and node is not focused and len(name) == 1 and name.isascii()
        if enabled and not (typed and focused is not None and focused.check_consume_key(key, name)):
            yield key, node, binding, tooltip or binding.tooltip


_NAMES = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "⏎",
    "escape": "esc",
    "backspace": "⌫",
    "delete": "del",
    "tab": "⇥",
    "space": "space",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "question_mark": "?",
    "plus": "+",
    "minus": "−",
    "equals_sign": "=",
    "slash": "/",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "colon": ":",
    "semicolon": ";",
    "exclamation_mark": "!",
    "number_sign": "#",
    "asterisk": "*",
    "underscore": "_",
}


def key_name(key: str) -> str:
    """How a key is written on the screen: `^p` for ctrl+p, `⏎` for enter, `alt+⏎`, `R`."""
    *modifiers, last = key.split("+") if key != "+" else ["plus"]
    name = _NAMES.get(last, last)
    if last.startswith("upper_"):
        name = last.removeprefix("upper_").upper()
    if modifiers == ["ctrl"]:
        return f"^{name}"
    if modifiers == ["shift"] and name in "↑↓←→⇥⌫⏎":
        return f"⇧{name}"
    return "+".join([*modifiers, name])
