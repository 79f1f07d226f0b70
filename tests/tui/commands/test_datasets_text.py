"""`tarmac datasets` for text: data on stdout, talk on stderr, 2 for what is refused."""

import json
from pathlib import Path

import pytest

from core.datasets.library import Datasets
from core.datasets.texts.store import TextStore
from tui.cli import main

WORDS = "Of the many things that were said that evening, none was true; all of them were written down.\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "essays"
    folder.mkdir()
    records = [json.dumps({"id": n, "essay": f"Essay {n}.\n{WORDS * 4}", "title": f"T{n}"}) for n in range(200)]
    (folder / "essays.jsonl").write_text("\n".join(records))
    (folder / "bad\n\x1b[31m.txt").write_bytes(b"\0\0\0\0")
    return folder


def test_from_adding_to_deleting(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "add", str(source), "--name", "mine", "--held-out", "0.1", "--seed", "3", "--json"]) == 0
    told = capsys.readouterr()
    made = json.loads(told.out)
    assert (made["name"], made["kind"], made["count"], made["ready"], made["size"]) == ("mine", "text", 200, True, 0)
    assert made["origin"]["fields"] == ["essay"]
    assert made["report"]["left_out"] == {"binary": 1}
    assert made["split"] == {"held_out": 0.1, "seed": 3}
    assert "taken as text" not in told.err  # options for text say it already
    store = TextStore.open(Datasets().get("mine").folder)
    assert 0.03 < store.size(held=True) / store.size() < 0.3
    assert main(["datasets", "list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "mine" in line)
    assert "text" in row
    assert "% held out" in row
    assert main(["datasets", "show", "mine", "--files"]) == 0
    shown = capsys.readouterr().out
    assert "in 200 documents" in shown
    assert "field      essay" in shown
    assert "bad [31m.txt  binary: zero bytes" in shown
    assert "pictures" not in shown
    assert "\x1b" not in shown
    assert main(["datasets", "show", "mine", "--files", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["left_out"] == "binary"
    assert main(["datasets", "preview", "mine", "--count", "2"]) == 0
    assert capsys.readouterr().out.count("Essay") == 2
    assert main(["datasets", "preview", "mine", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["samples"]) == 6
    assert main(["datasets", "rm", "mine"]) == 0
    assert capsys.readouterr().out.strip() == made["id"]


def test_the_kind_is_guessed_and_told(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "add", str(source)]) == 0
    told = capsys.readouterr()
    assert told.out.strip().endswith("-essays")
    assert "taken as text: 2 files of text" in told.err
    assert "held out" in told.err
    assert main(["datasets", "add", str(source), "--field", "title"]) == 2
    assert "at least 10 kB" in capsys.readouterr().err
    assert main(["datasets", "add", str(source), "--field", "nothing"]) == 2
    assert "Their fields are id, essay, title" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["add", "HERE", "--kind", "image"], "no pictures"),
        (["add", "HERE", "--kind", "image", "--field", "x"], "--field is not for pictures"),
        (["add", "HERE", "--kind", "text", "--crop", "auto"], "--crop is not for text"),
        (["add", "HERE", "--field", "essay", "--classes"], "--classes is not for text"),
        (["add", "HERE", "--held-out", "0"], "more than 0 and at most 0.5"),
        (["add", "HERE", "--held-out", "half"], "invalid float"),
        (["add", "HERE", "--kind", "text", "--name", "\n"], "its name is empty"),
        (["add", "/nowhere", "--kind", "text"], "is not there"),
        (["add", "/nowhere"], "is not there"),
    ],
)
def test_refusals(source: Path, capsys: pytest.CaptureFixture[str], given: list[str], why: str) -> None:
    assert main(["datasets", *(str(source) if word == "HERE" else word for word in given)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert why in told.err
    assert told.err.count("\n") == 1


def test_what_is_only_for_pictures(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "add", str(source), "--kind", "text"]) == 0
    capsys.readouterr()
    assert main(["datasets", "prepare", "essays"]) == 2
    assert "essays cannot be prepared: its kind is text" in capsys.readouterr().err
    assert main(["datasets", "preview", "essays", "--out", "x.png"]) == 2
    assert "--out is not for text" in capsys.readouterr().err
    assert main(["datasets", "preview", "starter/python"]) == 2
    assert "python has nothing to show: it was not drawn yet" in capsys.readouterr().err
