"""What `tarmac runs list` and the help of `tarmac train` tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.runs.events import Attempt, Metrics, Score, Started
from core.runs.folder import write_json
from core.runs.journal import Journal
from core.runs.plan import RunPlan
from core.runs.processes import me
from core.runs.store import Runs
from tui.cli import main


@pytest.fixture
def trained(home: Path) -> tuple[str, str]:
    """Two runs of one name, the newer one in training; their ids."""
    runs = Runs(home / "data")
    plan = RunPlan("cars", "image", "starter/cars", steps=3000)
    first, second = (runs.create(plan, check=False) for _ in range(2))
    write_json(second.folder / "supervisor.json", me().to_json())
    journal = Journal(second.folder)
    for event in (
        Attempt(1, "here", 4001),
        Started(0, 3000, "cpu"),
        Score(0, "FD-D", 0.13),
        Score(0, "KD-D×1000", 0.31),
        Score(600, "FD-D", 0.022),
        Score(600, "KD-D×1000", 0.05),
        Metrics(700, {"generator": 1.0}, 20.0, eta=1380.0),
    ):
        journal.tell(event)
    journal.close()
    return first.id, second.id


def test_the_list_tells_score_and_time_left_of_a_run_that_trains(
    trained: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "list"]) == 0
    head, newer, older = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "name", "kind", "state", "step", "of", "score", "left", "changed"]
    assert newer.split()[0] == trained[1]
    assert "running" in newer
    assert "FD-D 0.022" in newer
    assert "23 min" in newer
    assert older.split()[0] == trained[0]


def test_the_list_for_programs_tells_them_as_numbers(
    trained: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "list", "--json"]) == 0
    newer, older = json.loads(capsys.readouterr().out)
    assert newer["score"] == {"metric": "FD-D", "value": 0.022, "step": 600}
    assert newer["eta"] == 1380.0
    assert (older["score"], older["eta"]) == (None, None)


def test_the_help_of_train_shows_what_there_is_to_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--augment {full,geometry,off}" in text
    assert "--precision {auto,float32,bfloat16,float16}" in text
    assert "--queue WORD" in text
