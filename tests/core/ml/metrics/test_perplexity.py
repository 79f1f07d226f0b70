"""Perplexity: exact at stride 1, the vocabulary for a model that knows nothing, refused where it means nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import InvalidInput
from core.ml.generation.completion import Engine
from core.ml.generation.loading import load_engine
from core.ml.generation.tokens import Tokens
from core.ml.metrics.perplexity import (
    mended,
    perplexity,
    protocol_a,
    protocol_b,
    wikitext,
    wikitext_documents,
    windows,
)
from tests.core.ml.text_models import CONTEXT, TEXT, VOCABULARY, write_gpt2, write_llama

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


def _network(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


@pytest.mark.parametrize("write", [write_gpt2, write_llama])
def test_a_network_scores_as_its_engine_does_in_batches_of_any_size(tmp_path: Path, write: Any) -> None:
    engine, _ = load_engine(write(tmp_path / "m"))
    model = _network(tmp_path / "m").train()
    for stride, context in ((1, 8), (5, 20), (16, None)):
        expected = perplexity(engine, IDS, 200, stride=stride, context=context)
        for batch in (0, 1, 3, 64):
            found = perplexity(model, IDS, 200, stride=stride, context=context, batch=batch)
            assert found.perplexity == pytest.approx(expected.perplexity, rel=1e-5)
            assert found.bits_per_byte == pytest.approx(expected.bits_per_byte, rel=1e-5)
            assert found.loss == pytest.approx(math.log(found.perplexity))
            assert (found.tokens, found.context, found.stride) == (expected.tokens, expected.context, expected.stride)
    assert model.training, "it is put back into its mode"


def test_a_network_at_stride_1_is_the_definition(tmp_path: Path) -> None:
    engine, _ = load_engine(write_gpt2(tmp_path / "m"))
    model = _network(tmp_path / "m")
    assert perplexity(model, IDS, 200, stride=1, context=8).perplexity == pytest.approx(_by_hand(engine, 8), rel=1e-5)


def test_bfloat16_is_near(tmp_path: Path) -> None:
    model = _network(write_gpt2(tmp_path / "m"))
    exact = perplexity(model, IDS, 200, stride=8)
    near = perplexity(model, IDS, 200, stride=8, autocast=True)
    assert near.loss == pytest.approx(exact.loss, rel=0.02)
    assert near.loss != exact.loss


@pytest.mark.parametrize("look_back", [True, False])
@pytest.mark.parametrize(("length", "context", "stride"), [(2, 4, 1), (4, 4, 3), (5, 4, 2), (100, 16, 5), (97, 16, 15)])
def test_windows_score_every_token_once(length: int, context: int, stride: int, look_back: bool) -> None:
    scored = []
    for begin, stop, first in windows(length, context, stride, look_back=look_back):
        assert begin < first < stop <= begin + context
        scored += range(first, stop)
    assert scored == list(range(1, length))


def test_windows_that_stand_for_themselves() -> None:
    assert list(windows(10, 4, 4, look_back=False)) == [(0, 4, 1), (4, 8, 5), (8, 10, 9)]
    assert list(windows(9, 4, 4, look_back=False)) == [(0, 4, 1), (4, 8, 5)]  # the last one would have nothing to score


def _published_loop(model: Any, ids: Tensor, length: int, stride: int) -> float:
    """Perplexity as the documentation of transformers takes it: labels that are not to be scored are masked."""
    total, count, before = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + length, len(ids))
        labels = ids[begin:end].clone()
        labels[: len(labels) - (end - before)] = -100
        with torch.no_grad():
            logits = model(ids[None, begin:end]).logits[0]
        kept = labels[1:] != -100
        losses = torch.nn.functional.cross_entropy(logits[:-1][kept].double(), labels[1:][kept], reduction="sum")
        total, count, before = total + float(losses), count + int(kept.sum()), end
        if end == len(ids):
            break
    return math.exp(total / count)


@pytest.mark.parametrize("stride", [4, 16, 31, 32])
def test_protocol_a_is_the_published_loop(tmp_path: Path, stride: int) -> None:
    engine, tokens = load_engine(write_gpt2(tmp_path / "m"))
    model = _network(tmp_path / "m")
    ids = tokens.encode_many([TEXT])[0]
    expected = _published_loop(model, torch.from_numpy(ids), CONTEXT, stride)
    for each in (engine, model):
        score = protocol_a(each, tokens, TEXT, stride=stride)
        assert score.perplexity == pytest.approx(expected, rel=1e-5)
        assert (score.protocol, score.context, score.stride) == ("A", CONTEXT, stride)
        assert score.bits_per_byte == pytest.approx(score.loss * score.tokens / math.log(2) / len(TEXT.encode()))


def test_protocol_b_shares_the_loss_out_over_words(tmp_path: Path) -> None:
    engine, tokens = load_engine(write_gpt2(tmp_path / "m"))
    model = _network(tmp_path / "m")
    documents = [" = One = \n \n It is 1 @,@ 000 ( more or less ) . \n" * 4, " = Two = \n short \n", ""]
    score = protocol_b(model, tokens, documents, 0)
    # Each token after the mark and what went before it, in windows that share one token.
    total, count = 0.0, 0
    for text in documents:
        ids = [0, *tokens.encode_many([mended(text)])[0].tolist()]
        for stop in range(CONTEXT + 1, len(ids) + CONTEXT, CONTEXT):
            stop, first = min(stop, len(ids)), stop - CONTEXT
            read = ids[max(0, stop - 1 - CONTEXT) : stop - 1]
            logits = engine.read(read, engine.start(), every=True)[-(stop - first) :]
            targets = torch.tensor(ids[first:stop])
            total += float(torch.nn.functional.cross_entropy(logits.double(), targets, reduction="sum"))
            count += stop - first
    words = sum(len(re.split(r"\s+", text)) for text in documents)
    assert (score.tokens, score.words) == (count, words)
    assert score.perplexity == pytest.approx(math.exp(total / words), rel=1e-5)
    assert score.perplexity == pytest.approx(math.exp(score.loss) ** (count / words))
    size = sum(len(text.encode()) for text in documents)
    assert score.bits_per_byte == pytest.approx(total / math.log(2) / size, rel=1e-5)
    assert protocol_b(engine, tokens, documents, 0).perplexity == pytest.approx(score.perplexity, rel=1e-5)


def test_protocols_of_a_model_that_knows_nothing(tmp_path: Path) -> None:
    _, tokens = load_engine(write_gpt2(tmp_path / "m"))

    def read(rows: Tensor, kept: int) -> Tensor:
        return torch.zeros(len(rows), kept, VOCABULARY)

    assert protocol_a(read, tokens, TEXT, context=32).perplexity == pytest.approx(VOCABULARY)
    score = protocol_b(read, tokens, [TEXT], 0, context=32, mend=False)
    assert score.perplexity == pytest.approx(VOCABULARY ** (score.tokens / score.words))


def test_nothing_to_score_is_refused(tmp_path: Path) -> None:
    engine, tokens = load_engine(write_gpt2(tmp_path / "m"))
    with pytest.raises(InvalidInput, match="nothing to score"):
        protocol_a(engine, tokens, "")
    with pytest.raises(InvalidInput, match="nothing to score"):
        protocol_b(engine, tokens, [], 0)
    with pytest.raises(InvalidInput, match="stride"):
        protocol_a(engine, tokens, TEXT, stride=CONTEXT + 1)
    assert isinstance(tokens, Tokens)


def test_wikitext_is_mended_and_split_as_published() -> None:
    raw = " \n = Robert <unk> = \n \n = = Career = = \n He was 1 @.@ 5 @-@ fold ( or ' mine ' ) : \" yes \" . \n"
    raw += " = Two = \n x \n"
    assert mended(raw).startswith("\n= Robert <unk> =\n\n== Career ==\nHe was 1.5-fold (or 'mine'): \"yes\".\n")
    documents = wikitext_documents(raw)
    assert documents == [raw[2:-14], " = Two = \n x \n"]
    assert wikitext(" \n = A = \n \n b \n") == "\n\n = A = \n\n\n\n\n b \n"
