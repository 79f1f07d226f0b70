"""`tarmac train`: what the arguments of each kind become in a plan, and what is refused before anything is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from core.datasets.library import Datasets
from core.datasets.manifest import Manifest
from core.datasets.texts.store import HELD, INDEX, TEXTS
from core.runs.plan import ImageOptions, TextOptions
from core.runs.store import Runs
from core.runs.view import RunView
from tui.cli import main
from tui.commands.train import _explanations


@pytest.fixture
def essays(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset of text; runs are made and not started. Its id."""

    async def start(run: RunView) -> RunView:
        return run

    monkeypatch.setattr("core.runs.store.start", start)
    datasets = Datasets(home / "data")
    folder = datasets.staging()
    texts = [b"one document, " * 800, b"and another one"]
    manifest = Manifest("essays", "text", count=2)
    (folder / manifest.file(TEXTS, "bin")).write_bytes(b"".join(texts))
    np.save(folder / manifest.file(INDEX), np.cumsum([0, *map(len, texts)], dtype=np.int64))
    np.save(folder / manifest.file(HELD), np.array([False, True]))
    manifest.write(folder)
    return datasets.adopt(folder).id


def plan_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Mapping[str, object]:
    """The options of the run that was made."""
    assert main(["train", "text", "--dataset", "essays", "--steps", "20", *arguments]) == 0
    (run,) = Runs().runs()
    assert capsys.readouterr().out.strip() == run.id
    assert (run.plan.kind, run.plan.steps, run.plan.base) == ("text", 20, "")
    return run.plan.options


def test_prompts_are_all_kept_with_their_lines(essays: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = plan_of(capsys, "--prompt", "def f(x):\n    ", "--prompt", "import", "--batch", "4", "--no-checkpointing")
    assert options == {"prompts": ("def f(x):\n    ", "import"), "batch": 4, "checkpointing": False}


def test_what_is_not_given_is_left_open(essays: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_of(capsys) == {}


def test_json_tells_id_and_folder(essays: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "text", "--dataset", essays, "--steps", "20", "--name", "mine", "--seed", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (run,) = Runs().runs()
    assert told == {"id": run.id, "name": "mine", "state": "queued", "folder": str(run.folder)}
    assert (run.plan.dataset, run.plan.seed) == (essays, 3)


@pytest.mark.parametrize(("kind", "shape"), [("image", ImageOptions), ("text", TextOptions)])
def test_every_option_has_a_flag_that_is_explained(kind: str, shape: type, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", kind, "--help"]) == 0
    usage, _, explained = capsys.readouterr().out.partition("\n\n")
    explained = " ".join(explained.split())
    about = _explanations(shape)
    for each in fields(shape):
        flag = "--prompt" if each.name == "prompts" else f"--{each.name.replace('_', '-')}"
        assert flag in usage, flag
        assert about[each.name] in explained or each.name == "prompts", flag
    assert "the new GPT-2's blocks" in about.get("heads", "") or kind == "image"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--dataset", "nobody", "--steps", "5"), "no dataset is called 'nobody'"),
        (("--dataset", "essays", "--steps", "0"), "steps is 0"),
        (("--dataset", "essays", "--steps", "5", "--method", "lara"), "Did you mean lora?"),
        (("--dataset", "essays", "--steps", "5", "--dropout", "2"), "dropout is 2"),
        (("--dataset", "essays", "--steps", "5", "--base", "nobody"), "no model is called 'nobody'"),
        (("--dataset", "essays"), "--steps"),
        (("--dataset", "essays", "--steps", "5", "--mirror"), "--mirror"),
    ],
)
def test_what_is_refused(
    essays: str, arguments: tuple[str, ...], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "text", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert part in errors
    assert errors.count("\n") == 1
    assert Runs().runs() == []


def test_a_dataset_of_the_other_kind_is_refused(essays: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image", "--dataset", "essays", "--steps", "5"]) == 2
    assert "of the kind text" in capsys.readouterr().err
