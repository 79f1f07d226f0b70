"""The list of runs: its states, what its keys do, and what is told when a run ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Static

from core.errors import StorageError
from core.runs.events import Ended
from core.runs.plan import Resources
from tests.tui.stage import lines, studio, text, until
from tests.tui.test_directory import of
from tests.tui.training_stage import NOW, TrainingStage, put_sheets, run, several, stage
from tui.messages import ShowModel
from tui.runs.facts import Settled
from tui.screens.ask_text import AskText
from tui.screens.chooser import Chooser
from tui.screens.confirm import Confirm
from tui.screens.run_page import RunPage
from tui.screens.training import TrainingScreen
from tui.screens.wizard import Wizard
from tui.studio import TarmacApp
from tui.widgets.table import Table


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screens' clock stands still."""
    monkeypatch.setattr("tui.runs.steering.moment", lambda: NOW)


def rows(app: TarmacApp) -> list[list[str]]:
    """What the list shows."""
    return [[cell for cell, _ in row.cells] for row in app.screen.query_one(Table).rows]


def offered(app: TarmacApp) -> set[str]:
    """The actions of the screen that its keys do now."""
    active = app.screen.active_bindings.values()
    return {item.binding.action.partition("(")[0] for item in active if item.node is app.screen and item.enabled}


async def test_every_state_has_a_glyph_and_a_word(home: Path) -> None:
    async with studio(stage(home, several(home)), start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.pause()
        assert [(row[0], row[3]) for row in rows(app)] == [
            ("◐", "training"), ("◐", "starting"), ("○", "stopped"), ("●", "finished"), ("✕", "out of memory"),
        ]  # fmt: skip
        assert rows(app)[0][4] == "1,387/3,000  46 %"
        assert rows(app)[3][4] == "3,000/3,000"
        assert rows(app)[0][6] == " 39.6 ▼"
        assert rows(app)[0][8] == "1 h 12 min"
        assert "3 Training ◐2" in lines(app)[0]
        assert "◐ 2 running" in lines(app)[1]


async def test_no_runs_say_what_to_press(home: Path) -> None:
    async with studio(stage(home), start="training") as (app, pilot, _):
        await until(pilot, lambda: "No training runs yet" in text(app))
        assert "n plans a new experiment" in text(app)
        assert offered(app) >= {"new"}
        assert not offered(app) & {"open", "stop", "resume", "extend", "branch", "delete"}
        await pilot.press("enter", "s", "r", "x")
        assert isinstance(app.screen, TrainingScreen)
        await pilot.press("n")
        assert isinstance(app.screen, Wizard)


async def test_only_keys_that_do_something_are_offered(home: Path) -> None:
    async with studio(stage(home, several(home)), start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.pause()
        about = {"stop", "resume", "extend", "branch", "delete", "workspace"}
        expected = [
            {"stop", "extend", "branch", "workspace"},
            {"stop", "extend"},
            {"resume", "extend", "branch", "delete", "workspace"},
            {"extend", "branch", "delete", "workspace"},
            {"resume", "extend", "delete"},
        ]
        for wanted in expected:
            assert offered(app) & about == wanted
            await pilot.press("down")


async def test_stop_resume_delete_and_the_model(home: Path) -> None:
    services = stage(home, several(home))
    async with studio(services, start="training") as (app, pilot, messages):
        await until(pilot, lambda: app.runs)
        await pilot.press("s")
        await until(pilot, lambda: rows(app)[0][3] == "stopping")
        await pilot.press("down", "down", "r")
        await until(pilot, lambda: rows(app)[2][3] == "starting")
        await pilot.press("down", "w")
        await until(pilot, lambda: of(messages, ShowModel))
        assert of(messages, ShowModel) == [ShowModel("starter/portraits")]
        await pilot.press("3", "end", "x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("escape")
        assert len(rows(app)) == 5
        await pilot.press("x", "y")
        await until(pilot, lambda: len(rows(app)) == 4)
    assert services.fake.asked == [
        ("stop", "20261125-150000-sneakers"), ("start", "20261124-090000-faces"), ("remove", "20261122-090000-cats"),
    ]  # fmt: skip


async def test_extending_checks_the_number_and_goes_on(home: Path) -> None:
    services = stage(home, [run(home, state="finished", step=3000, end=Ended("finished", 3000))])
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.press("e")
        assert isinstance(app.screen, AskText)
        await pilot.press("backspace", "backspace", "backspace", "backspace", "9", "9", "enter")
        await until(pilot, lambda: "a whole number above 3,000" in text(app))
        await pilot.press("backspace", "backspace", "4", "0", "0", "0", "enter")
        await until(pilot, lambda: len(services.fake.asked) == 2)
    assert services.fake.asked == [
        ("extend", "20261125-150000-sneakers", 4000), ("start", "20261125-150000-sneakers"),
    ]  # fmt: skip


async def test_a_branch_is_made_from_a_checkpoint_and_started(home: Path) -> None:
    services = stage(home, [run(home)])
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, Chooser))
        assert "the best by its score" in text(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press("enter")
        await until(pilot, lambda: len(rows(app)) == 2)
    assert services.fake.asked == [
        ("branch", "20261125-150000-sneakers", 600, "Training experiment 5, from 600"),
        ("start", "20261125-170100-new"),
    ]


async def test_a_wide_terminal_shows_the_run_beside_the_list(home: Path) -> None:
    views = several(home)
    put_sheets(views[0])
    async with studio(stage(home, views), size=(120, 34), start="training") as (app, pilot, _):
        await until(pilot, lambda: "fid 2k discriminator 39.6" in text(app))
        await pilot.press("end")

        def card() -> str:
            return " ".join(str(app.screen.query_one("#run-facts", Static).render()).split())

        await until(pilot, lambda: "batch 32 needs 90 GB" in card())
        assert "Take a smaller batch; r offers batch 8" in card()


async def test_nothing_is_painted_while_nothing_happens(home: Path) -> None:
    services = stage(home, several(home))
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        table, seen = app.screen.query_one(Table), app.runs
        painted = []
        table.set_rows = lambda *given: painted.append(given)  # type: ignore[method-assign]
        assert app.run_watch is not None
        for number in range(services.fake.looks + 1, services.fake.looks + 4):
            app.run_watch.look_now()
            await until(pilot, partial(lambda number: services.fake.looks >= number, number))
        assert app.runs is seen
        assert not painted
        services.fake.change(services.fake.views[0].id, step=1400)
        app.run_watch.look_now()
        await until(pilot, lambda: painted)


@pytest.mark.parametrize(
    ("state", "end", "told"),
    [
        ("finished", Ended("finished", 3000), "has finished"),
        ("failed", Ended("failed", 1387, "the loss is not a number"), "has ended early"),
    ],
)
async def test_a_run_that_ends_is_told_and_rings(
    home: Path, monkeypatch: pytest.MonkeyPatch, state: str, end: Ended, told: str
) -> None:
    services = stage(home, [run(home)])
    async with studio(services) as (app, pilot, _):
        rung: list[int] = []
        monkeypatch.setattr(app, "bell", lambda: rung.append(1))
        await until(pilot, lambda: app.runs_active == 1)
        services.fake.change(services.fake.views[0].id, state=state, end=end)
        assert app.run_watch is not None
        app.run_watch.look_now()
        await until(pilot, lambda: app._notifications)
        assert f"Training experiment 5 {told}" == next(iter(app._notifications)).title
        assert rung == [1]
        await until(pilot, lambda: "◐" not in lines(app)[0])


async def test_the_bell_can_be_switched_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARMAC_NOTIFY", "off")
    services = stage(home, [run(home)])
    async with studio(services) as (app, pilot, _):
        rung: list[int] = []
        monkeypatch.setattr(app, "bell", lambda: rung.append(1))
        await until(pilot, lambda: app.runs_active == 1)
        services.fake.change(services.fake.views[0].id, state="stopped")
        assert app.run_watch is not None
        app.run_watch.look_now()
        await until(pilot, lambda: app._notifications)
        assert not rung


async def test_what_was_lost_goes_on_when_the_studio_opens(home: Path) -> None:
    services = stage(home, [run(home, state="lost"), run(home, "20261124-090000-faces", name="faces", state="stopped")])
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: app._notifications)
        notice = next(iter(app._notifications))
        assert (notice.title, notice.message) == ("Training goes on again", "Training experiment 5, from step 1,387")
        await until(pilot, lambda: app.runs and app.runs[0].state == "starting")
    assert services.fake.asked == [("revive",)]


async def test_nothing_is_begun_again_where_nothing_was_lost(home: Path) -> None:
    services = stage(home, several(home))
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: app.runs and services.fake.looks > 1)
    assert services.fake.asked == []


