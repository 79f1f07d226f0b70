"""Keys that arrive in one piece: each goes where the one before it led."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.events import Event, Key, Paste
from textual.widgets import Input

from core.library.workspaces import Entry, Workspace, Workspaces
from tests.tui.stage import burst, furnish, lines, studio, text, until
from tui.key_order import KeyOrder, KeyPassed
from tui.screens.directory import DirectoryScreen
from tui.widgets.completion.output import Output
from tui.widgets.completion.pane import CompletionPane
from tui.widgets.explorer.grid import Explorer
from tui.widgets.options import OptionsPanel
from tui.widgets.path_prompt import PathPrompt
from tui.widgets.prompt import PromptEditor
from tui.widgets.table import Table


async def test_search_and_open(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
        directory = app.screen
        assert isinstance(directory, DirectoryScreen)
        burst(app, "/sneakers\r\r")
        await until(pilot, lambda: app.current_mode == "workspace" and app.screen.query(Explorer))
        assert directory.query_text == "sneakers"
        assert (directory.kind, directory.origin, directory.order) == ("all", "all", "usual")
        assert "▸" in lines(app)[1].split("sneakers")[0]


async def test_keys_after_enter_wait_for_the_pane_that_they_are_for(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
        burst(app, "/sneakers\r\rllj")
        await until(pilot, lambda: app.current_mode == "workspace" and app.screen.query(Explorer))
        await until(pilot, lambda: app.screen.query_one(Explorer).view.cursor == (2, 1))


async def test_held_keys_are_given_out_in_the_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they wait for may never come."""
    monkeypatch.setattr("tui.key_order._LONGEST_HOLD", 0.05)
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
        app.hold_keys()
        burst(app, "6")
        await until(pilot, lambda: app.current_mode == "settings")


async def test_the_import_prompt_takes_a_path(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
        burst(app, "i/nowhere/at.all\r")
        await until(pilot, lambda: app.screen.query(PathPrompt) and "at.all" in text(app))
        assert app.screen.query_one(PathPrompt).input.value == "/nowhere/at.all"
        await until(pilot, lambda: "✕" in text(app))


async def test_options_prompt_and_back(home: Path) -> None:
    Workspaces().save(Workspace("W", (Entry("starter/gpt2-python", {}),)))
    async with studio(furnish(home), start=None) as (app, pilot, _):
        await until(pilot, lambda: isinstance(app.focused, PromptEditor))
        pane = app.screen.query_one(CompletionPane)
        await until(pilot, lambda: pane.session.state == "ready")
        burst(app, "def f\r")
        await until(pilot, lambda: pane.history and not pane.busy)
        assert isinstance(app.focused, Output)
        burst(app, "o64\r\ri(x)")
        await until(pilot, lambda: pane.query_one(PromptEditor).text.endswith("(x)"))
        assert pane.query_one(OptionsPanel).values["max_tokens"] == 64
        assert pane.query_one(PromptEditor).text == "def f(x)"


async def test_the_palette_takes_what_is_typed_before_it_is_seen(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
        burst(app, "\x10theme light\r")
        await until(pilot, lambda: app.theme == "light")


async def test_places_and_their_fields(home: Path) -> None:
    async with studio(furnish(home)) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
        burst(app, "6?q1/gpt")
        await until(pilot, lambda: "1 of 4" in text(app))
        assert app.current_mode == "directory"


class Swallower(App[int]):
    """Its first key removes the focused field and moves on to the next one."""

    BINDINGS = [Binding("f5", "swap", priority=True)]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.order = KeyOrder(self, super().on_event)

    def compose(self) -> ComposeResult:
        yield Input(id="first")
        yield Input(id="second")

    def action_swap(self) -> None:
        self.query_one("#first").remove()
        self.screen.set_focus(self.query_one("#second"))

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            await self.order.take(event)
        else:
            await super().on_event(event)

    async def on_key_passed(self, message: KeyPassed) -> None:
        await self.order.passed(message.number)


async def test_a_field_that_goes_with_its_key_holds_nothing_up() -> None:
    app = Swallower()
    async with app.run_test() as pilot:
        for event in (Key("f5", None), Key("a", "a"), Paste("bc"), Key("d", "d")):
            app.post_message(event)
        await until(pilot, lambda: app.query_one("#second", Input).value == "abcd")
