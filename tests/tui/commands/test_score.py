"""`tarmac models score`: a real model against real pictures, in a process of its own."""

import json
from pathlib import Path

import pytest

from tests.core.datasets.drawings import folder_of
from tui.cli import main


@pytest.mark.slow
def test_the_starter_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder_of(tmp_path / "blocks", 52)
    assert main(["datasets", "add", str(source), "--name", "blocks", "--size", "32"]) == 0
    capsys.readouterr()
    asked = ["models", "score", "portraits", "--dataset", "blocks", "--samples", "16", "--features", "discriminator"]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frechet"]["metric"] == "FD-D"
    assert told["frechet"]["value"] > 0
    assert (told["frechet"]["samples"], told["frechet"]["reals"], told["frechet"]["seed"]) == (16, 52, 0)
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["FD-D", "KD-D×1000"]
    assert f"{told['frechet']['value']:.4g}" in lines[0]
    assert main([*asked, "--samples", "1"]) == 2
    assert "samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "dataset", "sentence"),
    [
        ("gpt2-python", "cars", "cannot be scored"),
        ("portraits", "sneakers", "is not prepared"),
        ("portraits", "nothing-of-the-kind", "nothing-of-the-kind"),
        ("nobody", "cars", "nobody"),
    ],
)
def test_refusals(model: str, dataset: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "score", model, "--dataset", dataset]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert not told.out
