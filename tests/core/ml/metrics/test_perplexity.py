"""Perplexity: exact at stride 1, the vocabulary for a model that knows nothing, refused where it means nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import InvalidInput
from core.ml.generation.completion import Engine
from core.ml.generation.loading import load_engine
from core.ml.metrics.perplexity import perplexity
from tests.core.ml.text_models import CONTEXT, VOCABULARY, write_gpt2, write_llama

IDS = torch.randint(VOCABULARY, (90,), generator=torch.Generator().manual_seed(3)).tolist()


class Uniform:
    """An engine that finds all ids equally likely."""

    context, vocabulary, precision, parameters, bytes_per_token = 16, 64, "float32", 0, 0

    def start(self) -> None:
        return None

    def read(self, ids: Sequence[int], cache: None, *, every: bool = False) -> Tensor:
        return torch.zeros(len(ids), 64) if every else torch.zeros(64)


def _by_hand(engine: Engine, context: int) -> float:
    """Every token by itself, after the tokens before it."""
    total = 0.0
    for place in range(1, len(IDS)):
        logits = engine.read(IDS[max(0, place + 1 - context) : place], engine.start())
        total -= float(torch.log_softmax(logits.double(), 0)[IDS[place]])
    return math.exp(total / (len(IDS) - 1))


@pytest.mark.parametrize("write", [write_gpt2, write_llama])
def test_stride_1_is_the_definition(tmp_path: Path, write: object) -> None:
    engine, _ = load_engine(write(tmp_path / "m"))  # type: ignore[operator]
    assert perplexity(engine, IDS, 200, stride=1, context=8).perplexity == pytest.approx(_by_hand(engine, 8), rel=1e-5)


def test_every_token_is_scored_once_at_any_stride(tmp_path: Path) -> None:
    engine, _ = load_engine(write_gpt2(tmp_path / "m"))
    whole = perplexity(engine, IDS[:CONTEXT], 80, stride=1)
    for stride in (1, 7, CONTEXT - 1):
        assert perplexity(engine, IDS, 200, stride=stride).tokens == len(IDS) - 1
        # A text that fits the context is read at once, whatever the stride.
        same = perplexity(engine, IDS[:CONTEXT], 80, stride=stride)
        assert same.perplexity == pytest.approx(whole.perplexity, rel=1e-5)


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large() -> None:
    ids = [number % 64 for number in range(100)]
    score = perplexity(Uniform(), ids, 99, stride=5)
    assert score.perplexity == pytest.approx(64)
    # Six bits a token, a token a byte.
    assert score.bits_per_byte == pytest.approx(6)


@pytest.mark.parametrize(("ids", "stride"), [([1], 4), ([], 4), ([1, 2], 0), ([1, 2], 16)])
def test_what_cannot_be_scored_is_refused(ids: list[int], stride: int) -> None:
    with pytest.raises(InvalidInput):
        perplexity(Uniform(), ids, 9, stride=stride)
