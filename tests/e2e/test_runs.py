"""Training runs with real processes: begun, watched, stopped, resumed, extended, branched, begun again by themselves.

The training is one of a second without a framework (tests/toy_training.py); everything around it is the product's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InvalidInput, NotFound, Refused
from core.library.models import Library
from core.runs.events import Checkpoint, Metrics
from core.runs.folder import RunFolder, write_json
from core.runs.journal import Journal
from core.runs.plan import RunPlan
from core.runs.store import Runs, revive
from core.runs.view import RunView
from tests import kills, toy_training

WAIT = 60.0


@pytest.fixture
def runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The runs of an empty home, in which a "toy" can be trained on "numbers"."""
    site = toy_training.install(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{kills.REPOSITORY}")
    monkeypatch.syspath_prepend(str(site))
    kills.toy_dataset(home, "numbers")
    return Runs()


def plan(steps: int = 40, **options: Any) -> RunPlan:
    """A toy training."""
    return RunPlan("toy", "toy", "numbers", steps=steps, save_every=10, options={"pause": 0.005, **options})


def until(runs: Runs, run: RunView, good: Callable[[RunView], bool]) -> RunView:
    """The run, as soon as `good` is true of it."""
    end = time.monotonic() + WAIT
    while not good(view := runs.get(run.id)):
        assert time.monotonic() < end, (view, (view.folder / "log.txt").read_text())
        time.sleep(0.02)
    return view


def over(view: RunView) -> bool:
    """Whether nothing more happens to it."""
    return not view.active


def begin(runs: Runs, what: RunPlan) -> RunView:
    """A run that has been started."""
    return asyncio.run(runs.start(runs.create(what)))


def tarmac(*words: str, code: int = 0) -> str:
    """stdout of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *words], capture_output=True, text=True, check=False, timeout=WAIT
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def exact(view: RunView) -> bool:
    """Whether its model is the one of an undisturbed training of as many steps."""
    found = np.load(view.folder / "model" / "state.npy")
    return bool((found == toy_training.weights_after(view.plan.steps)).all())


def test_a_run_trains_and_ends_in_the_library(runs: Runs) -> None:
    run = begin(runs, plan())
    assert run.active
    view = until(runs, run, over)
    assert view.state == "finished"
    assert view.step == 40
    assert exact(view)
    assert view.latest["loss"] > 0
    assert view.curves["loss"].steps == tuple(range(1, 41))
    assert [each.step for each in view.checkpoints] == [20, 30, 40]
    assert [each.step for each in view.samples] == [10, 20, 30, 40]
    model = Library().get(view.model)
    assert model.name == "toy"
    assert model.manifest.origin == {"run": run.id, "step": 40}
    with pytest.raises(Refused, match="finished"):
        asyncio.run(runs.start(run))


def test_two_starts_at_once_make_one_attempt(runs: Runs) -> None:
    run = runs.create(plan(steps=100))

    async def both() -> list[Any]:
        return await asyncio.gather(Runs().start(run), Runs().start(run), return_exceptions=True)

    answers = asyncio.run(both())
    assert sum(isinstance(answer, RunView) for answer in answers) == 1, answers
    view = until(runs, run, over)
    assert view.state == "finished"
    assert view.attempt == 1


def test_stop_resume_extend(runs: Runs) -> None:
    run = begin(runs, plan(steps=5000))
    until(runs, run, lambda view: view.step > 15)
    assert runs.stop(run.id).state in ("stopping", "stopped")
    view = until(runs, run, over)
    assert view.state == "stopped"
    assert view.checkpoints[-1].step == view.step
    at = view.step
    view = runs.extend(run.id, at + 7)
    assert view.plan.steps == at + 7
    asyncio.run(runs.start(run))
    view = until(runs, run, over)
    assert view.state == "finished"
    assert view.attempt == 2
    assert exact(view)
    first = view.model
    with pytest.raises(InvalidInput, match="has come to"):
        runs.extend(run.id, at)
    runs.extend(run.id, at + 20)
    asyncio.run(runs.start(run))
    view = until(runs, run, over)
    assert exact(view)
    assert view.model != first
    assert len(Library(starters=Path("/nowhere")).models()) == 2


def test_a_run_that_trains_can_be_extended(runs: Runs) -> None:
    run = begin(runs, plan(steps=100))
    until(runs, run, lambda view: view.step > 5)
    runs.extend(run.id, 130)
    view = until(runs, run, over)
    assert view.step == 130
    assert view.attempt == 1
    assert exact(view)


def test_a_branch_begins_from_a_checkpoint_with_its_history(runs: Runs) -> None:
    run = until(runs, begin(runs, plan()), over)
    with pytest.raises(NotFound, match="no checkpoint of step 25"):
        runs.branch(run.id, 25)
    child = runs.branch(run.id, 30, steps=60, changes={"pause": 0.0})
    assert child.plan.parent == run.id
    assert child.plan.name == "toy from 30"
    assert child.curves["loss"].steps == tuple(range(1, 31))
    assert [each.step for each in child.samples] == [10, 20, 30]
    assert (child.folder / "samples" / child.samples[0].file).is_file()
    view = until(runs, asyncio.run(runs.start(child)), over)
    assert view.state == "finished"
    assert exact(view)
    assert runs.get(run.id).checkpoints == run.checkpoints


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, 0, signal.SIGTERM])
def test_a_trainer_that_dies_is_begun_again(runs: Runs, how: int) -> None:
    view = until(runs, begin(runs, plan(die_at=25, die_by=int(how), die_times=2)), over)
    assert view.state == "finished", view.end
    deaths = 1 if how == signal.SIGTERM else 2  # told to end it saves, and does not come by here again
    assert view.attempt == deaths + 1
    assert exact(view)
    said = toy_training.warned(view)
    assert len(said) == deaths
    assert not view.warnings  # a death is no trouble any more when a later attempt trains
    told = f"{said[0].what} {said[0].why}"
    assert ("ValueError: the numbers do not add up" if how == 0 else signal.Signals(how).name) in told


def test_a_trainer_that_always_dies_is_given_up(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    view = until(runs, begin(runs, plan(die_at=5, die_by=0, die_times=99)), over)
    assert view.state == "failed"
    assert view.attempt == 6
    assert view.end is not None
    assert "6 times in a row" in view.end.what
    assert "the numbers do not add up" in view.end.why


def test_too_little_memory_offers_a_smaller_batch(runs: Runs) -> None:
    view = until(runs, begin(runs, plan(die_at=5, die_by=-1, die_times=1)), over)
    assert view.state == "finished"
    (said,) = toy_training.warned(view)
    assert said.code == "out-of-memory"
    assert said.offer == {"batch": 4}


def test_a_run_that_has_failed_goes_on_with_what_was_offered(runs: Runs) -> None:
    run = until(runs, begin(runs, plan(die_at=15, die_by=-1, die_times=99)), over)
    assert run.state == "failed"
    command = f"tarmac runs resume {run.id} --option batch=4"
    assert command in tarmac("runs", "show", run.id)
    tarmac("runs", "resume", run.id, "--option", "pause=0.0", code=2)
    tarmac("runs", "resume", run.id, "--option", "batch", code=2)
    assert runs.get(run.id).plan.options == run.plan.options
    tarmac(*command.split()[1:])
    view = until(runs, run, over)
    assert view.state == "finished", view.end
    assert exact(view)
    assert (view.plan.options["batch"], view.chosen["batch"]) == (4, 4)
    assert "from step 10 on with batch 4" in tarmac("runs", "attach", run.id)
    # What changed stays so, for whoever goes on with it and for branches.
    assert Runs().extend(run.id, 50).plan.options["batch"] == 4
    assert until(runs, asyncio.run(runs.start(run)), over).chosen["batch"] == 4
    assert runs.branch(run.id, 50, steps=60).plan.options["batch"] == 4


def test_before_its_first_checkpoint_every_option_of_a_run_may_change(runs: Runs) -> None:
    run = until(runs, begin(runs, plan(die_at=5, die_by=0, die_times=99)), over)
    assert (run.state, run.checkpoints) == ("failed", ())
    view = until(runs, asyncio.run(runs.start(run, changes={"die_times": 0})), over)
    assert view.state == "finished"
    assert exact(view)


def test_a_lost_run_is_found_again(runs: Runs) -> None:
    run = begin(runs, plan(steps=200))
    until(runs, run, lambda view: view.step > 25)
    folder = RunFolder(run.folder)
    supervisor, trainer = folder.supervisor(), folder.owner(1)
    assert supervisor is not None
    assert trainer is not None
    assert supervisor.signal(signal.SIGKILL)
    view = until(runs, run, over)
    assert view.state == "lost"
    end = time.monotonic() + WAIT
    while not trainer.gone:  # it ends by itself
        assert time.monotonic() < end
        time.sleep(0.02)
    assert [each.id for each in asyncio.run(revive())] == [run.id]
    view = until(runs, run, over)
    assert view.state == "finished"
    assert exact(view)
    assert asyncio.run(revive()) == []


def test_a_run_whose_trainer_had_finished_is_taken_into_the_library_once(runs: Runs) -> None:
    view = until(runs, begin(runs, plan()), over)
    # As if the supervisor had been killed after the library had the model and before it was told.
    journal = view.folder / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert '"finished"' in lines[-1]
    journal.write_text("".join(lines[:-1]))
    until(runs, view, lambda view: view.state == "lost")
    asyncio.run(revive())
    again = until(runs, view, over)
    assert again.state == "finished"
    assert again.model == view.model
    assert again.attempt == 1
    assert [model.id for model in Library(starters=Path("/nowhere")).models()] == [view.model]


def test_a_newer_attempt_fences_the_older_one_off(runs: Runs) -> None:
    run = begin(runs, plan(steps=5000))
    until(runs, run, lambda view: view.step > 5)
    folder = RunFolder(run.folder)
    owner, supervisor = folder.owner(1), folder.supervisor()
    assert folder.claim_attempt() == 2  # as another machine would
    newest = folder.complete_checkpoints()
    end = time.monotonic() + WAIT
    while not (owner and owner.gone and supervisor and supervisor.gone):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert len(folder.complete_checkpoints()) <= len(newest) + 1  # one may have been past its last look
    assert folder.exit(1) == {}


def test_a_deaf_trainer_is_stopped_by_force(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs import supervise

    monkeypatch.setattr(supervise, "STOP_PATIENCE", (0.2, 0.2))
    run = runs.create(plan(deaf=True))
    folder = RunFolder(run.folder)
    Journal(run.folder).tell(Metrics(0, {}, 0.0))
    pid = os.fork()
    if not pid:  # the supervisor itself, with less patience
        try:
            supervise.main([str(run.folder)])
        finally:
            os._exit(0)
    journal = run.folder / "journal.jsonl"
    until(runs, run, lambda view: "thinking" in journal.read_text() and folder.owner(1) is not None)
    trainer = folder.owner(1)
    runs.stop(run.id)
    folder.desire(wish="stop")
    os.waitpid(pid, 0)
    assert trainer is not None
    assert trainer.gone
    assert '"stopped"' in (run.folder / "journal.jsonl").read_text().splitlines()[-1]


def test_a_supervisor_that_is_told_to_end_leaves_a_run_that_can_go_on(runs: Runs) -> None:
    run = begin(runs, plan(steps=300))
    until(runs, run, lambda view: view.step > 12)
    supervisor = RunFolder(run.folder).supervisor()
    assert supervisor is not None
    supervisor.signal(signal.SIGHUP)  # the window closes
    supervisor.signal(signal.SIGTERM)  # the machine is shut down
    view = until(runs, run, over)
    assert view.state == "lost"
    assert view.end is not None
    assert view.end.state == "interrupted"
    assert view.checkpoints[-1].step == view.step
    asyncio.run(revive())
    view = until(runs, run, over)
    assert view.state == "finished"
    assert exact(view)


def test_checkpoints_that_cannot_be_written_warn_and_are_tried_again(runs: Runs) -> None:
    run = runs.create(plan(steps=150))
    place = run.folder / "checkpoints"
    place.rmdir()
    place.write_text("in the way")  # also for root, whom no mode keeps out
    asyncio.run(runs.start(run))
    until(runs, run, lambda view: bool(view.warnings))
    place.unlink()
    view = until(runs, run, over)
    assert view.state == "finished"
    assert toy_training.warned(view)[0].code == "disk-full"
    assert not view.warnings
    assert view.checkpoints
    assert exact(view)


def test_a_dataset_that_is_gone_is_told(runs: Runs, home: Path) -> None:
    run = runs.create(plan())
    (home / "data" / "datasets" / "numbers").rename(home / "elsewhere")
    asyncio.run(runs.start(run))
    view = until(runs, run, over)
    assert view.state == "failed"
    assert view.attempt == 1
    assert view.end is not None
    assert "no dataset 'numbers'" in view.end.what
    with pytest.raises(NotFound, match="no dataset"):
        runs.create(plan())


def test_removing(runs: Runs) -> None:
    run = begin(runs, plan(steps=5000))
    with pytest.raises(Refused, match="Stop it first"):
        runs.remove(run.id)
    runs.stop(run.id)
    until(runs, run, over)
    runs.remove(run.id)
    assert runs.runs() == []
    with pytest.raises(NotFound):
        runs.get(run.id)


def test_a_broken_folder_is_a_failed_run(runs: Runs) -> None:
    (runs.folder / "20260101-000000-odd").mkdir(parents=True)
    (runs.folder / "20260101-000000-odd" / "run.toml").write_text("format = 99")
    view = runs.get("20260101-000000-odd")
    assert view.state == "failed"
    assert view.end is not None
    assert "format 99" in view.end.why
    with pytest.raises(Refused, match="format 99"):
        asyncio.run(runs.start(view))


def test_the_command_line(runs: Runs) -> None:
    run = begin(runs, plan(steps=9000))
    told = json.loads(tarmac("runs", "show", run.id, "--json"))
    assert {"id", "state", "step", "steps", "metrics"} <= told.keys()
    assert told["steps"] == 9000
    assert json.loads(tarmac("runs", "list", "--json"))[0]["id"] == run.id
    until(runs, run, lambda view: view.step > 12)
    assert json.loads(tarmac("runs", "stop", run.id, "--json"))["state"] in ("stopping", "stopped")
    at = until(runs, run, over).step
    assert run.id in tarmac("runs", "resume", run.id)
    # Fewer steps than it had: it ends soon.
    assert run.id in tarmac("runs", "extend", run.id, "--steps", str(runs.get(run.id).step + 600))
    text = tarmac("runs", "attach", run.id)
    end = runs.get(run.id).plan.steps
    assert f"finished at step {end:,}" in text
    assert f"training from step {at:,} to" in text
    more = [str(end), "--steps", str(end + 10)]
    branch = tarmac("runs", "branch", run.id, "--step", *more, "--option", "pause=0.0").strip()
    assert f"finished at step {end + 10:,}" in tarmac("runs", "attach", branch)
    assert runs.get(branch).plan.options["pause"] == 0.0
    assert tarmac("runs", "extend", branch, "--steps", str(end + 20)).startswith(branch)
    lines = [json.loads(line) for line in tarmac("runs", "attach", branch, "--json").splitlines()]
    assert lines[-1]["event"] == "ended"
    assert "deleted" in tarmac("runs", "rm", branch)
    tarmac("runs", "show", branch, code=2)
    tarmac("runs", "branch", run.id, "--step", "3", code=2)


def test_ctrl_c_leaves_the_run_going(runs: Runs) -> None:
    run = begin(runs, plan(steps=5000))
    client = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "runs", "attach", run.id], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert client.stdout is not None
    assert b"attempt 1" in client.stdout.readline()
    client.send_signal(signal.SIGINT)
    _, errors = client.communicate(timeout=WAIT)
    assert client.returncode == 130
    assert f"tarmac runs attach {run.id}" in errors.decode()
    at = runs.get(run.id).step
    assert until(runs, run, lambda view: view.step > at).state == "running"
    runs.stop(run.id)
    until(runs, run, over)


def test_old_steps_told_again_replace_what_was(runs: Runs) -> None:
    run = runs.create(plan())
    journal = Journal(run.folder)
    for step in (1, 2, 3):
        journal.tell(Metrics(step, {"loss": float(step)}, 1.0))
    journal.tell(Checkpoint(2, "2"))
    journal.tell(Metrics(2, {"loss": 20.0}, 1.0))
    view = Runs().get(run.id)
    assert view.curves["loss"].steps == (1, 2)
    assert view.curves["loss"].values == (1.0, 20.0)
    assert view.checkpoints == ()  # told, but not there
    write_json(run.folder / "desired.json", {"wish": 3, "steps": -1})
    assert Runs().get(run.id).plan == replace(run.plan)
