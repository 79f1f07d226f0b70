"""Who finds the subjects: asked only where there is a choice, by keys, with what it does shown before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.datasets.cropping import Preparation
from core.datasets.subject import Subject
from core.errors import Refused
from core.library.interfaces import segmentation_interface
from core.library.manifest import Manifest
from core.library.models import Library
from tests.tui.dataset_stage import RAW, FakeDatasets, stage
from tests.tui.stage import LONG_AGO, studio, text, until
from tests.tui.test_wizard import RAW as RAW_FACTS
from tests.tui.test_wizard import planned, started
from tests.tui.training_stage import stage as training_stage
from tui.datasets.services import Progress
from tui.datasets.subject_finders import looks, subject_field, value_of
from tui.screens.prepare_dataset import PrepareDatasetPage
from tui.widgets.form import Form
from tui.widgets.tile_sheet import TileSheet

if TYPE_CHECKING:
    from core.datasets.library import Dataset


def put_finder(home: Path, name: str = "shapes", id_: str = "20260101-000000-shapes") -> None:
    """A segmentation model in the stage's library."""
    folder = home / "data" / "models" / id_
    folder.mkdir(parents=True)
    Manifest(
        name=name,
        kind="segmentation",
        adapter="segmentation",
        interface=segmentation_interface(["background", "shape"]).spec(),
        created=LONG_AGO,
        architecture={"name": "segformer", "labels": 2, "foreground": 1, "background": "background"},
    ).write(folder)
    for file in ("config.json", "model.safetensors"):
        (folder / file).write_bytes(b"x")


class Looking(FakeDatasets):
    """Tells where the subjects are; waits for `seen_all`."""

    def __init__(self) -> None:
        super().__init__([RAW])
        self.seen_all = asyncio.Event()
        self.blind: Refused | None = None

    async def subjects(
        self, dataset: Dataset, numbers: Sequence[int], side: int, preparation: Preparation, progress: Progress
    ) -> dict[int, Subject]:
        self.asked.append(("subjects", preparation.subject, len(numbers)))
        progress("loading shapes", None)
        await self.seen_all.wait()
        if self.blind is not None:
            raise self.blind
        return {number: Subject((4.0, 4.0, 20.0, 20.0), 0.9, "model") for number in numbers}


async def page_of(app: object, pilot: object) -> PrepareDatasetPage:
    """The page that asks how the dataset is prepared, with its pictures."""
    await until(pilot, lambda: "few" in text(app))  # type: ignore[arg-type]
    await pilot.press("p")  # type: ignore[attr-defined]
    await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage))  # type: ignore[arg-type, attr-defined]
    page = app.screen  # type: ignore[attr-defined]
    await until(pilot, lambda: len(page.query_one(TileSheet).places) == 12)  # type: ignore[arg-type]
    assert isinstance(page, PrepareDatasetPage)
    return page


def names(page: PrepareDatasetPage) -> list[str]:
    return [field.name for field in page.query_one(Form).fields]


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_a_model_is_chosen_by_keys_and_its_eyes_are_shown(home: Path, size: tuple[int, int]) -> None:
    services = stage(home)
    sets = services.sets = Looking()
    put_finder(home)
    async with studio(services, start="datasets", size=size) as (app, pilot, _):
        page = await page_of(app, pilot)
        assert names(page) == ["size", "crop", "fill", "alpha"]
        await pilot.press("down", "left")  # crop: auto is the last one
        await until(pilot, lambda: names(page) == ["size", "crop", "subject", "fill", "alpha"])
        assert "found by" in text(app)
        await until(pilot, lambda: "◐ loading shapes" in text(app))
        sets.seen_all.set()
        await until(pilot, lambda: "◐ loading" not in text(app))
        assert sets.asked == [("subjects", "auto", 12)]
        await pilot.press("down", "right")
        await until(pilot, lambda: page.preparation.subject == "contrast")
        assert "what differs from the picture's border" in text(app)
        await pilot.press("right")
        await until(pilot, lambda: page.preparation.subject == "shapes")
        await until(pilot, lambda: "◐" not in page.query_one("#prepare-told").content.plain)  # type: ignore[attr-defined]
        await pilot.press("up", "right")  # another crop asks for no finder any more
        await until(pilot, lambda: names(page) == ["size", "crop", "fill", "alpha"])
        await pilot.press("left", "enter")
        sets.go.set()
        await until(pilot, lambda: sets.asked[-1][0] == "prepare")
        preparation = sets.asked[-1][2]
        assert isinstance(preparation, Preparation)
        assert (preparation.crop, preparation.subject) == ("auto", "shapes")
        assert [each for each in sets.asked if each[0] == "subjects"] == [("subjects", "auto", 12)]  # seen once


async def test_a_model_that_cannot_be_used_says_so_before_anything_is_prepared(home: Path) -> None:
    services = stage(home)
    sets = services.sets = Looking()
    sets.blind = Refused("shapes cannot be used", "there is not enough memory")
    sets.seen_all.set()
    put_finder(home)
    async with studio(services, start="datasets", size=(120, 36)) as (app, pilot, _):
        page = await page_of(app, pilot)
        await pilot.press("down", "left")
        await until(pilot, lambda: "✕ shapes cannot be used: there is not enough memory" in " ".join(text(app).split()))
        await pilot.press("down", "right")  # the contrast can
        await until(pilot, lambda: "✕ shapes" not in text(app))
        assert page.preparation.subject == "contrast"
        await pilot.press("left")
        await until(pilot, lambda: "✕ shapes cannot be used" in text(app))
        assert len(sets.asked) == 1


async def test_without_a_model_there_is_nothing_to_ask(home: Path) -> None:
    services = stage(home)
    services.sets = Looking()
    async with studio(services, start="datasets") as (app, pilot, _):
        page = await page_of(app, pilot)
        await pilot.press("down", "left")
        await until(pilot, lambda: page.preparation.crop == "auto")
        assert names(page) == ["size", "crop", "fill", "alpha"]
        assert page.preparation.subject == "auto"


async def test_the_wizard_asks_too(home: Path) -> None:
    services = training_stage(home)
    services.fake.found = [RAW_FACTS]
    put_finder(home)
    async with planned(home, services=services) as found:
        await found.press("enter")
        assert found.key == "preparation"
        await found.press("down", "left", "down", "left")  # auto-crop, found by the last one: the model itself
        assert "tells one foreground from the background" in str(found.form().render())
        await found.press("enter")
        await found.to("summary")
        assert "auto by shapes" in found.told()
        await found.press("enter")
        await started(found)
        assert services.fake.asked[0] == ("prepare", RAW_FACTS.id, 64, "auto", "shapes")


def test_what_models_are_called(home: Path) -> None:
    library = Library(home / "data", starters=home / "none")
    assert subject_field(library.models(), "auto") is None
    gone = subject_field(library.models(), "20250101-000000-gone")
    assert gone is not None
    assert dict(gone.choices)["20250101-000000-gone"] == "not in the library any more"
    put_finder(home)
    put_finder(home, "auto", "20260102-000000-auto")
    models = library.models()
    assert value_of(models, "20260101-000000-shapes") == "shapes"
    assert value_of(models, "20260102-000000-auto") == "20260102-000000-auto"
    field = subject_field(models, "20260101-000000-shapes")
    assert field is not None
    assert field.default == "shapes"
    assert [name for name, _ in field.choices] == ["auto", "contrast", "20260102-000000-auto", "shapes"]
    assert looks(models, "contrast") == ""
    assert looks(models, "auto") == "auto"
