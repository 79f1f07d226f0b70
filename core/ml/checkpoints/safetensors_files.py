"""safetensors files: read in place with every offset checked, written one tensor at a time.

Layout: 8 bytes length, a JSON header {name: {dtype, shape, data_offsets}}, then the numbers. Reading and writing by
hand keeps BF16 as it is without torch and never holds a second copy of a large model.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from core.ml.checkpoints.problems import MAX_ENTRIES, MAX_HEADER, Unreadable, shown, truncated
from core.ml.checkpoints.tensors import DTYPES, Storage, Tensor
from core.paths import storage_errors


def looks_like_safetensors(data: memoryview) -> bool:
    """Whether the first bytes are a plausible header length and the start of JSON."""
    return len(data) > 9 and 2 <= int.from_bytes(data[:8], "little") <= MAX_HEADER and bytes(data[8:9]) == b"{"


def read(data: memoryview) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name and the file's own metadata.

    Raises:
        Unreadable: Truncated, damaged, or offsets that overlap or reach outside the file.
    """
    if len(data) < 8:
        raise truncated()
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise Unreadable("its header is longer than any model's")
    if 8 + length > len(data):
        raise truncated()
    header = read_json(bytes(data[8 : 8 + length]))
    if not isinstance(header, dict) or len(header) > MAX_ENTRIES:
        raise Unreadable("its header is damaged")
    notes = header.pop("__metadata__", {})
    body = data[8 + length :]
    found: dict[str, Tensor] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        tensor, span = _tensor(name, entry, body)
        found[name] = tensor
        spans.append(span)
    spans.sort()
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        raise Unreadable("two of its tensors lie on each other")
    metadata = {key: text for key, text in notes.items() if isinstance(text, str)} if isinstance(notes, dict) else {}
    return found, metadata


def write(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Write `tensors` (sorted by name) and fsync.

    Args:
        progress: Told the share of bytes written, 0 to 1.

    Raises:
        StorageError: The disk said no.
    """
    names = sorted(tensors)
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name in names:
        tensor = tensors[name]
        end = position + tensor.nbytes
        header[name] = {"dtype": tensor.tag, "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with storage_errors(path), open(path, "xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(len(text).to_bytes(8, "little") + text)
        written = 0
        for name in names:
            for chunk in _chunks(tensors[name]):
                file.write(chunk)
                written += len(chunk)
                progress(written / max(position, 1))
        file.flush()
        os.fsync(file.fileno())


def read_json(text: bytes) -> object:
    """The value of JSON text from a foreign file.

    Raises:
        Unreadable: Not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("its JSON is damaged") from None


def _tensor(name: str, entry: object, body: memoryview) -> tuple[Tensor, tuple[int, int]]:
    if not isinstance(entry, dict):
        raise Unreadable("its header is damaged")
    tag, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(tag, str) or tag not in DTYPES:
        raise Unreadable(f"the tensor {shown(name, 40)} has the unknown type {shown(tag, 20)}")
    if not _plain(shape) or not _plain(span) or len(span) != 2:  # type: ignore[arg-type]
        raise Unreadable("its header is damaged")
    begin, end = span  # type: ignore[misc]
    count = math.prod(shape)  # type: ignore[arg-type]
    if end < begin or end - begin != count * DTYPES[tag].itemsize:
        raise Unreadable(f"the tensor {shown(name, 40)} does not fill its place")
    if end > len(body):
        raise truncated()
    return Tensor(Storage(tag, count, body[begin:end]), tuple(shape)), (begin, end)  # type: ignore[arg-type]


def _plain(values: object) -> bool:
    return isinstance(values, list) and len(values) <= 8 and all(type(v) is int and 0 <= v < 2**48 for v in values)


def _chunks(tensor: Tensor, size: int = 16 * 2**20) -> Iterable[memoryview]:
    flat = tensor.bits().reshape(-1).view(np.uint8).data if tensor.size else memoryview(b"")
    for begin in range(0, len(flat), size):
        yield flat[begin : begin + size]
