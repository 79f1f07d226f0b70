"""The explorer's keys where the studio has keys of its own: bursts, place numbers, the list of bookmarks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from tests.tui.stage import furnish, studio, text, until
from tui.messages import ShowModel
from tui.screens.chooser import Chooser
from tui.studio import TarmacApp
from tui.widgets.explorer.edit import EditPanel
from tui.widgets.explorer.grid import Explorer
from tui.widgets.explorer.project import ProjectPanel


@asynccontextmanager
async def exploring(home: Path) -> AsyncIterator[tuple[TarmacApp, Pilot[int], Explorer]]:
    """The studio with the image model in front and the keys in its explorer."""
    async with studio(furnish(home)) as (app, pilot, _):
        app.post_message(ShowModel("starter/portraits"))
        await until(pilot, lambda: app.screen.query(Explorer), 60)
        explorer = app.screen.query_one(Explorer)
        await until(pilot, lambda: app.focused is explorer and explorer.tile_at(explorer.view.cursor), 60)
        yield app, pilot, explorer


def burst(app: TarmacApp, *keys: str) -> None:
    """Keys that arrive in one piece."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_a_burst_after_g_reaches_the_seed_field(home: Path) -> None:
    async with exploring(home) as (app, pilot, explorer):
        burst(app, "g", "1", "2", "enter")
        await until(pilot, lambda: explorer.view.plane.seed == 12)
        assert app.focused is explorer
        assert app.current_mode == "workspace"
        burst(app, "g", "3", "escape", "right")
        await until(pilot, lambda: explorer.view.cursor == (1, 0))
        assert explorer.view.plane.seed == 12


async def test_bookmarks_do_not_shadow_the_places(home: Path) -> None:
    async with exploring(home) as (app, pilot, explorer):
        burst(app, "b", "right", "1")
        await until(pilot, lambda: app.current_mode == "directory")
        assert explorer.view.cursor == (1, 0)
        await pilot.press("2")
        await until(pilot, lambda: app.focused is explorer)
        await pilot.press("alt+1")
        assert app.current_mode == "workspace"
        assert explorer.view.cursor == (0, 0)


async def test_a_bookmark_is_chosen_from_a_list(home: Path) -> None:
    async with exploring(home) as (app, pilot, explorer):
        await pilot.press("B")
        assert not isinstance(app.screen, Chooser)
        await pilot.press("b", "right")
        await until(pilot, lambda: explorer.tile_at((1, 0)))
        await pilot.press("b", "right", "B")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        await pilot.press("down", "enter")
        await until(pilot, lambda: explorer.view.cursor == (1, 0))
        assert app.focused is explorer


async def test_what_is_typed_after_a_panels_key_belongs_to_the_panel(home: Path) -> None:
    async with exploring(home) as (app, pilot, explorer):
        burst(app, "i", *"/nowhere", "enter")
        await until(pilot, lambda: app.screen.query(ProjectPanel) and "no file" in text(app))
        assert app.screen.query_one(ProjectPanel).prompt.input.value == "/nowhere"
        burst(app, "escape", "m", "right", "right", "l", "enter", "right")
        await until(pilot, lambda: explorer.view.cursor == (2, 0))
        mix = explorer.view.style.mix
        assert mix is not None
        assert mix.layers == (4, 7)
        assert app.focused is explorer


async def test_a_panel_keeps_the_keys_when_one_comes_back_to_it(home: Path) -> None:
    async with exploring(home) as (app, pilot, _):
        await pilot.press("e")
        panel = app.screen.query_one(EditPanel)
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "directory")
        await pilot.press("2")
        await until(pilot, lambda: app.focused is panel)
        await pilot.press("question_mark")
        assert "Principal directions" in text(app)
        assert "A stronger direction" in text(app)
        await pilot.press("escape", "escape")
        assert not app.screen.query(EditPanel)
