"""Text models on the command line: scored on a dataset's held-out texts, exported for other programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.library.interfaces import text_interface
from core.library.manifest import Manifest
from core.library.models import Library
from tests.core.ml.text_models import TEXT, write_gpt2
from tests.core.ml.training.text_datasets import write_texts
from tests.e2e.test_cli import Tarmac


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the text model "words" and the text dataset "lines"."""
    home = tmp_path_factory.mktemp("library")
    library = Library(home / "data", starters=home / "none")
    folder = library.staging()
    write_gpt2(folder)
    library.adopt(folder, Manifest("words", "text", "causal-lm", text_interface(32).spec()))
    write_texts(home / "data" / "datasets" / "20261125-000000-lines", [TEXT, TEXT[:200]], held=[1], name="lines")
    return home


@pytest.fixture
def tarmac(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tarmac:
    monkeypatch.setenv("TARMAC_HOME", str(home))
    return Tarmac(tmp_path)


def test_a_score_with_its_protocol(tarmac: Tarmac) -> None:
    told = tarmac.json("models", "score", "words", "--dataset", "lines", "--stride", "8")
    assert told["metric"] == "perplexity"
    assert (told["context"], told["stride"]) == (32, 8)
    assert told["value"] > 1
    assert told["tokens"] > 10
    assert told["bits_per_byte"] > 0
    said = tarmac("models", "score", "words", "--dataset", "lines", "--context", "16")
    assert "held-out documents of lines, context 16, stride 8" in said
    assert "bits per byte" in said
    assert "kind text" in tarmac("models", "score", "starter/portraits", "--dataset", "lines", code=2)


def test_an_export_says_how_to_load_it_and_never_writes_over(tarmac: Tarmac, tmp_path: Path) -> None:
    told = tarmac.json("models", "export", "words", "--to", "out/words")
    assert told["folder"] == str(tmp_path / "out" / "words")
    assert "model.safetensors" in told["files"]
    said = tarmac("models", "export", "words", "--to", "again")
    assert f"AutoModelForCausalLM.from_pretrained('{tmp_path / 'again'}')" in said
    assert "exists: an export never writes over something" in tarmac(
        "models", "export", "words", "--to", "again", code=2
    )
