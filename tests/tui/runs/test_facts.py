"""What is said about a run: notices as one calm sentence, and the score that decides before the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.runs.events import Ended, Score, Warned
from core.runs.view import RunView
from tests.tui.training_stage import run
from tui.runs import facts as run_facts
from tui.widgets.runs.card import card_lines
from tui.widgets.runs.curves import reached

TORCH = (
    "RuntimeError: Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get "
    "a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
)


def scored(*scores: tuple[int, str, float]) -> RunView:
    return run(Path("/nowhere"), scores=tuple(Score(*each, about={"samples": 256, "reals": 1000}) for each in scores))


def test_an_exception_is_told_as_one_sentence_that_ends_once() -> None:
    view = run(
        Path("/nowhere"),
        warnings=(Warned("died", "the training ended with an error", TORCH, "Its log has the details"),),
    )
    told = run_facts.notice_text(view, 400)
    assert told == (
        "! the training ended with an error: RuntimeError: Inplace update to inference tensor outside InferenceMode is "
        "not allowed. Its log has the details."
    )


@pytest.mark.parametrize("room", [40, 80, 146])
def test_what_there_is_to_do_is_kept_where_room_is_short(room: int) -> None:
    end = Ended("failed", 9, "the trainer left with exit code 1", "its last lines: " + "x | " * 200, "See its log.")
    told = run_facts.notice_text(run(Path("/nowhere"), state="failed", end=end), room)
    assert len(told) <= room
    assert told.endswith("…. See its log.")


def test_a_number_does_not_end_a_sentence() -> None:
    why = "OutOfMemoryError: tried to allocate 2.50 GiB of 23.6 GiB. See the documentation."
    assert run_facts._reason(why) == "OutOfMemoryError: tried to allocate 2.50 GiB of 23.6 GiB"


def test_the_score_that_was_told_first_is_the_one_that_is_shown() -> None:
    view = scored((0, "FD-D", 0.13), (0, "KD-D×1000", 0.3), (600, "FD-D", 0.02), (600, "KD-D×1000", 0.05))
    assert run_facts.metrics(view) == ["FD-D", "KD-D×1000"]
    assert run_facts.latest_score(run_facts.main_scores(view)) == "FD-D 0.02 ▼"
    told = {text for _, text, _ in card_lines(view, None)}
    assert "KD-D×1000 0.05 ▼" in told
    assert "FD-D: Fréchet distance on discriminator features, never a FID; 256 drawn against 1,000" in told


def test_the_card_tells_the_time_left_and_the_id() -> None:
    lines = {label: text for label, text, _ in card_lines(run(Path("/nowhere")), None)}
    assert (lines["time left"], lines["id"]) == ("1 h 12 min", "20261125-150000-sneakers")
    assert "time left" not in {label for label, _, _ in card_lines(run(Path("/nowhere"), state="stopped"), None)}


def test_a_run_that_changed_its_score_shows_the_new_one() -> None:
    view = scored((0, "FD-D", 0.13), (0, "KD-D×1000", 0.3), (600, "FID", 61.0), (600, "KID×1000", 9.0))
    assert run_facts.metrics(view) == ["FID", "KID×1000"]
    assert [score.step for score in run_facts.main_scores(view)] == [600]


def test_a_run_without_scores_has_none() -> None:
    view = scored()
    assert run_facts.metrics(view) == []
    assert run_facts.latest_score(run_facts.main_scores(view)) == ""


def test_the_axis_of_a_run_that_has_only_begun_is_an_eighth_of_it() -> None:
    assert reached(run(Path("/nowhere"), step=0, steps=3000)) == 375
    assert reached(run(Path("/nowhere"), step=400, steps=3000)) == 750
    assert reached(run(Path("/nowhere"), step=3000, steps=3000)) == 3000


def test_runs_of_one_name_are_told_apart() -> None:
    def planned(run_id: str, name: str, moment: datetime) -> RunView:
        view = run(Path("/nowhere"), run_id, name=name)
        return replace(view, plan=replace(view.plan, created=moment.astimezone(UTC)))

    day = datetime(2026, 11, 25, 17, 7)
    views = [
        planned("d", "cars", day.replace(hour=18)),
        planned("c", "cars", day),
        planned("b", "cars", day.replace(day=3)),
        planned("a", "food", day),
    ]
    assert run_facts.names(views) == {"d": "cars · 18:07", "c": "cars · 17:07", "b": "cars · 03 Nov", "a": "food"}
