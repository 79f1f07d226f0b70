"""Comparing, finding a picture, truncation by layers; and models without any of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.latent.style import PLAIN, Style
from tests.adapters import picture
from tests.tui.walk import SEVEN, Walk, walk
from tui.widgets.explorer.compare import ComparePanel
from tui.widgets.explorer.panel import ExplorerPanel
from tui.widgets.explorer.project import ProjectPanel, read_picture
from tui.widgets.explorer.strip import PictureStrip


def pair(on: Walk) -> list[np.ndarray | None]:
    """The two pictures of a panel."""
    canvas = on.app.query_one(PictureStrip).canvas
    keys = [canvas.scene.tiles.get((place, 0)) for place in range(2)]
    return [None if key is None else canvas.pixels_of(key) for key in keys]


def same(shown: np.ndarray | None, wanted: np.ndarray) -> bool:
    return shown is not None and np.array_equal(shown, wanted)


async def test_compare() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("right", "c", "down", "right")
        assert on.explorer.view.cursor == (2, 1)
        await on.until(lambda: same(pair(on)[1], on.expected_tile((2, 1))), "the tile under the cursor")
        assert same(pair(on)[0], on.expected_tile((1, 0)))
        await on.press("c", "left")
        await on.until(lambda: same(pair(on)[0], on.expected_tile((2, 1))), "another mark")
        assert same(pair(on)[1], on.expected_tile((1, 1)))
        before = on.app.query_one(PictureStrip).canvas.size.height
        await on.press("space")
        await on.until(lambda: on.app.query_one(PictureStrip).canvas.size.height > before, "larger pictures")
        await on.press("escape")
        assert not on.app.query(ComparePanel)
        await on.full()


async def test_truncation_by_layers() -> None:
    async with walk(state=SEVEN) as on:
        await on.full()
        for layers, told in [((0, 3), "coarse"), ((4, 7), "middle"), ((8, 9), "fine")]:
            await on.press("t")
            assert on.explorer.view.style == Style(truncation_layers=layers)
            assert f"truncation 0.70 {told} ·" in on.told("#explorer-line")
        await on.press("t")
        assert on.explorer.view.style == PLAIN
        assert "truncation 0.70 ·" in on.told("#explorer-line")
        await on.full()


async def test_a_model_without_styles_offers_none() -> None:
    state: dict[str, object] = {
        "journey": {
            "index": 0,
            "views": [{"plane": {"dim": 16, "seed": 7}, "style": {"edits": [2.0], "truncation_layers": [0, 3]}}],
        }
    }
    async with walk(state=state, plain=1) as on:
        await on.full()
        assert not {"mix", "edit", "project", "truncation_layers"} & on.offered()
        assert {"compare", "big", "move"} <= on.offered()
        await on.press("m", "e", "i", "t")
        assert not on.app.query(ExplorerPanel)
        # A style from elsewhere is kept, not told and not drawn.
        made = on.explorer.tile_at((1, 0))
        assert made is not None
        assert np.array_equal(made.pixels, on.expected_tile((1, 0)))
        assert "edit" not in on.told("#explorer-line")
        assert on.explorer.view.style.edits == (2.0,)


# -- finding a picture


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A picture that the stub can draw."""
    path = tmp_path / "mine.png"
    z = np.random.default_rng(5).standard_normal(16)
    Image.fromarray(picture(z, 0.7, 96)).save(path)
    return path


async def test_a_picture_is_found_and_is_the_middle_of_a_new_plane(mine: Path) -> None:
    async with walk((100, 32), state=SEVEN) as on:
        await on.full()
        await on.press("right", "m", "enter", "i")
        on.app.query_one(ProjectPanel).prompt.input.value = str(mine)
        await on.press("enter")
        await on.until(lambda: any(isinstance(event, ProjectPanel.Found) for event in on.messages), "the end")
        found = next(event for event in on.messages if isinstance(event, ProjectPanel.Found))
        view = on.explorer.view
        assert (view.cursor, view.style) == ((0, 0), PLAIN)
        assert np.array_equal(view.plane.vector(0, 0), found.z)
        away = np.sqrt(np.mean((picture(found.z, 0.7, 16) - np.asarray(Image.open(mine))[::6, ::6].astype(float)) ** 2))
        assert found.distance == pytest.approx(away)
        assert f"distance {found.distance:.1f} of 255" in on.told("#project-told")
        # The user's own beside what was found.
        assert same(pair(on)[0], np.asarray(Image.open(mine)))
        assert same(pair(on)[1], picture(found.z, 0.7, 64))
        # It is in nobody's way: the view before is one step back.
        await on.press("left", "backspace")
        assert on.explorer.view.plane.seed == 7
        await on.press("escape")
        assert not on.app.query(ProjectPanel)


