"""A training of a kind of its own, "toy": exact, quick, without a framework, and as fragile as its options ask.

Its state is a vector that each step turns into another, so that one step too many, too few or repeated from a wrong
state shows in the last bit. It comes into the program as other packages' trainings do: as an entry point.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import StorageError
from core.library.interfaces import image_gan_interface
from core.library.manifest import Manifest
from core.runs.events import Checkpoint, Metrics, Phase, Sample, Started, Stopping, Warned
from core.runs.journal import decode
from core.runs.plan import RunPlan
from core.runs.recorder import Recorder
from core.runs.view import RunView

WIDTH = 64


def install(folder: Path) -> Path:
    """Make the kind known to every process that has `folder` on its PYTHONPATH; returns `folder`."""
    package = folder / "toy_training-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-training\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[tarmac.trainings]\ntoy = tests.toy_training:train_toy\n")
    return folder


def weights_after(steps: int, seed: int = 0) -> np.ndarray:
    """What an undisturbed training of `steps` steps ends with."""
    state = _begin(seed)
    for step in range(1, steps + 1):
        state = _advance(state, seed, step)
    return state


def _begin(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(WIDTH)


def _advance(state: np.ndarray, seed: int, step: int) -> np.ndarray:
    noise = np.random.default_rng((seed, step)).standard_normal(WIDTH)
    return np.asarray(np.sin(1.7 * np.roll(state, 1) + 0.3 * state + noise))


@dataclass(frozen=True)
class Outcome:
    """How it ended."""

    state: str
    step: int
    what: str = ""
    why: str = ""
    do: str = ""
    offer: dict[str, object] = field(default_factory=dict)


def train_toy(
    plan: RunPlan,
    recorder: Recorder,
    *,
    dataset: Path,
    base: Path | None,
    model: Path | None,
    rank: int,
    world: int,
    store: Path | None,
    interrupted: Callable[[], bool],
) -> Outcome:
    """Options: `pause` seconds a step; `die_at` a step at which the first attempts end by `die_by` (a signal's number,
    0 for an exception, -1 for memory, of which a `batch` below 8 takes less), `die_times` times; `deaf` to wishes and
    signals."""
    options: dict[str, Any] = dict(plan.options)
    recorder.tell(Phase("thinking of numbers"))
    found = recorder.last()
    step, state = (found[0], np.load(found[1] / "state.npy")) if found else (0, _begin(plan.seed))
    recorder.tell(Started(step, recorder.steps(), "cpu", {"batch": options.get("batch", 8)}))
    every = plan.save_every or 10
    if options.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    while step < recorder.steps():
        wish = recorder.wish()
        if wish == "fenced":
            return Outcome("fenced", step)
        if wish == "stop" or interrupted():
            recorder.tell(Stopping(step))
            _save(recorder, step, state)
            return Outcome("stopped" if wish == "stop" else "interrupted", step)
        _perhaps_die(options, dataset, step)
        step += 1
        state = _advance(state, plan.seed, step)
        time.sleep(float(options.get("pause", 0.0)))
        recorder.tell(Metrics(step, {"loss": float(np.abs(state).mean())}, per_second=100.0, eta=None))
        if step % every == 0 or step == recorder.steps():
            _save(recorder, step, state)
            for old, _ in recorder.checkpoints()[: -plan.keep - 1]:
                recorder.drop(old)
    assert model is not None
    model.mkdir()
    np.save(model / "state.npy", state)
    Manifest("toy", "image-gan", "toy", image_gan_interface(4, 16).spec()).write(model)
    return Outcome("finished", step)


def _save(recorder: Recorder, step: int, state: np.ndarray) -> None:
    try:
        with recorder.checkpoint(step) as folder:
            np.save(folder / "state.npy", state)
        recorder.tell(Checkpoint(step, str(step)))
        sheet = recorder.samples / f"{step:06d}.txt"
        sheet.write_text(f"{state[0]}\n")
        recorder.tell(Sample(step, sheet.name))
    except StorageError as error:
        recorder.tell(Warned("disk-full", error.what, error.why, error.do, step))


def _perhaps_die(options: dict[str, Any], dataset: Path, step: int) -> None:
    small = options.get("die_by") == -1 and options.get("batch", 8) < 8
    if step != options.get("die_at") or small:
        return
    deaths = dataset / "deaths"
    count = len(deaths.read_text()) if deaths.exists() else 0
    if count >= options.get("die_times", 1):
        return
    deaths.write_text("x" * (count + 1))
    how = options.get("die_by", signal.SIGKILL)
    if how == 0:
        raise ValueError("the numbers do not add up")
    if how == -1:
        raise MemoryError("not enough memory for 3 numbers")
    os.kill(os.getpid(), how)


def warned(view: RunView) -> list[Warned]:
    """All warnings that the journal ever told."""
    lines = (view.folder / "journal.jsonl").read_bytes().splitlines()
    told = [found[1] for line in lines if (found := decode(line)) is not None]
    return [event for event in told if isinstance(event, Warned)]
