"""The place Datasets on the real core: from the path that is typed to the list, decoded in a process of its own."""

from __future__ import annotations

from pathlib import Path

from core.datasets.library import Datasets
from tests.core.datasets.test_review import put_pictures
from tests.tui.stage import furnish, studio, text, until
from tests.tui.test_datasets import cells, give
from tui.screens.datasets import DatasetsScreen
from tui.screens.left_out import LeftOutPage
from tui.screens.prepare_dataset import PrepareDatasetPage
from tui.screens.review_crops import ReviewCropsPage
from tui.widgets.table import Table


async def test_a_folder_with_broken_files_becomes_a_dataset_and_is_reviewed(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dots"
    put_pictures(folder)
    (folder / "broken.png").write_bytes(b"no picture at all")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (folder / "copy.png").write_bytes((folder / "00.png").read_bytes())
    (folder / "evil\n\x1b[31m.jpg").write_bytes(b"no picture either")
    async with studio(furnish(home), start="datasets", size=(120, 40)) as (app, pilot, _):
        await give(app, pilot, str(folder))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage), 240)
        added = Datasets().datasets()[-1]
        assert (added.name, added.count, added.ready) == ("dots", 54, False)
        await pilot.press("left", "down", "left")  # a size below, and auto-crop, which is the last way
        page = app.screen
        assert isinstance(page, PrepareDatasetPage)
        await until(pilot, lambda: page.preparation.crop == "auto")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen) and "auto" in cells(app, added.id)[3], 240)
        assert "6 unsure" in text(app)

        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LeftOutPage) and app.screen.query_one(Table).rows)
        assert sorted(row.cells[0][0] for row in app.screen.query_one(Table).rows if "near" not in row.cells[0][0]) == [
            "broken", "broken", "duplicate", "truncated",
        ]  # fmt: skip
        assert "\x1b" not in text(app)
        await pilot.press("escape")

        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ReviewCropsPage))
        review = app.screen
        assert isinstance(review, ReviewCropsPage)
        await until(pilot, lambda: review.looks and review.after.places, 240)
        await pilot.press("x", "p")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen), 240)
        await until(pilot, lambda: cells(app, added.id)[2] == "53 pictures", 240)
        assert not app.losses
    assert not [path for path in (Datasets().folder).iterdir() if path.name.startswith(".")]


async def test_leaving_in_the_middle_leaves_nothing_half_made(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dots"
    put_pictures(folder)
    async with studio(furnish(home), start="datasets") as (app, pilot, _):
        await give(app, pilot, str(folder))
        await pilot.press("enter")
        await until(pilot, lambda: app.losses)
        await app._leave(0)
        await until(pilot, lambda: not app.losses)
        await listed_nothing()


async def listed_nothing() -> None:
    """No dataset of one's own, no folder that was begun."""
    assert not [each for each in Datasets().datasets() if each.source != "starter"]
    assert not [path for path in Datasets().folder.glob(".staging-*")]
