"""Films as GIF (GIF89a): 256 colours of its own for every frame, from an octree, with the errors diffused.

Every frame is compressed by Pillow as a still picture and strung together here, as it comes.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from core.exports.film import FilmOptions, Pixels

_LOCAL_TABLE = 0x80
_MOST_IN_BLOCK = 255


class GifEncoder:
    """Writes one GIF (`core.exports.film.Encoder`)."""

    def __init__(self, file: BinaryIO, size: tuple[int, int], options: FilmOptions) -> None:
        self._file, self._size, self._options = file, size, options
        self._number = 0
        file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0))
        if options.loop:
            file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
        if options.notes:
            file.write(b"\x21\xfe" + _blocks(options.notes.encode()))

    def add(self, pixels: Pixels) -> None:
        """One frame more, uint8 [H, W, 3 or 4]; transparency is dropped."""
        table, data = _picture(pixels[:, :, :3])
        bits = (len(table) // 3).bit_length() - 2
        delay = self._options.delays(100, self._number)
        self._file.write(
            struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0, min(delay, 0xFFFF), 0, 0)
            + struct.pack("<BHHHHB", 0x2C, 0, 0, *self._size, _LOCAL_TABLE | bits)
            + table
            + data
        )
        self._number += 1

    def finish(self) -> None:
        """The mark of the end."""
        self._file.write(b"\x3b")


def _picture(pixels: Pixels) -> tuple[bytes, bytes]:
    """A frame's colour table, and its compressed pixels as blocks."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    palette = picture.quantize(256, Image.Quantize.FASTOCTREE)
    buffer = io.BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(
        buffer, "GIF", optimize=False, interlace=False
    )
    data = buffer.getvalue()
    packed, at = data[10], 13
    table = data[at : at + (3 << (packed & 7) + 1)] if packed & _LOCAL_TABLE else b""
    at += len(table)
    while data[at] == 0x21:  # extensions: a comment, a delay of nothing
        at = _after_blocks(data, at + 2)
    packed, at = data[at + 9], at + 10
    if packed & _LOCAL_TABLE:
        table = data[at : at + (3 << (packed & 7) + 1)]
        at += len(table)
    return table, data[at : _after_blocks(data, at + 1)]


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


def _blocks(data: bytes) -> bytes:
    parts = [data[start : start + _MOST_IN_BLOCK] for start in range(0, len(data), _MOST_IN_BLOCK)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
