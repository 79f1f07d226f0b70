"""One attempt at a run, of whatever kind: ranks meet, an experiment is set up, carried out, and its model written.

Whatever keeps an experiment from beginning is met here: a batch that does not fit is made smaller, and where the last
checkpoint is damaged the one before it is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import torch

from core.errors import TarmacError, out_of_memory
from core.ml.allocation import forget
from core.ml.hardware import choose_device
from core.ml.training.checkpoint_files import Damaged
from core.ml.training.experiment import Attempt, Experiment
from core.ml.training.outcome import Outcome, too_large
from core.ml.training.ranks import Ranks, joined
from core.runs.events import Warned
from core.runs.plan import RunPlan
from core.runs.recorder import Fenced, Recorder

TELL_SECONDS = 2.0
"""Between two metrics events."""

Begin = Callable[[Attempt, Path | None], Experiment]
"""Sets an experiment up, at the place of a checkpoint if there is one."""

Relief = Callable[[RunPlan, Any, int, bool], tuple[int, dict[str, object], str]]
"""Plan, settings as they were tried (None if it did not get so far), ranks, and whether the batch is ours to choose; to
the batch that did not fit (0 if that is not known), options that take less memory, and a sentence about them."""


def place_of(device: str, rank: int) -> torch.device:
    """The device that a rank computes on; "auto" takes its GPU or the processor.

    Raises:
        Refused: There is no such device here.
    """
    place = choose_device(device if device != "auto" or not torch.cuda.is_available() else _gpu_of(rank))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    return place


class Conditions(TypedDict, total=False):
    """What `carry_out` takes by name, whatever is trained."""

    model: Path | None
    rank: int
    world: int
    store: Path | None
    device: str
    interrupted: Callable[[], bool]
    tell_seconds: float


def carry_out(
    plan: RunPlan,
    recorder: Recorder,
    begin: Begin,
    relief: Relief,
    *,
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
        begin: Sets an experiment up.
        relief: What to offer where memory does not suffice.
        model: Folder to write the model into when the steps are done; None for none.
        rank, world, store: See `ranks.joined`.
        device: See `place_of`.
        interrupted: Whether a signal asks to end without a wish; asked between steps.
        tell_seconds: Between two metrics events.

    Returns:
        How it ended; troubles that a user can act on end it so and are not raised.
    """
    with joined(rank, world, store) as ranks:
        place = place_of(device, rank)
        ours = not plan.options.get("batch")
        checkpoints = recorder.checkpoints()
        damaged: list[int] = []
        while True:
            run: Experiment | None = None
            try:
                attempt = Attempt(plan, recorder, ranks, place, interrupted, tell_seconds)
                _check_sight(ranks, checkpoints)
                run = begin(attempt, checkpoints[-1][1] if checkpoints else None)
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
                batch, offer, do = relief(plan, run.options if run else None, world, ours)
                outcome = too_large(error, batch, run.step if run else 0, offer, do)
            smaller = outcome.offer.get("batch")
            untouched = run is not None and run.step == run.began_at
            if not ours or not smaller or not untouched or world > 1:
                return outcome
            # The batch was left to us: choose the half of it.
            recorder.tell(
                Warned(
                    "out-of-memory",
                    outcome.what,
                    outcome.why,
                    f"It goes on with {smaller}",
                    outcome.step,
                    outcome.offer,
                )
            )
            plan = replace(plan, options={**plan.options, "batch": smaller})
            run, checkpoints = None, recorder.checkpoints()
            forget(place)


def _check_sight(ranks: Ranks, checkpoints: list[tuple[int, Path]]) -> None:
    """Nothing if this rank begins where the first one does: a network disk may show them different folders.

    Raises:
        TarmacError: It would not.
    """
    newest = checkpoints[-1][0] if checkpoints else -1
    first = ranks.told([newest])[0]
    if newest != first:
        what = f"rank {ranks.rank} does not see the checkpoint that the first rank begins from"
        raise TarmacError(what, f"it is that of step {first}", "Resume the run: the disk may need a moment")


def _gpu_of(rank: int) -> str:
    local = int(os.environ.get("LOCAL_RANK", rank))
    return f"cuda:{local % torch.cuda.device_count()}"
