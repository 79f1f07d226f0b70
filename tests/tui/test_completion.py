"""The completion pane: writing, streaming, stopping, samples, history, options; nothing typed is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core.interface.types import Number
from core.library.workspaces import Entry, Workspace, Workspaces
from tests.tui.stage import StageServices, furnish, studio, text, until
from tui.samples import Sample, history_from_state
from tui.studio import TarmacApp
from tui.widgets.completion.output import Output
from tui.widgets.completion.pane import CompletionPane
from tui.widgets.options import OptionsPanel, stride
from tui.widgets.prompt import PromptEditor

MODEL = "starter/gpt2-python"


@asynccontextmanager
async def pane_on(
    services: StageServices, state: dict[str, object] | None = None, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[TarmacApp, Pilot[int], CompletionPane]]:
    """The studio in a workspace with the text model, its editor ready for keys."""
    Workspaces().save(Workspace("W", (Entry(MODEL, state or {}),)))
    async with studio(services, start=None, size=size) as (app, pilot, _):
        await until(pilot, lambda: app.screen.query(CompletionPane))
        pane = app.screen.query_one(CompletionPane)
        await until(pilot, lambda: isinstance(app.focused, PromptEditor))
        yield app, pilot, pane


def shown(pane: CompletionPane) -> object:
    """What the output shows."""
    return pane.query_one("#output-text", Static).content


async def ready(pilot: Pilot[int], pane: CompletionPane) -> None:
    """Wait for the worker."""
    await until(pilot, lambda: pane.session.state == "ready")


async def test_enter_completes_and_the_text_streams_in(home: Path) -> None:
    services = furnish(home)
    services.options["text"] = {"hold": str(home / "hold")}
    async with pane_on(services) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press(*"def f")
        await pilot.press("enter")
        await until(pilot, lambda: pane.sample is not None and pane.sample.tokens == 2)
        assert pane.busy
        await until(pilot, lambda: "◐ writing · 2 of 128 tokens" in text(app))
        (home / "hold").touch()
        await until(pilot, lambda: not pane.busy)
        assert pane.sample is not None
        assert pane.sample.finish == "length"
        assert pane.sample.tokens == 128
        assert pane.query_one(PromptEditor).text == "def f"
        await until(pilot, lambda: "● length reached · 128 tokens" in text(app))


async def test_a_prompt_given_while_the_model_loads_is_kept_and_answered(home: Path) -> None:
    services = furnish(home)
    gate = home / "gate"
    services.options["text"] = {"gate": str(gate)}
    async with pane_on(services) as (app, pilot, pane):
        await until(pilot, lambda: "◐ loading starter/gpt2-python" in text(app))
        await pilot.press(*"abc", "enter")
        await until(pilot, lambda: "◐ waits until gpt2-python has loaded" in text(app))
        assert pane.history == []
        gate.touch()
        await until(pilot, lambda: pane.history and pane.history[0].finish)
        assert pane.history[0].prompt == "abc"
        assert "◐ loading" not in text(app)


async def test_escape_stops_and_keeps_what_is_there(home: Path) -> None:
    services = furnish(home)
    services.options["text"] = {"hold": str(home / "hold")}
    async with pane_on(services) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.sample is not None and pane.sample.tokens == 2)
        await pilot.press("escape")
        await until(pilot, lambda: not pane.busy)
        assert pane.sample is not None
        assert pane.sample.finish == "stopped"
        assert pane.sample.text
        await until(pilot, lambda: "○ stopped" in text(app))


async def test_next_sample_takes_the_next_seed_and_history_keeps_both(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("n")
        await until(pilot, lambda: len(pane.history) == 2 and not pane.busy)
        assert [sample.options["seed"] for sample in pane.history] == [0, 1]
        assert pane.history[0].text != pane.history[1].text
        assert "completion 2 of 2" in text(app)
        await pilot.press("left")
        assert pane.sample == pane.history[0]
        await pilot.press("left", "l")
        assert pane.sample == pane.history[1]


async def test_continue_goes_on_below_what_was_there(home: Path) -> None:
    async with pane_on(furnish(home)) as (_, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        first = pane.history[0].text
        await pilot.press("c")
        await until(pilot, lambda: len(pane.history) == 2 and not pane.busy)
        before, after = pane.history
        assert before.text == first
        assert (after.prompt, after.parent) == ("a" + first, before.number)
        assert pane.sample == after
        # All that was written since the prompt stands there.
        assert "".join(f"a{first}{after.text}".split())[:60] in "".join(str(shown(pane)).split())


async def test_edit_takes_prompt_and_completion_into_the_editor(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("e")
        editor = pane.query_one(PromptEditor)
        assert editor.text == "a" + pane.history[0].text
        assert app.focused is editor
        assert pane.history[0].prompt == "a"


async def test_copy_goes_to_the_terminal(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("y")
        assert app.clipboard == pane.history[0].text
        await pilot.press("Y")
        assert app.clipboard == "a" + pane.history[0].text


async def test_line_breaks_have_their_own_key_and_keep_the_indent(home: Path) -> None:
    async with pane_on(furnish(home)) as (_, pilot, pane):
        editor = pane.query_one(PromptEditor)
        await pilot.press("space", "space", "a", "ctrl+n", "b")
        assert editor.text == "  a\n  b"
        await pilot.press("alt+enter", "c")
        assert editor.text == "  a\n  b\n  c"
        assert pane.history == []


async def test_an_empty_prompt_is_told_in_place(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("enter")
        await until(pilot, lambda: "there is nothing to go on from" in text(app))


async def test_options_change_by_keys_and_by_typing(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("escape", "o")
        panel = pane.query_one(OptionsPanel)
        assert app.focused is panel
        await pilot.press("right")
        assert panel.values["max_tokens"] == 130
        await pilot.press(*"64", "enter")
        assert panel.values["max_tokens"] == 64
        await pilot.press(*"9999", "enter")
        assert panel.values["max_tokens"] == 64
        assert "✕ length is a whole number" in text(app)
        await pilot.press("down", "left")
        assert panel.values["temperature"] == 0.7
        await pilot.press("backspace")
        assert panel.values["temperature"] == 0.8
        await until(pilot, lambda: "length 64 · temperature 0.80" in text(app))
        await pilot.press("escape")
        assert isinstance(app.focused, Output)


@pytest.mark.parametrize(
    ("kind", "far"),
    [
        (Number(min=1, max=256, step=1), 10),
        (Number(min=0, max=2, step=0.01), 0.1),
        (Number(min=0, max=1, step=0.01), 0.05),
        (Number(min=0, max=2**31 - 1, step=1), 1),
        (Number(), 0.01),
    ],
)
def test_one_press_goes_as_far_as_is_useful(kind: Number, far: float) -> None:
    assert stride(kind) == pytest.approx(far)


async def test_a_killed_worker_is_told_one_key_starts_it_again_and_nothing_is_lost(home: Path) -> None:
    services = furnish(home)
    services.options["text"] = {"hold": str(home / "hold")}
    async with pane_on(services) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press(*"keep me", "enter")
        await until(pilot, lambda: pane.sample is not None and pane.sample.tokens == 2)
        await kill(services)
        await until(pilot, lambda: pane.session.state == "dead")
        await until(pilot, lambda: "R starts it again" in text(app))
        assert "Nothing you typed is lost" in " ".join(text(app).split())
        assert pane.query_one(PromptEditor).text == "keep me"
        assert pane.history[0].text
        await pilot.press("R")
        await ready(pilot, pane)
        await until(pilot, lambda: "R starts it again" not in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: len(pane.history) == 2 and pane.history[1].tokens == 2)


async def test_the_banner_tells_how_to_reach_its_key_from_a_text_field(home: Path) -> None:
    services = furnish(home)
    async with pane_on(services) as (app, pilot, pane):
        await ready(pilot, pane)
        await kill(services)
        await until(pilot, lambda: "esc, then R starts it again" in " ".join(text(app).split()))
        assert "signal 9" in text(app) or "SIGKILL" in text(app) or "killed" in text(app)
        await pilot.press("R")
        assert pane.query_one(PromptEditor).text == "R", "in a text field it is a letter"
        await pilot.press("escape")
        await until(pilot, lambda: "then R starts it again" not in " ".join(text(app).split()))
        assert "R starts it again" in " ".join(text(app).split())
        await pilot.press("o", "R")
        await ready(pilot, pane)


async def kill(services: StageServices) -> None:
    """kill -9 of the worker."""
    import os
    import signal

    pid = services.sessions[-1].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0)


async def test_everything_comes_back_with_the_workspace(home: Path) -> None:
    async with pane_on(furnish_again := furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("n")
        await until(pilot, lambda: len(pane.history) == 2 and not pane.busy)
        await pilot.press("left", "tab", "b")
        assert app.workspace is not None
        await app.workspace.save()
        kept = pane.state()
    state = dict(Workspaces().load("W").models[0].state)
    again = StageServices(home, furnish_again.starters)
    async with pane_on(again, state) as (_, pilot, pane):
        assert pane.state() == kept
        assert pane.query_one(PromptEditor).text == "ab"
        assert pane.index == 0
        assert pane.query_one(OptionsPanel).values["seed"] == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"prompt": 3, "options": [1], "history": "x", "index": "y"},
        {"history": [1, {}, {"prompt": "a"}, {"prompt": "a", "text": "b", "options": 3}], "index": 99},
        {"options": {"max_tokens": 1e9, "temperature": "hot", "unknown": 3}},
    ],
)
async def test_a_state_that_somebody_spoilt_is_taken_as_far_as_it_goes(home: Path, bad: dict[str, object]) -> None:
    async with pane_on(furnish(home), bad) as (_, pilot, pane):
        assert pane.history == []
        assert pane.query_one(OptionsPanel).values["max_tokens"] == 128
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)


def test_samples_go_through_plain_data_unchanged() -> None:
    sample = Sample("p", "t", {"seed": 3, "temperature": 0.5}, "stop", 7, 41.5)
    assert Sample.from_state(sample.to_state()) == sample
    numbered = replace(sample, number=3, parent=1, stop=("\n",), dropped=4)
    assert Sample.from_state(numbered.to_state()) == numbered
    assert [each.number for each in history_from_state([sample.to_state()] * 100)] == list(range(1, 61))
