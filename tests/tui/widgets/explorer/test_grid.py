"""The explorer by key, with the stub model: what each key does to the view, and what is seen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.latent.plane import decode_vector
from tests.tui.walk import SEVEN, walk
from tui.graphics.canvas import GridCanvas
from tui.graphics.pictures import Pictures


async def test_the_grid_fills_with_the_right_pictures() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        window, scene = on.explorer.window, on.canvas.scene
        assert window.columns * window.rows >= 8
        assert scene.cursor is not None
        assert scene.cursor == window.place((0, 0))
        for place in [(0, 0), (window.columns - 1, 0), (2, window.rows - 1)]:
            wanted, shown = on.expected_tile(window.tile(place)), on.shown_tile(place)
            # Both reduced to their mean: sizes differ, colours must not.
            assert np.abs(wanted.mean((0, 1)) - shown.mean((0, 1))).max() < 8
        frame = on.shown_tile(scene.cursor)[0]
        accent = on.canvas.get_component_styles("grid-canvas--accent").background.rgb
        assert np.abs(frame.astype(int) - accent).max() <= 8


async def test_the_nearest_tiles_come_first() -> None:
    async with walk(state=SEVEN, delay=0.1, batch=2) as on:
        await on.until(lambda: len(on.canvas.scene.tiles) >= 5, "the first tiles")
        cursor = on.canvas.scene.cursor
        assert cursor is not None
        far = [abs(x - cursor[0]) + abs(y - cursor[1]) for x, y in on.canvas.scene.tiles]
        assert max(far) <= 4
        assert cursor in on.canvas.scene.tiles


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["right", "right", "down"], (2, 1)),
        (["left", "up"], (-1, -1)),
        (["l", "j", "h", "h", "k", "k"], (-1, -1)),
    ],
)
async def test_moving(keys: list[str], cursor: tuple[int, int]) -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press(*keys)
        assert on.explorer.view.cursor == cursor
        await on.full()
        assert on.canvas.scene.cursor == on.explorer.window.place(cursor)


async def test_moving_past_the_edge_and_paging() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        first = on.explorer.window
        await on.press(*["right"] * first.columns)
        assert on.explorer.window.left > first.left
        await on.press("shift+down")
        assert on.explorer.window.top == first.top + first.rows
        await on.press("K", "H", "L", "shift+left")
        assert on.explorer.window.top == first.top
        await on.full()


async def test_only_new_tiles_are_made() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.ahead()
        seen = on.explorer.window
        around = (seen.columns + 2) * (seen.rows + 2)
        assert on.explorer._maker.made == around
        await on.press("right", "left", "up", "down")
        await on.full()
        assert on.explorer._maker.made == around
        await on.press(*["right"] * (seen.tile((seen.columns - 1, 0))[0] + 1))
        await on.full()
        await on.ahead()
        assert on.explorer._maker.made == around + seen.rows + 2


async def test_recentre_back_and_forward() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "down")
        kept = on.explorer.view.plane.vector(1, 1)
        await on.press("enter")
        view = on.explorer.view
        assert view.cursor == (0, 0)
        assert view.plane.seed != 7
        assert np.array_equal(view.plane.vector(0, 0), kept)
        await on.full()
        await on.press("backspace")
        assert (on.explorer.view.plane.seed, on.explorer.view.cursor) == (7, (1, 1))
        await on.press("f")
        assert on.explorer.view == view
        await on.full()


async def test_zoom_keeps_the_cursors_tile_in_view() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "right")
        before = on.explorer.window.columns
        for _ in range(6):
            await on.press("plus")
        assert on.explorer.window.columns < before
        assert on.canvas.scene.cursor is not None
        for _ in range(9):
            await on.press("minus")
        assert on.explorer.window.columns > before
        await on.full()
        assert on.explorer.view.cursor == (2, 0)


async def test_distance_and_truncation_are_told_and_keep_the_tile() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "right")
        kept = on.explorer.view.plane.vector(2, 0)
        await on.press("left_square_bracket", "left_square_bracket")
        assert on.explorer.view.plane.distance == 0.3
        assert np.array_equal(on.explorer.view.plane.vector(2, 0), kept)
        await on.press("right_square_bracket", "comma", "comma", "full_stop")
        assert on.explorer.view.truncation == pytest.approx(0.65)
        line = str(on.app.query_one("#explorer-line").render())
        for told in ("distance 0.40", "truncation 0.65", "seed 7", "z 16", "(2, 0)"):
            assert told in line
        await on.full()


async def test_random_and_seed() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("r")
        assert on.explorer.view.plane.seed != 7
        await on.press("g", "4", "2", "x", "enter")
        assert (on.explorer.view.plane.seed, on.explorer.view.cursor) == (42, (0, 0))
        assert on.explorer.has_focus
        await on.press("g", "5", "escape")
        assert on.explorer.view.plane.seed == 42
        assert on.explorer.has_focus
        await on.full()


async def test_pin() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "p")
        place = on.explorer.window.place((1, 0))
        assert on.canvas.scene.pins == {place}
        kept = on.explorer.view.plane.vector(1, 0)
        await on.press("right_square_bracket")
        assert np.array_equal(on.explorer.view.plane.vector(1, 0), kept)
        await on.press("p")
        assert not on.canvas.scene.pins


async def test_bookmarks_and_numbers() -> None:
    async with walk((120, 40), state=SEVEN) as on:
        await on.full()
        await on.press("right", "b", "r", "b")
        seed = on.explorer.view.plane.seed
        await on.press("alt+1")
        assert (on.explorer.view.plane.seed, on.explorer.view.cursor) == (7, (1, 0))
        await on.press("2")  # a place of the studio, no bookmark
        assert on.explorer.view.plane.seed == 7
        await on.press("alt+2")
        assert on.explorer.view.plane.seed == seed
        await on.press("alt+3")
        assert on.explorer.view.plane.seed == seed
        await on.full()
        bookmarks = on.app.query_one("#side-bookmarks", GridCanvas)
        await on.until(lambda: set(bookmarks.scene.tiles) == {(0, 0), (1, 0)}, "thumbnails")
        await on.press("b")
        assert len(on.explorer.state()["bookmarks"]) == 1  # type: ignore[arg-type]


async def test_save(home: Path) -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "s")
        exports = home / "data" / "exports"
        await on.until(lambda: exports.is_dir() and list(exports.glob("*.png")), "a file")
        (path,) = exports.glob("*.png")
        with Image.open(path) as saved:
            facts = json.loads(saved.text["tarmac"])  # type: ignore[attr-defined]
            assert np.array_equal(np.asarray(saved), on.expected_tile((1, 0)))
        assert (facts["model"], facts["seed"], facts["position"]) == ("test/stub", 7, [1, 0])
        assert np.array_equal(decode_vector(facts["z"]), on.explorer.view.plane.vector(1, 0))
        assert facts["truncation"] == 0.7


async def test_saving_to_a_full_disk_is_told(home: Path) -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        (home / "data").write_text("in the way")
        await on.press("s")
        await on.until(lambda: on.app.failures, "an error")
        assert "cannot write" in str(on.app.failures[0])


async def test_big_picture() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("space")
        await on.full()
        assert (on.canvas.scene.columns, on.canvas.scene.rows) == (1, 1)
        big = on.shown_tile((0, 0))
        assert np.abs(big.mean((0, 1)) - on.expected_tile((0, 0)).mean((0, 1))).max() < 6
        await on.press("right", "escape")
        await on.full()
        assert on.canvas.scene.columns > 1
        assert on.explorer.view.cursor == (1, 0)


async def test_the_state_brings_everything_back() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "p", "b", "enter", "down", "plus", "comma")
        state, view = on.explorer.state(), on.explorer.view
    assert json.loads(json.dumps(state)) == state
    async with walk(state=state) as on:
        assert on.explorer.view == view
        assert on.explorer.state() == state
        await on.press("backspace")
        assert on.explorer.view.cursor == (1, 0)


@pytest.mark.parametrize(
    "state", [{"journey": 3}, {"journey": {"views": []}}, {"bookmarks": [1, {"z": "x"}]}, {"journey": {"views": [{}]}}]
)
async def test_a_state_that_cannot_be_read_is_told_and_left(state: dict[str, object]) -> None:
    async with walk(state=state) as on:
        await on.full()
        assert on.app.failures


async def test_resize_theme_and_dialog() -> None:
    async with walk((200, 60), state=SEVEN) as on:
        await on.full()
        assert on.app.query_one("ExplorerSide").display
        await on.pilot.resize_terminal(60, 18)
        await on.full()
        assert not on.app.query_one("ExplorerSide").display
        assert on.canvas.size.width == 60
        await on.press("f2")
        await on.full()
        background = on.canvas._look().background
        assert min(background) > 128
        await on.press("f3")
        await on.pilot.pause()
        await on.press("f3")
        await on.full()
        await on.pilot.resize_terminal(200, 60)
        await on.full()
        shown = on.shown_tile((0, 0)).mean((0, 1))
        assert np.abs(on.expected_tile(on.explorer.window.tile((0, 0))).mean((0, 1)) - shown).max() < 8


async def test_stale_work_is_cancelled() -> None:
    async with walk(state=SEVEN, delay=0.15, batch=2) as on:
        await on.until(lambda: on.explorer._maker.in_flight, "requests")
        for _ in range(6):
            await on.press("r")
        await on.until(lambda: on.explorer.tile_at((0, 0)), "the newest tile", seconds=8)
        assert on.app.session.running <= 16


async def test_a_dead_worker_leaves_the_pictures_and_a_new_one_goes_on() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        there = dict(on.canvas.scene.tiles)
        assert on.app.session.pid is not None
        os.kill(on.app.session.pid, signal.SIGKILL)
        await on.until(lambda: on.app.session.state == "dead", "the death")
        assert on.canvas.scene.tiles == there
        await on.press("r")
        await on.pilot.pause(0.1)
        assert on.explorer.missing
        await on.app.session.start()
        await on.full()
        assert not on.app.failures


async def test_the_helper_may_die() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        helper = Pictures.of(on.app).helper
        first = helper.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await on.press("r")
        await on.full()
        assert helper.process_id not in (None, first)


async def test_keys_are_quick_on_a_large_grid() -> None:
    async with walk((200, 60), state=SEVEN, resolution=256) as on:
        await on.full()
        worst = 0.0
        running = True

        async def watch() -> None:
            nonlocal worst
            while running:
                begun = time.perf_counter()
                await asyncio.sleep(0.005)
                worst = max(worst, time.perf_counter() - begun - 0.005)

        watcher = asyncio.create_task(watch())
        for _ in range(15):
            await on.press("right")
        await on.full()
        running = False
        await watcher
        # Generous for a busy machine; the bench measures it properly.
        assert worst < 0.5
