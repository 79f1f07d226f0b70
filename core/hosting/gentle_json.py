"""JSON that is read and written in a thread without holding the interpreter, so that an event loop beside it goes on.

The standard library does either in one call of C, during which no other thread runs: 200 ms for 400,000 numbers. Here
what is large goes through its Python code, or in slices: slower, and never longer than a few milliseconds at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from json import scanner
from typing import Any

from core.hosting.exchange import no_constant, parse_json
from core.hosting.guard import weight

AT_ONCE = 5000
"""Values, as `core.hosting.guard.weight` counts them, that one call of C may take: about two milliseconds."""

_SLICE = 256 * 2**10
"""Characters."""


def read(data: bytes) -> object:
    """As `parse_json`.

    Raises:
        InvalidInput: It is none.
    """
    if data.count(b",") <= AT_ONCE:
        return parse_json(data)
    decoder = json.JSONDecoder(parse_constant=no_constant)
    decoder.parse_array = json.decoder.JSONArray  # type: ignore[attr-defined]
    decoder.parse_object = json.decoder.JSONObject  # type: ignore[attr-defined]
    decoder.scan_once = scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    return parse_json(data, decoder.decode)


def write(data: Mapping[str, object]) -> bytes:
    """A JSON object."""
    parts = ["{"]
    for number, (name, value) in enumerate(data.items()):
        parts.append(f"{', ' if number else ''}{json.dumps(name)}: ")
        parts += _written(value)
    return "".join([*parts, "}"]).encode()


def _written(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield '"'
        for start in range(0, len(value), _SLICE):
            yield json.dumps(value[start : start + _SLICE])[1:-1]
        yield '"'
    elif weight(value, AT_ONCE) <= AT_ONCE:
        yield json.dumps(value)
    else:
        yield from json.JSONEncoder().iterencode(value)