async def test_clusters_are_asked_about_what_they_carry_and_seldom(home: Path) -> None:
    view = run(home)
    services = stage(home, [replace(view, plan=replace(view.plan, resources=Resources(launcher="slurm")))])
    async with studio(services) as (app, pilot, _):
        await until(pilot, lambda: services.fake.asked == [("engines",)])
        assert app.run_watch is not None
        looks = services.fake.looks
        app.run_watch.look_now()
        await until(pilot, lambda: services.fake.looks > looks)
        app.run_watch.look_now()
        await until(pilot, lambda: services.fake.looks > looks + 1)
    assert services.fake.asked == [("engines",)]


async def test_runs_that_cannot_be_read_are_told_and_read_again(home: Path) -> None:
    services: TrainingStage = stage(home, [run(home)])
    async with studio(services, start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        services.fake.failure = StorageError("the runs cannot be read", "the disk is gone")
        assert app.run_watch is not None
        app.run_watch.look_now()
        await until(pilot, lambda: "the disk is gone" in text(app))
        services.fake.failure = None
        app.run_watch.look_now()
        await until(pilot, lambda: "the disk is gone" not in text(app) and rows(app))


async def test_enter_opens_the_run_and_escape_leads_back(home: Path) -> None:
    async with studio(stage(home, several(home)), start="training") as (app, pilot, _):
        await until(pilot, lambda: app.runs)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunPage))
        await until(pilot, lambda: "emoji food · ◐ starting" in text(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
        assert app.screen.query_one(Table).cursor == 1


def test_a_time_left_settles() -> None:
    settled = Settled()
    assert settled.left(None, 0, 0) is None
    assert settled.left(1000, 0, 0) == 1000
    assert settled.left(950, 100, 100) == 900  # near enough: what is left just counts down
    assert settled.left(860, 200, 200) == 800
    assert settled.left(400, 300, 300) == 400  # too far off what was thought