async def test_progress_is_shown_and_esc_stops_the_worker(mine: Path) -> None:
    async with walk(state=SEVEN, step=0.02) as on:
        await on.full()
        await on.press("i")
        on.app.query_one(ProjectPanel).prompt.input.value = str(mine)
        await on.press("enter")
        await on.until(lambda: "of 200" in on.told("#project-told") and pair(on)[1] is not None, "progress")
        assert "distance" in on.told("#project-told")
        assert "esc stop" in on.told(".keys")
        await on.press("escape")
        assert not on.app.query(ProjectPanel)
        assert on.app.session.running == 0
        # The worker has stopped, too: it draws again at once, long before 200 steps would have passed.
        await on.press("r")
        await on.until(on.is_full, "a new plane", seconds=3)
        assert not any(isinstance(event, ProjectPanel.Found) for event in on.messages)


async def test_a_file_that_cannot_be_used_is_told_below_its_path(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    async with walk(state=SEVEN) as on:
        await on.full()
        await on.press("i")
        prompt = on.app.query_one(ProjectPanel).prompt
        for name, told in [("nowhere.png", "there is no file"), ("text.png", "cannot be used"), ("", "cannot be read")]:
            prompt.input.value = str(tmp_path / name)
            await on.press("enter")
            await on.until(lambda told=told: told in on.told("#path-told"), told)  # type: ignore[misc]
        assert prompt.input.has_focus
        await on.press("escape")
        await on.until(lambda: not on.app.query(ProjectPanel), "the end of it")
        assert on.explorer.has_focus


async def test_a_worker_that_dies_on_it_is_told(mine: Path) -> None:
    async with walk(state=SEVEN, step=0.02) as on:
        await on.full()
        await on.press("i")
        on.app.query_one(ProjectPanel).prompt.input.value = str(mine)
        await on.press("enter")
        await on.until(lambda: "of 200" in on.told("#project-told"), "progress")
        assert on.app.session.pid is not None
        os.kill(on.app.session.pid, signal.SIGKILL)
        await on.until(lambda: on.told("#project-told").startswith("✕"), "the sentence")
        await on.press("escape")
        assert "project" not in on.offered()


def test_reading_a_picture_takes_its_middle_square_and_no_more_pixels_than_needed(tmp_path: Path) -> None:
    pixels = np.zeros((1300, 2600, 3), np.uint8)
    pixels[:, 650:1950] = 200
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path)
    read = read_picture(path)
    assert read.shape == (1024, 1024, 4)
    assert set(np.unique(read)) == {200, 255}


async def test_pictures_of_two_explorers_have_different_names() -> None:
    async with walk(state=SEVEN) as on, walk(state=SEVEN) as other:
        await on.full()
        await other.full()
        assert not set(on.explorer._maker.by_key) & set(other.explorer._maker.by_key)


@pytest.mark.parametrize("size", [(30, 10), (60, 18), (140, 12)])
async def test_panels_in_small_terminals(size: tuple[int, int]) -> None:
    async with walk(size, state=SEVEN) as on:
        await on.full()
        for key in ("m", "e", "c", "i"):
            await on.press(key)
            await on.until(lambda: not on.explorer.missing, "its pictures")
            assert on.app.query(ExplorerPanel)
            assert on.canvas.size.height >= 1
            await on.press("escape")
            await on.until(lambda: not on.app.query(ExplorerPanel), "the end of it")
        await on.full()


async def test_pictures_of_a_panel_can_be_clicked() -> None:
    async with walk((100, 32), state=SEVEN) as on:
        await on.full()
        await on.press("m")
        strip = on.app.query_one(PictureStrip).canvas
        await on.until(lambda: strip.size.width > 20, "the strip")
        await on.pilot.click(strip, offset=(round(strip.size.width * 4.5 / 6), 2))
        mix = on.explorer.view.style.mix
        assert mix is not None
        assert mix.layers == (8, 9)
        await on.press("escape", "e")
        strip = on.app.query_one(PictureStrip).canvas
        await on.until(lambda: strip.size.width > 20, "the strip")
        await on.pilot.click(strip, offset=(round(strip.size.width * 6.5 / 7), 2))
        assert on.explorer.view.style.edits == (3.0,)
