"""The loop that trains text models: it learns, it goes on where it stopped, and its numbers are the recipe's."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.datasets.code import Source
from core.errors import InvalidInput
from core.library.manifest import Manifest
from core.ml.generation.loading import load_engine
from core.ml.training.muon import orthogonalized
from core.ml.training.text import starter as text_starter
from core.ml.training.text.loop import TextTraining
from core.ml.training.text.loss import Loss
from core.ml.training.text.recipe import Recipe, batch_at, rate_at
from core.ml.training.text.tokenizer import train_tokenizer

RECIPE = Recipe(steps=12, batch=2, context=8, rate=1e-2, warmup=2)
TOKENS = np.arange(400, dtype=np.uint16) % 7


class _Output:
    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


class Tiny(nn.Module):
    """The least that can learn which token follows which."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(7, 16)
        self.inside = nn.Linear(16, 16)
        self.head = nn.Linear(16, 7)

    def forward(self, ids: torch.Tensor) -> _Output:
        return _Output(self.head(torch.tanh(self.inside(self.table(ids)))))


def losses(training: TextTraining, steps: int) -> list[float]:
    """Of the next steps."""
    return [training.run()["loss"] for _ in range(steps)]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_it_learns(optimizer: str) -> None:
    found = losses(TextTraining(Tiny(), TOKENS, replace(RECIPE, steps=60, rate=3e-2, optimizer=optimizer)), 60)
    assert found[0] > 1.5
    assert found[-1] < 0.3


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_training_that_was_broken_off_ends_as_an_unbroken_one(optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    whole, first, second = (TextTraining(Tiny(), TOKENS, recipe) for _ in range(3))
    expected = losses(whole, 12)
    seen = losses(first, 5)
    second.restore(copy.deepcopy(first.state()))
    first.run()  # and is lost
    assert seen + losses(second, 7) == expected
    for left, right in zip(whole.model.parameters(), second.model.parameters()):
        assert torch.equal(left, right)


def test_what_was_done_before_the_decay_is_the_same_in_a_longer_run() -> None:
    short, long = replace(RECIPE, steps=40), replace(RECIPE, steps=60)
    assert [rate_at(step, short) for step in range(31)] == [rate_at(step, long) for step in range(31)]
    assert rate_at(31, short) < rate_at(31, long)


def test_a_weight_decay_that_was_changed_counts_from_where_it_goes_on() -> None:
    first = TextTraining(Tiny(), TOKENS, replace(RECIPE, weight_decay=0.1))
    first.run()
    again = TextTraining(Tiny(), TOKENS, replace(RECIPE, weight_decay=0.0))
    again.restore(first.state())
    assert {group["weight_decay"] for group in again.optimiser.param_groups} == {0.0}


def test_a_clip_of_nothing_clips_nothing() -> None:
    whole, clipped, free = (TextTraining(Tiny(), TOKENS, replace(RECIPE, clip=clip)) for clip in (1e9, 1e-9, 0.0))
    assert whole.run() == clipped.run() == free.run()
    before = Tiny().head.weight
    assert torch.equal(free.model.head.weight, whole.model.head.weight)
    assert not torch.equal(free.model.head.weight, before)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    recipe = Recipe(steps=100, batch=1, context=8, rate=1.0, warmup=10, decay=0.5)
    rates = [rate_at(step, recipe) for step in range(101)]
    assert rates[0] == 0.1
    assert set(rates[9:51]) == {1.0}
    assert rates[51:] == sorted(rates[51:], reverse=True)
    assert rates[100] == 0


def test_an_epoch_reads_every_piece_once_and_the_next_one_others() -> None:
    tokens = np.arange(1000, dtype=np.uint16)
    recipe = replace(RECIPE, batch=1)
    rows = (len(tokens) - 1 - 8) // 8
    first = [batch_at(tokens, step, recipe) for step in range(rows)]
    starts = sorted(int(row[0, 0]) for row in first)
    assert np.diff(starts).tolist() == [8] * (rows - 1)
    assert all(row[0].tolist() == list(range(int(row[0, 0]), int(row[0, 0]) + 9)) for row in first)
    assert [int(batch_at(tokens, rows + step, recipe)[0, 0]) for step in range(5)] != starts[:5]


def test_a_training_that_goes_on_with_a_smaller_batch_reads_on_from_where_it_was() -> None:
    def reading(seen: list[torch.Tensor]) -> Loss:
        def loss(rows: torch.Tensor, share: float) -> torch.Tensor:
            seen.append(rows)
            return torch.zeros((), requires_grad=True)

        return loss

    before, after = list[torch.Tensor](), list[torch.Tensor]()
    large = TextTraining(Tiny(), TOKENS, replace(RECIPE, batch=4), loss=reading(before))
    for _ in range(4):
        large.run()
    large.restore({**large.state(), "numbers": {"step": 3, "tokens": 3 * 4 * RECIPE.context, "seconds": 1.0}})
    small = TextTraining(Tiny(), TOKENS, replace(RECIPE, batch=2), loss=reading(after))
    small.restore(large.state())
    for _ in range(2):
        small.run()
    assert torch.equal(torch.cat(after), before[3])
    assert (small.step, small.tokens_seen) == (5, large.tokens_seen + 2 * 2 * RECIPE.context)


def test_a_corpus_shorter_than_the_context_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too short"):
        batch_at(np.zeros(16, np.uint16), 0, RECIPE)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="adamw and muon"):
        TextTraining(Tiny(), TOKENS, replace(RECIPE, optimizer="sgd"))


