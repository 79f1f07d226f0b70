"""The real image loop at 16 pixels in real processes: two ranks, what goes away meanwhile, what does not fit."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core.datasets.library import Datasets
from core.library.models import Library
from core.runs.folder import RunFolder
from core.runs.plan import Resources, RunPlan
from core.runs.store import Runs
from tests import kills, tight_training
from tests.e2e.test_runs import begin, over, until

pytestmark = pytest.mark.slow


@pytest.fixture
def runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The runs of a home with the pictures "slopes", in which memory can be short."""
    site = tight_training.install(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{kills.REPOSITORY}")
    monkeypatch.syspath_prepend(str(site))
    kills.picture_dataset(home, "slopes")
    return Runs()


def plan(kind: str = "image", steps: int = 12, **options: object) -> RunPlan:
    """A training of seconds."""
    small = {"batch": 4, "channels": 256, "threads": 1, "precision": "float32"}
    return RunPlan("slopes", kind, "slopes", steps=steps, options=small | options, save_every=4, score_every=100)


def test_two_ranks_that_are_stopped_and_resumed_end_as_two_undisturbed_ones(runs: Runs) -> None:
    two = Resources(processes=2)
    run = begin(runs, replace(plan(steps=5000), resources=two))
    until(runs, run, lambda view: bool(view.checkpoints) and view.checkpoints[-1].step >= 4)
    supervisor = RunFolder(run.folder).supervisor()
    assert supervisor is not None
    ranks = [child.cmdline() for child in psutil.Process(supervisor.pid).children()]
    assert sorted(each[each.index("--rank") + 1] for each in ranks) == ["0", "1"]
    runs.stop(run.id)
    view = until(runs, run, over)
    assert view.state == "stopped"
    steps = view.step + 3
    assert view.checkpoints[-1].step == view.step
    runs.extend(run.id, steps)
    view = until(runs, asyncio.run(runs.start(run)), over)
    assert (view.state, view.attempt, view.step) == ("finished", 2, steps), view.end
    whole = until(runs, begin(runs, replace(plan(steps=steps), resources=two)), over)
    assert (whole.state, whole.attempt) == ("finished", 1), whole.end
    assert kills.digest(view) == kills.digest(whole)


def test_the_pictures_are_deleted_while_they_are_trained_on(runs: Runs, home: Path) -> None:
    whole = until(runs, begin(runs, plan()), over)
    run = begin(runs, plan())
    until(runs, run, lambda view: view.state == "running")
    Datasets().remove("slopes")
    view = until(runs, run, over)
    assert view.state == "finished", view.end
    assert view.attempt == 1
    assert kills.digest(view) == kills.digest(whole)
    assert {model.id for model in Library().models()} >= {whole.model, view.model}
    # What began without them ends at once, says so, and goes on when they are back.
    runs.extend(run.id, 14)
    view = until(runs, asyncio.run(runs.start(run)), over)
    assert view.state == "failed"
    assert view.end is not None
    assert "there is no dataset" in view.end.what
    assert view.step == 12
    kills.picture_dataset(home, "slopes")
    view = until(runs, asyncio.run(runs.start(run)), over)
    assert (view.state, view.step) == ("finished", 14)


def test_too_little_memory_names_a_batch_that_fits(runs: Runs) -> None:
    room = 520
    """Megabytes; two steps of a batch of 512 take 420, of 1024 they take 640."""
    run = until(runs, begin(runs, plan("tight", steps=2, batch=1024, room=room)), over)
    assert run.state == "failed"
    assert run.attempt == 1, "what does not fit need not be tried again"
    assert run.end is not None
    assert run.end.what == "not enough memory for a batch of 1024"
    assert "512" in run.end.do
    assert run.end.offer == {"batch": 512}
    assert run.checkpoints[-1].step == 0
    smaller = runs.branch(run.id, 0, changes=dict(run.end.offer))
    view = until(runs, asyncio.run(runs.start(smaller)), over)
    assert view.state == "finished", view.end
    assert view.model
