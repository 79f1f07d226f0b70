"""Auto-crop judged by keys: the least sure first, accepted, excluded, adjusted, reset, kept on disk, applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from core.datasets.adjustments import Adjustment
from core.datasets.review import Look
from core.datasets.subject import Subject
from core.errors import Refused
from tests.tui.dataset_stage import CARS, CATS, stage
from tests.tui.stage import studio, text, until
from tests.tui.test_datasets import LARGE, at, both
from tui.datasets import crop_drawing
from tui.screens.adjust_crop import AdjustCropPage
from tui.screens.datasets import DatasetsScreen
from tui.screens.review_crops import ReviewCropsPage
from tui.studio import TarmacApp


async def reviewing(app: TarmacApp, pilot: Pilot[Any]) -> ReviewCropsPage:
    """The page, its first sheet drawn."""
    await at(app, pilot, CATS.id)
    await pilot.press("c")
    await until(pilot, lambda: isinstance(app.screen, ReviewCropsPage))
    page = app.screen
    assert isinstance(page, ReviewCropsPage)
    await until(pilot, lambda: page.looks and page.after.places and page.before.places == page.after.places)
    return page


@both
async def test_each_picture_is_judged_by_a_key_and_kept(home: Path, size: tuple[int, int]) -> None:
    services = stage(home)
    sets = services.sets
    async with studio(services, start="datasets", size=size) as (app, pilot, _):
        page = await reviewing(app, pilot)
        assert "812" not in text(app).split("\n")[1], "the pictures to judge are counted, not those of the dataset"
        assert "12 pictures · 4 unsure" in text(app)
        assert "alignment 0.31" in text(app)
        assert "alignment 0.87" in text(app)
        assert "1 of 12  ? unsure 0.10  0.png  640×480" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: sets.decided == {0: Adjustment("accept")})
        assert page.at == 1, "accepting goes on"
        await pilot.press("x")
        await until(pilot, lambda: sets.decided.get(1) == Adjustment("exclude"))
        assert "✕ excluded" in text(app)
        assert "2 unsure · 2 decided, 1 excluded · p applies them" in text(app)
        await pilot.press("n")
        assert page.at == 2
        await pilot.press("n", "n")
        assert page.at == 2, "what is decided is not unsure: 2 and 3 are left, and round again"
        await pilot.press("h", "r")
        await until(pilot, lambda: sets.decided == {0: Adjustment("accept")})
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        page = await reviewing(app, pilot)
        assert "1 decided · p applies them" in text(app), "decisions outlive the page"
        await pilot.press("p")
        await until(pilot, lambda: sets.asked == [("prepare", CATS.id, None)])


async def test_a_box_is_moved_and_scaled_on_the_big_picture(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets", size=LARGE) as (app, pilot, _):
        await reviewing(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, AdjustCropPage))
        page = app.screen
        assert isinstance(page, AdjustCropPage)
        await until(pilot, lambda: page.check_action("take", ()))
        await pilot.press("l", "right", "j")
        assert page.box == pytest.approx((125.6, 112.8, 325.6, 272.8))
        await pilot.press("H", "K")
        assert page.box == pytest.approx((122.4, 109.6, 322.4, 269.6))
        await pilot.press("plus")
        left, top, right, bottom = page.box or (0, 0, 0, 0)
        assert (right - left, bottom - top) == pytest.approx((212, 169.6))
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((222.4, 189.6)), "around the same middle"
        await pilot.press("r")
        assert page.box == (100, 100, 300, 260)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReviewCropsPage))
        assert services.sets.decided == {}
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, AdjustCropPage) and app.screen.check_action("take", ()))
        await pilot.press("k", "enter")
        await until(pilot, lambda: list(services.sets.decided) == [0])
        assert services.sets.decided[0].box == pytest.approx((100, 87.2, 300, 247.2))
        await until(pilot, lambda: "● adjusted" in text(app))


async def test_what_cannot_be_read_again_is_told(home: Path) -> None:
    services = stage(home)
    services.sets.unreadable = {0}
    async with studio(services, start="datasets") as (app, pilot, _):
        page = await reviewing(app, pilot)
        assert (0, 0) not in page.before.places
        await until(pilot, lambda: "✕ cannot be read any more" in text(app))
        await pilot.press("escape")
        services.sets.failure = Refused("the pictures of cats cannot be shown", "/pictures/cats is not there")
        await at(app, pilot, CATS.id)
        await pilot.press("c")
        await until(pilot, lambda: "✕ the pictures of cats cannot be shown" in text(app))
        await pilot.press("escape")
        await at(app, pilot, CARS.id)
        await pilot.press("c")
        assert isinstance(app.screen, DatasetsScreen), "what was drawn has no crops to judge"


def test_shape_tells_what_colour_tells() -> None:
    pixels = np.full((48, 64, 3), 100, np.uint8)
    look = Look(0, "a.png", 0, 640, 480, Subject((100.0, 100.0, 300.0, 260.0), 0.9))
    doubtful = Look(0, "a.png", 0, 640, 480, Subject((100.0, 100.0, 300.0, 260.0), 0.1))
    excluded = Look(0, "a.png", 0, 640, 480, look.subject, Adjustment("exclude"))
    whole = (crop_drawing.source_tile(pixels, look, 128) == crop_drawing.SURE).all(-1).sum()
    dashed = (crop_drawing.source_tile(pixels, doubtful, 128) == crop_drawing.DOUBTFUL).all(-1).sum()
    assert 0 < dashed < 0.8 * whole
    crossed = crop_drawing.source_tile(pixels, excluded, 128)
    assert (crossed[[0, 127, 0, 127], [0, 127, 127, 0]] == crop_drawing.CROSS).all()
    assert pixels.min() == pixels.max() == 100, "the picture itself is not drawn into"
    assert crop_drawing.cut_tile(pixels, look, 32).shape == (32, 32, 3)
    for crop in ("auto", "centre", "random", "none"):
        assert crop_drawing.window_tile(pixels, crop, 40).shape == (40, 40, 3)
