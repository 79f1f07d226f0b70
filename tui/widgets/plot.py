"""Curves over steps in braille: two by four dots a cell, axes with round numbers, each line named where it ends.

Lines are told apart by their pattern (solid, dashed, dotted) and by name; colour only helps. What is drawn is made when
the data, the size or the crosshair changes, and painted only where it differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.titled import Titled
from tui.words import figures

Floats = NDArray[np.float64]

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_PATTERNS = ((1, 1), (6, 4), (4, 1), (9, 2))
"""Of each line, a period in dots and how many of them are drawn."""
_GLYPHS, _PLAIN = "━╍┄·", "*+.:"
_TONES = ("first", "second", "third", "fourth")
_LEAST_WIDTH = 24
_LEFT, _RIGHT = 6, 15
"""Cells for the numbers, and for the names with their values."""


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: Short: it stands beside the line.
        steps: Rising.
        values: As many; what is not finite is left out.
        best: The step that is marked with a star.
        points: Every value is a measurement of its own and gets a mark.
    """

    name: str
    steps: Sequence[float] = ()
    values: Sequence[float] = ()
    best: float | None = None
    points: bool = False


@dataclass(frozen=True)
class Axis:
    """Numbers along an axis.

    Attributes:
        low, high: Its ends, in what is drawn (logarithms on a logarithmic axis).
        ticks: (place, what is written there).
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = field(default=())

    def part(self, value: Any) -> Any:
        """Where a value lies, 0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


def axis(low: float, high: float, most: int, *, whole: bool = False) -> Axis:
    """An axis that holds `low` to `high`, with ends and at most `most` + 1 marks at round numbers."""
    if not high > low:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    rough = (high - low) / max(1, most)
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= rough * 0.999)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple((number * step, f"{number * step:,.{digits}f}") for number in range(first, last + 1))
    return Axis(first * step, last * step, ticks)


