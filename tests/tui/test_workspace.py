"""The workspace: tabs, workers that start and stop with them, saving, other workspaces, leaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.library.workspaces import Entry, Workspace, Workspaces
from tests.tui.stage import StageServices, furnish, lines, studio, text, until
from tui.messages import ShowModel
from tui.screens.chooser import Chooser
from tui.screens.workspace import WorkspaceScreen
from tui.studio import TarmacApp
from tui.widgets.completion.pane import CompletionPane
from tui.widgets.explorer.grid import Explorer

TEXT, IMAGES = "starter/gpt2-python", "starter/portraits"


def workspace_of(app: TarmacApp) -> WorkspaceScreen:
    """The workspace screen, which is there."""
    assert app.workspace is not None
    return app.workspace


async def test_nothing_in_it_says_what_to_press(home: Path) -> None:
    async with studio(furnish(home), start="workspace") as (app, pilot, _):
        await until(pilot, lambda: "1 opens the directory" in text(app))
        await pilot.press("1")
        assert app.current_mode == "directory"
    assert Workspaces().names() == []


async def test_models_become_tabs_with_panes_and_workers(home: Path) -> None:
    services = furnish(home)
    async with studio(services, size=(120, 40)) as (app, pilot, _):
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: app.screen.query(Explorer))
        await until(pilot, lambda: services.sessions[0].state == "ready")
        assert "▸ ● starter/portraits" in lines(app)[1]
        app.post_message(ShowModel(TEXT))
        await until(pilot, lambda: app.screen.query(CompletionPane))
        await until(pilot, lambda: len(services.sessions) == 2 and services.sessions[1].state == "ready")
        assert "● starter/portraits  ▸ ● starter/gpt2-python" in lines(app)[1]
        assert "●2" in lines(app)[0]
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: "▸ ● starter/portraits" in lines(app)[1])
        assert len(services.sessions) == 2, "a model that is in is shown, not added"
        await until(pilot, lambda: isinstance(app.focused, Explorer))
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "▸ ● starter/gpt2-python" in lines(app)[1])


async def test_a_model_taken_out_gives_its_worker_back(home: Path) -> None:
    services = furnish(home)
    async with studio(services) as (app, pilot, _):
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: services.sessions and services.sessions[0].state == "ready")
        await until(pilot, lambda: isinstance(app.focused, Explorer))
        await workspace_of(app).save()  # else the room was never filled, and no file is written
        await pilot.press("X")
        await until(pilot, lambda: services.sessions[0].state == "stopped")
        await until(pilot, lambda: "1 opens the directory" in text(app))
        await workspace_of(app).save()
    assert Workspaces().load("Workspace 1").models == ()


async def test_a_worker_put_to_rest_starts_again_by_one_key(home: Path) -> None:
    services = furnish(home)
    async with studio(services) as (app, pilot, _):
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: services.sessions and services.sessions[0].state == "ready")
        await until(pilot, lambda: isinstance(app.focused, Explorer))
        await pilot.press("Z")
        await until(pilot, lambda: services.sessions[0].state == "stopped")
        await until(pilot, lambda: "○ starter/portraits" in lines(app)[1])
        await pilot.press("R")
        await until(pilot, lambda: services.sessions[0].state == "ready")


async def test_the_next_start_comes_back_to_the_same_place(home: Path) -> None:
    services = furnish(home)
    async with studio(services) as (app, pilot, _):
        for model in (TEXT, IMAGES):
            app.post_message(ShowModel(model))
        await until(pilot, lambda: app.workspace and len(app.workspace.tabs) == 2)
        await until(pilot, lambda: app.screen.query(Explorer))
        await workspace_of(app).close()
    async with studio(StageServices(home, services.starters), start=None) as (app, pilot, _):
        assert app.current_mode == "workspace"
        await until(pilot, lambda: app.screen.query(Explorer))
        assert "▸" in lines(app)[1].split("gpt2-python")[1]
        assert [tab.model_id for tab in workspace_of(app).tabs] == [TEXT, IMAGES]


async def test_models_that_are_gone_or_broken_are_told_and_can_be_taken_out(home: Path) -> None:
    Workspaces().save(Workspace("W", (Entry("long-gone", {"kept": 1}), Entry("20200102-030406-torn"))))
    async with studio(furnish(home), start=None) as (app, pilot, _):
        await until(pilot, lambda: "long-gone is not in the library any more" in text(app))
        assert "✕ long-gone" in lines(app)[1]
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "cannot be used" in text(app))
        await pilot.press("X")
        await until(pilot, lambda: len(workspace_of(app).tabs) == 1)
        await workspace_of(app).save()
    assert Workspaces().load("W").models == (Entry("long-gone", {"kept": 1}),), "what a lost model knew is kept"


async def test_a_spoilt_workspace_file_is_told_and_left_alone(home: Path) -> None:
    Workspaces().save(Workspace("W", (Entry(TEXT),)))
    path = home / "data" / "workspaces" / "W.toml"
    path.write_text("format = ", encoding="utf-8")
    async with studio(furnish(home), start="workspace") as (app, pilot, _):
        await until(pilot, lambda: app._notifications)
        assert "W cannot be opened" in next(iter(app._notifications)).message
        await until(pilot, lambda: "1 opens the directory" in text(app))
    assert path.read_text(encoding="utf-8") == "format = "


async def test_another_studio_loses_nothing(home: Path) -> None:
    services = furnish(home)
    async with studio(services) as (app, pilot, _):
        app.post_message(ShowModel(TEXT))
        await until(pilot, lambda: app.workspace and app.workspace.tabs)
        await workspace_of(app).save()
        theirs = Workspaces().load("Workspace 1")
        Workspaces().save(Workspace("Workspace 1", (Entry(IMAGES),), stamp=theirs.stamp))
        await until(pilot, lambda: app.screen.query(CompletionPane))
        workspace_of(app)._changed()
        await workspace_of(app).save()
        await until(pilot, lambda: "both are kept" in str([note.message for note in app._notifications]))
    assert Workspaces().load("Workspace 1").models[0].model == IMAGES
    assert Workspaces().load("Workspace 2").models[0].model == TEXT


async def test_a_new_workspace_by_typing_its_name(home: Path) -> None:
    services = furnish(home)
    async with studio(services) as (app, pilot, _):
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: isinstance(app.focused, Explorer))
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        await pilot.press(*"Night", "enter")
        await until(pilot, lambda: "Night" in lines(app)[1])
        assert workspace_of(app).tabs == []
        await until(pilot, lambda: services.sessions[0].state == "stopped")
    assert Workspaces().names() == ["Workspace 1"]


async def test_q_saves_stops_and_leaves_without_asking(home: Path) -> None:
    services = furnish(home)
    app = TarmacApp(services, start="directory")
    async with app.run_test() as pilot:
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: services.sessions and services.sessions[0].state == "ready")
        await until(pilot, lambda: isinstance(app.focused, Explorer))
        await pilot.press("q")
        await until(pilot, lambda: services.sessions[0].state == "stopped")
    assert app.return_code == 0
    assert Workspaces().load("Workspace 1").models[0].model == IMAGES


@pytest.mark.parametrize("mode", ["directory", "workspace", "settings"])
async def test_number_keys_lead_everywhere_and_help_tells_what_works(home: Path, mode: str) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await pilot.press({"directory": "1", "workspace": "2", "settings": "6"}[mode])
        assert app.current_mode == mode
        await pilot.press("question_mark")
        assert "Help · " in text(app)
        await pilot.press("escape", "ctrl+p")
        assert isinstance(app.screen, Chooser)
        await pilot.press(*"theme light", "enter")
        await until(pilot, lambda: app.theme == "light")
