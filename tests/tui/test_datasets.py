"""The place Datasets: the list, its card, adding, preparing, jobs that go on elsewhere, deleting, training on one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.errors import Refused
from tests.tui.dataset_stage import ALL, CARS, CATS, LIBRARY, RAW, SCRIPTS, UNDRAWN, DatasetStage, FakeDatasets, stage
from tests.tui.stage import lines, studio, text, until
from tests.tui.training_stage import run
from tui.screens.add_dataset import AddDatasetPage
from tui.screens.confirm import Confirm
from tui.screens.dataset_sheet import DatasetSheet
from tui.screens.datasets import DatasetsScreen
from tui.screens.left_out import LeftOutPage
from tui.screens.prepare_dataset import PrepareDatasetPage
from tui.screens.wizard import Wizard
from tui.studio import TarmacApp
from tui.widgets.table import Table
from tui.widgets.tile_sheet import TileSheet

SMALL, LARGE = (80, 24), (200, 60)
both = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x60"])


async def listed(app: TarmacApp, pilot: Pilot[Any]) -> Table:
    """The list, once it is read."""
    await until(pilot, lambda: isinstance(app.screen, DatasetsScreen) and app.screen.query_one(Table).rows)
    return app.screen.query_one(Table)


async def at(app: TarmacApp, pilot: Pilot[Any], dataset_id: str) -> None:
    """Put the cursor on a dataset."""
    table = await listed(app, pilot)
    table.cursor = next(index for index, row in enumerate(table.rows) if row.key == dataset_id)
    await pilot.pause()


def told(app: TarmacApp) -> str:
    """All toasts."""
    return "\n".join(note.message for note in app._notifications)


def cells(app: TarmacApp, dataset_id: str) -> list[str]:
    """What the list says about a dataset."""
    row = next(row for row in app.screen.query_one(Table).rows if row.key == dataset_id)
    return [cell[0] for cell in row.cells]


@both
async def test_the_list_says_what_there_is_and_in_which_state(home: Path, size: tuple[int, int]) -> None:
    async with studio(stage(home), start="datasets", size=size) as (app, pilot, _):
        table = await listed(app, pilot)
        assert [row.key for row in table.rows] == [
            *(CATS.id, RAW.id, "20261118-100000-torn", SCRIPTS.id, CARS.id, UNDRAWN.id, LIBRARY.id)
        ]
        assert cells(app, CATS.id)[:5] == ["cats", "image", "812 pictures", "128×128 auto", "● right"]
        assert cells(app, RAW.id)[3:5] == ["! not yet", "! few"]
        assert cells(app, UNDRAWN.id)[3] == "drawn when it is used"
        assert cells(app, "20261118-100000-torn")[4] == "✕ broken"
        assert cells(app, SCRIPTS.id)[:6] == [
            *("scripts", "text", "1,204 documents", "61 held out", "● right", "4.3 MB")
        ]
        assert cells(app, LIBRARY.id)[:5] == ["starter/python", "text", "documents", "gathered when used", "–"]
        assert "4 of your own, 3 starters" in text(app)
        assert "1,204 documents" in text(app)
        assert all(len(line) <= size[0] for line in lines(app))


async def test_the_card_tells_what_was_found_out(home: Path) -> None:
    services = stage(home)
    services.fake.views = [run(home, name="Night cats", state="finished", model="20261121-cats")]
    services.fake.views = [
        view.__class__(**{**vars(view), "plan": view.plan.__class__(**{**vars(view.plan), "dataset": CATS.id})})
        for view in services.fake.views
    ]
    async with studio(services, start="datasets", size=LARGE) as (app, pilot, _):
        await at(app, pilot, CATS.id)
        for words in (
            "2: black, white", "0.31 → 0.87 of 1; 4 unsure", "12 of 824: 7 broken, 5 duplicate", "5 almost the same",
            "2 by you", "12 turned", "/pictures/cats and 1 more", "right (500 to 5,000)", str(CATS.folder),
        ):  # fmt: skip
            await until(pilot, lambda words=words: words in text(app))
        await until(pilot, lambda: "Night cats → 20261121-cats" in text(app))
        await until(pilot, lambda: len(app.screen.query_one(TileSheet).places) > 8)
        await at(app, pilot, UNDRAWN.id)
        await until(pilot, lambda: "Drawn when it is used. p draws it now." in text(app))


async def test_where_one_pane_fits_enter_and_escape_exchange_list_and_card(home: Path) -> None:
    async with studio(stage(home), start="datasets", size=SMALL) as (app, pilot, _):
        await at(app, pilot, CATS.id)
        assert "alignment" not in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "alignment" in text(app))
        assert "starter/cars" not in text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "starter/cars" in text(app))


async def test_nothing_there_a_slow_disk_and_one_that_fails(home: Path) -> None:
    services = stage(home, ())
    gate, loop = asyncio.Event(), asyncio.get_running_loop()
    services.sets.datasets = lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result() and []  # type: ignore
    async with studio(services, start="datasets") as (app, pilot, _):
        await until(pilot, lambda: "◐ reading the datasets" in text(app))
        gate.set()
        await until(pilot, lambda: "No datasets yet. n adds pictures or texts" in text(app))

        def broken() -> list[Any]:
            raise Refused("the folder cannot be read")

        services.sets.datasets = broken  # type: ignore[method-assign]
        await pilot.press("r")
        await until(pilot, lambda: "✕ the folder cannot be read" in text(app))


async def give(app: TarmacApp, pilot: Pilot[Any], *paths: str) -> AddDatasetPage:
    """Open the page and give it paths."""
    await listed(app, pilot)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, AddDatasetPage))
    page = app.screen
    assert isinstance(page, AddDatasetPage)
    for path in paths:
        page.set_focus(page.prompt.input)
        page.prompt.input.value = path
        before = len(page.paths)
        await pilot.press("enter")
        await until(pilot, lambda before=before: len(page.paths) > before or "✕" in text(app))
    return page


@both
async def test_pictures_are_added_then_prepared_and_chosen(home: Path, size: tuple[int, int]) -> None:
    services = stage(home)
    sets = services.sets
    async with studio(services, start="datasets", size=size) as (app, pilot, _):
        page = await give(app, pilot, "/pictures/dogs", "/pictures/more.zip")
        assert "/pictures/more.zip  zip" in text(app)
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("down", "down", "space")  # the kind, classes by folder
        await pilot.press("up", "up", *"Dogs", "enter")
        await until(pilot, lambda: "looking at 40 of 100, 38 good, 2 left out, 45 MB/s" in text(app))
        assert "Datasets ◐1" in lines(app)[0]
        assert sets.asked == [("add", ["/pictures/dogs", "/pictures/more.zip"], "Dogs", True, False)]
        sets.go.set()
        await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage))
        assert "Prepare Dogs" in text(app)
        await until(pilot, lambda: len(app.screen.query_one(TileSheet).places) == 12)
        assert "as the pictures allow" in text(app)
        sets.go.clear()
        await pilot.press("down", "left")  # crop: auto is the last one
        assert "finds the subject" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: "◐ preparing 40%" in text(app))
        assert app.screen.query_one(Table).current == "20261125-120000-Dogs"
        sets.go.set()
        await until(pilot, lambda: cells(app, "20261125-120000-Dogs")[3] == "256×256 auto")
        verb, dataset_id, preparation = sets.asked[-1]
        assert (verb, dataset_id, preparation.size, preparation.crop) == (  # type: ignore[attr-defined]
            "prepare", "20261125-120000-Dogs", 256, "auto",
        )  # fmt: skip
        assert not app.losses


async def test_refusals_are_sentences_in_place(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        page = await give(app, pilot, "/pictures/missing")
        assert "✕ /pictures/missing is not there" in text(app)
        assert page.prompt.input.value == "/pictures/missing", "what was typed stays"
        page.prompt.input.value = ""
        page.set_focus(page.name_field)
        await pilot.press("enter")
        await until(pilot, lambda: "✕ Give a folder, an archive or a file first." in text(app))
        services.sets.failure = Refused("dogs cannot be added", "12 pictures: at least 50 are needed")
        services.sets.go.set()
        await give_more(page, pilot, "/pictures/dogs")
        await pilot.press("enter")
        await until(pilot, lambda: "✕ dogs cannot be added: 12 pictures: at least 50 are needed" in text(app))
        assert isinstance(app.screen, AddDatasetPage)
        assert not app.losses


async def give_more(page: AddDatasetPage, pilot: Pilot[Any], path: str) -> None:
    """Another path on the open page."""
    page.set_focus(page.prompt.input)
    page.prompt.input.value = path
    await pilot.press("enter")
    await until(pilot, lambda: page.app.focused is page.name_field)


async def test_escape_stops_the_scan_and_nothing_is_added(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        page = await give(app, pilot, "/pictures/dogs")
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("enter")
        await until(pilot, lambda: "esc stops" in text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "✕ stopped; nothing was added" in text(app))
        assert services.sets.stopped == 1
        assert services.sets.found == list(ALL)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


async def test_a_scan_goes_on_while_another_place_is_seen(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        page = await give(app, pilot, "/pictures/dogs")
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("enter")
        await until(pilot, lambda: "esc stops" in text(app))
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "directory" and "Datasets ◐1" in lines(app)[0])
        services.sets.go.set()
        await until(pilot, lambda: "dogs is added: 98 pictures. 4 goes on." in told(app))
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage))


async def test_leaving_during_a_job_asks_and_ends_it(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        await at(app, pilot, RAW.id)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage))
        await pilot.press("enter")
        await until(pilot, lambda: "◐ preparing 40%" in text(app))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "few is being prepared; it stays unprepared." in text(app)
        await pilot.press("y")
        await until(pilot, lambda: services.sets.stopped == 1)


async def test_a_job_that_is_stopped_or_fails_leaves_the_list_as_it_was(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets", size=LARGE) as (app, pilot, _):
        await at(app, pilot, RAW.id)
        for ending in ("stop", "fail"):
            await pilot.press("p")
            await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage))
            await pilot.press("enter")
            await until(pilot, lambda: "◐ preparing 40%" in text(app))
            if ending == "stop":
                await pilot.press("s")
                await until(pilot, lambda: cells(app, RAW.id)[3] == "! not yet")
            else:
                services.sets.failure = Refused("few cannot be prepared", "its sources have gone")
                services.sets.go.set()
                await until(pilot, lambda: "✕ few cannot be prepared: its sources have gone" in text(app))
                assert cells(app, RAW.id)[3] == "✕ failed"
        assert services.sets.stopped == 1


async def test_a_starter_is_drawn_at_a_size_and_cannot_be_deleted(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        await at(app, pilot, UNDRAWN.id)
        await pilot.press("x")
        await until(pilot, lambda: "A starter cannot be deleted" in told(app))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, PrepareDatasetPage))
        assert "crop" not in text(app)
        await pilot.press("right", "enter")
        await until(pilot, lambda: services.sets.asked)
        verb, dataset_id, preparation = services.sets.asked[-1]
        assert (verb, dataset_id, preparation.size) == ("prepare", UNDRAWN.id, 128)  # type: ignore[attr-defined]


async def test_deleting_asks_first(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        await at(app, pilot, CATS.id)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "The files that it was made from stay." in " ".join(text(app).split())
        await pilot.press("escape")
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: services.sets.asked == [("remove", CATS.id)])
        await until(pilot, lambda: "cats" not in [row.cells[0][0] for row in app.screen.query_one(Table).rows])


@both
async def test_what_is_left_out_is_listed_harmless(home: Path, size: tuple[int, int]) -> None:
    async with studio(stage(home), start="datasets", size=size) as (app, pilot, _):
        await at(app, pilot, CATS.id)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LeftOutPage) and app.screen.query_one(Table).rows)
        reasons = [row.cells[0][0] for row in app.screen.query_one(Table).rows]
        assert reasons == ["broken", "broken", "duplicate", "near, kept"]
        await pilot.press("down")
        await until(pilot, lambda: "evil [31mred .jpg" in text(app))
        assert not {"\x1b", "\x9b"} & set(text(app))
        assert "bad [2J bytes" in text(app)
        await pilot.press("f")
        await until(pilot, lambda: len(app.screen.query_one(Table).rows) == 2)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


@both
async def test_the_pictures_large_and_one_alone(home: Path, size: tuple[int, int]) -> None:
    async with studio(stage(home), start="datasets", size=size) as (app, pilot, _):
        await at(app, pilot, CATS.id)
        await pilot.press("o")
        await until(
            pilot, lambda: isinstance(app.screen, DatasetSheet) and len(app.screen.query_one(TileSheet).places) > 3
        )
        page = app.screen
        assert isinstance(page, DatasetSheet)
        assert "1 of 812  cats-0.png" in text(app)
        per_page = len(page.sheet.places)
        await pilot.press("pagedown", "right")
        await until(pilot, lambda: f"cats-{per_page + 1}.png" in text(app))
        await pilot.press("space")
        await until(pilot, lambda: page.sheet.places == {(0, 0)})
        await pilot.press("escape")
        await until(pilot, lambda: len(page.sheet.places) == per_page)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


async def test_training_on_it_opens_the_wizard_with_it_chosen(home: Path) -> None:
    services = stage(home)
    services.fake.found = [*services.fake.found, CATS]  # type: ignore[list-item]
    async with studio(services, start="datasets") as (app, pilot, _):
        for _ in range(2):  # also where a wizard is open already
            await at(app, pilot, CATS.id)
            await pilot.press("t")
            await until(pilot, lambda: app.current_mode == "training" and isinstance(app.screen, Wizard))
            wizard = app.screen
            assert isinstance(wizard, Wizard)
            assert wizard.answers.dataset == CATS.id
            await until(pilot, lambda wizard=wizard: wizard.materials.datasets is not None)
            assert len(app.screen_stack) == 2
            await pilot.press("4")
            await until(pilot, lambda: app.current_mode == "datasets")


async def test_the_wizard_adds_one_and_comes_back_with_it_chosen(home: Path) -> None:
    services = stage(home)
    services.sets.go.set()
    services.fake.datasets = lambda: list(services.sets.found)  # type: ignore[method-assign, return-value, assignment]
    async with studio(services, start="training") as (app, pilot, _):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Wizard) and app.screen.page.query_one(Table).rows)
        wizard = app.screen
        assert isinstance(wizard, Wizard)
        await until(pilot, lambda: wizard.materials.text_bases is not None)
        await pilot.press("home", "enter", "end", "enter")
        await until(pilot, lambda: isinstance(app.screen, AddDatasetPage))
        page = app.screen
        assert isinstance(page, AddDatasetPage)
        await give_more(page, pilot, "/pictures/dogs")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is wizard and wizard.answers.dataset == "20261125-120000-dogs")
        table = wizard.page.query_one(Table)
        await until(pilot, lambda: table.current == "20261125-120000-dogs")


def test_the_stage_answers_like_the_core() -> None:
    """What the fake leaves out would be asked of the disk."""
    public = {name for name in vars(FakeDatasets.__base__) if not name.startswith("_")}
    assert public - set(vars(FakeDatasets)) == {"preparation"}
    assert issubclass(DatasetStage, object)
