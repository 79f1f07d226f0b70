"""Many texts at once: as if each were alone; stop strings, penalties, lengths and probabilities of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.ml.generation.completion import Completion, Engine, Settings, Wanted, complete, complete_together
from core.ml.generation.gpt2 import GPT2
from core.ml.generation.loading import load_engine
from core.ml.generation.precision import int8_engine
from core.ml.generation.sampling import Sampler
from core.ml.generation.scoring import score
from core.ml.generation.stopping import Stops
from core.ml.generation.tokens import Tokens, load_tokens
from tests.core.ml.generation.test_completion import Script
from tests.core.ml.text_models import CONTEXT, TEXT, VOCABULARY, gpt2_config, gpt2_weights, write_gpt2, write_llama

needs_int8 = pytest.mark.skipif(int8_engine() is None, reason="this PyTorch build has no int8 products")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gpt2(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    return load_tokens(folder, {"eos_token_id": 0, "bos_token_id": 0})


def _together(engine: Engine, tokens: Tokens, wanted: Sequence[Wanted], **how: bool) -> list[list[Completion]]:
    steps: list[list[Completion]] = [[] for _ in wanted]
    for index, step in complete_together(engine, tokens, wanted, **how):
        steps[index].append(step)
    return steps


def _told(step: Completion) -> tuple[object, ...]:
    return step.text, step.tokens, step.reason, step.prompt_tokens, step.dropped, step.chances, step.progress


PRECISIONS = ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rows_come_out_as_if_they_were_alone(folder: Path, precision: str) -> None:
    engine, tokens = load_engine(folder, precision)
    tokens.ends = frozenset()
    prompts = ["def add(", "def add(", "for name in ", "", "x = " * 30]
    # Beyond the context, so that rows read their newer halves again at different times.
    asked = [(p, Settings(2 * CONTEXT + 3 * n, 1.0, 0.95, n, logprobs=2)) for n, p in enumerate(prompts)]
    together = _together(engine, tokens, [Wanted(*each) for each in asked])
    for steps, each in zip(together, asked, strict=True):
        assert [_told(step) for step in steps] == [_told(step) for step in complete(engine, tokens, *each)]


@needs_int8
def test_int8_gives_a_row_the_same_bits_in_any_company(folder: Path) -> None:
    engine, _ = load_engine(folder, "int8")
    assert engine.rows_alike
    rows = [[3, 4, 5], [6], [7, 8, 9, 10, 11, 12, 13], [14, 15]]
    alone = torch.stack([engine.read(ids, engine.start()) for ids in rows])
    assert torch.equal(engine.read_rows(rows, [engine.start() for _ in rows]), alone)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rows_of_any_lengths_are_read_in_one_go(folder: Path, precision: str) -> None:
    engine, _ = load_engine(folder, precision)
    caches = [engine.start() for _ in range(3)]
    engine.read([1, 2, 3, 4], caches[0])
    engine.read([9], caches[1])
    expected = [engine.fork(cache) for cache in caches]
    rows = [[5], [6, 7, 8], [10, 11]]
    logits = engine.read_rows(rows, caches)
    found = torch.stack([engine.read(ids, cache) for ids, cache in zip(rows, expected, strict=True)])
    tolerance = 0.1 if precision == "bfloat16" else 1e-4
    torch.testing.assert_close(logits, found, rtol=tolerance, atol=tolerance)
    again = engine.read_rows([[20]] * 3, caches)
    found = torch.stack([engine.read([20], cache) for cache in expected])
    torch.testing.assert_close(again, found, rtol=tolerance, atol=tolerance)


def test_rows_through_transformers_keep_memories_of_their_own(tmp_path: Path) -> None:
    engine, tokens = load_engine(write_llama(tmp_path / "m"))
    asked = [("def add(", Settings(12, 1.0, 0.95, seed)) for seed in range(3)]
    together = _together(engine, tokens, [Wanted(*each) for each in asked])
    for steps, each in zip(together, asked, strict=True):
        assert [step.text for step in steps] == [step.text for step in complete(engine, tokens, *each)]


def test_the_weights_are_read_once_for_all_rows_and_a_shared_prompt_once(folder: Path, tokens: Tokens) -> None:
    calls: list[list[int]] = []

    class Counting(GPT2):
        def _read(self, rows: Sequence[Sequence[int]], caches: Sequence[object]) -> Tensor:
            calls.append([len(ids) for ids in rows])
            return super()._read(rows, caches)  # type: ignore[arg-type]

    engine = Counting(gpt2_config(), gpt2_weights(), "float32", torch.device("cpu"))
    engine.rows_alike = True
    tokens.ends = frozenset()
    wanted = [Wanted("def add(", Settings(4, 1.0, seed=seed)) for seed in range(3)]
    _together(engine, tokens, wanted)
    assert calls == [[len(tokens.encode("def add("))], [1, 1, 1], [1, 1, 1], [1, 1, 1]]


def test_one_that_is_cancelled_ends_before_its_next_token_and_the_others_go_on(folder: Path) -> None:
    engine, tokens = load_engine(folder)
    tokens.ends = frozenset()
    seen: list[list[Completion]] = [[], []]
    wanted = [Wanted("a", Settings(9), lambda: len(seen[0]) >= 3), Wanted("a", Settings(9, seed=1))]
    for index, step in complete_together(engine, tokens, wanted):
        seen[index].append(step)
    assert (seen[0][-1].reason, seen[0][-1].tokens) == ("cancelled", 3)
    assert (seen[1][-1].reason, seen[1][-1].tokens) == ("length", 9)


# -- stop strings


def _ids(tokens: Tokens, text: str) -> list[int]:
    assert tokens.pieces is not None
    single = {piece: number for number, piece in enumerate(tokens.pieces) if len(piece) == 1}
    return [single[bytes([byte])] for byte in text.encode()]


def test_a_stop_string_is_found_across_tokens_and_never_shown(tokens: Tokens) -> None:
    ids = _ids(tokens, "ab\n\ndef")
    steps = list(complete(Script(ids), tokens, "x", Settings(len(ids), stop=("\n\ndef", "zz"))))
    assert [step.text for step in steps] == ["a", "ab", "ab", "ab", "ab", "ab", "ab"]
    assert (steps[-1].reason, steps[-1].tokens) == ("stop", 7)


def test_what_only_looked_like_a_stop_string_comes_after_all(tokens: Tokens) -> None:
    ids = _ids(tokens, "a\n\nx\n\n")
    steps = list(complete(Script(ids), tokens, "x", Settings(len(ids), stop=("\n\ndef",))))
    assert [step.text for step in steps] == ["a", "a", "a", "a\n\nx", "a\n\nx", "a\n\nx\n\n"]
    assert steps[-1].reason == "length"
    gone = [step.text for step in complete(Script(ids), tokens, "x", Settings(9, stop=("\n\ndef",)), _after(3))]
    assert gone[-1] == "a\n\n"


def _after(count: int) -> object:
    asked = iter(range(count + 1))
    return lambda: next(asked) >= count


def test_the_earliest_of_several_stop_strings_counts() -> None:
    stops = Stops(["cd", "bcde", ""])
    assert stops.find("ab") is None
    assert stops.held("ab") == 1
    assert stops.find("abcde") == 1
    assert Stops([]).find("a") is None
    assert Stops([]).held("a") == 0
    late = Stops(["yz"])
    assert [late.find("x" * n) for n in range(1, 5)] == [None] * 4
    assert late.find("xxxxyz") == 4


# -- lengths, penalties, choices


def test_a_length_in_characters_is_kept_to_the_character(tokens: Tokens) -> None:
    ids = _ids(tokens, "grüße")
    last = list(complete(Script(ids), tokens, "x", Settings(1, max_characters=3)))[-1]
    assert (last.text, last.reason, last.progress) == ("grü", "length", 1.0)


def test_a_prompt_that_is_cut_is_told(tokens: Tokens) -> None:
    last = list(complete(Script([5] * 8), tokens, TEXT, Settings(8)))[-1]
    assert last.prompt_tokens == CONTEXT - 8
    assert last.prompt_tokens + last.dropped == len(tokens.encode(TEXT.rstrip()))
    assert next(complete(Script([5]), tokens, "a", Settings(1))).dropped == 0


def test_top_k_draws_from_so_many() -> None:
    logits = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.1]))
    assert {Sampler(1, 1, seed, top_k=2)(logits) for seed in range(80)} == {0, 1}
    assert {Sampler(1, 0.9, seed, top_k=3)(logits) for seed in range(80)} == {0, 1, 2}
    # The nucleus is taken of what is left: 0.4 / 0.7 is more than half.
    assert {Sampler(1, 0.5, seed, top_k=2)(logits) for seed in range(80)} == {0}
    assert {Sampler(1, 1, seed, top_k=99)(logits) for seed in range(200)} == {0, 1, 2, 3}


def test_a_penalty_makes_what_was_seen_less_likely_on_both_sides_of_zero() -> None:
    logits = torch.tensor([2.0, 1.5, -1.0])
    assert Sampler(0, 1, 0, penalty=1.5)(logits, [0]) == 1
    assert Sampler(0, 1, 0, penalty=1.2)(logits, [0]) == 0
    assert Sampler(0, 1, 0, penalty=2)(torch.tensor([-1.0, -1.5]), [0]) == 1
    assert torch.equal(logits, torch.tensor([2.0, 1.5, -1.0]))


def test_a_penalty_counts_the_prompt_and_what_was_written(folder: Path) -> None:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    engine, tokens = load_engine(folder)
    prompt = tokens.encode("def add(a")
    rows = torch.tensor([prompt])
    expected = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).generate(
        rows,
        attention_mask=torch.ones_like(rows),
        max_new_tokens=12,
        do_sample=False,
        pad_token_id=0,
        repetition_penalty=1.7,
    )
    *_, last = complete(engine, tokens, "def add(a", Settings(12, temperature=0, repetition_penalty=1.7))
    # The last token may be the beginning of a character that never comes.
    assert last.text == tokens.decode(expected[0, len(prompt) :].tolist()).rstrip("\ufffd")
    assert len(last.text) > 8


# -- probabilities


def test_probabilities_are_the_model_s_own_whatever_draws(folder: Path) -> None:
    engine, tokens = load_engine(folder)
    tokens.ends = frozenset()
    *_, last = complete(engine, tokens, "def add(", Settings(6, 0.3, 0.5, 1, 5, 1.5, logprobs=3))
    assert "".join(each.text for each in last.chances) == last.text
    assert last.chances[0].start == 0
    assert all(len(each.top) == 3 for each in last.chances)
    for each in last.chances:
        values = [value for _, value in each.top]
        assert values == sorted(values, reverse=True)
        assert each.logprob is not None
        assert each.logprob <= values[0]
    *_, spaced = complete(engine, tokens, "for name in ", Settings(5, 1.0, logprobs=0))
    assert "".join(each.text for each in spaced.chances).rstrip("\ufffd") == spaced.text.rstrip("\ufffd")
    assert not any(step.chances for step in complete(engine, tokens, "def add(", Settings(2)))


def test_scoring_a_text_gives_what_brute_force_gives(folder: Path) -> None:
    engine, tokens = load_engine(folder)
    text = "def add(a, b):\n    return"
    ids = tokens.encode(text)
    scored = score(engine, tokens, text, 2)
    assert scored.dropped == 0
    mark, *rest = scored.chances
    assert (mark.text, mark.logprob) == ("<|endoftext|>", None), "this tokenizer begins every text with it"
    assert "".join(each.text for each in rest) == text
    for place in range(1, len(ids)):
        logs = engine.read(ids[:place], engine.start()).double().log_softmax(0)
        assert scored.chances[place].logprob == pytest.approx(float(logs[ids[place]]), abs=2e-4)
        assert scored.chances[place].start == len(tokens.decode(ids[:place]))
        assert math.exp(scored.chances[place].top[0][1]) == pytest.approx(float(logs.max().exp()), abs=1e-4)


def test_scoring_reads_the_end_of_a_long_text_and_nothing_of_none(folder: Path) -> None:
    engine, tokens = load_engine(folder)
    scored = score(engine, tokens, TEXT)
    assert len(scored.chances) == CONTEXT
    assert scored.dropped == len(tokens.encode(TEXT)) - CONTEXT
    assert TEXT[scored.chances[0].start :].startswith(scored.chances[0].text)
    assert [each.logprob for each in score(engine, tokens, "").chances] == [None]
    assert len(score(engine, tokens, "a").chances) == 2
    assert engine.vocabulary == VOCABULARY
