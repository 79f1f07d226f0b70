"""What may be changed in a run that goes on: options that say how its steps are taken, not what is learned from what.

Which they are is kept with the wish (desired.json), for run.toml stays what it was when the run was made; the journal
tells when it changed. A run that has no checkpoint begins anew: then every option may be another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.errors import InvalidInput
from core.runs.plan import RunPlan
from core.runs.plan_file import check_options

_COMPUTED = ("precision", "compile", "threads")
"""Change nothing but the last digits."""

CHANGEABLE: Mapping[str, tuple[str, ...]] = {
    "image": ("batch", "rate", *_COMPUTED),
    "text": ("batch", "accumulate", "checkpointing", "rate", *_COMPUTED),
    "serve": (),
}
"""Options by kind. With another batch the data is read on from where it was, and what an image training derives from
the batch (gamma and the half-life of the averages, where they were left open) is derived anew; the steps in all stay.
Everything else would make two experiments of one, which is what a branch is for."""

_OF_OTHERS = ("batch",)
"""Of kinds that other packages train: what is offered where memory runs out."""


def check_changes(plan: RunPlan, changes: Mapping[str, object], *, begun: bool) -> dict[str, object]:
    """`changes` in the types of their options.

    Args:
        plan: Of the run, with what was changed before.
        changes: Options that are to differ.
        begun: Whether it has a checkpoint to go on from.

    Raises:
        InvalidInput: There is no such option, it may not have this value, or it may not change any more.
    """
    checked = check_options(plan.kind, changes)
    allowed = _allowed(plan)
    for name in checked:
        if begun and name not in allowed:
            why = "what the run has learned so far depends on it"
            do = f"Branch from a checkpoint with it. What may change: {', '.join(allowed) or 'nothing'}"
            raise InvalidInput(f"{name} cannot change in a run that has begun", why, do)
    return checked


def may_change(plan: RunPlan, changes: Mapping[str, object], *, begun: bool) -> bool:
    """Whether a run can go on with `changes`."""
    try:
        return bool(check_changes(plan, changes, begun=begun))
    except InvalidInput:
        return False


def changed(plan: RunPlan, steps: int, options: Mapping[str, object]) -> RunPlan:
    """A plan as it is wished now: with another number of steps (0 for its own), with options that differ."""
    if steps:
        plan = replace(plan, steps=steps)
    return replace(plan, options={**plan.options, **options}) if options else plan


def _allowed(plan: RunPlan) -> tuple[str, ...]:
    allowed = CHANGEABLE.get(plan.kind, _OF_OTHERS)
    # How far networks that grow have grown is counted in batches.
    return tuple(name for name in allowed if name != "batch" or not plan.options.get("growing"))
