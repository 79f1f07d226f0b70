"""What the guards say, when, and that they say it once."""

from __future__ import annotations

import numpy as np

from core.ml.training import guards
from core.ml.training.pace import Pace


def test_a_curve_that_is_no_number_is_named() -> None:
    assert guards.broken({"generator": 1.0, "r1": float("inf")}) == "r1"
    assert guards.broken({"generator": float("nan")}) == "generator"
    assert guards.broken({"generator": 1.0}) == ""


def test_overfit_is_said_once_and_again_after_recovery() -> None:
    guard = guards.Overfit(cap=0.8)
    assert guard.see(1, 0.5, 0.95) is None
    assert guard.see(2, 0.8, 0.75) is None
    warned = guard.see(3, 0.8, 0.9)
    assert warned is not None
    assert (warned.code, warned.step) == ("overfit", 3)
    assert "95%" in warned.why
    assert guard.see(4, 0.8, 0.95) is None
    assert guard.see(5, 0.8, 0.5) is None
    assert guard.see(6, 0.8, 0.9) is not None


def test_overfit_needs_an_augmentation() -> None:
    assert guards.Overfit(cap=0.0).see(1, 0.0, 1.0) is None


def test_scores_that_rise_are_said_once() -> None:
    guard = guards.Diverging()
    said = [guard.see(step, "FID", value) is not None for step, value in enumerate([9, 5, 6, 7, 8, 9, 10])]
    assert said == [False, False, False, False, True, False, False]
    assert [guard.see(9, "FID", value) is not None for value in (6, 7, 8, 9)] == [False, False, False, True]


def test_scores_of_which_more_is_better() -> None:
    guard = guards.Diverging()
    assert [guard.see(0, "coverage", value, higher=True) is not None for value in (1, 2, 3, 4)] == [False] * 4
    said = [guard.see(0, "coverage", value, higher=True) for value in (3, 2, 1)]
    assert said[-1] is not None
    assert "the best was 4" in said[-1].why


def test_a_little_noise_is_no_divergence() -> None:
    guard = guards.Diverging()
    assert not any(guard.see(0, "FID", value) for value in (5.0, 5.01, 5.02, 5.03))


def test_collapse_needs_variety_before_it() -> None:
    guard = guards.Collapse(yardstick=60.0)
    # Grey pictures at the start of a training from nothing are no collapse.
    assert guard.see(0, 1.0) is None
    assert guard.see(1, 50.0) is None
    assert guard.see(2, 20.0) is None
    warned = guard.see(3, 5.0)
    assert warned is not None
    assert warned.code == "collapse"
    assert guard.see(4, 4.0) is None
    assert guard.see(5, 45.0) is None
    assert guard.see(6, 5.0) is not None


def test_a_base_that_was_more_varied_than_the_dataset_has_not_collapsed() -> None:
    guard = guards.Collapse(yardstick=20.0)
    assert guard.see(0, 80.0) is None
    assert guard.see(1, 18.0) is None


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    images = np.zeros((3, 16, 16, 3), np.uint8)
    assert guards.diversity(images) == 0.0
    images[0] = 90
    assert abs(guards.diversity(images) - 60.0) < 1e-3
    noise = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
    small = noise.reshape(8, 16, 2, 16, 2, 3).mean((2, 4)).reshape(8, -1)
    pairs = [np.sqrt(np.square(a - b).mean()) for i, a in enumerate(small) for b in small[:i]]
    assert abs(guards.diversity(noise) - np.mean(pairs)) < 1e-2


def test_arrival_settles_and_counts_everything() -> None:
    pace = Pace()
    pace.step(30.0)  # warming up
    for _ in range(10):
        pace.step(1.0)
    assert pace.eta(100, {}) is None
    for _ in range(50):
        pace.step(1.0)
    pace.step(500.0)  # a step during which the machine slept
    pace.other("sample", 4.0)
    pace.other("save", 2.0)
    assert pace.per_step == 1.0
    assert pace.eta(100, {"sample": 5, "save": 2, "score": 3}) == 100 + 20 + 4
    assert pace.eta(0, {}) == 0.0


def test_a_slow_loader_is_told_once_and_again_only_after_it_was_quick() -> None:
    guard = guards.SlowLoader("Use a quicker disk", steps=4)
    assert [guard.see(step, 0.19, 1.0) for step in range(4)] == [None] * 4
    slow = [guard.see(step, 0.3, 1.0) for step in range(4, 12)]
    assert [warned is not None for warned in slow] == [False] * 3 + [True] + [False] * 4
    assert slow[3] is not None
    assert "30%" in slow[3].why
    assert slow[3].do == "Use a quicker disk"
    for step in range(12, 16):
        guard.see(step, 0.0, 1.0)
    assert [guard.see(step, 0.3, 1.0) is not None for step in range(16, 20)] == [False] * 3 + [True]


def test_a_held_out_loss_that_turns_is_told_once_with_the_step_to_keep() -> None:
    guard = guards.HeldOut()
    told = [guard.see(step, loss) for step, loss in enumerate([5.0, 4.0, 3.5, 3.505, 3.6, 3.7, 3.8])]
    # A hundredth is no turn, and neither is a single score.
    assert [each is not None for each in told] == [False, False, False, False, False, True, False]
    assert told[5] is not None
    assert (told[5].code, told[5].step) == ("overfit", 5)
    assert "of step 2" in told[5].do
    # A new best begins anew.
    assert [guard.see(step, loss) for step, loss in ((7, 3.0), (8, 3.1))] == [None, None]
    assert guard.see(9, 3.2) is not None


def test_a_held_out_loss_that_was_told_is_not_told_again_by_the_next_attempt() -> None:
    seen = [(0, 5.0), (1, 3.0), (2, 3.5), (3, 3.6)]
    assert guards.HeldOut(seen).see(4, 3.7) is None
    assert guards.HeldOut(seen[:3]).see(3, 3.6) is not None


def test_repeating_the_training_text_is_told_once() -> None:
    guard = guards.Memorising()
    assert guard.see(1, 0.1, 50) is None
    warned = guard.see(2, 0.25, 50)
    assert warned is not None
    assert (warned.code, warned.why) == ("overfit", "25% of the pieces of 50 tokens that it writes stand there")
    assert guard.see(3, 0.3, 50) is None
    assert guard.see(4, 0.0, 50) is None
    assert guard.see(5, 0.3, 50) is not None
