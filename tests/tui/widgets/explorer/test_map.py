"""The map: what is drawn where, and what is remembered."""

from __future__ import annotations

from core.latent.journey import View
from core.latent.plane import Plane
from tests.tui.walk import SEVEN, walk
from tui.widgets.explorer.map import ExplorerMap, Places, Visited, drawn
from tui.widgets.explorer.view import Window


def lines(places: Places, width: int = 21, height: int = 6) -> list[str]:
    return ["".join(sign for sign, _ in row) for row in drawn(places, width, height)]


def ground(places: Places, width: int = 21, height: int = 6) -> list[str]:
    return ["".join("#" if "faint" in style else "." for _, style in row) for row in drawn(places, width, height)]


def test_the_window_is_a_rectangle_around_the_cursor() -> None:
    places = Places({(0, 0): None}, Window(-2, -2, 4, 4), (0, 0))
    assert lines(places)[3][10] == "●"
    assert ground(places) == ["." * 21, "." * 21, *["." * 8 + "####" + "." * 9] * 2, "." * 21, "." * 21]


def test_what_was_visited_is_a_shape_even_without_colours() -> None:
    places = Places([(0, 0), (1, 0), (1, 1), (2, 1), (3, 1)], Window(-2, -2, 4, 4), (3, 1))
    assert lines(places)[3][10:14] == "▀█▄●"


def test_pins_and_bookmarks_have_signs() -> None:
    places = Places([], Window(-2, -2, 4, 4), (0, 0), pins=[(-5, 0)], marks={(4, -4): 2})
    shown = lines(places)
    assert shown[3][5] == "◆"
    assert shown[1][14] == "2"


def test_it_moves_as_little_as_shows_all_and_then_gets_coarser() -> None:
    near = Places([(0, 0), (12, 0)], Window(8, -2, 8, 4), (12, 0))
    assert lines(near)[3][20 - 3] == "●"  # column 15 of the window is the last one that fits
    far = Places([(0, 0), (400, 0)], Window(396, -2, 8, 4), (400, 0))
    row = lines(far)[3]
    assert row.count("●") == 1
    assert 0 < row.index("●") < 21
    assert "▀" in row[: row.index("●")]


def test_a_bookmark_at_the_other_end_of_the_plane_is_left_out() -> None:
    places = Places([], Window(-2, -2, 4, 4), (0, 0), marks={(10**12, 0): 1})
    assert "1" not in "".join(lines(places))


def test_planes_are_remembered_apart_and_by_more_than_their_pins() -> None:
    visited = Visited()
    plane = Plane(8, 7)
    for x in range(3):
        visited.note(View(plane, (x, 0)))
    visited.note(View(plane.with_pin(1, 0), (5, 5)))
    assert list(visited.places(plane)) == [(0, 0), (1, 0), (2, 0), (5, 5)]
    assert not visited.places(Plane(8, 8))
    assert not visited.places(plane.recentred(1, 0, 7))
    for step in range(5000):
        visited.note(View(plane, (step, 1)))
    assert len(visited.places(plane)) == 2000
    assert next(reversed(visited.places(plane))) == (4999, 1)


async def test_the_side_pane_has_one_where_there_is_room() -> None:
    async with walk((100, 32), state=SEVEN) as on:
        await on.full()
        await on.press("right", "right", "p", "down", "b", "right")
        shown = on.app.query_one(ExplorerMap)
        await on.until(lambda: all(sign in str(shown.render()) for sign in "◆1●"), "pin, bookmark and cursor")
        await on.pilot.resize_terminal(100, 20)
        await on.until(lambda: not shown.display, "no room")
        assert on.app.query_one("#side-here").size.height >= 8