@pytest.mark.parametrize("shape", [(8, 8), (4, 16), (16, 4)])
def test_orthogonalized_keeps_directions_and_levels_sizes(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalized(matrix)
    inside = u.T @ result @ v.T
    levels = inside.diagonal()[s > 0.05 * s[0]]
    assert float(levels.min()) > 0.6
    assert float(levels.max()) < 1.3
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 1e-3


def test_a_tokenizer_knows_every_byte_and_marks_where_a_text_begins() -> None:
    tokenizer = train_tokenizer(["abc abc abc"], 260)
    ids = tokenizer.encode("abc ü").ids
    assert ids[0] == tokenizer.token_to_id("<|endoftext|>") == 0
    assert tokenizer.decode(ids) == "abc ü"
    with pytest.raises(ValueError, match="at least 257"):
        train_tokenizer(["a"], 100)


def test_the_starter_s_recipe_makes_a_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sources = [f"def add_{n}(a, b):\n    return a + b + {n}\n\n\nclass C{n}:\n    x = {n}\n" * 60 for n in range(60)]
    files = [Source(f"f{number}.py", text) for number, text in enumerate(sources)]
    monkeypatch.setattr(text_starter, "standard_library", lambda: files)
    monkeypatch.setattr(text_starter, "SAMPLES", 2)
    sizes = {"vocabulary": 280, "context": 32, "layers": 1, "width": 32, "heads": 2}
    plan = replace(text_starter.PLAN, steps=3, save_every=2, options={**text_starter.PLAN.options, **sizes, "batch": 2})
    out = text_starter.make_gpt2_python(tmp_path / "starter", plan=plan)
    manifest = Manifest.read(out)
    assert manifest.adapter == "causal-lm"
    assert set(manifest.recipe) > {"steps", "optimizer", "corpus_sha256"}
    assert manifest.licence == "PSF-2.0"
    assert 1 < float(str(manifest.scores["perplexity"])) < 1000
    assert 0 <= float(str(manifest.scores["parses"])) <= 1
    engine, tokens = load_engine(out)
    ids = tokens.encode("def add_1(a")
    assert ids[0] == 0
    model = AutoModelForCausalLM.from_pretrained(out, local_files_only=True, dtype=torch.float32)
    assert AutoTokenizer.from_pretrained(out, local_files_only=True)("def add_1(a")["input_ids"] == ids
    expected = model(torch.tensor([ids])).logits[0, -1].detach()
    torch.testing.assert_close(engine.read(ids, engine.start()), expected, rtol=1e-4, atol=1e-4)
