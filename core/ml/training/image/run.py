"""One run with pictures: a plan and prepared pictures in, a model out, with everything told on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, Unpack

import torch

from core.ml.training.carrying_out import Conditions, carry_out
from core.ml.training.experiment import Attempt, Experiment
from core.ml.training.image.experiment import ImageExperiment
from core.ml.training.image.scoring import Scorer, scorer_for
from core.ml.training.image.setup import ImageSources
from core.ml.training.options import shared
from core.ml.training.outcome import Outcome
from core.runs.plan import ImageOptions, RunPlan
from core.runs.recorder import Recorder


def train_image(
    plan: RunPlan,
    recorder: Recorder,
    *,
    dataset: Path,
    base: Path | None = None,
    scorer: Callable[[Any], Scorer] | Literal["default"] | None = "default",
    pictures: Any = None,
    **conditions: Unpack[Conditions],
) -> Outcome:
    """Train until the steps are done or the wish changes; goes on from the recorder's last checkpoint.

    Args:
        plan: What to do.
        recorder: The run; what the ranks other than the first tell it is nobody's.
        dataset: Folder of the prepared pictures.
        base: Folder of the model to start from; None for random weights.
        scorer: Given the pictures, makes the scorer; None for no scores, by default what scoring.py finds.
        pictures: Instead of those in `dataset`.
        conditions: See `carry_out`.

    Returns:
        How it ended; troubles that a user can act on end it so and are not raised.
    """

    @cache  # a smaller batch is tried with the same
    def default(device: torch.device) -> Callable[[Any], Scorer] | None:
        return scorer_for(device, plan.seed)

    def begin(attempt: Attempt, checkpoint: Path | None) -> Experiment:
        chosen = None
        if attempt.ranks.first:
            chosen = default(attempt.device) if scorer == "default" else scorer
        return ImageExperiment(attempt, ImageSources(dataset, base, checkpoint, pictures), chosen)

    return carry_out(plan, recorder, begin, _relief, **conditions)


def _relief(plan: RunPlan, tried: ImageOptions | None, world: int, ours: bool) -> tuple[int, dict[str, object], str]:
    """Half of the batch."""
    batch = tried.batch if tried is not None else int(str(plan.options.get("batch", 0)))
    smaller = shared(batch // 2, world) if batch > world else 0
    if not smaller:
        return batch, {}, "Choose smaller pictures or fewer channels"
    return batch, {"batch": smaller}, f"Go on with a batch of {smaller}"
