"""What a run will take: against the run itself, without enough memory, and as a program of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from core.datasets.pictures import write_pictures
from core.errors import InvalidInput, OutOfMemory, Refused
from core.jobs import parent
from core.ml.training import measuring
from core.ml.training.estimate import estimate
from core.ml.training.image.estimate import _mean_step
from core.ml.training.image.loop import ImageTraining
from core.runs import plan_file
from core.runs.events import Checkpoint, Metrics
from tests.core.ml.training.image.test_run import OPTIONS, PLAN, dots, one_thread, run
from tests.core.ml.training.recording import Remembered

__all__ = ["one_thread"]

MODULE = "core.ml.training.estimate"


def test_against_the_run_itself(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=12, sample_every=6, save_every=6, score_every=6, keep=0)
    told: list[tuple[str, float | None]] = []

    def tell(doing: str, share: float | None) -> None:
        told.append((doing, share))

    # All its steps, however slow the machine is meanwhile.
    found = estimate(plan, dataset=tmp_path, pictures=dots(), device="cpu", tell=tell, seconds=600)
    assert found.measured == 20
    assert found.batch == 4
    assert found.offer == {}
    assert found.chosen["gamma"] == pytest.approx(0.0128)
    assert 0 < found.memory < found.memory_available
    assert 0 < found.disk < found.disk_free
    shares = [share for doing, share in told if doing == "timing real steps" and share is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    recorder = Remembered(tmp_path / "run", 12)
    run(recorder, plan)
    real = sum(4 / each.per_second for each in recorder.told(Metrics)[1:]) / 11
    # The machine is shared: what is tested is that it is no other number.
    assert 0.2 < found.step_seconds / real < 5
    kept = [each.bytes for each in recorder.told(Checkpoint)]
    assert 1.5 < found.disk / kept[-1] < 6


def test_means_of_a_whole_round() -> None:
    times = {(False, False): [1.0, 1.0, 9.0], (False, True): [2.0], (True, True): [5.0]}
    assert _mean_step(times, 20.0, 16, 4) == pytest.approx(1 + 1 / 4 + 3 / 16)
    # A machine so slow that there was no other R1 step than the first.
    assert _mean_step({(False, False): [1.0]}, 3.0, 16, 4) == pytest.approx(1 + 2 / 16)
    assert _mean_step({}, 3.0, 16, 4) == 3.0


def test_a_batch_that_a_processor_cannot_hold_is_halved_until_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of 4 pictures takes 40 MB and there are 150: 8 fit (80 MB), 16 (160 MB) do not."""
    now = psutil.Process().memory_info().rss
    monkeypatch.setattr(measuring, "most", lambda place: psutil.Process().memory_info().rss + 40 * 2**20)
    plan = replace(PLAN, options=OPTIONS | {"batch": 64})
    there = int((now + 150 * 2**20) / 0.95)
    found = estimate(plan, dataset=tmp_path, pictures=dots(), device="cpu", seconds=0.1, available=there)
    assert found.offer == {"batch": found.batch}
    assert found.batch in (4, 8)


def test_not_even_one_picture_fits(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemory, match="not even one picture"):
        estimate(PLAN, dataset=tmp_path, pictures=dots(), device="cpu", available=1024**2)


def test_out_of_memory_while_timing_is_halved_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ImageTraining.run

    def run_if_small(training: ImageTraining) -> dict[str, float]:
        if training.recipe.batch > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(training)

    monkeypatch.setattr(ImageTraining, "run", run_if_small)
    plan = replace(PLAN, options=OPTIONS | {"batch": 32})
    found = estimate(plan, dataset=tmp_path, pictures=dots(), device="cpu", seconds=0.1)
    assert found.offer == {"batch": 8}


def test_a_plan_that_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="size 24"):
        estimate(replace(PLAN, options={"size": 24}), dataset=tmp_path, pictures=dots(), device="cpu")


async def test_as_a_process(tmp_path: Path) -> None:
    write_pictures(tmp_path / "dots", "dots", np.asarray(dots()), {})
    plan_file.write_plan(tmp_path / "run", PLAN)
    told: list[str] = []
    command = [str(tmp_path / "run"), "--seconds", "0.1", "--dataset", str(tmp_path / "dots")]
    found = await parent.run(MODULE, command, "no", progress=lambda doing, share: told.append(doing))
    assert found["batch"] == 4
    assert told[0] == "reading the plan"
    with pytest.raises(Refused, match=r"run\.toml is missing"):
        await parent.run(MODULE, [str(tmp_path / "nowhere")], "no")


async def test_it_ends_with_whoever_asked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.toml")  # nobody writes it: the plan is read for ever
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", MODULE, str(tmp_path)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert b"reading the plan" in await process.stdout.readline()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 3
