"""Films as animated WebP (RFC 9649): every frame a still WebP of its own, strung together here.

Each pixel of a walk changes with each frame, so differences between frames would save little; whole frames are exact,
keep their number even where two are equal, and can be written as they come.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO
from xml.sax.saxutils import escape

from core.errors import InvalidInput
from core.exports.film import BEST, FilmOptions, Pixels

_ANIMATION, _XMP, _ALPHA = 0x02, 0x04, 0x10
_DO_NOT_BLEND = 0x02
_LARGEST = 2**32 - 2**24  # bytes; what is left is for the notes
_HEADER = 12  # "RIFF", size, "WEBP"

_PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tarmac="urn:tarmac">'
    "<dc:title>{title}</dc:title><tarmac:notes>{notes}</tarmac:notes>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


class WebpEncoder:
    """Writes one animated WebP (`core.exports.film.Encoder`): lossless at the best quality."""

    def __init__(self, file: BinaryIO, size: tuple[int, int], options: FilmOptions) -> None:
        self._file, self._size, self._options = file, size, options
        self._number = 0
        self._flags = _ANIMATION | (_XMP if options.notes else 0)
        file.write(b"RIFF\0\0\0\0WEBP")
        self._extended()
        _chunk(file, b"ANIM", struct.pack("<IH", 0, 0 if options.loop else 1))

    def add(self, pixels: Pixels) -> None:
        """One frame more, uint8 [H, W, 3 or 4]."""
        if pixels.shape[2] == 4:
            self._flags |= _ALPHA
        width, height = self._size
        head = b"".join(
            value.to_bytes(3, "little")
            for value in (0, 0, width - 1, height - 1, self._options.delays(1000, self._number))
        )
        if self._file.tell() + pixels.nbytes > _LARGEST:
            raise InvalidInput("the film is too large for a WebP", "one holds 4 GB", "Write an MP4, or make it shorter")
        _chunk(self._file, b"ANMF", head + bytes([_DO_NOT_BLEND]) + _picture(pixels, self._options.quality))
        self._number += 1

    def finish(self) -> None:
        """Add the notes; the sizes at the beginning are known now."""
        if self._options.notes:
            packet = _PACKET.format(title=escape(self._options.title), notes=escape(self._options.notes))
            _chunk(self._file, b"XMP ", packet.encode())
        whole = self._file.tell()
        self._file.seek(4)
        self._file.write(struct.pack("<I", whole - 8))
        self._file.seek(_HEADER)
        self._extended()
        self._file.seek(whole)

    def _extended(self) -> None:
        width, height = (side - 1 for side in self._size)
        sides = width.to_bytes(3, "little") + height.to_bytes(3, "little")
        _chunk(self._file, b"VP8X", struct.pack("<I", self._flags) + sides)


def _picture(pixels: Pixels, quality: int) -> bytes:
    """The chunks of a still picture that make a frame."""
    from PIL import Image

    buffer = io.BytesIO()
    lossless = quality == BEST
    Image.fromarray(pixels).save(
        buffer, "WEBP", lossless=lossless, quality=75 if lossless else quality, method=4, exact=lossless
    )
    data, found, at = buffer.getvalue(), b"", _HEADER
    while at < len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        following = at + 8 + size + size % 2
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            found += data[at:following]
        at = following
    return found


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))
