"""The journal's events folded into a run: which warnings are over, and which score is the best."""

from __future__ import annotations

import math
from pathlib import Path

from core.runs.events import Attempt, Checkpoint, Ended, Event, Metrics, Score, Started, Warned
from core.runs.plan import RunPlan
from core.runs.story import Story
from core.runs.view import RunView

DIED = Warned("died", "the training ended with an error", "RuntimeError: no", "Its log has the details", 0)
OVERFIT = Warned("overfit", "the discriminator knows the pictures by heart", step=40)
FULL = Warned("disk-full", "the checkpoint of step 50 was not written", "the disk is full", step=50)


def attempt(number: int) -> Attempt:
    return Attempt(number, "here", 4000 + number)


def view(*events: Event) -> RunView:
    """The run after these events."""
    story = Story()
    for at, event in enumerate(events):
        story.take(float(at), event)
    plan = RunPlan("a run", "image", "starter/portraits")
    return story.view("run", Path("/nowhere"), plan, story.state, frozenset())


def warned(*events: Event) -> list[Warned]:
    """The warnings that are shown after these events."""
    return list(view(*events).warnings)


def test_a_death_is_told_until_a_later_attempt_has_trained() -> None:
    begin = (attempt(1), Started(0, 100, "cpu"), DIED, attempt(2), Started(0, 100, "cpu"))
    assert warned(*begin) == [DIED]
    assert warned(*begin, DIED) == [DIED, DIED]
    assert warned(*begin, DIED, attempt(3), Metrics(10, {}, 9.0)) == []
    assert warned(*begin, Metrics(10, {}, 9.0), DIED) == [DIED]  # of the attempt that trained


def test_a_run_that_is_finished_tells_of_no_death() -> None:
    assert warned(attempt(1), DIED, attempt(2), Ended("finished", 1)) == []


def test_what_is_about_the_learning_stays_beyond_its_attempt() -> None:
    told = (attempt(1), Metrics(40, {}, 9.0), OVERFIT, DIED, attempt(2), Metrics(50, {}, 9.0))
    assert warned(*told) == [OVERFIT]
    assert warned(*told, DIED, attempt(3), Metrics(60, {}, 9.0)) == [OVERFIT]


def test_a_checkpoint_that_is_written_ends_the_trouble_with_the_disk() -> None:
    told = (attempt(1), Metrics(50, {}, 9.0), FULL)
    assert warned(*told) == [FULL]
    assert warned(*told, Checkpoint(60, "000060")) == []
    assert warned(attempt(1), OVERFIT, FULL, attempt(2), Checkpoint(60, "000060"), DIED, attempt(3)) == [OVERFIT, DIED]


def test_the_best_score_is_a_number() -> None:
    scores = [Score(0, "FID", math.nan), Score(10, "FID", 30.0), Score(20, "FID", 40.0), Score(20, "other", math.nan)]
    assert [(each.step, each.best) for each in view(*scores).scores] == [
        (0, False),
        (10, True),
        (20, False),
        (20, False),
    ]


def test_of_checkpoints_that_were_the_best_the_last_still_is() -> None:
    story = Story()
    for number, (step, best) in enumerate([(10, True), (20, True), (30, False)]):
        story.take(float(number), Checkpoint(step, str(step), best=best))
    view = story.view("run", Path("/nowhere"), RunPlan("r", "text", "d"), "running", frozenset({10, 20, 30}))
    assert [(each.step, each.best) for each in view.checkpoints] == [(10, False), (20, True), (30, False)]