def log_axis(low: float, high: float, most: int) -> Axis:
    """A logarithmic axis (values are their decadic logarithms), marked at 1, 2 and 5 or at decades alone."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    factors = (1, 2, 5) if 3 * (last - first) <= most else (1,)
    values = [factor * 10.0**decade for decade in range(first, last + 1) for factor in factors]
    values = [value for value in values if value <= 10.0**last * 1.001]
    every = max(1, math.ceil(len(values) / max(1, most + 1)))
    return Axis(first, last, tuple((math.log10(value), f"{value:,.12g}") for value in values[::every]))


class Plot(Titled, Widget):
    """Some lines over steps. `show` gives them; `crosshair` is the step whose values are told."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"plot--{name}" for name in (*_TONES, "axis", "grid", "best", "cross")}
    DEFAULT_CSS = """
    Plot {
        height: 1fr;
        min-height: 4;
        & > .plot--first { color: $accent; }
        & > .plot--second { color: $text; }
        & > .plot--third, & > .plot--fourth { color: $muted; }
        & > .plot--axis { color: $muted; }
        & > .plot--grid { color: $faint; }
        & > .plot--best { color: $success; }
        & > .plot--cross { color: $muted; }
    }
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(classes="pane", **options)
        self._lines: tuple[Line, ...] = ()
        self._end, self._log = 1.0, False
        self._crosshair: float | None = None
        self._strips: list[Strip] = []
        self._made: object = None

    def show(self, lines: Sequence[Line], end: float, crosshair: float | None = None, *, log: bool = False) -> None:
        """Draw other lines.

        Args:
            lines: At most four.
            end: Last step of the axis.
            crosshair: A step that is marked and whose values are told; None tells the last ones.
            log: The values' axis is logarithmic; what is not positive is left out.
        """
        shown = (tuple(lines), end, crosshair, log)
        if shown != (self._lines, self._end, self._crosshair, self._log):
            self._lines, self._end, self._crosshair, self._log = shown
            self._made = None
            self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Drawn anew for another size."""
        super().on_resize(event)
        self._made = None

    def notify_style_update(self) -> None:
        """Colours may have changed."""
        super().notify_style_update()
        self._made = None

    def render_line(self, y: int) -> Strip:
        """One line of text."""
        key = self.size
        if self._made != key:
            self._strips, self._made = self._draw(), key
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    # -- drawing

    def _draw(self) -> list[Strip]:
        width, height = self.size
        found = [_finite(line, self._log) for line in self._lines]
        if height < 3 or width < _LEAST_WIDTH or not any(len(steps) for steps, _ in found):
            return []
        rows = height - 1
        up = self._values_axis(found, rows)
        # Plots below each other share their axis of steps: both margins are the same whatever stands in them.
        left = max(_LEFT, 1 + max(cell_len(text) for _, text in up.ticks))
        right = _RIGHT if width - left - _RIGHT >= _LEAST_WIDTH - 8 else 0
        columns = width - left - right
        across = axis(0, max(1.0, self._end), max(3, columns // 12), whole=True)
        across = Axis(0, max(1.0, self._end), tuple(tick for tick in across.ticks if tick[0] <= self._end))
        cells = [[(" ", "grid")] * columns for _ in range(rows)]
        for value, _ in up.ticks:
            row = _row(up.part(value), rows)
            cells[row] = [("┈", "grid")] * columns
        if self._crosshair is not None:
            column = min(columns - 1, max(0, int(across.part(self._crosshair) * (columns - 1) + 0.5)))
            for row in range(rows):
                cells[row][column] = ("│", "cross")
        for index in reversed(range(len(found))):
            self._trace(cells, index, *found[index], across, up)
        names = self._names(found, up, rows, right)
        labels = {_row(up.part(value), rows): text for value, text in up.ticks}
        strips = []
        for row in range(rows):
            parts = [(labels.get(row, "").rjust(left - 1) + " ", "axis"), *_joined(cells[row]), *names[row]]
            strips.append(self._strip(parts))
        strips.append(self._strip([(_ticks(across, left, columns, width), "axis")]))
        return strips

    def _values_axis(self, found: Sequence[tuple[Floats, Floats]], rows: int) -> Axis:
        values = np.concatenate([values for _, values in found])
        # A first spike would press everything else flat: the outermost hundredths may leave the frame.
        low, high = (float(value) for value in np.percentile(values, (1, 99))) if len(values) > 50 else (
            float(values.min()), float(values.max())
        )  # fmt: skip
        most = max(1, min(6, rows // 3))
        return log_axis(10.0**low, 10.0**high, most) if self._log else axis(low, high, most)

    def _trace(
        self, cells: list[list[tuple[str, str]]], index: int, steps: Floats, values: Floats, across: Axis, up: Axis
    ) -> None:
        """Put one line into the cells."""
        if not len(steps):
            return
        rows, columns = len(cells), len(cells[0])
        tone, line = _TONES[index % 4], self._lines[index]
        dots = _dots(across.part(steps), up.part(values), rows * 4, columns * 2, _PATTERNS[index % 4])
        codes = (dots.reshape(rows, 4, columns, 2) * _BITS[None, :, None, :]).sum(axis=(1, 3))
        plain = self._plain
        for row, column in zip(*(part.tolist() for part in np.nonzero(codes))):
            cells[row][column] = (_PLAIN[index % 4] if plain else chr(0x2800 + codes[row, column]), tone)
        if line.points:
            for step, value in zip(steps.tolist(), values.tolist()):
                star = line.best is not None and step == line.best
                column = min(columns - 1, max(0, int(across.part(step) * (columns - 1) + 0.5)))
                cells[_row(up.part(value), rows)][column] = ("★", "best") if star else ("•", tone)

    def _names(
        self, found: Sequence[tuple[Floats, Floats]], up: Axis, rows: int, width: int
    ) -> list[list[tuple[str, str]]]:
        """Beside each row, the name and value of the line that ends there; no two in one row."""
        lines: list[list[tuple[str, str]]] = [[(" " * width, "axis")] for _ in range(rows)]
        if not width:
            return lines
        wanted = []
        for index, (steps, values) in enumerate(found):
            if len(steps):
                at = len(steps) - 1
                if self._crosshair is not None:
                    at = int(np.abs(steps - self._crosshair).argmin())
                wanted.append((_row(up.part(values[at]), rows), index, float(values[at])))
        wanted.sort()
        taken = -1
        places = []
        for order, (row, index, value) in enumerate(wanted):
            taken = min(max(row, taken + 1), rows - len(wanted) + order)
            places.append((taken, index, value))
        for row, index, value in places:
            if 0 <= row < rows:
                shown = 10.0**value if self._log else value
                glyph = (_PLAIN if self._plain else _GLYPHS)[index % 4]
                text = f" {glyph} {self._lines[index].name} "
                told = figures(shown)
                lines[row] = [(text, _TONES[index % 4]), (told.ljust(max(0, width - cell_len(text)))[:width], "axis")]
        return lines

    @property
    def _plain(self) -> bool:
        terminal = getattr(self.app, "terminal", None)
        return terminal is not None and terminal.colours == "ascii"

    def _strip(self, parts: Sequence[tuple[str, str]]) -> Strip:
        base = self.rich_style
        segments = [
            Segment(text, base + self.get_component_rich_style(f"plot--{tone}", partial=True)) for text, tone in parts
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)


def _finite(line: Line, log: bool) -> tuple[Floats, Floats]:
    """Steps and values that can be drawn, the values as they stand on the axis."""
    steps, values = np.asarray(line.steps, float), np.asarray(line.values, float)
    good = np.isfinite(values) & ((values > 0) if log else True)
    return steps[good], np.log10(values[good]) if log else values[good]


def _dots(across: Floats, up: Floats, height: int, width: int, pattern: tuple[int, int]) -> NDArray[np.bool_]:
    """A line as dots [height, width]: the mean of what falls into a column, joined to its neighbours."""
    columns = np.clip((across * (width - 1) + 0.5).astype(int), 0, width - 1)
    counts = np.bincount(columns, minlength=width)
    sums = np.bincount(columns, weights=up, minlength=width)
    there = np.flatnonzero(counts)
    every = np.arange(there[0], there[-1] + 1)
    means = np.interp(every, there, sums[there] / counts[there])
    rows = np.clip(((1 - means) * (height - 1) + 0.5).astype(int), 0, height - 1)
    dots = np.zeros((height, width), bool)
    before = rows[0]
    for column, row in zip(every.tolist(), rows.tolist()):
        if column % pattern[0] < pattern[1]:
            top, bottom = (before + 1, row) if row > before else (row, max(row, before - 1))
            dots[min(top, row) : max(bottom, row) + 1, column] = True
        before = row
    return dots


def _row(part: float, rows: int) -> int:
    """The row of text that holds the dot of a value."""
    return min(rows - 1, max(0, int((1 - part) * (4 * rows - 1) + 0.5) // 4))


def _joined(cells: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbours of one tone as one piece."""
    parts: list[tuple[str, str]] = []
    for glyph, tone in cells:
        if parts and parts[-1][1] == tone:
            parts[-1] = (parts[-1][0] + glyph, tone)
        else:
            parts.append((glyph, tone))
    return parts


def _ticks(across: Axis, left: int, columns: int, width: int) -> str:
    """The line of numbers below, with the unit at the end."""
    line = " " * width
    for value, text in across.ticks:
        at = left + round(across.part(value) * (columns - 1)) - len(text) // 2
        at = max(0, min(width - len(text), at))
        if not line[max(0, at - 2) : at + len(text) + 2].strip():
            line = line[:at] + text + line[at + len(text) :]
    unit, free = " steps", len(line.rstrip())
    return line[:free] + unit + line[free + len(unit) :] if free + len(unit) <= width else line
