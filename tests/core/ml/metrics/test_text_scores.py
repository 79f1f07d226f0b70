"""Perplexity from folders and files, as a program: the protocols, a dataset's held-out part, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.ml.generation.loading import load_engine
from core.ml.metrics.__main__ import main
from core.ml.metrics.perplexity import perplexity, protocol_a, protocol_b, wikitext_documents
from core.ml.training.text.corpus import open_corpus
from tests.core.ml.text_models import CONTEXT, TEXT, write_gpt2
from tests.core.ml.training.text_datasets import write_texts


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_gpt2(tmp_path / "model")


def told(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert all("progress" in line for line in lines[:-1])
    last: dict[str, Any] = lines[-1]
    return last


def test_a_file_by_protocol_a(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    engine, tokens = load_engine(model)
    assert main(["perplexity", str(model), str(tmp_path / "text.txt"), "--json", "--stride", "7"]) == 0
    result = told(capfd)["result"]
    expected = protocol_a(engine, tokens, TEXT, stride=7)
    assert result["value"] == pytest.approx(expected.perplexity, rel=1e-5)
    assert (result["protocol"], result["context"], result["stride"]) == ("A", CONTEXT, 7)
    assert main(["perplexity", str(model), str(tmp_path / "text.txt"), "--context", "16"]) == 0
    count = len(tokens.encode_many([TEXT])[0])
    # The first token of each window is not scored.
    assert f"protocol A, context 16, stride 16, {count - -(-count // 16):,} tokens" in capfd.readouterr().out


def test_a_file_by_protocol_b(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    raw = " \n = One = \n \n It is 1 @,@ 000 . \n = Two = \n \n More ( or less ) . \n"
    (tmp_path / "wiki.raw").write_text(raw)
    engine, tokens = load_engine(model)
    command = ["perplexity", str(model), str(tmp_path / "wiki.raw"), "--protocol", "B", "--wikitext", "--json"]
    assert main(command) == 0
    result = told(capfd)["result"]
    expected = protocol_b(engine, tokens, wikitext_documents(raw), 0)
    assert result["metric"] == "word perplexity"
    assert result["value"] == pytest.approx(expected.perplexity, rel=1e-5)
    assert result["words"] == expected.words
    assert main([*command, "--stride", "4"]) == 2
    assert "no stride" in str(told(capfd)["error"])


def test_the_held_out_part_of_a_dataset(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dataset = write_texts(tmp_path / "words", [TEXT, TEXT[:300], "short"], held=[1, 2])
    assert main(["perplexity", str(model), "--dataset", str(dataset), "--json"]) == 0
    result = told(capfd)["result"]
    corpus = open_corpus(dataset, model)
    engine, _ = load_engine(model)
    expected = perplexity(engine, corpus.held.tolist(), corpus.held_bytes, stride=CONTEXT // 2)
    assert result["value"] == pytest.approx(expected.perplexity, rel=1e-5)
    assert result["bits_per_byte"] == pytest.approx(expected.bits_per_byte, rel=1e-5)
    assert result["tokens"] == len(corpus.held) - 1
    assert main(["perplexity", str(model), "--dataset", str(dataset), "--json", "--tokens", "40"]) == 0
    assert told(capfd)["result"]["tokens"] == 39


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "nothing to score"), (b"\xff\xfe\x00", "not UTF-8"), (None, "cannot be read")]
)
def test_what_cannot_be_scored(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "x.txt").write_bytes(content)
    assert main(["perplexity", str(model), str(tmp_path / "x.txt"), "--json"]) == 2
    assert words in str(told(capfd)["error"])


def test_a_dataset_without_held_out_documents_and_nothing_at_all(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = write_texts(tmp_path / "words", [TEXT])
    assert main(["perplexity", str(model), "--dataset", str(dataset), "--json"]) == 2
    assert "no held-out documents" in str(told(capfd)["error"])
    assert main(["perplexity", str(model)]) == 2
    assert "Give one of them" in capfd.readouterr().err
