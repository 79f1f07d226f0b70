"""Inputs to begin with, made from the data types: what snippets, the API's document and tests send first."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

from core.interface import (
    Any,
    Array,
    Command,
    DataType,
    Image,
    ImageBoundingBox,
    ImageLandmarks,
    ImagePoint,
    Segmentation,
    Text,
    Vector,
)

MOST_SHOWN = 5
"""Inputs of an example; those that must be given are all shown."""

_SHORT_VECTOR = 8
"""Numbers of a vector that an example writes out; a longer one is drawn anew by whoever runs it."""

_OPENING = "Once upon a time"
_SIDE = 64


@dataclass(frozen=True)
class Drawn:
    """A vector to be drawn at random: too long to be written out."""

    length: int
    mean: float
    std: float


def example_inputs(command: Command) -> dict[str, object]:
    """JSON forms of inputs that the command takes, by name; vectors may be `Drawn`.

    All that must be given are there; others with their defaults, up to `MOST_SHOWN`, where they are short.
    """
    needed = [name for name, kind in command.inputs.items() if kind.default_value() is None]
    room = max(0, MOST_SHOWN - len(needed))
    short = [
        name for name, kind in command.inputs.items() if name not in needed and not isinstance(kind, Vector | Array)
    ]
    shown = {*needed, *short[:room]}
    return {name: example(kind) for name, kind in command.inputs.items() if name in shown}


def example(kind: DataType) -> object:
    """The JSON form of a value of this type; a long vector is `Drawn`."""
    default = kind.default_value()
    if isinstance(kind, Text):
        return default or _text(kind)
    if isinstance(kind, Vector):
        length = kind.length or 1
        if length > _SHORT_VECTOR:
            return Drawn(length, kind.sampling_mean, kind.sampling_std)
        return [round(float(each), 3) for each in kind.sample(0)]
    if default is not None:
        return kind.to_json(default)
    if isinstance(kind, Array):
        most = kind.min_length + 1 if kind.max_length is None else kind.max_length
        return [example(kind.item)] * max(kind.min_length, min(1, most))
    if isinstance(kind, Image):
        return _picture(*_sides(kind), 128)
    if isinstance(kind, Segmentation):
        return _picture(*_sides(kind), kind.ids[str(kind.default_label)])
    if isinstance(kind, ImagePoint):
        return [0.5, 0.5]
    if isinstance(kind, ImageBoundingBox):
        return [0.25, 0.25, 0.75, 0.75]
    if isinstance(kind, ImageLandmarks):
        return [[round((index + 0.5) / kind.length, 3), 0.5] for index in range(kind.length)]
    return "anything" if isinstance(kind, Any) else None


def _text(kind: Text) -> str:
    text = _OPENING if kind.max_length is None else _OPENING[: kind.max_length]
    return text.ljust(kind.min_length, ".")


def _sides(kind: Image | Segmentation) -> tuple[int, int]:
    """Width and height that it allows, small where it lets us choose."""
    width, height = (
        getattr(kind, side) or max(getattr(kind, f"min_{side}") or 1, min(_SIDE, getattr(kind, f"max_{side}") or _SIDE))
        for side in ("width", "height")
    )
    return width, height


def _picture(width: int, height: int, grey: int) -> str:
    """A PNG of one grey as a data URI: some hundred characters, whatever its size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes([grey]) * width) * height, 9)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    data = b"".join(struct.pack(">I", len(body)) + name + body + _sum(name + body) for name, body in parts)
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + data).decode()


def _sum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))
