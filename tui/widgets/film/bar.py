"""The line below a film: whether it runs, how far it is, which parts of it are drawn, where its keys lie."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from textual.content import Content


def told_time(seconds: float) -> str:
    """Minutes, seconds and tenths: "0:07.5"."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def bar(width: int, number: int, count: int, made: Sequence[int], steps: int, playing: bool, pace: float) -> Content:
    """The line.

    Args:
        width: Cells that it may take.
        number: The frame that is due.
        count: Frames of the film.
        made: Numbers of the frames that are drawn, in order.
        steps: From key to key.
        playing: Whether it runs.
        pace: Frames a second.
    """
    times = f" {told_time(number / pace)} / {told_time(count / pace)}"
    cells = max(4, width - len(times) - 2)
    here = min(cells - 1, number * cells // count)
    keys = {round(step * (count - 1) / steps) * cells // count for step in range(steps + 1)}
    parts: list[tuple[str, str]] = [("▶ " if playing else "‖ ", "$accent")]
    for cell in range(cells):
        first, last = cell * count // cells, max(cell * count // cells + 1, (cell + 1) * count // cells)
        drawn = bisect.bisect_left(made, last) > bisect.bisect_left(made, first)
        glyph = "●" if cell == here else ("┿" if cell < here else "┼") if cell in keys else "━" if cell < here else "─"
        colour = "$accent" if cell <= here else "$text-muted" if drawn else "$faint"
        if parts[-1][1] == colour:
            parts[-1] = (parts[-1][0] + glyph, colour)
        else:
            parts.append((glyph, colour))
    return Content.assemble(*parts, (times, "$text-muted"))
