"""What may change in a run that has begun."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from core.runs.changes import changed, check_changes, may_change
from core.runs.plan import RunPlan

TEXT = RunPlan("t", "text", "d", options={"batch": 16})


@pytest.mark.parametrize(
    ("plan", "changes"),
    [
        (TEXT, {"batch": 8}),
        (TEXT, {"accumulate": 2}),
        (TEXT, {"checkpointing": True}),
        (TEXT, {"rate": 1e-4, "precision": "float32"}),
        (RunPlan("i", "image", "d"), {"batch": 8}),
        (RunPlan("o", "of another package", "d"), {"batch": 8}),
    ],
)
def test_how_steps_are_taken_may_change(plan: RunPlan, changes: dict[str, object]) -> None:
    assert check_changes(plan, changes, begun=True) == changes
    assert may_change(plan, changes, begun=True)


@pytest.mark.parametrize(
    ("plan", "changes", "told"),
    [
        (TEXT, {"method": "lora"}, "method cannot change.*Branch"),
        (TEXT, {"context": 64}, "context cannot change"),
        (TEXT, {"batch": 8, "prompts": ("x",)}, "prompts cannot change"),
        (TEXT, {"batch": -1}, "batch is -1"),
        (TEXT, {"batsch": 8}, "Did you mean batch"),
        (RunPlan("i", "image", "d", options={"growing": True}), {"batch": 8}, "batch cannot change"),
        (RunPlan("s", "serve", ""), {"port": 80}, "What may change: nothing"),
    ],
)
def test_what_is_learned_may_not(plan: RunPlan, changes: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        check_changes(plan, changes, begun=True)
    assert not may_change(plan, changes, begun=True)


def test_a_run_without_a_checkpoint_begins_anew() -> None:
    assert may_change(TEXT, {"method": "lora"}, begun=False)
    assert not may_change(TEXT, {"method": "magic"}, begun=False)
    assert not may_change(TEXT, {}, begun=False)


def test_a_plan_as_it_is_wished_now() -> None:
    assert changed(TEXT, 0, {}) is TEXT
    now = changed(TEXT, 70, {"batch": 8})
    assert (now.steps, now.options) == (70, {"batch": 8})
