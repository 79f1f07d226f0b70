"""The directory: the list in every state, finding, details, adding, importing, deleting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.message import Message
from textual.pilot import Pilot

from core.errors import Refused
from core.library.models import Model
from tests.tui.stage import StageServices, furnish, lines, put_model, studio, text, until
from tui.messages import LibraryChanged, ShowModel
from tui.screens.confirm import Confirm
from tui.screens.directory import DirectoryScreen
from tui.screens.model_page import ModelPage
from tui.studio import TarmacApp
from tui.widgets.path_prompt import PathPrompt, candidates, common_start
from tui.widgets.table import Table


def names(app: TarmacApp) -> list[str]:
    """What the list shows, from top to bottom."""
    return [row.cells[0][0] for row in app.screen.query_one(Table).rows]


async def listed(app: TarmacApp, pilot: Pilot[int]) -> None:
    """Wait for the list."""
    await until(pilot, lambda: app.screen.query(Table) and names(app))


def of(messages: list[Message], kind: type[Message]) -> list[Message]:
    """The different messages of one kind."""
    return list({id(message): message for message in messages if isinstance(message, kind)}.values())


async def test_ones_own_come_first_then_pictures_and_a_broken_folder_last_says_why(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await listed(app, pilot)
        torn = "20200102-030406-torn"
        assert names(app) == ["sneakers", "starter/portraits", "starter/gpt2-python", torn]
        await pilot.press("end")
        assert app.screen.query_one(Table).current == torn
        await until(pilot, lambda: "not TOML" in text(app))
        assert "✕ broken" in text(app)


async def test_an_empty_library_says_what_to_press(home: Path) -> None:
    services = StageServices(home, home / "none")
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: "Press i to import" in text(app))
        assert app.screen.query_one(Table).current is None
        await pilot.press("enter", "a", "x", "space")
        assert isinstance(app.screen, DirectoryScreen)


async def test_a_slow_disk_is_told_and_holds_nothing_up(home: Path) -> None:
    services = furnish(home)
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    models = services.library.models

    def slow() -> list[Model]:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return models()

    services.library.models = slow  # type: ignore[method-assign]
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: "◐ reading the library" in text(app))
        await pilot.press("question_mark")
        assert "Every model on this machine" in text(app)
        await pilot.press("escape")
        gate.set()
        await listed(app, pilot)


async def test_a_library_that_cannot_be_read_is_told(home: Path) -> None:
    services = furnish(home)

    def broken() -> list[Model]:
        raise Refused("the library cannot be read", "the disk is gone", "Mount it")

    services.library.models = broken  # type: ignore[method-assign]
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: app._notifications)
        assert "the disk is gone" in next(iter(app._notifications)).message


@pytest.mark.parametrize(
    ("typed", "found"),
    [("sneak", ["sneakers"]), ("prtr", ["starter/portraits"]), ("zzz", []), ("text", ["starter/gpt2-python"])],
)
async def test_search_finds_by_name_loosely_and_by_kind(home: Path, typed: str, found: list[str]) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await listed(app, pilot)
        await pilot.press("slash", *typed)
        await until(pilot, lambda: names(app)[: len(found) or None] == found)
        if not found:
            assert "Nothing matches" in text(app)
        await pilot.press("escape")
        assert len(names(app)) == 4


async def test_filters_and_orders_are_told_in_the_title(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await listed(app, pilot)
        await pilot.press("f")
        assert set(names(app)) == {"starter/portraits", "sneakers"}
        assert "images · 2 of 4" in lines(app)[1]
        await pilot.press("o", "o")
        assert names(app) == ["sneakers"]
        assert "images · your own · 1 of 4" in lines(app)[1]
        await pilot.press("escape", "s", "s", "s")
        assert "by size" in lines(app)[1]
        assert names(app)[0] == "sneakers"


async def test_enter_opens_and_a_adds(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, messages):
        await listed(app, pilot)
        await pilot.press("down", "down")
        await pilot.press("a")
        (added,) = of(messages, ShowModel)
        assert added == ShowModel("starter/gpt2-python", show=False)
        assert app.current_mode == "directory"
        await until(pilot, lambda: app.services.workspaces.last())
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "workspace")
        await until(pilot, lambda: app.workspace and app.workspace.tabs)
        assert app.workspace is not None
        assert [tab.model_id for tab in app.workspace.tabs] == ["starter/gpt2-python"]


async def test_a_broken_model_cannot_be_opened(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, messages):
        await listed(app, pilot)
        await pilot.press("end", "enter", "a")
        assert of(messages, ShowModel) == []


async def test_details_are_a_page_when_narrow_and_beside_when_wide(home: Path) -> None:
    async with studio(furnish(home), size=(80, 24)) as (app, pilot, _):
        await listed(app, pilot)
        assert "network" not in text(app)
        await pilot.press("down", "down", "right")
        assert isinstance(app.screen, ModelPage)
        await until(pilot, lambda: "a whole number from 1 to 256" in text(app))
        await pilot.press("escape")
        assert isinstance(app.screen, DirectoryScreen)
        await pilot.resize_terminal(120, 30)
        await until(pilot, lambda: "GPT-2, 6 layers" in text(app))
        await pilot.resize_terminal(170, 40)
        await until(pilot, lambda: "a whole number from 1 to 256" in text(app))


async def test_deleting_names_what_is_lost_and_starters_stay(home: Path) -> None:
    services = furnish(home)
    async with studio(services) as (app, pilot, messages):
        await listed(app, pilot)
        await pilot.press("down", "x")
        assert isinstance(app.screen, DirectoryScreen), "a starter cannot be deleted"
        await pilot.press("home", "x")
        assert isinstance(app.screen, Confirm)
        assert "95 MB" in text(app)
        assert "20200102-030405-sneakers" in text(app).replace("\n", "")
        await pilot.press("enter")
        assert "sneakers" in names(app)
        await pilot.press("x", "y")
        await until(pilot, lambda: "sneakers" not in names(app))
        (changed,) = of(messages, LibraryChanged)
        assert changed == LibraryChanged("20200102-030405-sneakers", removed=True)
        assert not (home / "data" / "models" / "20200102-030405-sneakers").exists()


async def open_prompt(app: TarmacApp, pilot: Pilot[int], path: str) -> PathPrompt:
    """Press i and type `path`."""
    await listed(app, pilot)
    await pilot.press("i")
    await until(pilot, lambda: app.screen.query(PathPrompt) and app.screen.query_one(PathPrompt).input.has_focus)
    prompt = app.screen.query_one(PathPrompt)
    prompt.input.value = path
    return prompt


async def test_import_tells_progress_and_then_shows_the_model(home: Path) -> None:
    services = furnish(home)
    gate = asyncio.Event()

    async def import_model(path: Path, progress: Callable[[str, float | None], None]) -> Model:
        progress("converting", 0.5)
        await gate.wait()
        put_model(home / "data" / "models" / "20300101-000000-new", "new", "image-gan")
        return services.library.get("20300101-000000-new")

    services.import_model = import_model  # type: ignore[method-assign]
    async with studio(services) as (app, pilot, messages):
        await open_prompt(app, pilot, "/somewhere/new.pkl")
        await pilot.press("enter")
        await until(pilot, lambda: "◐ converting 50%" in text(app))
        await pilot.press("ctrl+q")
        assert isinstance(app.screen, Confirm), "leaving would lose the import"
        await pilot.press("escape")
        gate.set()
        await until(pilot, lambda: "new" in names(app))
        assert app.screen.query_one(Table).current == "20300101-000000-new"
        assert not app.screen.query(PathPrompt)
        assert of(messages, LibraryChanged) == [LibraryChanged("20300101-000000-new")]
        assert app.losses == {}


async def test_a_refused_import_says_why_in_place_and_keeps_the_path(home: Path) -> None:
    services = furnish(home)

    async def import_model(path: Path, progress: Callable[[str, float | None], None]) -> Model:
        raise Refused(f"{path.name} cannot be imported", "it holds code", "Ask its author for weights alone")

    services.import_model = import_model  # type: ignore[method-assign]
    async with studio(services) as (app, pilot, _):
        prompt = await open_prompt(app, pilot, "/somewhere/evil.pkl")
        await pilot.press("enter")
        await until(pilot, lambda: "it holds code" in text(app))
        assert prompt.input.value == "/somewhere/evil.pkl"
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query(PathPrompt))
        assert isinstance(app.focused, Table)


async def test_escape_stops_an_import(home: Path) -> None:
    services = furnish(home)
    stopped = asyncio.Event()

    async def import_model(path: Path, progress: Callable[[str, float | None], None]) -> Model:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    services.import_model = import_model  # type: ignore[method-assign]
    async with studio(services) as (app, pilot, _):
        await open_prompt(app, pilot, "/somewhere/huge.pkl")
        await pilot.press("enter")
        await until(pilot, lambda: app.losses)
        await pilot.press("escape")
        await until(pilot, stopped.is_set)
        await until(pilot, lambda: "nothing was added" in text(app))
        assert app.losses == {}


async def test_tab_completes_a_path(home: Path) -> None:
    folder = home / "files"
    (folder / "model-one").mkdir(parents=True)
    (folder / "model-two.pkl").touch()
    (folder / ".hidden").touch()
    assert candidates(f"{folder}/") == [f"{folder}/model-one/", f"{folder}/model-two.pkl"]
    assert candidates(f"{folder}/.h") == [f"{folder}/.hidden"]
    assert candidates(str(folder / "none" / "x")) == []
    assert common_start(["abc", "abd", "ab"]) == "ab"
    async with studio(furnish(home)) as (app, pilot, _):
        prompt = await open_prompt(app, pilot, f"{folder}/m")
        await pilot.press("tab")
        assert prompt.input.value == f"{folder}/model-"
        await until(pilot, lambda: "model-two.pkl" in text(app))
        await pilot.press("o", "tab")
        assert prompt.input.value == f"{folder}/model-one/"


async def test_names_that_hold_terminal_escapes_stay_text(home: Path) -> None:
    services = furnish(home)
    put_model(home / "data" / "models" / "20200102-030407-x", "[red]\x1b[31mred[/]", "image-gan")
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and len(names(app)) == 5)
        assert "\x1b" not in text(app)
        assert "[red]" in text(app)
        await pilot.press("home", "right")
        await until(pilot, lambda: isinstance(app.screen, ModelPage))


async def test_a_narrow_card_tells_what_matters_and_the_page_everything(home: Path) -> None:
    services = furnish(home)
    put_model(home / "data" / "models" / "20300101-000000-long", "long", "image-gan")
    manifest = home / "data" / "models" / "20300101-000000-long" / "model.toml"
    text_before = manifest.read_text(encoding="utf-8").replace(
        'description = "Drawn from an openly licensed font."', 'description = "One line\\ngoes on.\\n\\n- a point"'
    )
    manifest.write_text(
        text_before.replace("[scores]", "[scores]\nmedian_distance_to_nearest = 9.04\ncoverage = 0.9")
        + "\n[[recipe.stages]]\nresolution = 32\nsteps = 1800\n\n[[recipe.stages]]\nresolution = 64\n",
        encoding="utf-8",
    )
    async with studio(services, size=(100, 50)) as (app, pilot, _):
        await listed(app, pilot)
        await pilot.press("down")
        await until(pilot, lambda: "fid 10k 12.5, coverage" in text(app))
        assert "median distance" not in text(app)
        assert "One line goes on." in text(app)
        assert "- a point" in text(app)
        await pilot.press("right")
        await until(pilot, lambda: "stages 1: resolution 32, steps 1800" in text(app))
        assert "stages 2: resolution 64" in text(app)
        assert "median distance to nearest: 9.04" in text(app)
