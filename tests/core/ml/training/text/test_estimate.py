"""What a text run will take: against the run itself, without enough memory, and as a program of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import InvalidInput, OutOfMemory
from core.jobs import parent
from core.library.text_facts import new_facts, training_memory
from core.ml.training.estimate import estimate
from core.ml.training.text import estimate as estimate_text
from core.ml.training.text.loop import TextTraining
from core.runs import plan_file
from core.runs.events import Checkpoint, Metrics, Score
from core.runs.plan import TextOptions
from tests.core.ml.text_models import write_gpt2
from tests.core.ml.training.recording import Remembered
from tests.core.ml.training.text.test_run import OPTIONS, PLAN, lines, one_thread, train_text

__all__ = ["lines", "one_thread"]


def test_against_the_run_itself(lines: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=12, sample_every=6, save_every=6, score_every=6, keep=0)
    told: list[str] = []
    # All its steps, however slow the machine is meanwhile.
    found = estimate(plan, dataset=lines, device="cpu", tell=lambda doing, share: told.append(doing), seconds=600)
    assert (found.measured, found.batch, found.offer) == (20, 4, {})
    assert found.chosen["context"] == 16
    assert found.per_second == pytest.approx(4 * 16 / found.step_seconds)
    assert found.seconds > 12 * found.step_seconds
    assert 0 < found.memory < found.memory_available
    assert 0 < found.disk < found.disk_free
    assert {"timing real steps", "timing samples", "timing scores"} <= set(told)
    recorder = Remembered(tmp_path / "run", 12)
    train_text(plan, recorder, dataset=lines, device="cpu", tell_seconds=0.0)
    real = sum(4 * 16 / each.per_second for each in recorder.told(Metrics)[1:]) / 11
    # The machine is shared: what is tested is that it is no other number.
    assert 0.2 < found.step_seconds / real < 5
    kept = [each.bytes for each in recorder.told(Checkpoint)]
    assert 0.8 < found.disk / kept[-1] < 8


def test_a_base_is_tokenised_first(lines: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    base = write_gpt2(tmp_path / "base")

    def tell(doing: str, share: float | None) -> None:
        told.append((doing, share))

    found = estimate(PLAN, dataset=lines, base=base, device="cpu", tell=tell, seconds=0.1)
    assert ("tokenising", 1.0) in told
    assert found.batch == 4


@pytest.mark.parametrize(("asked", "change"), [(0, "batch"), (64, "accumulate")])
def test_what_a_processor_cannot_hold_is_made_smaller_until_it_fits(lines: Path, asked: int, change: str) -> None:
    options = OPTIONS | {"batch": asked, "context": 16, "width": 64, "vocabulary": 400}
    facts = new_facts(400, 16, 1, 64)
    there = int(training_memory(facts, "full", rows=16, context=16, precision="float32") / 0.95) + 1
    found = estimate(replace(PLAN, options=options), dataset=lines, device="cpu", seconds=0.1, available=there)
    assert found.offer == ({"batch": 16} if change == "batch" else {"accumulate": 4})
    assert found.batch == (16 if change == "batch" else 64)


def test_then_by_recomputing_and_then_by_lora(lines: Path, tmp_path: Path) -> None:
    base = write_gpt2(tmp_path / "base")
    told: list[str] = []
    with pytest.raises(OutOfMemory, match="not even one row"):
        estimate(
            *(PLAN,), dataset=lines, base=base, device="cpu", tell=lambda doing, _: told.append(doing), available=2**20
        )
    assert [doing for doing in told if "it does not fit" in doing] == [
        "it does not fit; trying accumulate 2",
        "it does not fit; trying accumulate 4",
        "it does not fit; trying checkpointing True",
        "it does not fit; trying method lora, checkpointing False",
        "it does not fit; trying checkpointing True",
    ]


def test_only_what_reads_held_out_text_takes_longer_with_more_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Clocked:
        """Reads for two seconds, and writes for ten."""

        options = TextOptions(context=16, held_tokens=1280)
        setup = SimpleNamespace(corpus=SimpleNamespace(held=np.zeros(5000, np.uint16)))

        def score(self) -> Iterator[Score]:
            nonlocal now
            assert self.options.held_tokens == 8 * 16
            now += 2.0
            yield Score(0, "perplexity", 9.0)
            now += 10.0
            yield Score(0, "memorised", 0.0)

    monkeypatch.setattr(estimate_text, "time", SimpleNamespace(monotonic=lambda: now))
    experiment: Any = Clocked()
    assert estimate_text._score_seconds(experiment) == 10 * 2.0 + 10.0
    assert experiment.options.held_tokens == 1280


def test_out_of_memory_while_timing(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TextTraining.run

    def run_if_small(training: TextTraining) -> dict[str, float]:
        if training.recipe.batch // training.recipe.accumulate > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(training)

    monkeypatch.setattr(TextTraining, "run", run_if_small)
    assert estimate(PLAN, dataset=lines, device="cpu", seconds=0.1).offer == {"accumulate": 2}


def test_a_plan_that_cannot_be_trained_is_refused(lines: Path) -> None:
    with pytest.raises(InvalidInput, match="lora needs a base"):
        estimate(replace(PLAN, options={"method": "lora"}), dataset=lines, device="cpu")
    with pytest.raises(InvalidInput, match="kind sound"):
        estimate(replace(PLAN, kind="sound"), dataset=lines, device="cpu")


async def test_as_a_process(lines: Path, tmp_path: Path) -> None:
    plan_file.write_plan(tmp_path / "run", PLAN)
    command = [str(tmp_path / "run"), "--seconds", "0.1", "--dataset", str(lines)]
    assert (await parent.run("core.ml.training.estimate", command, "no"))["batch"] == 4
