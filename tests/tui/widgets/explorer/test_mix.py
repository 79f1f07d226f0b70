"""Mixing styles by key: what the view wears, what the strip shows, and the ways out."""

from __future__ import annotations

import numpy as np
import pytest

from core.latent.style import PLAIN, Mix
from tests.adapters import styled_picture
from tests.tui.walk import SEVEN, Walk, walk
from tui.widgets.explorer.mix import MixPanel
from tui.widgets.explorer.panel import ExplorerPanel
from tui.widgets.explorer.strip import PictureStrip


def drawn(on: Walk, tile: tuple[int, int]) -> np.ndarray:
    """What the stub draws for a tile of the view as it is."""
    view = on.explorer.view
    return styled_picture(view.plane.vector(*tile), view.truncation, 64, {"mix": [], **view.style.inputs()})


def strip(on: Walk) -> list[np.ndarray | None]:
    """The panel's pictures from left to right."""
    canvas = on.app.query_one(PictureStrip).canvas
    keys = [canvas.scene.tiles.get((place, 0)) for place in range(canvas.scene.columns)]
    return [None if key is None else canvas.pixels_of(key) for key in keys]


async def test_the_plane_wears_the_styles_at_once_and_esc_leaves_it_as_it_was() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("m")
        source = on.explorer.view.plane.vector(0, 0)
        assert on.explorer.view.style.mix == Mix.of(source, (4, 7))
        await on.until(lambda: on.explorer.tile_at((1, 0)), "a mixed tile")
        made = on.explorer.tile_at((1, 0))
        assert made is not None
        assert np.array_equal(made.pixels, drawn(on, (1, 0)))
        assert not np.array_equal(made.pixels, on.expected_tile((1, 0)))
        assert "mix 4–7" in on.told("#explorer-line")
        await on.press("escape")
        assert on.explorer.view.style == PLAIN
        assert not on.app.query(ExplorerPanel)
        assert on.explorer.has_focus
        await on.full()


@pytest.mark.parametrize(
    ("keys", "layers"),
    [
        (["left"], (0, 3)),
        (["right"], (8, 9)),
        (["right", "right"], (4, 7)),
        (["left_square_bracket"], (3, 7)),
        (["right_square_bracket", "right_curly_bracket"], (5, 8)),
        (["left", "left_square_bracket", "left_curly_bracket"], (0, 2)),
        (["left_curly_bracket"] * 6, (4, 4)),
        (["right", *["right_curly_bracket"] * 3], (8, 9)),
        (["up"], (0, 3)),
    ],
)
async def test_choosing_layers(keys: list[str], layers: tuple[int, int]) -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("m", *keys)
        mix = on.explorer.view.style.mix
        assert mix is not None
        assert mix.layers == layers


async def test_the_strip_follows_the_cursor() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("m", "l", "l", "j")
        assert on.explorer.view.cursor == (2, 1)
        view = on.explorer.view
        source, here = view.plane.vector(0, 0), view.plane.vector(2, 1)

        def wearing(layers: list[int]) -> np.ndarray:
            style = {"mix": source, "mix_layers": layers, "edits": [], "edit_layers": [], "truncation_layers": []}
            return styled_picture(here, 0.7, 64, style if layers else {**style, "mix_layers": []})

        plain = {"mix": here, "mix_layers": [], "edits": [], "edit_layers": [], "truncation_layers": []}
        wanted = [on.expected_tile((0, 0)), on.expected_tile((2, 1)), *map(wearing, ([0, 3], [4, 7], [8, 9], [4, 7]))]
        assert plain["mix_layers"] == []
        await on.until(lambda: all(picture is not None for picture in strip(on)), "the strip")
        for shown, expected in zip(strip(on), wanted):
            assert shown is not None
            assert np.array_equal(shown, expected)
        assert on.app.query_one(PictureStrip).canvas.scene.cursor == (3, 0)


async def test_kept_it_is_a_step_that_one_goes_back_over() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("m", "right", "l", "enter")
        style = on.explorer.view.style
        assert style.mix is not None
        assert not on.app.query(ExplorerPanel)
        # Walking and new planes go on with it.
        await on.press("right", "enter")
        assert on.explorer.view.style == style
        await on.press("r")
        assert on.explorer.view.style == style
        await on.full()
        await on.press("backspace", "backspace", "backspace")
        assert on.explorer.view.style == PLAIN
        assert on.explorer.view.cursor == (1, 0)
        await on.press("f")
        assert on.explorer.view.style == style


async def test_a_mix_is_taken_up_again_changed_and_taken_off() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        source = on.explorer.view.plane.vector(0, 0)
        await on.press("m", "enter", "right", "m")
        mix = on.explorer.view.style.mix
        assert mix == Mix.of(source, (4, 7))
        await on.press("m")
        other = on.explorer.view.plane.vector(1, 0)
        assert on.explorer.view.style.mix == Mix.of(other, (4, 7))
        await on.press("escape")
        assert on.explorer.view.style.mix == mix
        await on.press("m", "x")
        assert on.explorer.view.style == PLAIN
        assert not on.app.query(ExplorerPanel)


async def test_the_state_and_bookmarks_keep_the_style() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("m", "enter", "b", "m", "x")
        state = on.explorer.state()
    async with walk(state=state) as on:
        await on.full()
        assert on.explorer.state() == state
        assert on.explorer.view.style == PLAIN
        await on.press("alt+1")
        assert on.explorer.view.style.mix is not None
        await on.full()


async def test_while_it_is_open_only_what_stays_on_the_plane_is_offered() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("m")
        offered = on.offered()
        assert {"move", "zoom", "truncation", "pin", "big"} <= offered
        assert not {"recentre", "random", "seed", "back", "edit", "compare", "project"} & offered
        await on.press("r", "g", "e", "c", "i")
        assert on.explorer.view.plane.seed == 7
        assert len(on.app.query(ExplorerPanel)) == 1


async def test_its_keys_are_told_as_the_user_has_them() -> None:
    async with walk((100, 30), state=SEVEN) as on:
        await on.full()
        on.app.set_keymap({"mix.keep": "w"})
        await on.press("m")
        told = on.told(".keys")
        for part in ("←→ layers", "w keep", "esc leave", "hjkl move", "[] from", "{} to", "m new A", "x off"):
            assert part in told
        await on.press("w")
        assert on.explorer.view.style.mix is not None
        assert not on.app.query(MixPanel)


@pytest.mark.parametrize("down", [0, 2])
async def test_the_grid_keeps_its_tiles_above_a_panel(down: int) -> None:
    async with walk((80, 40), state=SEVEN) as on:
        await on.full()
        await on.press(*["down"] * down)
        before = on.explorer.window
        await on.press("m")
        await on.until(lambda: on.explorer.window.rows < before.rows, "a lower grid")
        assert on.explorer.window.columns == before.columns
        await on.press("l", "escape")
        await on.until(lambda: on.explorer.window == before, "the grid as it was")
        await on.full()
