"""What was planted is found, nothing else is, and hashes never decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.ml.metrics import memorised as module
from core.ml.metrics.memorised import memorised

RANDOM = np.random.default_rng(5)
CORPUS = RANDOM.integers(0, 300, 20_000).astype(np.uint16)


def _by_hand(texts: list[np.ndarray], corpus: np.ndarray, length: int) -> float:
    known = {tuple(corpus[place : place + length].tolist()) for place in range(len(corpus) - length + 1)}
    pieces = [tuple(text[p : p + length].tolist()) for text in texts for p in range(len(text) - length + 1)]
    return sum(piece in known for piece in pieces) / len(pieces)


def test_planted_copies_are_found_and_counted() -> None:
    fresh = RANDOM.integers(0, 300, 100)
    half = np.concatenate([RANDOM.integers(0, 300, 60), CORPUS[777 : 777 + 80], RANDOM.integers(0, 300, 30)])
    whole = CORPUS[-120:].astype(np.int64)
    texts = [fresh, half, whole]
    score = memorised(texts, CORPUS)
    assert (score.sampled, score.found) == (51 + 121 + 71, 31 + 71)
    assert score.share == pytest.approx(_by_hand(texts, CORPUS, 50))
    assert memorised([fresh], CORPUS).share == 0
    assert memorised([whole], CORPUS).share == 1


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 50, 64])
@pytest.mark.parametrize("chunk", [64, 997, 1 << 20])
def test_equal_to_a_search_by_hand(length: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    corpus = RANDOM.integers(0, 4, 3000).astype(np.uint16)
    texts = [RANDOM.integers(0, 4, 90), corpus[1500:1600].astype(np.int64), corpus[:70].astype(np.int64)]
    assert memorised(texts, corpus, length=length).share == pytest.approx(_by_hand(texts, corpus, length))


def test_one_hash_for_all_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = CORPUS[:400]
    texts = [corpus[10:70].astype(np.int64), RANDOM.integers(0, 300, 60)]
    monkeypatch.setattr(module, "_hashes", lambda ids, length: np.zeros(len(ids) - length + 1, np.uint64))
    assert memorised(texts, corpus).share == pytest.approx(0.5)


def test_runs_of_the_same_token() -> None:
    corpus = np.zeros(100_000, np.uint16)
    assert memorised([np.zeros(500, np.int64)], corpus).share == 1
    assert memorised([np.ones(500, np.int64)], corpus).share == 0


def test_a_sample_is_seeded_and_bounded() -> None:
    texts = [np.concatenate([CORPUS[:400], RANDOM.integers(0, 300, 400)]) for _ in range(10)]
    first = memorised(texts, CORPUS, most=200)
    assert first == memorised(texts, CORPUS, most=200)
    assert first.sampled == 200
    assert first.share == pytest.approx(0.47, abs=0.1)


def test_texts_that_are_too_short_and_an_empty_corpus() -> None:
    assert memorised([np.arange(49)], CORPUS).sampled == 0
    assert memorised([], CORPUS).share == 0
    assert memorised([np.arange(60)], CORPUS[:10]).share == 0


def test_mapped_from_disk_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4096)
    CORPUS.tofile(tmp_path / "ids.bin")
    mapped = np.memmap(tmp_path / "ids.bin", np.uint16, "r")
    late = CORPUS[-60:].astype(np.int64)
    asked = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 2

    assert memorised([late], mapped).share == 1
    assert memorised([late], mapped, stop=stop).share == 0
