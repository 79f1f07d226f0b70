"""run.toml: what is written comes back, and what cannot be trusted is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidInput, Refused
from core.runs.plan import ImageOptions, Resources, RunPlan
from core.runs.plan_file import check_options, check_plan, options_of, parse_plan, read_plan, to_toml, write_plan

PLAN = RunPlan(
    "A run: “fine”",
    "image",
    "20261125-170355-sneakers",
    steps=12,
    options={"batch": 8, "rate": 0.002, "mirror": False, "augment": "geometry"},
    resources=Resources("slurm", nodes=2, gpus=4, hours=1.5, extra=("--account=lab",)),
    notify=("ntfy://topic",),
    parent="other",
    parent_step=5,
)
HEAD = "format = 1\nname = 'a'\nkind = 'image'\ndataset = 'd'\n"


def test_a_plan_comes_back(tmp_path: Path) -> None:
    write_plan(tmp_path, PLAN)
    assert read_plan(tmp_path) == PLAN
    assert (tmp_path / "run.toml").stat().st_mode & 0o777 == 0o600  # a notification's URL may hold a password
    assert options_of(PLAN) == ImageOptions(batch=8, rate=0.002, mirror=False, augment="geometry")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no format number"),
        ("format = 1", "is missing"),
        ("format = 2\nname = 'a'", "format 2"),
        ("format = true", "no format number"),
        ("a = [", "not TOML"),
        (HEAD + "steps = -3", "steps is -3"),
        (HEAD + "steps = 3.5", "a whole number"),
        (HEAD + "colour = 'red'", "colour is not known"),
        (HEAD + "options = 3", "options"),
        (HEAD + "[options]\nbatsch = 3", "Did you mean batch"),
        (HEAD + "[options]\nbatch = true", "batch is True"),
        (HEAD + "[options]\naugment = 'ful'", "Did you mean full"),
        (HEAD + "[options]\nmixing = 1.5", "0 to 1"),
        (HEAD + "[options]\nrate = nan", "rate is nan"),
        (HEAD + "[resources]\nlauncher = 'ray'", "local, slurm"),
        (HEAD + "[resources]\nextra = [1]", "list of texts"),
        (HEAD.replace("'a'", "'\\u001b'").replace("'\\u001b'", '"\\u001b"'), "name is empty"),
    ],
)
def test_a_wrong_file_is_refused(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        parse_plan(text)


def test_a_whole_number_may_stand_for_another() -> None:
    assert check_options("image", {"rate": 1}) == {"rate": 1.0}
    with pytest.raises(InvalidInput):
        check_options("image", {"batch": 1.0})


def test_a_plan_is_checked_before_it_is_written() -> None:
    assert check_plan(PLAN) == PLAN
    with pytest.raises(InvalidInput, match="steps"):
        check_plan(RunPlan("a", "image", "d", steps=0))
    assert parse_plan(to_toml(PLAN)) == PLAN


def test_a_text_is_not_trained_in_what_only_pictures_are() -> None:
    assert check_options("image", {"precision": "float16"}) == {"precision": "float16"}
    with pytest.raises(InvalidInput, match="it must be one of auto, float32, bfloat16"):
        check_options("text", {"precision": "float16"})
