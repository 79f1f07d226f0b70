"""One run with texts: a plan and prepared texts in, a model out, with everything told on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from core.ml.training.carrying_out import TELL_SECONDS, Begin, carry_out
from core.ml.training.experiment import Attempt, Experiment
from core.ml.training.outcome import Outcome
from core.ml.training.ranks import Ranks
from core.ml.training.text_experiment import TextExperiment
from core.ml.training.text_setup import Sources
from core.runs.plan import RunPlan, TextOptions
from core.runs.plan_file import options_of
from core.runs.recorder import Recorder


def train_text(
    plan: RunPlan,
    recorder: Recorder,
    *,
    dataset: Path,
    base: Path | None = None,
    model: Path | None = None,
    rank: int = 0,
    world: int = 1,
    store: Path | None = None,
    device: str = "auto",
    interrupted: Callable[[], bool] = lambda: False,
    tell_seconds: float = TELL_SECONDS,
) -> Outcome:
    """Train until the steps are done or the wish changes; goes on from the recorder's last checkpoint.

    Args:
        plan: What to do.
        recorder: The run; what the ranks other than the first tell it is nobody's.
        dataset: Folder of the prepared texts.
        base: Folder of the model to start from; None for random weights.
        model: Folder to write the model into when the steps are done; None for none.
        rank, world, store: See `ranks.joined`.
        device: Where; "auto" takes this rank's GPU or the processor.
        interrupted: Whether a signal asks to end without a wish; asked between steps.
        tell_seconds: Between two metrics events.

    Returns:
        How it ended; troubles that a user can act on end it so and are not raised.
    """

    def begin(ranks: Ranks, place: torch.device) -> Begin:
        def set_up(attempt: Attempt, checkpoint: Path | None) -> Experiment:
            return TextExperiment(attempt, Sources(dataset, base, checkpoint))

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


def _relief(plan: RunPlan, tried: TextOptions | None, world: int, ours: bool) -> tuple[int, dict[str, object], str]:
    """Half of a batch that was left to us; of one that was asked for, the same in more parts; else recomputing."""
    options: TextOptions = tried if tried is not None else options_of(plan)
    batch = options.batch
    if ours and batch >= 2 * world:
        smaller = max(1, batch // 2 // world) * world
        return batch, {"batch": smaller}, f"Go on with a batch of {smaller}"
    if batch // world > options.accumulate:
        parts = min(2 * options.accumulate, batch // world)
        return batch, {"accumulate": parts}, f"Compute a batch in {parts} parts: it takes as long, and less memory"
    if not options.checkpointing:
        return batch, {"checkpointing": True}, "Turn checkpointing on, or train with LoRA"
    if options.method == "full" and plan.base:
        return batch, {"method": "lora"}, "Train with LoRA, or from a smaller base"
    return batch, {}, "Choose a smaller base or a shorter context"
