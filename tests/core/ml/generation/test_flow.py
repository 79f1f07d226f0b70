"""Texts that join and leave between two tokens: as if each were alone, nobody stalled, nobody's text in another's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import InvalidInput, OutOfMemory, Refused, TarmacError
from core.ml.generation import completion
from core.ml.generation.attention import Cache, Span, attend, groups
from core.ml.generation.completion import Completion, Settings, complete
from core.ml.generation.flow import Flow
from core.ml.generation.gpt2 import GPT2
from core.ml.generation.loading import load_engine
from core.ml.generation.precision import int8_engine
from core.ml.generation.tokens import Tokens, load_tokens
from tests.core.ml.generation.test_completion import Script
from tests.core.ml.text_models import CONTEXT, VOCABULARY, gpt2_config, gpt2_weights, write_gpt2, write_llama

needs_int8 = pytest.mark.skipif(int8_engine() is None, reason="this PyTorch build has no int8 products")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gpt2(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    found = load_tokens(folder, {"bos_token_id": 0})
    found.ends = frozenset()
    return found


def _asked(count: int) -> list[tuple[str, Settings]]:
    prompts = ["def add(", "for name in ", "", "x = " * 9, "return a"]
    return [
        (prompts[n % len(prompts)], Settings(5 + 3 * n, 1.0, (0.9, 1.0)[n % 2], n, top_k=(0, 0, 7)[n % 3], logprobs=1))
        for n in range(count)
    ]


def _run(flow: Flow, asked: Sequence[tuple[str, Settings]], apart: int = 1) -> list[Completion | TarmacError]:
    """One joins every `apart` steps, as soon as there is room."""
    waiting, numbers = list(asked), list[int]()
    last: dict[int, Completion | TarmacError] = {}
    steps = 0
    while waiting or len(flow):
        if waiting and flow.room and steps % apart == 0:
            numbers.append(flow.join(*waiting.pop(0), lambda: False))
        last.update(flow.step())
        steps += 1
    return [last[number] for number in numbers]


def _told(step: Completion | TarmacError) -> tuple[object, ...]:
    assert isinstance(step, Completion)
    return step.text, step.tokens, step.reason, step.prompt_tokens, step.dropped, step.chances


@needs_int8
@pytest.mark.parametrize("apart", [1, 3])
def test_where_rows_are_alike_texts_come_out_as_if_they_were_alone(folder: Path, tokens: Tokens, apart: int) -> None:
    engine, _ = load_engine(folder, "int8")
    asked = _asked(12)
    together = _run(Flow(engine, tokens, 5), asked, apart)
    for found, each in zip(together, asked, strict=True):
        *_, alone = complete(engine, tokens, *each)
        assert _told(found) == _told(alone)


def test_a_network_of_transformers_too(tmp_path: Path) -> None:
    engine, tokens = load_engine(write_llama(tmp_path / "m"))
    asked = [("def add(", Settings(4 + n, 1.0, 0.95, n)) for n in range(4)]
    for found, each in zip(_run(Flow(engine, tokens, 3), asked), asked, strict=True):
        *_, alone = complete(engine, tokens, *each)
        assert isinstance(found, Completion)
        assert found.text == alone.text


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_attention_over_a_shelf_is_that_of_each_row(folder: Path, precision: str) -> None:
    engine, _ = load_engine(folder, precision)
    shelf, alone = engine.places(6), [engine.start() for _ in range(6)]
    # What somebody wrote there before must not be seen, nor that a place between them is empty.
    engine.read_rows([[place] * 9 for place in range(6)], shelf)
    for cache in shelf:
        engine.clear(cache)
    places = [0, 1, 3, 4]
    rows: list[list[int]] = [[3], [4, 5, 6], [7], [8, 9]]
    tolerance = 0.15 if precision == "bfloat16" else 1e-4
    for turn in range(4):
        found = engine.read_rows(rows, [shelf[place] for place in places])
        wanted = torch.stack([engine.read(ids, alone[place]) for ids, place in zip(rows, places)])
        torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
        rows = [[turn + 20 + place] for place in places]


@pytest.mark.parametrize("precision", ["float32", pytest.param("int8", marks=needs_int8)])
def test_rows_beside_each_other_that_have_read_equally_much_get_the_bits_they_get_alone(precision: str) -> None:
    engine = GPT2(gpt2_config(), gpt2_weights(), precision, torch.device("cpu"))
    spans = [Span(n, n + 1, cache) for n, cache in enumerate(engine.places(4))]
    parts = torch.randn(4, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    alone = [Span(0, 1, engine.start()) for _ in spans]
    for _ in range(5):
        grouped = groups(spans, True, engine.device)
        assert len(grouped) == 1
        found = attend(grouped, 0, parts)
        for row, span in enumerate(alone):
            expected = attend(groups([span], True, engine.device), 0, parts[row : row + 1])
            assert torch.equal(found[row], expected[0])
        for span in (*spans, *alone):
            span.cache.length += 1
        parts = parts.roll(1, 0)


def test_rows_are_grouped_where_that_changes_nothing_or_is_allowed_to() -> None:
    engine = GPT2(gpt2_config(), gpt2_weights(), "float32", torch.device("cpu"))

    def kinds(lengths: Sequence[int], alike: bool, places: Sequence[int] | None = None, new: int = 1) -> list[str]:
        shelf = engine.places(9)
        spans = []
        for n, length in enumerate(lengths):
            cache = shelf[n if places is None else places[n]]
            cache.length = length
            spans.append(Span(n * new, (n + 1) * new, cache))
        return [type(group).__name__ for group in groups(spans, alike, engine.device)]

    assert kinds([5, 5, 5], alike=True) == ["_Run"]
    assert kinds([5, 5, 5], alike=False) == ["_Run"]
    assert kinds([5, 5, 6], alike=True) == ["_Run", "_Run"]
    assert kinds([5, 5, 6], alike=False) == ["_Crowd"]
    assert kinds([5, 5], alike=True, places=[0, 2]) == ["_Run", "_Run"]
    assert kinds([5, 5], alike=False, places=[0, 8]) == ["_Run", "_Run"]
    assert kinds([5, 5], alike=False, new=2) == ["_Piece", "_Piece"]


def test_a_long_prompt_is_read_in_pieces_while_the_others_write(
    folder: Path, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "PIECE", 8)
    monkeypatch.setattr("core.ml.generation.flow.PIECE", 8)
    calls: list[list[int]] = []

    class Counting(Script):
        def read_rows(self, rows: Sequence[Sequence[int]], caches: Sequence[list[int]]) -> Tensor:
            calls.append([len(ids) for ids in rows])
            return super().read_rows(rows, caches)

    flow = Flow(Counting([5] * 99), tokens, 4)  # type: ignore[arg-type]
    flow.join([1], Settings(20), lambda: False)
    flow.step()
    for number in range(2, 5):
        flow.join([number] * 20, Settings(4), lambda: False)
    sizes: list[int] = []
    for _ in range(5):
        sizes.append(len(flow.step()))
    # The first writes in every step; two of the three read at a time, and the third after them.
    assert calls == [[1, 8, 8], [1, 8, 8], [1, 4, 4, 8], [1, 1, 1, 8], [1, 1, 1, 4]]
    assert sizes == [1, 1, 3, 3, 4]


def test_pieces_change_nothing(folder: Path, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load_engine(folder)
    *_, whole = complete(engine, tokens, "x = " * 6, Settings(6, 0))
    monkeypatch.setattr(completion, "PIECE", 3)
    *_, pieces = complete(engine, tokens, "x = " * 6, Settings(6, 0))
    assert pieces.text == whole.text


def test_one_that_is_given_up_leaves_and_its_place_is_taken(folder: Path, tokens: Tokens) -> None:
    engine, _ = load_engine(folder)
    flow, gone = Flow(engine, tokens, 2), list[bool]()
    first = flow.join("a", Settings(30), lambda: bool(gone))
    second = flow.join("b", Settings(3), lambda: False)
    assert flow.room == 0
    flow.step()
    gone.append(True)
    told = dict(flow.step())
    assert isinstance(told[first], Completion)
    assert (told[first].reason, told[first].tokens) == ("cancelled", 1)  # type: ignore[union-attr]
    assert flow.room == 1
    third = flow.join("c", Settings(2), lambda: False)
    last = {}
    while len(flow):
        last.update(flow.step())
    assert {number: (step.reason, step.tokens) for number, step in last.items()} == {  # type: ignore[union-attr]
        second: ("length", 3),
        third: ("length", 2),
    }


def test_without_memory_the_newest_makes_room_and_the_others_go_on(folder: Path, tokens: Tokens) -> None:
    class Small(GPT2):
        room = 9

        def _read(self, rows: Sequence[Sequence[int]], caches: Sequence[object]) -> Tensor:
            if len(rows) > self.room:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super()._read(rows, caches)  # type: ignore[arg-type]

    engine = Small(gpt2_config(), gpt2_weights(), "float32", torch.device("cpu"))
    flow = Flow(engine, tokens, 4)
    numbers = [flow.join("def add(", Settings(6, 0), lambda: False) for _ in range(3)]
    flow.step()
    engine.room = 2
    told = dict(flow.step())
    assert isinstance(told[numbers[2]], OutOfMemory)
    last: dict[int, object] = {}
    while len(flow):
        last.update(flow.step())
    *_, alone = complete(engine, tokens, "def add(", Settings(6, 0))
    assert [last[number].text for number in numbers[:2]] == [alone.text] * 2  # type: ignore[attr-defined]
    engine.room = 0
    flow.join("a", Settings(2), lambda: False)
    assert [type(step) for _, step in flow.step()] == [OutOfMemory]
    assert flow.room == 4


def test_what_does_not_fit_is_refused_with_numbers(folder: Path, tokens: Tokens) -> None:
    engine, _ = load_engine(folder)
    flow = Flow(engine, tokens, 2)
    with pytest.raises(InvalidInput, match=f"context is {CONTEXT} tokens: 30 in the prompt and 3 to write are 33"):
        flow.join([5] * 30, Settings(3, whole=True), lambda: False)
    assert flow.room == 2
    flow.join([5] * 30, Settings(2, whole=True), lambda: False)


def test_numbers_that_are_none_fail_one_text_alone(tokens: Tokens) -> None:
    class Broken(Script):
        def read(self, ids: Sequence[int], cache: list[int], *, every: bool = False) -> Tensor:
            logits = super().read(ids, cache)
            return torch.full((VOCABULARY,), torch.nan) if cache[0] == 9 else logits

    flow = Flow(Broken([5] * 9), tokens, 4)  # type: ignore[arg-type]
    good, bad = (flow.join([number], Settings(2, 0), lambda: False) for number in (8, 9))
    told = dict(flow.step())
    assert isinstance(told[bad], Refused)
    assert isinstance(told[good], Completion)
    assert len(flow) == 1


def test_penalties_and_bias_change_what_is_written(folder: Path, tokens: Tokens) -> None:
    def written(**settings: object) -> list[int]:
        wanted = Script([5, 5, 5, 5])
        flow = Flow(wanted, tokens, 1)  # type: ignore[arg-type]
        flow.join([1], Settings(4, 0, **settings), lambda: False)  # type: ignore[arg-type]
        while len(flow):
            flow.step()
        return [ids[0] for ids in wanted.read_ids[1:]]

    assert written() == [5, 5, 5]
    assert written(bias=((5, -60.0), (7, 2.0))) == [7, 7, 7]
    # Its logit is 50 and that of all others 0: once 60 are taken off, another one comes.
    assert [number == 5 for number in written(presence_penalty=60.0)] == [True, False, False]
    assert [number == 5 for number in written(frequency_penalty=30.0)] == [True, True, False]


# -- several texts of one prompt


class Counting(GPT2):
    """A GPT-2 that counts the tokens that it reads, by how many rows they were in."""

    def __init__(self, precision: str = "float32") -> None:
        super().__init__(gpt2_config(), gpt2_weights(), precision, torch.device("cpu"))
        self.tokens: list[list[int]] = []

    def _read(self, rows: Sequence[Sequence[int]], caches: Sequence[Cache]) -> Tensor:
        self.tokens.append([len(ids) for ids in rows])
        return super()._read(rows, caches)


PROMPT = "def add(a, b):"


@pytest.mark.parametrize("late", [0, 1, 4])
@pytest.mark.parametrize("precision", ["float32", pytest.param("int8", marks=needs_int8)])
def test_texts_of_one_prompt_read_it_once(tokens: Tokens, precision: str, late: int) -> None:
    engine = Counting(precision)
    size = len(tokens.encode(PROMPT))
    # The last ones read their newer halves again, when the context is full.
    asked = [(PROMPT, Settings(CONTEXT // 2 + 3 * seed, 1.0, 0.95, seed, logprobs=1)) for seed in range(4)]
    flow, last = Flow(engine, tokens, 5), dict[int, Completion | TarmacError]()
    numbers = [flow.join(*asked[0], lambda: False)]
    for _ in range(late):
        last.update(flow.step())
    numbers += [flow.join(*each, lambda: False) for each in asked[1:]]
    while len(flow):
        last.update(flow.step())
    assert engine.tokens[0] == [size]
    assert [row for rows in engine.tokens[1:] for row in rows if row >= size] == []
    for number, each in zip(numbers, asked, strict=True):
        *_, alone = complete(engine, tokens, *each)
        if precision == "int8":
            assert _told(last[number]) == _told(alone)
        else:
            assert last[number].text == alone.text  # type: ignore[union-attr]


def test_a_text_of_one_token_hands_its_prompt_on_before_it_leaves(tokens: Tokens) -> None:
    engine = Counting()
    flow = Flow(engine, tokens, 4)
    numbers = [flow.join(PROMPT, Settings(1, 1.0, seed=seed), lambda: False) for seed in range(4)]
    told = dict(flow.step())
    assert [told[number].reason for number in numbers] == ["length"] * 4  # type: ignore[union-attr]
    assert engine.tokens == [[len(tokens.encode(PROMPT))]]
    assert len(flow) == 0


def test_who_waits_for_a_prompt_reads_it_when_its_reader_is_gone(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "PIECE", 3)
    monkeypatch.setattr("core.ml.generation.flow.PIECE", 3)
    engine, gone = Counting(), list[bool]()
    flow = Flow(engine, tokens, 4)
    flow.join(PROMPT, Settings(5), lambda: bool(gone))
    asked = PROMPT, Settings(5, 1.0, seed=7)
    others = [flow.join(*asked, lambda: False), flow.join(*asked, lambda: False)]
    assert flow.step() == []
    gone.append(True)
    last: dict[int, Completion | TarmacError] = {}
    while len(flow):
        last.update(flow.step())
    assert [rows for rows in engine.tokens if rows != [1, 1]][:3] == [[3], [3], [3]]
    *_, alone = complete(engine, tokens, *asked)
    assert [last[number].text for number in others] == [alone.text] * 2  # type: ignore[union-attr]


def test_a_prompt_that_its_reader_has_forgotten_is_read_anew(tokens: Tokens) -> None:
    engine = Counting()
    flow = Flow(engine, tokens, 2)
    flow.join(PROMPT, Settings(4 * CONTEXT, 1.0), lambda: False)
    while max(map(max, engine.tokens[1:]), default=1) == 1:
        flow.step()
    # The first has gone on from its newer half.
    engine.tokens.clear()
    asked = PROMPT, Settings(5, 1.0, seed=7)
    number = flow.join(*asked, lambda: False)
    last: Completion | TarmacError | None = None
    while len(flow) == 2:
        last = dict(flow.step()).get(number, last)
    assert engine.tokens[0] == [1, len(tokens.encode(PROMPT))]
    *_, alone = complete(engine, tokens, *asked)
    assert last is not None
    assert last.text == alone.text  # type: ignore[union-attr]


def test_without_memory_to_hand_a_prompt_on_it_is_handed_on_later(tokens: Tokens) -> None:
    class Small(Counting):
        forks = 0

        def fork(self, cache: Cache, into: Cache | None = None, length: int | None = None) -> Cache:
            self.forks += 1
            if self.forks == 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().fork(cache, into, length)

    engine = Small()
    flow = Flow(engine, tokens, 4)
    asked = [(PROMPT, Settings(5, 1.0, seed=seed)) for seed in range(3)]
    flow.join("a", Settings(9), lambda: False)
    numbers = [flow.join(*each, lambda: False) for each in asked]
    last: dict[int, Completion | TarmacError] = {}
    while len(flow):
        last.update(flow.step())
    # The first of them read the prompt and had to go; the others began again.
    assert isinstance(last[numbers[0]], OutOfMemory)
    for number, each in zip(numbers[1:], asked[1:], strict=True):
        *_, alone = complete(engine, tokens, *each)
        assert last[number].text == alone.text  # type: ignore[union-attr]


def test_networks_of_transformers_hand_prompts_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, tokens = load_engine(write_llama(tmp_path / "m"))
    read: list[int] = []
    before = engine.read

    def counting(ids: Sequence[int], cache: object, **how: bool) -> Tensor:
        read.append(len(ids))
        return before(ids, cache, **how)

    monkeypatch.setattr(engine, "read", counting)
    asked = [(PROMPT, Settings(4 + seed, 1.0, 0.95, seed)) for seed in range(4)]
    flow, last = Flow(engine, tokens, 4), dict[int, Completion | TarmacError]()
    numbers = [flow.join(*each, lambda: False) for each in asked[:2]]
    last.update(flow.step())
    last.update(flow.step())
    numbers += [flow.join(*each, lambda: False) for each in asked[2:]]
    while len(flow):
        last.update(flow.step())
    assert [size for size in read if size > 1] == [len(tokens.encode(PROMPT))]
    for number, each in zip(numbers, asked, strict=True):
        *_, alone = complete(engine, tokens, *each)
        assert last[number].text == alone.text  # type: ignore[union-attr]
