"""`tarmac train image` and `tarmac runs` with what cannot be: one line on stderr, exit code 2, nothing made."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.errors import NotFound
from core.library.models import Library
from core.runs.plan import RunPlan
from core.runs.store import Runs
from tests import kills
from tests.e2e.tiny import write_gan, write_text_model
from tui.cli import main


@pytest.fixture
def slopes(home: Path) -> Path:
    """A dataset of 16 pixels."""
    return kills.picture_dataset(home, "slopes")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command is refused with."""
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1, told.err
    return told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--dataset", "slops"], "Did you mean slopes"),
        (["--base", "portrait"], "Did you mean .*portraits"),
        (["--batch", "-1"], "batch is -1"),
        (["--batch", "many"], "invalid int value"),
        (["--size", "63"], "size is 63: it must be a power of two of at least 8. Give 32 or 64"),
        (["--size", "4"], "Give 8"),
        (["--size", "32"], "slopes are 16 pixels. Give at most 16"),
        (["--steps", "0"], "steps is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--launcher", "kubernetes"], "invalid choice: 'kubernetes'"),
        (["--nodes", "2"], "one machine is one node"),
        (["--growing"], "growing is on: stylegan2 does not grow"),
        (["--conditional"], "conditional is on: slopes has no classes"),
        (["--channels", "4"], "channels is 4"),
        (["--precision", "int4"], "precision is 'int4'"),
        (["--architecture", "stylegan3"], "Did you mean stylegan"),
        (["--augment-cap", "1.5"], "augment_cap is 1.5"),
        (["--rate", "nan"], "rate is nan"),
        (["--notify", "nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_impossible_trainings(
    slopes: Path, home: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    given = ["train", "image", "--steps", "10", "--dataset", "slopes", *words]
    line = refused(capsys, *given)
    assert re.search(told, line), line
    assert not (home / "data" / "runs").exists()


def test_a_starter_is_not_drawn_for_a_training_that_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "train", "image", "--steps", "10", "--dataset", "starter/sneakers", "--batch", "-1")
    refused(capsys, "train", "image", "--steps", "10", "--dataset", "starter/sneakers", "--size", "63")
    refused(capsys, "train", "image", "--steps", "10", "--dataset", "starter/sneakers", "--base", "nothing")
    assert not (home / "data" / "datasets").exists()
    assert not (home / "data" / "runs").exists()


def test_bases_that_do_not_fit(slopes: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_text_model(tmp_path / "letters")
    assert main(["models", "import", str(tmp_path / "letters"), "--name", "letters"]) == 0
    capsys.readouterr()
    train = ["train", "image", "--steps", "10", "--dataset", "slopes", "--base"]
    assert "letters cannot be the base: it is no image model" in refused(capsys, *train, "letters")
    assert main(["models", "import", str(write_gan(tmp_path / "tiny.pkl")), "--name", "tiny"]) == 0
    capsys.readouterr()
    assert "Leave channels open" in refused(capsys, *train, "tiny", "--channels", "256")
    (Library().get("tiny").folder / "weights.safetensors").unlink()
    assert "weights.safetensors is missing" in refused(capsys, *train, "tiny")
    assert not (home / "data" / "runs").exists()


def test_a_checkpoint_that_goes_while_it_is_branched_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs import branching
    from core.runs.folder import RunFolder

    kills.picture_dataset(home, "slopes")
    runs = Runs()
    run = runs.create(RunPlan("parent", "image", "slopes", steps=40))
    folder = RunFolder(run.folder)
    for step in (10, 20):
        place = folder.checkpoints / str(step)
        place.mkdir()
        for name in ("a.npy", "b.npy"):
            np.save(place / name, np.arange(4))
    link, taken = branching.link, list[Path]()

    def link_and_drop(source: Path, target: Path) -> None:
        link(source, target)
        taken.append(source)
        folder.drop_checkpoint(10)

    monkeypatch.setattr(branching, "link", link_and_drop)
    with pytest.raises(NotFound, match="the checkpoint of step 10 is gone"):
        runs.branch(run.id, 10)
    assert len(taken) == 1
    assert [each.id for each in runs.runs()] == [run.id]
    assert sorted(path.name for path in runs.folder.iterdir()) == [run.id]
    monkeypatch.setattr(branching, "link", link)
    child = runs.branch(run.id, 20)
    assert sorted(path.name for path in (child.folder / "checkpoints" / "20").iterdir()) == ["a.npy", "b.npy"]
