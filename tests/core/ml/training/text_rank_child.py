"""One of two processes that train a text model together; started by test_text_ranks with the folder and its rank."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from core.ml.training.text.run import train_text
from core.runs.events import Metrics
from core.runs.plan import RunPlan
from tests.core.ml.training.recording import Remembered

OPTIONS: dict[str, object] = {
    "batch": 8,
    "accumulate": 2,
    "context": 16,
    "layers": 1,
    "width": 16,
    "heads": 2,
    "vocabulary": 300,
    "precision": "float32",
    "threads": 1,
    "rate": 1e-2,
    "warmup": 2,
    "sample_tokens": 4,
    "held_tokens": 200,
}
PLAN = RunPlan("Two", "text", "lines", steps=6, options=OPTIONS, sample_every=6, save_every=2, score_every=6)
RESULT = "rank{rank}.json"


def experiment(
    folder: Path, name: str, rank: int, world: int, options: dict[str, object], *, store: str = "", stop_after: int = 0
) -> dict[str, Any]:
    """A run of all ranks, told to stop after so many steps if that is not 0."""
    wish = (lambda asked: "stop" if asked > stop_after else "run") if stop_after else (lambda asked: "run")
    recorder = Remembered(folder / name, PLAN.steps, wish, leading=rank == 0)
    outcome = train_text(
        replace(PLAN, name=name, options=OPTIONS | options),
        recorder,
        dataset=folder / "lines",
        rank=rank,
        world=world,
        store=folder / store if store else None,
        device="cpu",
        tell_seconds=0.0,
    )
    metrics = [each.values for each in recorder.told(Metrics)]
    return {"outcome": asdict(outcome), "events": len(recorder.events), "metrics": metrics}


def main(folder: Path, rank: int) -> None:
    """Everything that two ranks are tested for, in one pair of processes."""
    torch.set_num_threads(1)
    left_out: dict[str, object] = {"dropout": 0.2}
    result = {
        "plain": experiment(folder, "plain", rank, 2, {}, store="store-a"),
        "whole": experiment(folder, "whole", rank, 2, left_out, store="store-b"),
        "stopped": experiment(folder, "broken", rank, 2, left_out, store="store-c", stop_after=3),
        "resumed": experiment(folder, "broken", rank, 2, left_out, store="store-d"),
    }
    (folder / RESULT.format(rank=rank)).write_text(json.dumps(result, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
