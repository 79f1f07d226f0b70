"""A row of a picture as Textual's strip: text that is ready for the terminal, segments only if someone asks.

A half-block row has two colours a cell. Making a styled segment of each costs Textual more than the rest of a frame
together, so the finished text goes straight through; segments are made when a dialog dims the row or a snapshot is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

TextOf = Callable[[int, int], str]
"""From the first cell and the cell after the last to the text with colour codes."""

SegmentsOf = Callable[[int, int], list[Segment]]


class PictureStrip(Strip):
    """Cells [start, stop) of a row.

    Args:
        text: Makes the text of any part of the row.
        segments: Makes the segments of any part of the row.
        start: First cell.
        stop: Cell after the last.
        whole: The text of this part if it is known already.
    """

    __slots__ = ["_made", "_make_segments", "_make_text", "_start", "_stop"]

    def __init__(self, text: TextOf, segments: SegmentsOf, start: int, stop: int, whole: str | None = None) -> None:
        self._made: list[Segment] | None = None
        self._make_text, self._make_segments = text, segments
        self._start, self._stop = start, stop
        super().__init__([], stop - start)
        self._made = None
        self._render_cache = text(start, stop) if whole is None else whole

    @property
    def _segments(self) -> list[Segment]:
        if self._made is None:
            self._made = self._make_segments(self._start, self._stop)
        return self._made

    @_segments.setter
    def _segments(self, segments: list[Segment]) -> None:
        self._made = segments

    def crop(self, start: int, end: int | None = None) -> Strip:
        """The cells [start, end) of this strip."""
        length = self._stop - self._start
        start, end = max(0, start), length if end is None else min(length, end)
        if (start, end) == (0, length):
            return self
        if end <= start:
            return Strip([], 0)
        return type(self)(self._make_text, self._make_segments, self._start + start, self._start + end)

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """The strip in parts that end at `cuts`."""
        parts: list[Strip] = []
        position = 0
        for cut in cuts:
            if cut <= self._stop - self._start:
                parts.append(self.crop(position, cut))
                position = cut
        return parts


class SparingStrip(PictureStrip):
    """A row under a picture: its text is asked for at the moment of writing, for it may be not to write at all."""

    __slots__ = ()

    def __init__(self, text: TextOf, segments: SegmentsOf, start: int, stop: int) -> None:
        super().__init__(text, segments, start, stop, whole="")
        self._render_cache = None

    def render(self, console: Console) -> str:
        """What leaves the picture as it is, or the text where there is none."""
        return self._make_text(self._start, self._stop)
