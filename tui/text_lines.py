"""Text laid out for a pane: lines that end where it does, in pieces of one tone each; no widget, no disk.

What is laid out may be megabytes: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

Piece = tuple[str, str]
"""A text and its tone: one of `TONES`."""

TextLine = tuple[Piece, ...]

TONES = ("plain", "muted", "rule", "accent", "bad")
TAB = " " * 4
RULE = "─"


@dataclass(frozen=True)
class Laid:
    """Lines that fit a width.

    Attributes:
        lines: From the top to the bottom.
        starts: The lines with which a part begins (a sample, a document), rising.
    """

    lines: Sequence[TextLine] = ()
    starts: Sequence[int] = ()

    def part(self, line: int) -> tuple[int, int]:
        """(which part a line belongs to, how far below its start it is)."""
        found = max((index for index, start in enumerate(self.starts) if start <= line), default=0)
        return found, line - (self.starts[found] if self.starts else 0)


def rule(title: str, width: int) -> TextLine:
    """A rule with a title in it."""
    head = f"{RULE * 2} {title} " if title else ""
    return ((head + RULE * max(0, width - cell_len(head)), "rule"),)


def flowed(pieces: Sequence[Piece], width: int) -> list[TextLine]:
    """Pieces one after the other, broken at spaces where there are any; their own line ends stay line ends.

    Args:
        pieces: Without control characters but line ends and tabs.
        width: Cells, at least 1.
    """
    text = "".join(piece for piece, _ in pieces)
    ends: list[int] = []
    for piece, _ in pieces:
        ends.append((ends[-1] if ends else 0) + len(piece))
    lines: list[TextLine] = []
    number = 0
    for start, end in _spans(text, max(1, width)):
        parts: list[Piece] = []
        while number < len(ends) and ends[number] <= start and number < len(ends) - 1:
            number += 1
        at, here = start, number
        while at < end:
            stop = min(end, ends[here])
            if stop > at:
                parts.append((text[at:stop].replace("\t", TAB), pieces[here][1]))
            at, here = stop, here + 1
        lines.append(tuple(parts))
    return lines


def _spans(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends."""
    at = 0
    for line in text.split("\n"):
        end = at + len(line)
        yield from _broken(text, at, end, width)
        at = end + 1


def _broken(text: str, at: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    while True:
        stop = _reach(text, at, end, width)
        if stop >= end:
            yield at, end
            return
        space = text.rfind(" ", at, stop + 1)
        if space > at and text[at:space].strip(" "):
            yield at, space
            at = space + 1
        else:
            yield at, stop
            at = stop


def _reach(text: str, at: int, end: int, width: int) -> int:
    """How far a line of `width` cells goes from `at`; at least one character."""
    used, place = 0, at
    while place < end:
        character = text[place]
        used += len(TAB) if character == "\t" else 1 if " " <= character < "\x7f" else cell_len(character)
        if used > width and place > at:
            return place
        place += 1
    return end


class Growing:
    """Text that comes in pieces, laid out as it comes: each piece costs what itself costs, however much there is.

    Args:
        width: Cells, at least 1.
    """

    def __init__(self, width: int) -> None:
        self._width = max(1, width)
        self._done: list[TextLine] = []
        self._open: list[Piece] = []
        """The pieces of the last line, which may still change."""

    def add(self, text: str, tone: str) -> None:
        """Put text at the end, without control characters but line ends and tabs."""
        self._open.append((text, tone))
        lines = flowed(self._open, self._width)
        if len(lines) > 1:
            # Whatever comes, lines before the last end where they do. Of the last one the pieces are kept as they
            # came: tabs are drawn as spaces, and spaces at a line's end are dropped.
            kept = _tail(self._open, self._width)
            self._done += lines[:-1]
            self._open = kept

    def laid(self) -> Laid:
        """All of it now."""
        return Laid([*self._done, *flowed(self._open, self._width)], (0,))


def _tail(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """The pieces of the last line."""
    text = "".join(piece for piece, _ in pieces)
    start = [begin for begin, _ in _spans(text, width)][-1]
    kept: list[Piece] = []
    at = 0
    for piece, tone in pieces:
        if at + len(piece) > start:
            kept.append((piece[max(0, start - at) :], tone))
        at += len(piece)
    return kept


def beside(left: Sequence[TextLine], right: Sequence[TextLine], half: int, gap: int) -> list[TextLine]:
    """Two columns of `half` cells each, side by side."""
    lines = []
    for row in range(max(len(left), len(right))):
        first = left[row] if row < len(left) else ()
        second = right[row] if row < len(right) else ()
        room = half - sum(cell_len(text) for text, _ in first)
        lines.append((*first, (" " * (max(0, room) + gap), "plain"), *second))
    return lines
