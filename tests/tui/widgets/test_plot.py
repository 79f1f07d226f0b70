"""Plots: round numbers on the axes, lines where their values are, names and values beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.themes import VARIABLES
from tui.widgets.plot import Line, Plot, axis, log_axis


class PlotApp(App[None]):
    """One plot on the screen."""

    CSS_PATH = Path(__file__).resolve().parents[3] / "tui" / "app.tcss"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(VARIABLES)

    def compose(self) -> ComposeResult:
        yield Plot()


@asynccontextmanager
async def plotted(size: tuple[int, int] = (80, 13)) -> AsyncIterator[tuple[Plot, Pilot[None]]]:
    app = PlotApp()
    async with app.run_test(size=size) as pilot:
        yield app.query_one(Plot), pilot


def drawn(plot: Plot) -> list[str]:
    return ["".join(part.text for part in plot.render_line(y)) for y in range(plot.size.height)]


def column_of(lines: Sequence[str], row: int) -> list[int]:
    """Columns with dots in a row."""
    return [index for index, glyph in enumerate(lines[row]) if 0x2800 < ord(glyph) < 0x2900]


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0.1, 1.9, 4, ["0.0", "0.5", "1.0", "1.5", "2.0"]),
        (0, 1387, 3, ["0", "500", "1,000", "1,500"]),
        (5, 5, 2, ["4.5", "5.0", "5.5"]),
        (-0.3, 0.3, 3, ["-0.4", "-0.2", "0.0", "0.2", "0.4"]),
    ],
)
def test_axes_hold_all_and_are_marked_at_round_numbers(low: float, high: float, most: int, texts: list[str]) -> None:
    found = axis(low, high, most)
    assert found.low <= low <= high <= found.high
    assert [text for _, text in found.ticks] == texts


def test_a_logarithmic_axis_is_marked_in_decades() -> None:
    found = log_axis(0.03, 40, 4)
    assert [text for _, text in found.ticks] == ["0.01", "0.1", "1", "10", "100"]
    assert found.part(-2.0) == 0
    assert found.part(2.0) == 1


async def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    async with plotted() as (plot, _):
        plot.show([Line("G", range(101), range(101))], 100)
        lines = drawn(plot)
        top, bottom = column_of(lines, 0), column_of(lines, len(lines) - 2)
        assert max(bottom) < min(top)
        assert "━ G 100" in lines[0]
        assert lines[0].startswith("  100 ")
        assert lines[-1].split()[-1] == "steps"


async def test_the_crosshair_tells_the_values_there() -> None:
    async with plotted() as (plot, _):
        plot.show([Line("G", range(101), range(101)), Line("D", range(101), [50] * 101)], 100, 25)
        lines = drawn(plot)
        assert any("G 25" in line for line in lines)
        assert any("D 50" in line for line in lines)
        columns = {line.index("│") for line in lines if "│" in line}
        assert len(columns) == 1
        assert sum("│" in line for line in lines) >= len(lines) - 4


async def test_names_of_lines_that_end_together_stand_in_rows_of_their_own() -> None:
    async with plotted((80, 8)) as (plot, _):
        plot.show([Line(name, (0, 10), (1, 1)) for name in ("a", "b", "c", "d")], 10)
        lines = drawn(plot)
        assert [sum(f" {name} 1.00" in line for line in lines) for name in "abcd"] == [1, 1, 1, 1]


async def test_the_best_has_a_star_and_measurements_have_marks() -> None:
    async with plotted() as (plot, _):
        plot.show([Line("score", (0, 50, 100), (9, 3, 5), best=50, points=True)], 100)
        lines = drawn(plot)
        assert sum(line.count("★") for line in lines) == 1
        assert sum(line.count("•") for line in lines) == 2


async def test_marks_lie_on_their_line() -> None:
    async with plotted((80, 9)) as (plot, _):
        steps, values = list(range(0, 101, 10)), [100 - 0.83 * step for step in range(0, 101, 10)]
        plot.show([Line("score", steps, values)], 100)
        line = drawn(plot)
        plot.show([Line("score", steps, values, points=True)], 100)
        marked = drawn(plot)
        found = 0
        for row, (before, after) in enumerate(zip(line, marked)):
            for column, glyph in enumerate(after):
                if glyph == "•":
                    around = before[max(0, column - 1) : column + 2]
                    assert any(0x2800 < ord(each) < 0x2900 for each in around), (row, column)
                    found += 1
        assert found == len(steps)


@pytest.mark.parametrize(
    "line",
    [
        Line("a"),
        Line("a", (1,), (float("nan"),)),
        Line("a", (0, 1), (float("inf"), 1.0)),
        Line("a", (5,), (2.0,)),
        Line("a", (0, 1, 2), (0.0, 0.0, 0.0)),
        Line("a", (0, 10**9), (1e-30, 1e30)),
    ],
)
@pytest.mark.parametrize("log", [False, True])
async def test_odd_values_draw_something_or_nothing(line: Line, log: bool) -> None:
    async with plotted() as (plot, pilot):
        for end in (1, 10**9):
            plot.show([line], end, log=log)
            await pilot.pause()
            assert len(drawn(plot)) == plot.size.height


async def test_what_has_no_room_is_empty() -> None:
    async with plotted((20, 13)) as (plot, pilot):
        plot.show([Line("G", range(5), range(5))], 5)
        await pilot.pause()
        assert not "".join(drawn(plot)).strip()
