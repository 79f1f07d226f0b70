"""`tarmac datasets`: data on stdout, talk on stderr, 2 for what is refused."""

import json
from pathlib import Path

import pytest

from tests.core.datasets.drawings import folder_of
from tui.cli import main


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_of(tmp_path_factory.mktemp("source") / "blocks", 52)
    (folder / "bad\n\x1b[31m.png").write_bytes(b"nothing")
    return folder


def test_from_adding_to_deleting(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["datasets", "add", str(source), "--name", "blocks", "--size", "32", "--crop", "auto", "--json"]
    assert main(add) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["name"], made["count"], made["size"], made["ready"]) == ("blocks", 52, 32, True)
    assert made["report"]["left_out"] == {"broken": 1}
    assert made["preparation"]["crop"] == "auto"
    assert main(["datasets", "list"]) == 0
    assert "32 × 32" in capsys.readouterr().out
    assert main(["datasets", "list", "--json"]) == 0
    assert made["id"] in [each["id"] for each in json.loads(capsys.readouterr().out)]
    assert main(["datasets", "show", "blocks", "--files"]) == 0
    shown = capsys.readouterr().out
    assert "1 broken (of 53 files)" in shown
    assert "alignment" in shown
    assert "bad [31m.png  broken: no known picture format" in shown
    assert main(["datasets", "show", "blocks", "--files", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["left_out"] == "broken"
    sheet = tmp_path / "sheet.png"
    assert main(["datasets", "preview", "blocks", "--out", str(sheet), "--boxes", "--count", "6"]) == 0
    assert capsys.readouterr().out.strip() == str(sheet)
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert main(["datasets", "prepare", "blocks", "--size", "16", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["size"], again["preparation"]["crop"]) == (16, "auto")  # what is not given stays
    assert main(["datasets", "rm", "blocks"]) == 0
    assert capsys.readouterr().out.strip() == made["id"]
    assert main(["datasets", "show", "blocks"]) == 2


def test_added_without_preparing(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "add", str(source), "--no-prepare"]) == 0
    told = capsys.readouterr()
    assert "blocks" in told.out
    assert "52 pictures: few" in told.err
    assert main(["datasets", "list"]) == 0
    assert "not prepared" in capsys.readouterr().out
    assert main(["datasets", "preview", "blocks", "--out", "never.png"]) == 2
    assert not Path("never.png").exists()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["add", "/nowhere/at/all"], "is not there"),
        (["add", "HERE", "--size", "48"], "power of two"),
        (["add", "HERE", "--kind", "text"], "no text: at least 10 kB are needed"),
        (["add", "HERE", "--crop", "top"], "invalid choice"),
        (["add", "HERE", "--least-side", "0"], "must be 1 or more"),
        (["add", "HERE", "--fill", "pink"], "#rrggbb"),
        (["add", "HERE", "--least-side", "4000"], "no pictures: at least 50 are needed"),
        (["show", "nothing"], "no dataset is called 'nothing'"),
        (["prepare", "nothing"], "no dataset is called"),
        (["rm", "nothing"], "no dataset is called"),
        (["preview", "nothing", "--out", "x.png"], "no dataset is called"),
        (["add"], "required"),
    ],
)
def test_refusals(source: Path, capsys: pytest.CaptureFixture[str], given: list[str], why: str) -> None:
    assert main(["datasets", *(str(source) if word == "HERE" else word for word in given)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert why in told.err
    assert told.err.count("\n") == 1
    assert main(["datasets", "list", "--json"]) == 0
    assert [each for each in json.loads(capsys.readouterr().out) if each["source"] == "library"] == []


def test_who_finds_the_subjects(source: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such model, one of another kind, a crop that looks for none; then the contrast, and that stays."""
    add = ["datasets", "add", str(source), "--name", "blocks", "--size", "16", "--crop", "auto", "--subject"]
    assert main([*add, "segformer"]) == 2
    assert "no model is called" in capsys.readouterr().err
    assert main([*add, "starter/portraits"]) == 2
    told = capsys.readouterr().err
    assert "portraits finds no subjects: it is a model of the kind image-gan" in told
    assert main(["datasets", "add", str(source), "--subject", "auto"]) == 2
    assert "--crop centre looks for none. Add --crop auto" in capsys.readouterr().err
    assert main([*add, "contrast"]) == 0
    assert "found by   contrast" in capsys.readouterr().err
    assert main(["datasets", "prepare", "blocks", "--size", "32", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["preparation"]["subject"], made["subjects"]["by"]) == ("contrast", "contrast")
