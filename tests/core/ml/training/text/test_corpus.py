"""A dataset in tokens: whole, made once, bounded, and never of a tokenizer that does not fit."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from core.errors import Refused, StorageError
from core.ml.training.text import corpus
from core.ml.training.text.corpus import cut_at, open_corpus
from core.ml.training.text.tokenizer import train_tokenizer
from tests.core.ml.text_models import TEXT, write_gpt2
from tests.core.ml.training.text_datasets import write_texts

DOCUMENTS = ["def add(a, b):\n    return a + b\n", "", "grüße 🙂\n", "for name in names:\n    print(name)\n" * 40, "x"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_gpt2(tmp_path / "model")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "words", DOCUMENTS, held=[2])


def test_every_document_is_there_with_its_end(dataset: Path, model: Path) -> None:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    told: list[tuple[str, float | None]] = []
    made = open_corpus(dataset, model, lambda doing, share: told.append((doing, share)))
    parts = [tokenizer.encode(text, add_special_tokens=False).ids for text in DOCUMENTS]
    expected = [number for place in (0, 1, 3, 4) for number in [*parts[place], made.end]]
    assert made.train.tolist() == expected
    assert made.held.tolist() == [*parts[2], made.end]
    assert made.train.dtype == np.uint16
    assert (made.vocabulary, made.end, made.documents) == (300, 0, 4)
    assert made.held_bytes == len(DOCUMENTS[2].encode())
    assert made.train_bytes == sum(len(text.encode()) for text in DOCUMENTS) - made.held_bytes
    assert made.facts.longest == max(len(part) for part in parts)
    assert made.made
    assert told[0] == ("tokenising", 0.0)
    assert told[-1] == ("tokenising", 1.0)


def test_it_is_made_once(dataset: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_corpus(dataset, model)
    monkeypatch.setattr(corpus, "_write", None)
    again = open_corpus(dataset, model)
    assert not again.made
    assert again.facts == first.facts
    assert again.train.tolist() == first.train.tolist()


@pytest.mark.parametrize("damage", ["short", "no facts", "odd facts", "gone"])
def test_a_damaged_one_is_made_anew(dataset: Path, model: Path, damage: str) -> None:
    first = open_corpus(dataset, model)
    expected = first.train.tolist()
    match damage:
        case "short":
            (first.folder / "train.bin").write_bytes(b"\0")
        case "no facts":
            (first.folder / "corpus.json").unlink()
        case "odd facts":
            (first.folder / "corpus.json").write_text('{"dtype": "float64"}')
        case "gone":
            (first.folder / "held.bin").unlink()
    again = open_corpus(dataset, model)
    assert again.made
    assert again.train.tolist() == expected
    assert [path.name for path in (dataset / "tokens").iterdir()] == [again.folder.name]


def test_another_tokenizer_and_another_generation_get_their_own(dataset: Path, model: Path, tmp_path: Path) -> None:
    first = open_corpus(dataset, model)
    other = write_gpt2(tmp_path / "other")
    train_tokenizer(["entirely different words, entirely"], 290).save(str(other / "tokenizer.json"))
    second = open_corpus(dataset, other)
    write_texts(dataset, [*DOCUMENTS, "more"], held=[0], generation=2)
    third = open_corpus(dataset, model)
    assert len({first.folder, second.folder, third.folder}) == 3
    assert third.documents == 5
    assert len(list((dataset / "tokens").iterdir())) == 3


def test_several_at_once_agree(dataset: Path, model: Path) -> None:
    results: list[list[int]] = []
    gate = threading.Barrier(4)

    def work() -> None:
        gate.wait()
        results.append(open_corpus(dataset, model).train.tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)
    assert len(list((dataset / "tokens").iterdir())) == 1


def test_a_tokenizer_with_more_ids_than_the_network_is_refused(dataset: Path, tmp_path: Path) -> None:
    model = write_gpt2(tmp_path / "small", vocab_size=280)
    with pytest.raises(Refused, match="does not fit its weights: it has 300 ids, the network 280"):
        open_corpus(dataset, model)
    assert not (dataset / "tokens").exists()


def test_a_tokenizer_with_gaps_is_refused_by_the_ids_it_gives(dataset: Path, model: Path) -> None:
    state = json.loads((model / "tokenizer.json").read_text())
    vocabulary = state["model"]["vocab"]
    vocabulary["x"] = 1000
    (model / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(Refused, match="gives the id 1,000, the network knows 300"):
        open_corpus(dataset, model)
    assert list((dataset / "tokens").iterdir()) == []


def test_wide_ids_where_the_vocabulary_needs_them(dataset: Path, tmp_path: Path) -> None:
    made = open_corpus(dataset, write_gpt2(tmp_path / "wide", vocab_size=70_000))
    assert made.train.dtype == np.uint32
    assert made.vocabulary == 70_000


def test_the_end_comes_from_the_tokenizer_where_the_model_names_none(dataset: Path, tmp_path: Path) -> None:
    made = open_corpus(dataset, write_gpt2(tmp_path / "endless", eos_token_id=None))
    assert made.end == 0


def test_long_documents_are_cut_where_no_token_is(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    text = TEXT * 40
    monkeypatch.setattr(corpus, "PIECE", 1000)
    monkeypatch.setattr(corpus, "BATCH", 3000)
    made = open_corpus(write_texts(tmp_path / "long", [text, "x", text]), model)
    whole = tokenizer.encode(text, add_special_tokens=False).ids
    assert made.train.tolist() == [*whole, 0, *tokenizer.encode("x", add_special_tokens=False).ids, 0, *whole, 0]
    assert made.facts.longest == len(whole)


def test_one_line_without_an_end_is_cut_between_characters(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    monkeypatch.setattr(corpus, "PIECE", 101)
    text = "🙂ü€x" * 500
    made = open_corpus(write_texts(tmp_path / "line", [text]), model)
    assert tokenizer.decode(made.train.tolist()[:-1]) == text


def test_cuts_are_between_lines_then_words_then_characters() -> None:
    assert cut_at(b"one\ntwo\n  four\n\nthree\n  f") == len(b"one\ntwo\n  four\n\nthree\n")
    assert cut_at(b"  one\ntwo\n  four\n  five") == len(b"  one\ntwo\n  four\n")
    assert cut_at(b"aa\nbb\ncc") == len(b"aa\nbb\n")
    assert cut_at(b"aaaa\n  bb\n  cc") == len(b"aaaa\n  bb\n")
    assert cut_at(b"aaaa bb cc") == len(b"aaaa bb")
    assert cut_at("aaa€".encode()[:-1]) == 3
    assert cut_at("aaa€".encode()) == 6
    assert cut_at(b"\x80\x80\x80\x80") == 4


def test_a_disk_that_says_no_leaves_nothing(dataset: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        open_corpus(dataset, model)
    assert list((dataset / "tokens").iterdir()) == []
