"""Tokens made in a process of their own: told on the way, refused with the same words, gone when cancelled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.datasets.tokenising import tokenise
from core.errors import Refused
from core.ml.training.corpus import open_corpus
from tests.core.ml.text_models import TEXT, write_gpt2
from tests.core.ml.training.text_datasets import write_texts


async def test_counts_come_back_and_the_second_time_nothing_is_made(tmp_path: Path) -> None:
    dataset = write_texts(tmp_path / "words", [TEXT, "short", TEXT], held=[2])
    model = write_gpt2(tmp_path / "model")
    told: list[tuple[str, float | None]] = []
    first = await tokenise(dataset, model, lambda doing, share: told.append((doing, share)))
    there = open_corpus(dataset, model)
    assert first.made
    assert not there.made
    assert (first.train_tokens, first.held_tokens) == (len(there.train), len(there.held))
    assert first.tokens_per_byte == pytest.approx((len(there.train) + len(there.held)) / (2 * len(TEXT.encode()) + 5))
    assert first.megabytes_per_second > 0
    assert told[-1] == ("tokenising", 1.0)
    assert not (await tokenise(dataset, model)).made


async def test_a_refusal_comes_back_as_it_was(tmp_path: Path) -> None:
    dataset = write_texts(tmp_path / "words", [TEXT])
    with pytest.raises(Refused, match="does not fit its weights"):
        await tokenise(dataset, write_gpt2(tmp_path / "model", vocab_size=290))


async def test_cancelled_in_the_middle_it_leaves_nothing_that_counts(tmp_path: Path) -> None:
    dataset = write_texts(tmp_path / "words", [TEXT] * 20_000)
    model = write_gpt2(tmp_path / "model")
    begun = asyncio.Event()
    task = asyncio.create_task(tokenise(dataset, model, lambda doing, share: begun.set()))
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(path.name.startswith(".staging-") for path in (dataset / "tokens").iterdir())
