"""`tarmac runs film`: a film from run folders, what it tells, and what it refuses. Nobody trains here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.runs.events import Ended, Sample
from core.runs.journal import Journal
from core.runs.plan import RunPlan
from core.runs.store import Runs
from tests.core.exports.test_film import movie
from tests.core.exports.test_history import tiles
from tests.tui.commands.test_refusals import Refuse
from tui.cli import main


def trained(home: Path, name: str, sheets: dict[int, np.ndarray]) -> str:
    """Id of a run that has ended, with these sheets by step."""
    view = Runs(home / "data").create(RunPlan(name, "image", "starter/cars", steps=100), check=False)
    journal = Journal(view.folder)
    for step, pixels in sheets.items():
        Image.fromarray(pixels).save(view.folder / "samples" / f"{step}.png")
        journal.tell(Sample(step, f"{step}.png", 4, 2))
    journal.tell(Ended("finished", 100))
    journal.close()
    return view.id


@pytest.fixture
def refuse(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """In an empty folder, with the runs "cars" and "new"; "new" was never sampled."""
    trained(home, "cars", {0: tiles(10, 30), 100: tiles(120, 140)})
    trained(home, "new", {})
    monkeypatch.chdir(tmp_path)
    return Refuse(capsys)


def test_two_runs_in_one_film(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [
        trained(home, "cars", {0: tiles(10, 30), 100: tiles(120, 140)}),
        trained(home, "sneakers", {0: tiles(120, 140), 50: tiles(230, 250)}),
    ]
    path = tmp_path / "film.mp4"
    words = ["--rows", "1", "--columns", "3", "--scale", "1", "--seconds", "2", "--hold", "0.2", "--no-caption"]
    assert main(["runs", "film", "cars", "sneakers", "--out", str(path), *words, "--json"]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    said = json.loads(output)
    assert (said["file"], said["bytes"]) == (str(path), path.stat().st_size)
    assert (said["width"], said["height"], said["frames"], said["seconds"]) == (48, 16, 50, 2.0)
    assert [(run["id"], run["continues"], run["steps"]) for run in said["runs"]] == [
        (ids[0], False, [0, 100]), (ids[1], True, [50])
    ]  # fmt: skip
    shown, facts = movie(path)
    assert len(shown) == 50
    assert {name: said[name] for name in json.loads(facts["metadata"]["comment"])} == json.loads(
        facts["metadata"]["comment"]
    )
    for frame, colours in ((shown[0], (10, 30)), (shown[-1], (230, 250))):
        assert np.abs(frame.astype(int) - tiles(*colours)[:16, :48]).mean() <= 3


def test_a_film_fades_over_where_runs_do_not_meet(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(home, "cars", {0: tiles(10, 30), 100: tiles(120, 140)})
    trained(home, "emoji", {0: tiles(200, 20), 50: tiles(230, 250)})
    path = tmp_path / "film.gif"
    assert (
        main(["runs", "film", "cars", "emoji", "--out", str(path), "--scale", "1", "--seconds", "5", "--fps", "5"]) == 0
    )
    output, errors = capsys.readouterr()
    assert output == f"{path}\n"
    assert errors == "tarmac: emoji does not go on from the run before it: the film fades over\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("cars", "--out", "a.avi"), "must end in .mp4, .webp, .gif"),
        (("cars", "--out", "a.gif", "--quality", "50"), "--quality is not for GIFs"),
        (("cars", "--out", "a.gif", "--fps", "60"), "0.1 to 50"),
        (("cars", "--out", "a.mp4", "--fps", "x"), "--fps"),
        (("cars", "--out", "a.mp4", "--seconds", "0"), "--seconds is 0: it must be above 0"),
        (("cars", "--out", "a.mp4", "--seconds", "nan"), "--seconds is nan"),
        (("cars", "--out", "a.mp4", "--hold", "-1"), "--hold is -1"),
        (("cars", "--out", "a.mp4", "--seconds", "2"), "too short"),
        (("cars", "--out", "a.mp4", "--seconds", "99999"), "frames"),
        (("cars", "--out", "a.mp4", "--columns", "9"), "columns is 9: the sample sheets have 4"),
        (("cars", "--out", "a.mp4", "--scale", "65"), "scale is 65"),
        (("cars", "--out", "a.mp4", "--scale", "64", "--seconds", "999"), "too much"),
        (("cars", "cars", "--out", "a.mp4"), "named twice"),
        (("new", "--out", "a.mp4"), "new has no sample sheets"),
        (("cars", "new", "--out", "a.mp4"), "new has no sample sheets"),
    ],
)
def test_refusals(refuse: Refuse, tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    assert part in refuse("runs", "film", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_and_unknown_runs(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    assert "it is a folder" in refuse("runs", "film", "cars", "--out", "a.mp4", code=1)
    assert "there is no folder" in refuse("runs", "film", "cars", "--out", "none/a.mp4", code=1)
    assert "no run is called 'bikes'" in refuse("runs", "film", "bikes", "--out", "b.mp4")
