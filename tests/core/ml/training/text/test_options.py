"""What a text run's open settings become: how often, and on how much text, in short runs and long ones."""

from __future__ import annotations

import pytest
import torch

from core.ml.training.options import intervals
from core.ml.training.text.options import Material, resolve
from core.runs.plan import RunPlan


def plan(steps: int, kind: str = "text") -> RunPlan:
    return RunPlan("run", kind, "data", steps=steps, options={"batch": 4, "context": 64})


@pytest.mark.parametrize(("steps", "worth"), [(20, 4), (60, 4), (200, 10), (5000, 20)])
def test_a_score_takes_a_twentieth_of_a_short_run_and_twenty_steps_of_a_long_one(steps: int, worth: int) -> None:
    options = resolve(plan(steps), Material(128, 1000, 10**6), new=False, device=torch.device("cpu"))
    assert options.held_tokens == worth * 4 * 64 * 3 // 2


def test_text_is_sampled_half_as_often_as_pictures_in_a_short_run() -> None:
    assert intervals(plan(200)) == (10, 20, 40)
    assert intervals(plan(200, "image")) == (5, 20, 40)
    assert intervals(plan(100_000)) == (250, 1000, 2000)


@pytest.mark.parametrize(
    ("parameters", "new", "method", "rate"),
    [
        (4_000_000, False, "full", 5e-4),
        (124_000_000, False, "full", 5e-5),
        (4_000_000, False, "lora", 2e-4),
        (0, True, "full", 6e-4),
    ],
)
def test_the_rate_suits_the_network(parameters: int, new: bool, method: str, rate: float) -> None:
    wanted = RunPlan("run", "text", "data", options={"method": method})
    assert resolve(wanted, Material(512, parameters, 10_000), new=new, device=torch.device("cpu")).rate == rate
