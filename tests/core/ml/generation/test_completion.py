"""Completing text: repeatable, within the context, whole characters, stopped between two tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import Refused
from core.ml.generation.completion import Completion, Settings, complete
from core.ml.generation.loading import load_engine
from core.ml.generation.sampling import Sampler
from core.ml.generation.stream import TextStream
from core.ml.generation.tokens import Tokens, load_tokens
from tests.core.ml.text_models import CONTEXT, TEXT, VOCABULARY, write_gpt2, write_llama


class Script:
    """An engine that wants to write given ids, whatever it reads; it checks that nobody reads past its context."""

    context, vocabulary, precision, parameters, bytes_per_token = CONTEXT, VOCABULARY, "float32", 0, 0
    rows_alike, most_rows, row_bytes, cuts = False, 4, 4, True

    def __init__(self, wanted: Sequence[int]) -> None:
        self._wanted = iter(wanted)
        self.read_ids: list[list[int]] = []

    def start(self) -> list[int]:
        return []

    def places(self, count: int) -> list[list[int]]:
        return [[] for _ in range(count)]

    def clear(self, cache: list[int]) -> None:
        cache.clear()

    def fork(self, cache: list[int], into: list[int] | None = None, length: int | None = None) -> list[int]:
        other: list[int] = [] if into is None else into
        other[:] = cache[:length]
        return other

    def read_rows(self, rows: Sequence[Sequence[int]], caches: Sequence[list[int]]) -> Tensor:
        return torch.stack([self.read(ids, cache) for ids, cache in zip(rows, caches, strict=True)])

    def read(self, ids: Sequence[int], cache: list[int], *, every: bool = False) -> Tensor:
        self.read_ids.append(list(ids))
        cache.extend(ids)
        assert 0 < len(cache) <= self.context
        logits = torch.zeros(VOCABULARY)
        logits[next(self._wanted)] = 50
        return logits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gpt2(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    return load_tokens(folder, {"eos_token_id": 0, "bos_token_id": 0})


def _last(steps: object) -> Completion:
    *_, last = steps  # type: ignore[misc]
    return last  # type: ignore[no-any-return]


def test_greedy_writes_what_transformers_writes(folder: Path) -> None:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    engine, tokens = load_engine(folder)
    prompt = tokens.encode("def add(a")
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    rows = torch.tensor([prompt])
    expected = model.generate(
        rows, attention_mask=torch.ones_like(rows), max_new_tokens=12, do_sample=False, pad_token_id=0
    )
    last = _last(complete(engine, tokens, "def add(a", Settings(12, temperature=0)))
    assert last.text == tokens.decode(expected[0, len(prompt) :].tolist())


def test_the_same_seed_gives_the_same_text_whatever_else_happens(folder: Path) -> None:
    engine, tokens = load_engine(folder)
    settings = Settings(20, temperature=1, top_p=0.95, seed=7)
    alone = _last(complete(engine, tokens, "for ", settings)).text
    torch.manual_seed(123)
    first = complete(engine, tokens, "for ", settings)
    second = complete(engine, tokens, "for ", Settings(20, temperature=1, top_p=0.95, seed=8))
    pairs = list(zip(first, second, strict=False))
    torch.rand(5)
    assert pairs[-1][0].text == alone
    assert pairs[-1][1].text != alone


@pytest.mark.parametrize("write", [write_gpt2, write_llama])
@pytest.mark.parametrize("prompt", ["", " ", "\n    ", "a" * 500, "def add(a, b):\n    return a" * 20])
def test_any_prompt_and_any_length_stay_within_the_context(tmp_path: Path, write: object, prompt: str) -> None:
    engine, tokens = load_engine(write(tmp_path / "m"))  # type: ignore[operator]
    tokens.ends = frozenset()
    last = _last(complete(engine, tokens, prompt, Settings(3 * CONTEXT, temperature=1)))
    assert (last.tokens, last.reason) == (3 * CONTEXT, "length")


def test_a_long_prompt_is_read_from_its_end(tokens: Tokens) -> None:
    engine = Script([5] * 8)
    _last(complete(engine, tokens, TEXT, Settings(8)))
    ids = tokens.encode(TEXT.rstrip())
    assert engine.read_ids[0] == ids[-len(engine.read_ids[0]) :]
    assert len(engine.read_ids[0]) == CONTEXT - 8


def test_end_of_text_stops_and_is_not_shown(tokens: Tokens) -> None:
    a, b = tokens.encode("a")[-1], tokens.encode("b")[-1]
    steps = list(complete(Script([a, b, 0, a]), tokens, "x", Settings(10)))
    assert [step.text for step in steps] == ["a", "ab", "ab"]
    assert (steps[-1].reason, steps[-1].tokens) == ("stop", 2)


def test_cancel_takes_effect_before_the_next_token(tokens: Tokens) -> None:
    a = tokens.encode("a")[-1]
    engine = Script([a] * 10)
    steps = []
    for step in complete(engine, tokens, "x", Settings(10), lambda: len(steps) >= 3):
        steps.append(step)
    assert (steps[-1].text, steps[-1].tokens, steps[-1].reason) == ("aaa", 3, "cancelled")
    assert len(engine.read_ids) == 3


def test_characters_come_whole(tokens: Tokens) -> None:
    assert tokens.pieces is not None
    single = {piece: number for number, piece in enumerate(tokens.pieces) if len(piece) == 1}
    ids = [single[bytes([byte])] for byte in "x🙂é".encode()]
    texts = [step.text for step in complete(Script(ids), tokens, "x", Settings(len(ids)))]
    assert texts == ["x", "x", "x", "x", "x🙂", "x🙂", "x🙂é"]


def test_bytes_that_are_no_text_do_not_hold_the_rest_back(tokens: Tokens) -> None:
    assert tokens.pieces is not None
    single = {piece: number for number, piece in enumerate(tokens.pieces) if len(piece) == 1}
    ids = [single[bytes([byte])] for byte in b"a\xff\x80b\xf0\x9f"]
    last = _last(complete(Script(ids), tokens, "x", Settings(len(ids))))
    assert last.text == "a��b"
    last.text.encode("utf-8")


def test_tokenizers_without_bytes_stream_whole_characters_too(tokens: Tokens) -> None:
    ids = tokens.encode("grüße 🙂 x")
    stream = TextStream(tokens, [])
    tokens.__dict__["pieces"] = None
    try:
        parts = [stream.push(number) for number in ids]
    finally:
        del tokens.__dict__["pieces"]
    assert "".join(parts) == stream.text == "grüße 🙂 x"
    assert not any("�" in part for part in parts)


def test_space_at_the_end_of_a_prompt_belongs_to_the_next_word(tokens: Tokens) -> None:
    name = tokens.encode("in name")[-1]
    assert tokens.pieces is not None
    assert tokens.pieces[name].startswith(b" n")
    engine = Script([name, 5])
    steps = list(complete(engine, tokens, "for name in ", Settings(2)))
    assert engine.read_ids[0] == tokens.encode("for name in")
    assert steps[0].text == tokens.pieces[name].decode()[1:]
    # An id that does not begin with the space is never taken, even if the model wants nothing else.
    other = tokens.encode("a")[-1]
    steps = list(complete(Script([other]), tokens, "in ", Settings(1)))
    assert not steps[0].text.startswith("a") or tokens.decode([other]).startswith(" ")


def test_greedy_and_nucleus_draw_from_the_right_tokens() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    assert {Sampler(0, 1, seed)(logits) for seed in range(20)} == {0}
    assert {Sampler(1, 0, seed)(logits) for seed in range(20)} == {0}
    assert {Sampler(1, 0.7, seed)(logits) for seed in range(60)} == {0, 1}
    assert {Sampler(1, 0.9, seed)(logits) for seed in range(90)} == {0, 1, 2}
    assert {Sampler(1, 1, seed)(logits) for seed in range(300)} == {0, 1, 2, 3}


@pytest.mark.parametrize("top_p", [0.999, 1.0])
def test_drawn_shares_are_the_model_s_shares(top_p: float) -> None:
    shares = torch.tensor([0.6, 0.3, 0.1])
    sampler = Sampler(1, top_p, 0)
    drawn = torch.tensor([sampler(shares.log()) for _ in range(4000)]).bincount(minlength=3) / 4000
    # Three standard deviations of a share of 0.6 among 4000.
    assert (drawn - shares).abs().max() < 3 * math.sqrt(0.6 * 0.4 / 4000)


def test_a_flat_distribution_is_sampled_beyond_the_first_look() -> None:
    sampler = Sampler(1, 0.99, 0)
    assert max(sampler(torch.zeros(5000)) for _ in range(50)) > 1000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_an_error(value: float) -> None:
    with pytest.raises(Refused, match="no numbers"):
        Sampler(1, 1, 0)(torch.full((4,), value))
