"""Finds the text that Tarmac left in a PNG, WebP, GIF or MP4, without decoding a picture.

The file may be anybody's: only headers are read, sizes are believed as far as the file reaches, what is skipped is
never in memory, and a text longer than `MOST_TEXT` is not unpacked. So neither a bomb nor a torn file does harm.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from html import unescape
from typing import BinaryIO

from core.exports.notes import CHUNK

MOST_TEXT = 8 * 2**20
"""Bytes; 256 pins of 4096 numbers take 5.6 MB."""

_MOST_PARTS = 200_000
"""Chunks or boxes in a file; a film of 36,000 frames has that many."""


class Torn(Exception):
    """The file ends too early, or contradicts itself."""


class TooLong(Exception):
    """A text is longer than any of ours."""


def find_text(file: BinaryIO) -> str | None:
    """The text in a file, None if it holds none (or is no such file).

    Raises:
        Torn: It is not whole.
        TooLong: It holds a text that is longer than ours.
        OSError: It cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    for begins, find in _FORMATS:
        if begins(head):
            file.seek(0)
            return find(file, size)
    return None


def _png(file: BinaryIO, size: int) -> str | None:
    file.seek(8)
    found = None
    for _ in range(_MOST_PARTS):
        length, name = int.from_bytes(_exactly(file, 4), "big"), _exactly(file, 4)
        if file.tell() + length + 4 > size:
            raise Torn
        if name == b"IEND":
            return found
        if name in (b"iTXt", b"tEXt", b"zTXt") and found is None:
            found = _png_text(file, name, length)
        else:
            file.seek(length + 4, os.SEEK_CUR)
    raise Torn


def _png_text(file: BinaryIO, name: bytes, length: int) -> str | None:
    start = file.tell()
    keyword = CHUNK.encode() + b"\0"
    text = None
    if length > len(keyword) and _exactly(file, len(keyword)) == keyword:
        if length > MOST_TEXT:
            raise TooLong
        rest = _exactly(file, length - len(keyword))
        if zlib.crc32(rest, zlib.crc32(keyword, zlib.crc32(name))) != int.from_bytes(_exactly(file, 4), "big"):
            raise Torn
        text = _png_content(name, rest)
    file.seek(start + length + 4)
    return text


def _png_content(name: bytes, rest: bytes) -> str:
    """What follows the keyword: see the PNG specification, section 11.3.3."""
    packed = name == b"zTXt"
    if packed:
        rest = rest[1:]
    elif name == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        for _ in ("language", "translated keyword"):
            rest = rest.partition(b"\0")[2]
    if packed:
        unpack = zlib.decompressobj()
        try:
            rest = unpack.decompress(rest, MOST_TEXT)
        except zlib.error:
            raise Torn from None
        if unpack.unconsumed_tail:
            raise TooLong
    return rest.decode("utf-8" if name == b"iTXt" else "latin-1", errors="replace")


def _webp(file: BinaryIO, size: int) -> str | None:
    if int.from_bytes(_exactly(file, 8)[4:], "little") + 8 > size:
        raise Torn
    file.seek(12)
    for _ in range(_MOST_PARTS):
        head = file.read(8)
        if not head:
            return None
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8 or file.tell() + length > size:
            raise Torn
        if head[:4] == b"XMP ":
            text = _limited(file, length).decode(errors="replace")
            _, _, begun = text.partition("<tarmac:notes>")
            notes, ended, _ = begun.partition("</tarmac:notes>")
            return unescape(notes) if ended else None
        file.seek(length + length % 2, os.SEEK_CUR)
    raise Torn


def _gif(file: BinaryIO, size: int) -> str | None:
    file.seek(size - 1)
    if file.read(1) != b"\x3b":
        raise Torn
    file.seek(10)
    packed = _exactly(file, 3)[0]
    if packed & 0x80:
        file.seek(3 << (packed & 7) + 1, os.SEEK_CUR)
    # Ours stands before the first frame.
    while (kind := _exactly(file, 1)) == b"\x21":
        label, text = _exactly(file, 1), bytearray()
        while length := _exactly(file, 1)[0]:
            text += _exactly(file, length)
            if len(text) > MOST_TEXT:
                raise TooLong
        if label == b"\xfe":
            return text.decode(errors="replace")
    if kind not in (b"\x2c", b"\x3b"):
        raise Torn
    return None


_MP4_PATH = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")


def _mp4(file: BinaryIO, size: int) -> str | None:
    """Follows the boxes to the comment (ISO/IEC 14496-12, section 4.2)."""
    start, end = 0, size
    for depth, wanted in enumerate(_MP4_PATH):
        found = None
        for name, inner, after in _boxes(file, start, end):
            if name == wanted and found is None:
                found = inner, after
                if depth:
                    break
        if found is None:
            return None
        start, end = found
        start += {b"meta": 4, b"data": 8}.get(wanted, 0)
    file.seek(start)
    return _limited(file, end - start).decode(errors="replace")


def _boxes(file: BinaryIO, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """(name, where its content begins, where it ends) of the boxes between two places."""
    found: list[tuple[bytes, int, int]] = []
    while start + 8 <= end and len(found) < _MOST_PARTS:
        file.seek(start)
        length, name, head = int.from_bytes(_exactly(file, 4), "big"), _exactly(file, 4), 8
        if length == 1:
            length, head = int.from_bytes(_exactly(file, 8), "big"), 16
        elif length == 0:
            length = end - start
        if length < head or start + length > end:
            raise Torn
        found.append((name, start + head, start + length))
        start += length
    if start != end:
        raise Torn
    return found


def _limited(file: BinaryIO, length: int) -> bytes:
    if length > MOST_TEXT:
        raise TooLong
    return _exactly(file, length)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise Torn
    return data


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], str | None]], ...] = (
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _webp),
    (lambda head: head[:6] in (b"GIF87a", b"GIF89a"), _gif),
    (lambda head: head[4:8] == b"ftyp", _mp4),
)
