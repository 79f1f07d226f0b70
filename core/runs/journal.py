"""journal.jsonl: events as lines of JSON, appended whole, read from an offset.

Several processes append: each line is one write of a file opened for appending. A line that a death or a full disk has
torn stays as it is; the next writer begins a new line, and readers leave out what is no event.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from core.errors import StorageError
from core.paths import storage_errors
from core.runs.events import KINDS, Event, Metrics, Phase

FILE_NAME = "journal.jsonl"

_FLEETING = (Metrics, Phase)
"""Events that need not survive a power cut: they come often, and the next tells as much."""


class Journal:
    """Appends events to the journal of a run folder. May be used by several threads and processes at once.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._handle: int | None = None

    def tell(self, event: Event, at: float | None = None) -> None:
        """Append `event`, with the time now unless `at` (Unix seconds) is given.

        Raises:
            StorageError: The disk said no. What was written of the line is no event for any reader.
        """
        line = encode(event, time.time() if at is None else at)
        with self._lock, storage_errors(self.path):
            if self._handle is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._handle = os.open(self.path, flags, 0o600)
            size = os.fstat(self._handle).st_size
            torn = size > 0 and os.pread(self._handle, 1, size - 1) not in (b"\n", b"")
            data = b"\n" * torn + line
            if os.write(self._handle, data) != len(data):
                raise StorageError(f"cannot write {self.path}", "the disk is full", "Free some space")
            if not isinstance(event, _FLEETING):
                os.fsync(self._handle)

    def close(self) -> None:
        """Give the file back; the next event opens it again."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


def encode(event: Event, at: float) -> bytes:
    """The line of an event. Numbers that JSON has no word for (a NaN loss) become null."""
    data = {"at": round(at, 3), "event": type(event).__name__.lower(), **asdict(event)}
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        text = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.encode(errors="replace") + b"\n"


def decode(line: bytes) -> tuple[float, Event] | None:
    """When and what a line tells; None for one that is torn, foreign or of a kind that this Tarmac does not know."""
    try:
        data = json.loads(line)
        at = float(data["at"])
        kind = KINDS[data["event"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    values: dict[str, Any] = {}
    for name, (shape, needed) in _fields(kind).items():
        if name not in data:
            if needed:
                return None
            continue
        value = _read(data[name], shape)
        if value is _WRONG:
            return None
        values[name] = value
    return at, kind(**values)


_WRONG = object()
_FIELDS: dict[type, dict[str, tuple[str, bool]]] = {}


def _fields(kind: type[Event]) -> dict[str, tuple[str, bool]]:
    """What each field holds ("number", "text", ...) and whether it must be there."""
    known = _FIELDS.get(kind)
    if known is None:
        hints = typing.get_type_hints(kind)
        known = {
            each.name: (
                "numbers" if kind is Metrics and each.name == "values" else _SHAPES.get(hints[each.name], "table"),
                each.default is MISSING and each.default_factory is MISSING,
            )
            for each in fields(kind)
        }
        _FIELDS[kind] = known
    return known


_SHAPES: dict[Any, str] = {
    int: "whole",
    float: "number",
    str: "text",
    bool: "truth",
    float | None: "number or none",
    int | None: "whole or none",
}


def _read(value: object, shape: str) -> Any:
    if shape.endswith(" or none"):
        return None if value is None else _read(value, shape.removesuffix(" or none"))
    if shape == "number":
        if value is None:
            return math.nan
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _WRONG
    if shape == "whole":
        return value if isinstance(value, int) and not isinstance(value, bool) else _WRONG
    if shape == "text":
        return value if isinstance(value, str) else _WRONG
    if shape == "truth":
        return value if isinstance(value, bool) else _WRONG
    if not isinstance(value, dict):
        return _WRONG
    if shape == "numbers":
        return {name: _read(each, "number") for name, each in value.items() if _read(each, "number") is not _WRONG}
    return value


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    plain = _plain(value) if not isinstance(value, str | int | float | bool | None) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _plain(value: object) -> object:
    """Numpy's and torch's numbers, paths: whatever a training may hand over without thinking."""
    item = getattr(value, "item", None)
    if callable(item):
        return item()
    return str(value)
