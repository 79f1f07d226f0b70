"""The place Datasets with texts: what is told of them, reading them, adding them, and what is not offered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import Refused
from tests.tui.dataset_stage import CATS, LIBRARY, PICTURES, SCRIPTS, stage
from tests.tui.stage import lines, studio, text, until
from tests.tui.test_datasets import LARGE, SMALL, at, both, cells, give, give_more, told
from tests.tui.test_training import offered
from tui.screens.add_dataset import AddDatasetPage, AddForm, _told
from tui.screens.dataset_texts import MOST, DatasetTexts
from tui.screens.datasets import DatasetsScreen
from tui.screens.left_out import LeftOutPage
from tui.studio import TarmacApp
from tui.widgets.dataset_card import DatasetCard
from tui.widgets.text_view import TextView
from tui.widgets.tile_sheet import TileSheet


def flat(app: TarmacApp) -> str:
    """The screen with its line ends and gaps gone."""
    return " ".join(text(app).split())


async def test_the_card_tells_the_report_and_shows_some_of_the_text(home: Path) -> None:
    async with studio(stage(home), start="datasets", size=LARGE) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        await until(pilot, lambda: "function readLines(path)" in text(app))
        card = app.screen.query_one(DatasetCard)
        assert not card.query_one(TileSheet).region
        for words in (
            "1,204, 4.3 MB of text", "61, 215 kB: no step sees them", "field code",
            "3 of 14 files: 2 binary, 1 minified. l lists them", "12 there twice, 1 empty",
            "UTF-8 13, Windows-1252 1", "3 lines with bytes that do not decode, 2 records that do not parse",
            "81 kB a.jsonl.gz/8", "9.9 kB a.jsonl.gz/2", "● 4.3 MB in 1,204 documents: right",
        ):  # fmt: skip
            assert words in flat(app), words
        await at(app, pilot, CATS.id)
        await until(pilot, lambda: card.query_one(TileSheet).region and not card.query_one(TextView).region)


@both
async def test_what_makes_no_sense_for_texts_is_not_offered(home: Path, size: tuple[int, int]) -> None:
    async with studio(stage(home), start="datasets", size=size) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        assert not offered(app) & {"prepare", "review"}
        assert {"train", "sheet", "left_out", "delete"} <= offered(app)
        await pilot.press("p", "c")
        assert isinstance(app.screen, DatasetsScreen)
        assert not app.dataset_jobs.running


async def test_all_keys_have_their_place_at_eighty_columns(home: Path) -> None:
    async with studio(stage(home), start="datasets", size=SMALL) as (app, pilot, _):
        await at(app, pilot, CATS.id)
        await until(pilot, lambda: "p prepare  col look  x delete  ? help  ^p commands" in lines(app)[-1])
        await at(app, pilot, SCRIPTS.id)
        await until(pilot, lambda: "o browse  l left out  x delete" in lines(app)[-1])
        await pilot.resize_terminal(120, 36)
        await at(app, pilot, CATS.id)
        await until(pilot, lambda: "c crops  o browse  l left out  x delete" in lines(app)[-1])


async def test_documents_are_read_one_by_one_and_those_held_out_alone(home: Path) -> None:
    async with studio(stage(home), start="datasets", size=SMALL) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, DatasetTexts) and "// number 0" in text(app))
        page = app.screen
        assert isinstance(page, DatasetTexts)
        assert "held out" in lines(app)[1]
        await pilot.press("right")
        await until(pilot, lambda: "// number 1" in text(app) and "2 of 1,204  all" in text(app))
        assert "held out" not in lines(app)[1]
        await pilot.press("pagedown")
        await until(pilot, lambda: "// number 1" not in text(app) and "line 30 of it" in text(app))
        await pilot.press("v")
        await until(pilot, lambda: "// number 20" in text(app) and "2 of 61  held out" in text(app))
        await pilot.press("v", "end")
        await until(pilot, lambda: "1,204 of 1,204  all" in text(app) and "// number 1203" in text(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


async def test_of_a_long_document_the_beginning_is_shown_and_the_rest_told(home: Path) -> None:
    async with studio(stage(home), start="datasets", size=LARGE) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, DatasetTexts) and "// number 0" in text(app))
        page = app.screen
        assert isinstance(page, DatasetTexts)
        page.action_turn(8)
        await until(pilot, lambda: "// number 8" in text(app))
        await pilot.press(*["pagedown"] * 3)
        await until(pilot, lambda: "… 2.4 MB more are not shown here" in text(app))
        assert 9 * MOST == 2_359_296


async def test_documents_that_cannot_be_read_are_told(home: Path) -> None:
    services = stage(home)

    def broken(*given: object, **named: object) -> Any:
        raise Refused("the texts of scripts cannot be used", "its index does not fit its texts", "Add it again")

    services.sets.documents = broken  # type: ignore[method-assign]
    async with studio(services, start="datasets", size=SMALL) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        await pilot.press("o")
        await until(pilot, lambda: "✕ the texts of scripts cannot be used" in text(app))
        await pilot.press("right", "v", "down", "escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


@both
async def test_texts_are_guessed_added_and_ready(home: Path, size: tuple[int, int]) -> None:
    services = stage(home)
    sets = services.sets
    async with studio(services, start="datasets", size=size) as (app, pilot, _):
        page = await give(app, pilot, "/texts/scripts.jsonl.gz")
        await until(pilot, lambda: "14 text files, 3 of no use · 4.3 MB" in text(app))
        form = page.query_one(AddForm)
        await until(pilot, lambda: [field.name for field in form.fields] == ["kind", "field", "held_out"])
        assert page.kind == "text"
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("down", "down")
        await until(pilot, lambda: form.field.name == "field" and "const fs = require" in text(app))
        await pilot.press("right")  # the other field
        await until(pilot, lambda: "Returns the lines" in text(app))
        await pilot.press("left", "down", "right", "enter")
        await until(pilot, lambda: "file 3 of 14, 800 documents, 3 MB, 21.0 MB/s" in text(app))
        assert sets.asked == [("add_text", ["/texts/scripts.jsonl.gz"], None, "code", 0.1)]
        sets.go.set()
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.query_one("Table").current == "20261125-120000-scripts.jsonl")  # type: ignore[attr-defined]
        assert not app.losses


async def test_the_kind_that_was_guessed_can_be_changed(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets", size=SMALL) as (app, pilot, _):
        page = await give(app, pilot, "/pictures/captions")
        await until(pilot, lambda: "100 pictures, 2 of no use · 45 MB" in text(app))
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("down", "right")
        form = page.query_one(AddForm)
        await until(pilot, lambda: [field.name for field in form.fields] == ["kind", "held_out"])
        await pilot.press("enter")
        await until(pilot, lambda: services.sets.asked)
        assert services.sets.asked == [("add_text", ["/pictures/captions"], None, None, 0.05)]
        await pilot.press("escape")


async def test_adding_waits_until_it_is_known_what_is_there(home: Path) -> None:
    services = stage(home)
    services.sets.seen.clear()
    async with studio(services, start="datasets", size=SMALL) as (app, pilot, _):
        page = await give(app, pilot, "/texts/scripts")
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("enter")
        await until(pilot, lambda: "◐ looking what is there" in text(app))
        assert not services.sets.asked
        services.sets.seen.set()
        await until(pilot, lambda: services.sets.asked)
        assert services.sets.asked[0][0] == "add_text"
        await pilot.press("escape")


async def test_a_refusal_is_told_with_its_reason_and_nothing_is_added(home: Path) -> None:
    services = stage(home)
    services.sets.failure = Refused("scripts cannot be added", "no record has text in the field body")
    services.sets.go.set()
    async with studio(services, start="datasets", size=SMALL) as (app, pilot, _):
        page = await give(app, pilot, "/texts/scripts")
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("enter")
        await until(pilot, lambda: "✕ scripts cannot be added: no record has text in the field body" in flat(app))
        assert isinstance(app.screen, AddDatasetPage)
        assert len(services.sets.found) == 7
        await give_more(page, pilot, "/texts/others")


async def test_texts_that_were_added_meanwhile_are_told_as_documents(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets") as (app, pilot, _):
        page = await give(app, pilot, "/texts/scripts")
        await until(pilot, lambda: app.focused is page.name_field)
        await pilot.press("enter")
        await until(pilot, lambda: "esc stops" in text(app))
        await pilot.press("1")
        services.sets.go.set()
        await until(pilot, lambda: "scripts is added: 1,204 documents. 4 goes on." in told(app))


async def test_a_starter_of_texts_is_gathered_without_a_question(home: Path) -> None:
    services = stage(home)
    async with studio(services, start="datasets", size=LARGE) as (app, pilot, _):
        await at(app, pilot, LIBRARY.id)
        assert "prepare" in offered(app)
        await until(pilot, lambda: "Gathered when it is used. p gathers it now." in text(app))
        await pilot.press("p")
        await until(pilot, lambda: cells(app, LIBRARY.id)[3] == "◐ gathering 40%")
        services.sets.go.set()
        await until(pilot, lambda: cells(app, LIBRARY.id)[3] == "61 held out")
        assert services.sets.asked == [("prepare", LIBRARY.id, None)]


async def test_what_is_left_out_of_texts_is_listed(home: Path) -> None:
    async with studio(stage(home), start="datasets", size=SMALL) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LeftOutPage) and "broken.png" in text(app))


@pytest.mark.parametrize("size", [SMALL, (120, 36), LARGE])
async def test_nothing_is_wider_than_the_screen(home: Path, size: tuple[int, int]) -> None:
    async with studio(stage(home), start="datasets", size=size) as (app, pilot, _):
        await at(app, pilot, SCRIPTS.id)
        await pilot.press("enter")
        await pilot.pause()
        assert all(len(line) <= size[0] for line in lines(app))


def test_what_was_found_is_told_in_a_line() -> None:
    assert _told(PICTURES) == "100 pictures, 2 of no use · 45 MB"
