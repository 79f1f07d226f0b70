"""One run: a plan and prepared pictures in, a model out, with everything told on the way.

Whatever keeps an experiment from beginning is met here: a batch that does not fit is halved, and where the last
checkpoint is damaged the one before it is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from core.errors import TarmacError
from core.ml.hardware import choose_device, out_of_memory
from core.ml.training.experiment import ImageRun
from core.ml.training.image_files import Damaged
from core.ml.training.image_setup import Sources
from core.ml.training.outcome import Outcome, too_large
from core.ml.training.ranks import joined
from core.ml.training.scoring import Scorer, scorer_for
from core.runs.events import Warned
from core.runs.plan import RunPlan
from core.runs.recorder import Fenced, Recorder

TELL_SECONDS = 2.0
"""Between two metrics events."""


def train_image(
    plan: RunPlan,
    recorder: Recorder,
    *,
    dataset: Path,
    base: Path | None = None,
    model: Path | None = None,
    scorer: Callable[[Any], Scorer] | Literal["default"] | None = "default",
    rank: int = 0,
    world: int = 1,
    store: Path | None = None,
    device: str = "auto",
    interrupted: Callable[[], bool] = lambda: False,
    pictures: Any = None,
    tell_seconds: float = TELL_SECONDS,
) -> Outcome:
    """Train until the steps are done or the wish changes; goes on from the recorder's last checkpoint.

    Args:
        plan: What to do.
        recorder: The run; what the ranks other than the first tell it is nobody's.
        dataset: Folder of the prepared pictures.
        base: Folder of the model to start from; None for random weights.
        model: Folder to write the model into when the steps are done; None for none.
        scorer: Given the pictures, makes the scorer; None for no scores, by default what scoring.py finds.
        rank, world, store: See `ranks.joined`.
        device: Where; "auto" takes this rank's GPU or the processor.
        interrupted: Whether a signal asks to end without a wish; asked between steps.
        pictures: Instead of those in `dataset`.
        tell_seconds: Between two metrics events.

    Returns:
        How it ended; troubles that a user can act on end it so and are not raised.
    """
    with joined(rank, world, store) as ranks:
        place = choose_device(device if device != "auto" or not torch.cuda.is_available() else _gpu_of(rank))
        if place.type == "cuda":
            torch.cuda.set_device(place)
        if scorer == "default":
            scorer = scorer_for(place, plan.seed) if ranks.first else None
        ours = not plan.options.get("batch")
        checkpoints = recorder.checkpoints()
        damaged: list[int] = []
        while True:
            sources = Sources(dataset, base, checkpoints[-1][1] if checkpoints else None, pictures)
            run: ImageRun | None = None
            try:
                run = ImageRun(plan, recorder, ranks, sources, place, scorer, interrupted, tell_seconds)
                # Only now is it known that an earlier one can be read.
                while damaged:
                    step = damaged.pop()
                    if ranks.first:
                        recorder.drop(step)
                outcome = run.go()
                if outcome.state == "finished" and model is not None and ranks.first:
                    outcome = run.export(outcome, model)
                return outcome
            except Fenced:
                return Outcome("fenced", run.step if run else 0)
            except TarmacError as error:
                if isinstance(error, Damaged) and run is None and len(checkpoints) > 1:
                    step = checkpoints.pop()[0]
                    damaged.append(step)
                    do = f"It goes on from step {checkpoints[-1][0]}"
                    recorder.tell(Warned("damaged", error.what, error.why, do, step))
                    continue
                return Outcome("failed", run.step if run else 0, error.what, error.why, error.do)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                batch = run.options.batch if run else int(str(plan.options.get("batch", 0)))
                outcome = too_large(error, batch, run.step if run else 0, world)
            smaller = outcome.offer.get("batch")
            untouched = run is not None and run.step == run.began_at
            if not ours or not smaller or not untouched or world > 1:
                return outcome
            # The batch was left to us: choose the half of it.
            recorder.tell(
                Warned("out-of-memory", outcome.what, outcome.why, f"It goes on with {smaller}", 0, outcome.offer)
            )
            plan = replace(plan, options={**plan.options, "batch": smaller})
            run, checkpoints = None, recorder.checkpoints()
            if place.type == "cuda":
                torch.cuda.empty_cache()


def _gpu_of(rank: int) -> str:
    local = int(os.environ.get("LOCAL_RANK", rank))
    return f"cuda:{local % torch.cuda.device_count()}"
