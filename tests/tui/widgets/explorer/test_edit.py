"""Editing by key: sliders, the seven pictures, layers, and the ways out."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from core.latent.style import PLAIN, Style
from tests.adapters import styled_picture
from tests.tui.walk import SEVEN, Walk, walk
from tui.widgets.explorer.edit import FARTHEST, EditPanel
from tui.widgets.explorer.panel import ExplorerPanel
from tui.widgets.explorer.strip import PictureStrip


def listed(on: Walk) -> list[str]:
    """The lines of the list."""
    return on.told("#edit-list").splitlines()


async def opened(on: Walk) -> None:
    """The panel with its directions."""
    await on.full()
    await on.press("e")
    await on.until(lambda: "%" in on.told("#edit-list"), "the directions")


async def test_the_slider_moves_the_whole_plane() -> None:
    async with walk(state=SEVEN) as on:
        await opened(on)
        await on.press("right", "right", "right")
        assert on.explorer.view.style.edits == (1.5,)
        assert "edit 1 +1.5" in on.told("#explorer-line")
        assert "+1.5" in listed(on)[0]
        await on.until(lambda: on.explorer.tile_at((1, 0)), "an edited tile")
        made, view = on.explorer.tile_at((1, 0)), on.explorer.view
        assert made is not None
        wanted = styled_picture(view.plane.vector(1, 0), 0.7, 64, {"mix": [], **view.style.inputs()})
        assert np.array_equal(made.pixels, wanted)
        await on.press("0")
        assert on.explorer.view.style == PLAIN
        await on.full()


async def test_the_seven_pictures_are_the_tile_under_the_cursor() -> None:
    async with walk(state=SEVEN) as on:
        await opened(on)
        await on.press("down", "right", "right", "l")
        canvas = on.app.query_one(PictureStrip).canvas
        await on.until(lambda: len(canvas.scene.tiles) == 7 and not on.explorer.missing, "seven pictures")
        z = on.explorer.view.plane.vector(1, 0)
        for place, amount in enumerate(range(-3, 4)):
            style = Style(edits=(0.0, float(amount)))
            wanted = styled_picture(z, 0.7, 64, {"mix": [], **style.inputs()}) if amount else on.expected_tile((1, 0))
            shown = canvas.pixels_of(canvas.scene.tiles[place, 0])
            assert shown is not None
            assert np.array_equal(shown, wanted)
        # The frame stands where the slider does.
        assert canvas.scene.cursor == (4, 0)
        await on.press("right")
        assert canvas.scene.cursor is None


async def test_sliders_end() -> None:
    async with walk(state=SEVEN) as on:
        await opened(on)
        await on.press(*["left"] * 20)
        assert on.explorer.view.style.edits == (-FARTHEST,)
        await on.press("up", *["down"] * 30, "right")
        assert on.explorer.view.style.edits == (-FARTHEST, *[0.0] * 14, 0.5)
        assert listed(on)[-1].startswith("▸ 16")
        await on.press("x")
        assert on.explorer.view.style == PLAIN


async def test_other_layers_have_other_directions() -> None:
    async with walk(state=SEVEN) as on:
        await opened(on)
        everywhere = listed(on)[0]
        await on.press("right", "right_square_bracket", "right_square_bracket")
        assert on.explorer.view.style == Style(edits=(0.5,), edit_layers=(4, 7))
        assert "edit 1 +0.5 middle" in on.told("#explorer-line")
        await on.until(lambda: "%" in on.told("#edit-list"), "their directions")
        assert listed(on)[0].split()[-1] != everywhere.split()[-1]
        await on.press("left_square_bracket", "left_square_bracket")
        assert on.explorer.view.style.edit_layers is None


async def test_enter_keeps_and_esc_restores() -> None:
    async with walk(state=SEVEN) as on:
        await opened(on)
        await on.press("right", "enter")
        assert on.explorer.view.style.edits == (0.5,)
        assert not on.app.query(ExplorerPanel)
        await on.press("e", "right", "right", "j", "escape")
        assert on.explorer.view.style.edits == (0.5,)
        assert on.explorer.view.cursor == (0, 1)
        await on.press("backspace")
        assert on.explorer.view.style == PLAIN
        await on.full()


async def test_layers_alone_change_nothing() -> None:
    async with walk(state=SEVEN) as on:
        await opened(on)
        made = on.explorer.tile_at((1, 0))
        assert made is not None
        await on.press("right_square_bracket")
        assert on.explorer.tile_at((1, 0)) is made
        await on.press("enter")
        assert on.explorer.view.style.empty


async def test_a_held_key_leaves_nothing_behind() -> None:
    async with walk(state=SEVEN, delay=0.1, batch=2) as on:
        await opened(on)
        for _ in range(8):
            await on.press("right")
        assert on.explorer._maker.in_flight <= 2 * 8
        await on.until(lambda: on.explorer.tile_at((0, 0)), "the newest picture", seconds=8)
        assert on.explorer.view.style.edits == (4.0,)


async def test_a_dead_worker_is_told_and_a_new_one_finds_the_directions() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        assert on.app.session.pid is not None
        os.kill(on.app.session.pid, signal.SIGKILL)
        await on.until(lambda: on.app.session.state == "dead", "the death")
        await on.press("e")
        await on.until(lambda: "the model is not running" in on.told("#edit-list"), "the sentence")
        await on.app.session.start()
        await on.until(lambda: "%" in on.told("#edit-list"), "the directions")
        await on.full()


@pytest.mark.parametrize("size", [(80, 24), (100, 32), (200, 60)])
async def test_it_fits(size: tuple[int, int]) -> None:
    async with walk(size, state=SEVEN) as on:
        await opened(on)
        panel = on.app.query_one(EditPanel)
        await on.until(lambda: on.canvas.size.height > 4 and panel.size.height > 4, "both")
        for widget in panel.query("*"):
            assert panel.region.contains_region(widget.region), widget
        assert "direction" in on.told(".keys")
