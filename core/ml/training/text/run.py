"""One run with texts: a plan and prepared texts in, a model out, with everything told on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from core.ml.training.carrying_out import Conditions, carry_out
from core.ml.training.experiment import Attempt, Experiment, Sources
from core.ml.training.outcome import Outcome
from core.ml.training.text.experiment import TextExperiment
from core.runs.plan import RunPlan, TextOptions
from core.runs.plan_file import options_of
from core.runs.recorder import Recorder


def train_text(
    plan: RunPlan, recorder: Recorder, *, dataset: Path, base: Path | None = None, **conditions: Unpack[Conditions]
) -> Outcome:
    """Train until the steps are done or the wish changes; goes on from the recorder's last checkpoint.

    Args:
        plan: What to do.
        recorder: The run; what the ranks other than the first tell it is nobody's.
        dataset: Folder of the prepared texts.
        base: Folder of the model to start from; None for random weights.
        conditions: See `carry_out`.

    Returns:
        How it ended; troubles that a user can act on end it so and are not raised.
    """

    def begin(attempt: Attempt, checkpoint: Path | None) -> Experiment:
        return TextExperiment(attempt, Sources(dataset, base, checkpoint))

    return carry_out(plan, recorder, begin, _relief, **conditions)


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
