"""One run with pictures: a plan and prepared pictures in, a model out, with everything told on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from core.ml.training.carrying_out import TELL_SECONDS, Begin, carry_out
from core.ml.training.experiment import Attempt, Experiment
from core.ml.training.image_experiment import ImageExperiment
from core.ml.training.image_setup import Sources
from core.ml.training.options import shared
from core.ml.training.outcome import Outcome
from core.ml.training.ranks import Ranks
from core.ml.training.scoring import Scorer, scorer_for
from core.runs.plan import ImageOptions, RunPlan
from core.runs.recorder import Recorder


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

    def begin(ranks: Ranks, place: torch.device) -> Begin:
        found = scorer
        if found == "default":
            found = scorer_for(place, plan.seed) if ranks.first else None

        def set_up(attempt: Attempt, checkpoint: Path | None) -> Experiment:
            return ImageExperiment(attempt, Sources(dataset, base, checkpoint, pictures), found)

        return set_up

    return carry_out(
        plan,
        recorder,
        begin,
        _relief,
        model=model,
        rank=rank,
        world=world,
        store=store,
        device=device,
        interrupted=interrupted,
        tell_seconds=tell_seconds,
    )


def _relief(plan: RunPlan, tried: ImageOptions | None, world: int, ours: bool) -> tuple[int, dict[str, object], str]:
    """Half of the batch."""
    batch = tried.batch if tried is not None else int(str(plan.options.get("batch", 0)))
    smaller = shared(batch // 2, world) if batch > world else 0
    if not smaller:
        return batch, {}, "Choose smaller pictures or fewer channels"
    return batch, {"batch": smaller}, f"Go on with a batch of {smaller}"
