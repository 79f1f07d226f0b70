"""Plain data written as TOML: quick, for files that the program writes whole (tomlkit is for those people edit)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(data: Mapping[str, object]) -> str:
    """`data` as TOML. Nulls are left out; numpy's numbers are written as numbers.

    Raises:
        TypeError: There is something in it that is not plain data; names where.
    """
    lines: list[str] = []
    _table(lines, "", data)
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(lines: list[str], path: str, table: Mapping[str, object]) -> None:
    below: list[tuple[str, str, Mapping[str, object]]] = []
    for key, value in table.items():
        value = _number(value)
        name = _key(key)
        inner = f"{path}.{name}" if path else name
        if isinstance(value, Mapping):
            below.append((f"[{inner}]", inner, value))
        elif _is_tables(value):
            below += [(f"[[{inner}]]", inner, each) for each in value]  # type: ignore[attr-defined]
        elif value is not None:
            lines.append(f"{name} = {_value(value, inner)}")
    for header, inner, content in below:
        lines += ["", header]
        _table(lines, inner, content)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _value(value: object, path: str) -> str:
    value = _number(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if not math.isnan(value) else "nan"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        inner = (f"{_key(key)} = {_value(each, f'{path}.{key}')}" for key, each in value.items() if each is not None)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(each, f"{path}[]") for each in value if each is not None) + "]"
    raise TypeError(f"{path} is not plain data but {type(value).__name__}")


def _number(value: object) -> object:
    """A numpy scalar as Python's number, anything else as it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def _key(key: str) -> str:
    return key if _BARE.fullmatch(str(key)) else _string(str(key))


def _string(text: str) -> str:
    # JSON's strings are TOML's, but for DEL; halves of surrogate pairs, which a paste may hold, are no text at all.
    whole = text.encode(errors="replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
