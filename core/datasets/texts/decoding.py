"""Text out of bytes in an encoding that nobody told: found out, decoded a block at a time, with LF at line ends.

UTF-8 and UTF-16 are told by their marks or their bytes, others are guessed (charset-normalizer) where the first byte
beyond ASCII comes. Lines with bytes that do not decode keep U+FFFD in their place and are counted.
"""

from __future__ import annotations

import codecs
import lzma
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from core.datasets.decoding import LeftOut

BLOCK = 1 << 20
"""Bytes that are read and decoded at a time."""
SAMPLE = 16 << 10
"""Bytes that an encoding is guessed from."""

_HEAD = 64 << 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_BEYOND = re.compile(rb"[\x80-\xff]")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b\x0b\x1a")) + b"\x7f"
_MOST_CONTROLS = 0.02
_WESTERN = frozenset("äöüßéèêëàâçùûôîïœæñáíóúìòåøãõ¿¡ÄÖÜÉÈÊÀÂÇÙÛÔÎŒÆÑÁÍÓÚÅØÃÕ–—‘’‚“”„…«»‹›€£§°•·©®™´\xa0")


class TextReader:
    """The text of one file, read once and in order.

    Args:
        file: Its bytes, unpacked already.
        limit: Bytes after which it is a bomb; None for no limit.

    Attributes:
        encoding: What it is in, as Python calls it; "ascii" until something else comes.
        broken: Lines with bytes that do not decode.
        read: Bytes that were read.
        begun: Whether its beginning was taken for text.
    """

    def __init__(self, file: BinaryIO, limit: int | None = None) -> None:
        self._file, self._limit = file, limit
        self.encoding = "ascii"
        self.broken = self.read = 0
        self.begun = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held_back = ""
        self._failed: LeftOut | None = None
        self._in_broken = False  # the line that the next block goes on with is counted already

    def blocks(self) -> Iterator[str]:
        """Its text, about a mebibyte at a time.

        Raises:
            LeftOut: It is binary, its packing is broken, or it unpacks to too much. What came before is good.
        """
        first = True
        while True:
            data = self._next()
            if first and data:
                data = self._begin(data)
                self.begun = True
            first = False
            text = self._unix(self._decode(data, final=not data), final=not data)
            if text:
                yield text
            if not data:
                return

    def _next(self) -> bytes:
        """The next block; what came before an error is given before it is raised."""
        if self._failed is not None:
            raise self._failed
        read = getattr(self._file, "read1", self._file.read)  # `read` of a packed file loses what it has when it fails
        parts: list[bytes] = []
        size = 0
        while size < BLOCK:
            try:
                part = read(BLOCK - size)
            except EOFError as error:
                self._failed = LeftOut("truncated", str(error))
            except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
                self._failed = LeftOut("broken", str(error) or "it cannot be unpacked")
            if self._failed is not None or not part:
                break
            parts.append(part)
            size += len(part)
        self.read += size
        if self._limit is not None and self.read > self._limit:
            raise LeftOut("bomb", f"it unpacks to more than {self._limit:,} bytes")
        if self._failed is not None and not parts:
            raise self._failed
        return b"".join(parts)

    def _begin(self, data: bytes) -> bytes:
        """Judge the beginning; returns it without its mark."""
        for mark, encoding in _MARKS:
            if data.startswith(mark):
                self._choose(encoding)
                return data[len(mark) :] or self._next()
        head = data[:_HEAD]
        if b"\0" in head:
            self._choose(_wide(head))
        elif len(head.translate(None, _CONTROLS)) < (1 - _MOST_CONTROLS) * len(head):
            raise LeftOut("binary", "control characters")
        return data

    def _choose(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")

    def _decode(self, data: bytes, *, final: bool) -> str:
        if self.encoding not in _WIDE and b"\0" in data:
            raise LeftOut("binary", f"zero bytes after {self.read - len(data):,} bytes")
        if self._decoder is None:
            beyond = None if data.isascii() else _BEYOND.search(data)
            if beyond is None:
                return data.decode("ascii")
            start = max(0, beyond.start() - SAMPLE // 4)
            self._choose(guess(data[start : start + SAMPLE]))
        assert self._decoder is not None
        before = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(data, final)
            self._in_broken = self._in_broken and "\n" not in text
            return text
        except UnicodeDecodeError:
            loose = codecs.getincrementaldecoder(self.encoding)("replace")
            text = loose.decode(before + data, final)
            self._decoder.reset()
            if not final:
                self._decoder.setstate((loose.getstate()[0], 0))
            bad = ["\ufffd" in line for line in text.split("\n")]
            self.broken += sum(bad) - (bad[0] and self._in_broken)
            self._in_broken = bad[-1] or (len(bad) == 1 and self._in_broken)
            return text

    def _unix(self, text: str, *, final: bool) -> str:
        """LF at line ends; a CR at the end of a block waits for what follows it."""
        text, self._held_back = self._held_back + text, ""
        if "\r" in text:
            if text.endswith("\r") and not final:
                text, self._held_back = text[:-1], "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text


def guess(sample: bytes) -> str:
    """The encoding of some bytes of which at least one is not ASCII; cp1252 where nothing fits."""
    whole = sample[:-3] if len(sample) >= SAMPLE else sample  # a character may be cut there
    good = whole.decode("utf-8", "ignore")
    bad = len(whole) - len(good.encode())
    beyond = len(good.encode()) - len(good)  # bytes of what fits and is not ASCII, about
    # Other encodings make less than half as much of what looks like UTF-8 by chance: a file in two has broken lines.
    if beyond and (bad <= 3 or bad <= beyond):
        return "utf-8"
    if _is_western(whole):
        return "cp1252"
    from charset_normalizer import from_bytes  # 60 ms that ASCII need not wait for

    best = from_bytes(sample).best()
    name = best.encoding if best is not None else "cp1252"
    return name if name not in ("ascii", "utf_7", "utf_8") else "cp1252"


def _is_western(sample: bytes) -> bool:
    """Whether it is a Western language in cp1252 or Latin-1, which a general guess takes for cp1250 now and then."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    beyond = [char for char in text if char > "\x7f"]
    letters = sum(char.isalpha() for char in text)
    return 4 * len(beyond) < letters and all(char in _WESTERN for char in beyond)


def _wide(head: bytes) -> str:
    """Which UTF-16 it is without a mark, told by where the zeros are: half of them in Latin text.

    Raises:
        LeftOut: It is neither.
    """
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if len(head) < 8 or max(even, odd) < 0.2 * half or min(even, odd) > 0.01 * half:
        raise LeftOut("binary", "zero bytes")
    text = head[: len(head) // 2 * 2].decode(encoding, "replace")
    strange = sum(char == "\ufffd" or (char < " " and char not in "\t\n\r\f") for char in text)
    if strange > max(1, _MOST_CONTROLS * len(text)):
        raise LeftOut("binary", "zero bytes")
    return encoding


def lines(blocks: Iterator[str], most: int) -> Iterator[str | None]:
    """Lines without their ends; None for one of more than `most` characters, which is never held as a whole."""
    rest, skipping = "", False
    for block in blocks:
        parts = (rest + block).split("\n")
        rest = parts.pop()
        for line in parts:
            yield None if skipping or len(line) > most else line
            skipping = False
        if skipping or len(rest) > most:
            rest, skipping = "", True
    if rest or skipping:
        yield None if skipping else rest


def pieces(blocks: Iterator[str], most: int) -> Iterator[tuple[str, bool]]:
    """Text in pieces of at most `most` characters, and whether a line was cut to make this one.

    They are cut after an empty line in their second half, else after a line.
    """
    buffer = ""
    try:
        for block in blocks:
            buffer += block
            start = 0
            while len(buffer) - start > most:
                end, hard = _cut(buffer, start, start + most)
                yield buffer[start:end], hard
                start = end
            buffer = buffer[start:]
    except LeftOut as left:
        if buffer and left.reason != "binary":
            yield buffer, False
        raise
    if buffer:
        yield buffer, False


def _cut(text: str, start: int, end: int) -> tuple[int, bool]:
    middle = (start + end) // 2
    empty = text.rfind("\n\n", middle, end)
    if empty >= 0:
        return empty + 2, False
    line = text.rfind("\n", start, end)
    return (line + 1, False) if line >= 0 else (end, True)
