"""Runs under a bad star: full and read-only disks, edited plans, jumping clocks, several hands at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import NotFound, Refused
from core.library.models import Library
from core.runs.events import Metrics, Queued
from core.runs.folder import RunFolder
from core.runs.journal import Journal
from core.runs.store import Runs
from tests import kills, toy_training
from tests.e2e.test_runs import begin, exact, over, plan, until


@pytest.fixture
def runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The runs of an empty home, in which a "toy" can be trained on "numbers"."""
    site = toy_training.install(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{kills.REPOSITORY}")
    monkeypatch.syspath_prepend(str(site))
    kills.toy_dataset(home, "numbers")
    return Runs()


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """Something mounted at `place` for a while; skips where that is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    return ballast


def test_a_disk_that_is_full_for_a_while_costs_nothing(runs: Runs) -> None:
    run = runs.create(plan(steps=300))
    with mounted(run.folder / "checkpoints", "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        asyncio.run(runs.start(run))
        until(runs, run, lambda view: view.step > 12)
        ballast = fill(run.folder / "checkpoints")
        view = until(runs, run, lambda view: bool(view.warnings))
        assert view.warnings[0].code == "disk-full"
        assert "No space left" in view.warnings[0].why
        ballast.unlink()
        view = until(runs, run, over)
        assert view.state == "finished", view.end
        assert exact(view)


def test_a_home_that_is_full_at_the_end_is_told_and_resumed(home: Path, runs: Runs) -> None:
    """Of everything: journal, model and library."""
    with mounted(home / "data", "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
        kills.toy_dataset(home, "numbers")
        run = begin(runs, plan(steps=120))
        until(runs, run, lambda view: view.step > 12)
        ballast = fill(home / "data")
        trainer = RunFolder(run.folder).owner(1)
        assert trainer is not None
        end = time.monotonic() + 60
        while not trainer.gone:
            assert time.monotonic() < end
            time.sleep(0.05)
        ballast.unlink()  # the supervisor is still trying to write down how it ended
        view = until(runs, run, over)
        if view.state != "finished":
            assert view.state == "failed", view.end
            asyncio.run(runs.start(run))
            view = until(runs, run, over)
        assert view.state == "finished", view.end
        assert exact(view)
        assert [model.id for model in Library(starters=Path("/nowhere")).models()] == [view.model]


def test_a_library_that_is_full_is_told_and_needs_no_more_training(home: Path, runs: Runs) -> None:
    with mounted(home / "data" / "models", "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        ballast = fill(home / "data" / "models")
        run = begin(runs, plan())
        view = until(runs, run, over)
        assert view.state == "failed"
        assert view.end is not None
        assert "the finished model is not in the library" in view.end.what
        assert "No space left" in view.end.why
        ballast.unlink()
        asyncio.run(runs.start(run))
        view = until(runs, run, over)
        assert view.state == "finished", view.end
        assert view.attempt == 1
        assert [model.id for model in Library(starters=Path("/nowhere")).models()] == [view.model]


def test_a_folder_of_checkpoints_that_is_read_only_is_told(runs: Runs) -> None:
    run = runs.create(plan(steps=100))
    place = run.folder / "checkpoints"
    with mounted(place, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        asyncio.run(runs.start(run))
        view = until(runs, run, lambda view: bool(view.warnings))
        assert "Read-only" in view.warnings[0].why
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        view = until(runs, run, over)
        assert view.state == "finished", view.end
        assert view.checkpoints


def test_a_base_that_is_gone_is_not_missed_once_there_is_a_checkpoint(runs: Runs) -> None:
    first = until(runs, begin(runs, plan()), over)
    run = begin(runs, replace(plan(steps=5000), base=first.model))
    until(runs, run, lambda view: bool(view.checkpoints))
    runs.stop(run.id)
    view = until(runs, run, over)
    Library().remove(first.model)
    runs.extend(run.id, view.step + 5)
    asyncio.run(runs.start(run))
    view = until(runs, run, over)
    assert view.state == "finished", view.end
    child = runs.branch(run.id, view.checkpoints[0].step)
    assert child.plan.base == first.model
    with pytest.raises(NotFound, match="to begin from"):
        runs.create(run.plan)


def test_a_plan_edited_to_nonsense_while_it_runs(runs: Runs) -> None:
    run = begin(runs, plan(steps=5000))
    until(runs, run, lambda view: view.step > 5)
    watching = Runs()
    assert watching.get(run.id).state == "running"
    text = (run.folder / "run.toml").read_text()
    (run.folder / "run.toml").write_text("steps = = nonsense")
    assert watching.get(run.id).state == "running"  # what it began with it goes on with
    fresh = Runs()
    assert fresh.get(run.id).state == "failed"
    with pytest.raises(Refused, match="not TOML"):
        asyncio.run(fresh.start(run.id))
    with pytest.raises(Refused, match="Stop it first"):
        fresh.remove(run.id)
    supervisor = RunFolder(run.folder).supervisor()
    assert supervisor is not None
    assert not supervisor.gone
    fresh.stop(run.id)
    until(watching, run, over)
    assert watching.get(run.id).state == "stopped"
    (run.folder / "run.toml").write_text(text)
    assert Runs().get(run.id).state == "stopped"


def test_two_resumes_at_once_and_one_while_it_runs(runs: Runs) -> None:
    run = begin(runs, plan(steps=5000))
    until(runs, run, lambda view: view.step > 5)
    runs.stop(run.id)
    until(runs, run, over)
    command = [sys.executable, "-m", "tui.cli", "runs", "resume", run.id, "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], told
    (refusal,) = [errors for out, errors in told if not out]
    assert len(refusal.splitlines()) == 1
    until(runs, run, lambda view: view.attempt == 2 and view.state == "running")
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert third.returncode == 2
    assert "is running already" in third.stderr
    assert len(third.stderr.splitlines()) == 1
    runs.stop(run.id)
    assert until(runs, run, over).attempt == 2


def test_a_torn_journal_and_a_clock_that_was_set_back(runs: Runs) -> None:
    run = runs.create(plan())
    journal = Journal(run.folder)
    now = time.time()
    for step in (1, 2, 3):
        journal.tell(Metrics(step, {"loss": float(step)}, 1.0), now + 3600 - step)
    path = run.folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:20] + b"\x00\xff\n" + b"[" * 5000 + b"\n" + lines[2] + b'{"at": 1, "eve')
    journal.tell(Metrics(4, {"loss": 4.0}, 1.0), now)
    view = Runs().get(run.id)
    assert view.curves["loss"].steps == (1, 3, 4)
    assert view.step == 4
    # Given to a launcher in an hour, by the clock of then: nobody waits an hour for it.
    journal.tell(Queued("local"), now + 3600)
    assert Runs().get(run.id).state == "lost"
    journal.tell(Queued("local"), now)
    assert Runs().get(run.id).state == "queued"
    assert all(json.loads(line)["at"] for line in path.read_bytes().splitlines()[-2:])
