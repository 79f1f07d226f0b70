"""Whoever wants to know how a run ends is told by its supervisor, of which no window is left; and if not, the run says
so. Real runs, sent by apprise to servers on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from core.runs.folder import RunFolder
from core.runs.store import Runs
from core.runs.view import RunView
from tests import kills, toy_training
from tests.e2e.test_runs import begin, exact, over, plan, until
from tests.receivers import post, web

pytest.importorskip("apprise")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # apprise's own


@pytest.fixture
def runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The runs of an empty home, in which a "toy" can be trained on "numbers"."""
    site = toy_training.install(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{kills.REPOSITORY}")
    monkeypatch.syspath_prepend(str(site))
    kills.toy_dataset(home, "numbers")
    return Runs()


def left(view: RunView) -> bool:
    """Whether its supervisor has nothing to do any more: it sends after it has told the end."""
    supervisor = RunFolder(view.folder).supervisor()
    return not view.active and (supervisor is None or supervisor.gone)


def dead_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_end_is_told_by_letter_and_by_ntfy(runs: Runs) -> None:
    with web() as (at, given), post() as (mail, letter):
        urls = (f"mailto://127.0.0.1:{mail}/?from=tarmac@example.org&to=you@example.org", f"ntfy://127.0.0.1:{at}/cars")
        view = until(runs, begin(runs, replace(plan(), notify=urls)), left)
    assert view.state == "finished"
    assert [(told["topic"], told["title"]) for told in given] == [("cars", "toy is finished")]
    assert given[0]["message"] == "Trained 40 steps; the model is in the library."
    assert any("toy is finished" in line for line in letter)
    assert not toy_training.warned(view)


def test_a_failure_is_told_with_its_reason(runs: Runs, home: Path) -> None:
    with web() as (port, given):
        run = runs.create(replace(plan(), notify=(f"json://127.0.0.1:{port}/hook",)))
        (home / "data" / "datasets" / "numbers").rename(home / "elsewhere")
        asyncio.run(runs.start(run))
        view = until(runs, run, left)
    assert view.state == "failed"
    (told,) = given
    assert told["title"] == "toy needs attention"
    assert "It has failed at step 0. there is no dataset 'numbers'" in told["message"]


def test_a_trainer_that_is_killed_is_told_of_once_it_has_finished_after_all(runs: Runs) -> None:
    with web() as (port, given):
        run = begin(runs, replace(plan(steps=120), notify=(f"json://127.0.0.1:{port}/",)))
        until(runs, run, lambda view: view.step > 12)
        trainer = RunFolder(run.folder).owner(1)
        assert trainer is not None
        assert trainer.signal(signal.SIGKILL)
        view = until(runs, run, left)
    assert view.attempt == 2
    assert exact(view)
    assert [told["title"] for told in given] == ["toy is finished"]


def test_a_stop_by_hand_tells_nobody(runs: Runs) -> None:
    with web() as (port, given):
        run = begin(runs, replace(plan(steps=5000), notify=(f"json://127.0.0.1:{port}/",)))
        until(runs, run, lambda view: view.step > 5)
        runs.stop(run.id)
        view = until(runs, run, left)
    assert view.state == "stopped"
    assert not given


def test_who_cannot_be_told_ends_nothing_and_keeps_nobody_else_from_it(runs: Runs) -> None:
    with web() as (port, given):
        urls = (f"json://me:secret@127.0.0.1:{dead_port()}/", f"json://127.0.0.1:{port}/")
        view = until(runs, begin(runs, replace(plan(), notify=urls)), left)
    assert view.state == "finished"
    assert view.model
    assert exact(view)
    assert [told["title"] for told in given] == ["toy is finished"]
    (said,) = toy_training.warned(view)
    assert (said.code, said.what) == ("not-told", "the notification could not be sent")
    assert said.why.startswith("json: ")
    assert "secret" not in (view.folder / "journal.jsonl").read_text()
    assert [warning.code for warning in view.warnings] == ["not-told"]
    # It goes on as any other run does.
    runs.extend(view.id, 60)
    asyncio.run(runs.start(view))
    assert exact(until(runs, view, over))
