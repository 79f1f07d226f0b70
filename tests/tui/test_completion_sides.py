"""What stands beside a completion: several at once, the history tree, probabilities, a second model, stop strings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.library.workspaces import Workspaces
from core.runs.events import Checkpoint
from core.runs.plan import RunPlan
from core.runs.view import RunView
from tests.tui.stage import StageServices, furnish, put_model, text, until
from tests.tui.test_completion import pane_on, ready, shown
from tui import stop_strings, text_models
from tui.samples import MOST_KEPT, Sample, ancestors, history_from_state, tree
from tui.screens.ask_text import AskText
from tui.screens.chooser import Chooser
from tui.widgets.completion.compare import Beside
from tui.widgets.completion.output import Output
from tui.widgets.completion.probabilities import Probabilities, percent, shade, tokens_of
from tui.widgets.completion.tree import TreePane
from tui.widgets.options import OptionsPanel
from tui.widgets.prompt import PromptEditor


def two_models(home: Path) -> StageServices:
    """A second text model in the library."""
    services = furnish(home)
    put_model(home / "data" / "models" / "20200102-030407-verse", "verse", "text", author="you")
    return services


# -- several at once


async def test_several_are_written_at_once_each_with_a_seed_of_its_own(home: Path) -> None:
    services = furnish(home)
    services.options["text"] = {"hold": str(home / "hold")}
    async with pane_on(services) as (app, pilot, pane):
        await ready(pilot, pane)
        panel = pane.query_one(OptionsPanel)
        panel.set_value("samples", 3)
        panel.set_value("max_tokens", 9)
        await pilot.press("a", "enter")
        await until(pilot, lambda: [sample.tokens for sample in pane.history] == [2, 2, 2])
        await until(pilot, lambda: "◐ writing 3 at once · 2 of 9 tokens" in text(app))
        await pilot.press("right")
        assert pane.index == 1
        (home / "hold").touch()
        await until(pilot, lambda: not pane.busy)
        assert [sample.options["seed"] for sample in pane.history] == [0, 1, 2]
        assert len({sample.text for sample in pane.history}) == 3
        assert {sample.finish for sample in pane.history} == {"length"}
        assert pane.index == 1, "the one that was looked at stays"
        await pilot.press("n")
        await until(pilot, lambda: len(pane.history) == 6 and not pane.busy)
        assert [sample.options["seed"] for sample in pane.history[3:]] == [3, 4, 5]


async def test_escape_stops_all_of_them(home: Path) -> None:
    services = furnish(home)
    services.options["text"] = {"hold": str(home / "hold")}
    async with pane_on(services) as (_, pilot, pane):
        await ready(pilot, pane)
        pane.query_one(OptionsPanel).set_value("samples", 4)
        await pilot.press("a", "enter")
        await until(pilot, lambda: [sample.tokens for sample in pane.history] == [2] * 4)
        await pilot.press("escape")
        await until(pilot, lambda: not pane.busy)
        assert [sample.finish for sample in pane.history] == ["stopped"] * 4


async def test_a_prompt_that_was_cut_is_told(home: Path) -> None:
    async with pane_on(furnish(home), {"prompt": "x " * 400}) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await until(pilot, lambda: "● length reached · prompt cut by 7" in text(app))
        await pilot.press("home")
        await until(pilot, lambda: "○ The prompt was too long: its first 7 tokens were not read." in text(app))


# -- the tree


def sample(number: int, parent: int | None = None, prompt: str = "p") -> Sample:
    """A completion that is over."""
    return Sample(prompt, f"t{number}", {"seed": number}, "stop", 1, 0.0, number, parent)


def test_the_tree_puts_every_completion_below_what_it_went_on_from() -> None:
    history = [sample(1), sample(2), sample(3, 1, "pt1"), sample(4, prompt="q"), sample(5, 3, "pt1t3"), sample(6, 1)]
    told = [(line.depth, line.sample.number if line.sample else line.prompt, line.last) for line in tree(history)]
    assert told == [
        (0, "p", False),
        (1, 1, False),
        (2, 3, False),
        (3, 5, True),
        (2, 6, True),
        (1, 2, True),
        (0, "q", False),
        (1, 4, True),
    ]
    assert [each.number for each in ancestors(history, history[4])] == [1, 3]


def test_a_tree_of_one_long_branch_and_one_whose_root_is_gone() -> None:
    history = [sample(number, number - 1 if number > 1 else None) for number in range(1, 2000)]
    assert tree(history)[-1].depth == 1999
    assert [line.depth for line in tree(history[5:8])] == [0, 1, 2, 3]
    assert ancestors(history[5:8], history[6]) == [history[5]]


def test_old_states_have_no_numbers_and_spoilt_ones_wrong_ones() -> None:
    old = [{"prompt": "p", "text": "t"} for _ in range(3)]
    assert [(each.number, each.parent) for each in history_from_state(old)] == [(1, None), (2, None), (3, None)]
    spoilt = [
        {"prompt": "p", "text": "t", "number": 5, "parent": 5},
        {"prompt": "p", "text": "t", "number": 5, "parent": 5},
        {"prompt": "p", "text": "t", "number": -1, "parent": 99, "stop": 3, "dropped": "x"},
    ]
    assert [(each.number, each.parent) for each in history_from_state(spoilt)] == [(5, None), (6, 5), (7, None)]
    many = [replace(sample(number), parent=number - 1).to_state() for number in range(1, 100)]
    kept = history_from_state(many)
    assert len(kept) == MOST_KEPT
    assert kept[0].parent is None
    assert kept[1].parent == kept[0].number


async def test_arrows_move_in_the_tree_and_enter_goes_there(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        pane.query_one(OptionsPanel).set_value("max_tokens", 3)
        await pilot.press("a", "enter")
        await until(pilot, lambda: len(pane.history) == 1 and not pane.busy)
        await pilot.press("n")
        await until(pilot, lambda: len(pane.history) == 2 and not pane.busy)
        await pilot.press("left", "c")
        await until(pilot, lambda: len(pane.history) == 3 and not pane.busy)
        await pilot.press("t")
        shape = pane.query_one(TreePane)
        assert app.focused is shape
        assert [line.depth for line in shape.lines] == [0, 1, 2, 1]
        assert shape.at == 2
        assert "history" in text(app)
        assert "3 completions" in text(app)
        await pilot.press("left")
        assert shape.at == 1
        await pilot.press("down", "down", "enter")
        assert pane.sample == pane.history[1]
        assert app.focused is pane.query_one("#output", Output)
        assert not shape.display
        await pilot.press("t", "home", "enter")
        editor = pane.query_one(PromptEditor)
        assert app.focused is editor
        assert editor.text == "a"
        await pilot.press("escape", "t", "c", "escape")
        assert len(pane.history) == 3, "keys of the text rest while the tree has the cursor"


async def test_an_edited_completion_is_a_branch_and_another_beginning_is_not(home: Path) -> None:
    async with pane_on(furnish(home)) as (_, pilot, pane):
        await ready(pilot, pane)
        pane.query_one(OptionsPanel).set_value("max_tokens", 3)
        await pilot.press("a", "enter")
        await until(pilot, lambda: len(pane.history) == 1 and not pane.busy)
        await pilot.press("e", "z", "enter")
        await until(pilot, lambda: len(pane.history) == 2 and not pane.busy)
        assert pane.history[1].parent == pane.history[0].number
        pane.query_one(PromptEditor).text = "b"
        await pilot.press("enter")
        await until(pilot, lambda: len(pane.history) == 3 and not pane.busy)
        assert pane.history[2].parent is None


# -- probabilities


async def test_probabilities_are_told_token_by_token(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        pane.query_one(OptionsPanel).set_value("max_tokens", 12)
        await pilot.press(*"ab", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("p")
        view = pane.query_one(Probabilities)
        assert app.focused is view
        await until(pilot, lambda: view.tokens)
        written = pane.history[0]
        assert view.text == written.prompt + written.text
        assert "".join(view.text[token.start : token.stop] for token in view.tokens) == view.text
        assert view.token is not None
        assert view.token.stop > 2
        await until(pilot, lambda: "yield" in text(app) or "with open" in text(app))
        assert "the model reads" not in text(app)
        await pilot.press("home")
        await until(pilot, lambda: "nothing stands before it" in text(app))
        await pilot.press("right")
        await until(pilot, lambda: "50 %" in text(app) and "40 %" in text(app))
        await pilot.press("n")
        assert view.token.chance == pytest.approx(0.001)
        await until(pilot, lambda: "0.10 %" in text(app))
        await pilot.press("down", "up", "end")
        assert view.at == len(view.tokens) - 1
        await pilot.press("escape")
        assert not view.display
        assert app.focused is pane.query_one("#output", Output)


async def test_a_new_completion_closes_the_probabilities(home: Path) -> None:
    async with pane_on(furnish(home)) as (_, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("p")
        await until(pilot, lambda: pane.query_one(Probabilities).tokens)
        await pilot.press("c")
        await until(pilot, lambda: len(pane.history) == 2 and not pane.busy)
        assert not pane.query_one(Probabilities).display


async def test_a_long_text_scrolls_with_the_cursor_and_wide_characters_stay_whole(home: Path) -> None:
    words = [f"漢字{number}" if number % 3 else f"\n\tw{number}" for number in range(400)]
    body = "".join(words)
    starts = [len("".join(words[:number])) for number in range(len(words))]
    answer = [{"text": each, "start": start, "logprob": -0.1} for each, start in zip(words, starts, strict=True)]
    async with pane_on(furnish(home), size=(80, 24)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await pilot.press("p")
        view = pane.query_one(Probabilities)
        await until(pilot, lambda: view.tokens)
        view.show(body, tokens_of(answer, len(body)), 0)
        await until(pilot, lambda: "漢字1漢字2" in text(app))
        await pilot.press("end")
        await until(pilot, lambda: "w399" in text(app))
        assert "漢字1漢字2" not in text(app)
        await pilot.press("home")
        await until(pilot, lambda: "漢字1漢字2" in text(app))


def test_shading_never_is_colour_alone() -> None:
    assert "underline" in shade(0.05)
    assert "bold underline" in shade(0.005)
    assert "underline" not in shade(0.2)
    assert [percent(share) for share in (1, 0.9999, 0.83, 0.041, 0.0032, 1e-6)] == [
        "100 %",
        "100 %",
        "83 %",
        "4.1 %",
        "0.32 %",
        "below 0.01 %",
    ]


@pytest.mark.parametrize("answer", [None, 3, [{"start": "x"}], [{"text": "a"}]])
def test_an_answer_that_is_none_gives_no_tokens(answer: object) -> None:
    assert tokens_of(answer, 5) == []


# -- a second model


async def test_a_second_model_writes_to_the_same_prompt_with_the_same_seed(home: Path) -> None:
    services = two_models(home)
    async with pane_on(services, size=(120, 36)) as (app, pilot, pane):
        await ready(pilot, pane)
        pane.query_one(OptionsPanel).set_value("max_tokens", 6)
        await pilot.press("escape", "v")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        await until(pilot, lambda: "verse" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: pane.beside is not None)
        assert len(services.sessions) == 1, "its worker waits for the first text"
        await pilot.press("i", "a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        beside = pane.query_one(Beside)
        first, second = pane.history[0], beside.samples[1]
        assert (second.prompt, second.text, second.finish) == (first.prompt, first.text, "length")
        assert len(services.sessions) == 2
        await until(pilot, lambda: "verse ─" in text(app) and "gpt2-python 1 of 1" in text(app))
        left, right = pane.query_one("#output").region, beside.region
        assert right.x > left.right - 1
        assert right.y == left.y
        pid = services.sessions[1].pid
        assert pid is not None
        assert app.workspace is not None
        await app.workspace.save()
        kept = Workspaces().load("W").models[0].state
        assert kept["beside"]["model"] == "model:20200102-030407-verse"  # type: ignore[index]
        await pilot.press("v")
        await until(pilot, lambda: pane.beside is None and not pane.query(Beside))
        await until(pilot, lambda: services.sessions[1].state == "stopped")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_the_second_model_comes_back_with_the_workspace_and_stands_below_where_it_is_narrow(home: Path) -> None:
    services = two_models(home)
    twin = Sample("a", "second words", {"seed": 0.0}, "stop", 2, number=1)
    state: dict[str, object] = {
        "history": [Sample("a", "first words", {"seed": 0.0}, "stop", 2, number=1).to_state()],
        "index": 0,
        "beside": {"model": "model:20200102-030407-verse", "samples": [twin.to_state() | {"of": 1}]},
    }
    async with pane_on(services, state, size=(80, 24)) as (app, pilot, pane):
        await ready(pilot, pane)
        await until(pilot, lambda: "first words" in text(app) and "second words" in text(app))
        assert pane.query_one(Beside).region.y > pane.query_one("#output").region.y
        assert len(services.sessions) == 1
        assert pane.state()["beside"] == state["beside"]


async def test_escape_stops_both_and_the_tab_ends_both(home: Path) -> None:
    services = two_models(home)
    services.options["text"] = {"hold": str(home / "hold")}
    state: dict[str, object] = {"prompt": "a", "beside": {"model": "model:20200102-030407-verse", "samples": []}}
    async with pane_on(services, state) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("enter")
        await until(pilot, lambda: pane.beside is not None and 1 in pane.beside.samples)
        await until(pilot, lambda: pane.beside is not None and pane.beside.samples[1].tokens == 2)
        await pilot.press("escape")
        await until(pilot, lambda: not pane.busy)
        assert pane.history[0].finish == "stopped"
        assert pane.beside is not None
        assert pane.beside.samples[1].finish == "stopped"
        await pilot.press("X")
        await until(pilot, lambda: [session.state for session in services.sessions] == ["stopped", "stopped"])
        assert app.workspace is not None


async def test_a_second_model_that_is_gone_is_told_in_its_place(home: Path) -> None:
    state: dict[str, object] = {"prompt": "a", "beside": {"model": "run:20200101-000000-x/5", "samples": "?"}}
    async with pane_on(furnish(home), state) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        await until(pilot, lambda: "the second model is gone" in " ".join(text(app).split()))
        assert pane.history[0].finish == "length"


def test_checkpoints_of_text_trainings_can_be_chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = two_models(home)
    folder = home / "data" / "runs" / "20260101-000000-js"
    put_model(folder / "checkpoints" / "40", "anything", "text")
    plan = RunPlan(name="js", kind="text", dataset="d", steps=100)
    view = RunView("20260101-000000-js", folder, plan, checkpoints=(Checkpoint(40, "40", best=True),))
    monkeypatch.setattr(services.training, "look", lambda: [view])
    starter = services.library.get("starter/gpt2-python")
    found = {choice.value: choice for choice in text_models.choices(services, starter)}
    assert set(found) == {"model:20200102-030407-verse", "run:20260101-000000-js/40"}
    assert found["run:20260101-000000-js/40"].title == "js at 40"
    model = text_models.find(services, "run:20260101-000000-js/40")
    assert (model.name, model.folder) == ("js at 40", folder / "checkpoints" / "40")
    assert "complete" in model.interface.commands
    # What a run made stands among what it was before: those are what it is compared with first.
    values = [choice.value for choice in text_models.choices(services, starter)]
    assert values == ["model:20200102-030407-verse", "run:20260101-000000-js/40"]
    made = replace(starter, manifest=replace(starter.manifest, origin={"run": view.id, "step": 100}))
    assert [choice.value for choice in text_models.choices(services, made)] == values[::-1]


# -- stop strings


@pytest.mark.parametrize(
    ("line", "strings"),
    [
        ("", []),
        (",,", []),
        ("\\n\\ndef, class", ["\n\ndef", "class"]),
        ("a\\, b,  c", ["a, b", " c"]),
        ("\\t,\\\\n,\\x,\\", ["\t", "\\n", "\\x", "\\"]),
        (" a", [" a"]),
    ],
)
def test_stop_strings_are_read_as_they_are_written(line: str, strings: list[str]) -> None:
    assert stop_strings.parse(line) == strings
    assert stop_strings.parse(stop_strings.shown(strings)) == strings


async def test_stop_strings_are_asked_for_and_kept(home: Path) -> None:
    async with pane_on(furnish(home)) as (app, pilot, pane):
        await ready(pilot, pane)
        await pilot.press("escape", "o", "up")
        panel = pane.query_one(OptionsPanel)
        assert panel.name_chosen == "stop"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press("backslash", "n", "comma", "d", "e", "f", "enter")
        await until(pilot, lambda: panel.lists["stop"] == ["\n", "def"])
        await until(pilot, lambda: "stop at \\n, def" in " ".join(text(app).split()))
        await pilot.press("escape", "i", "a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        assert pane.history[0].stop == ("\n", "def")
        assert pane.state()["options"]["stop"] == ["\n", "def"]  # type: ignore[index]
        await pilot.press("o", "backspace")
        assert panel.lists["stop"] == []


async def test_a_length_in_characters_takes_the_place_of_tokens(home: Path) -> None:
    async with pane_on(furnish(home), {"options": {"max_characters": 400, "top_k": 40}}) as (_, _, pane):
        line = pane.settings_line()
        assert "length 400 characters" in line
        assert "top-k 40" in line
        assert "penalty" not in line


async def test_nothing_is_lost_of_what_the_output_shows(home: Path) -> None:
    async with pane_on(furnish(home)) as (_, pilot, pane):
        await ready(pilot, pane)
        pane.query_one(OptionsPanel).set_value("max_tokens", 4)
        await pilot.press("a", "enter")
        await until(pilot, lambda: pane.history and not pane.busy)
        for count in (2, 3):
            await pilot.press("c")
            await until(pilot, lambda count=count: len(pane.history) == count and not pane.busy)
        whole = "a" + "".join(each.text for each in pane.history)
        assert str(shown(pane)) == whole
