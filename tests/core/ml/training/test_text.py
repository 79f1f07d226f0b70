"""The loop that trains text models: it learns, it goes on where it stopped, and its numbers are the recipe's."""

from __future__ import annotations

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
from core.ml.training import text_starter
from core.ml.training.muon import orthogonalized
from core.ml.training.text import Recipe, TextTraining, batch_at, rate_at, train
from core.ml.training.text_corpus import encode, train_tokenizer
from core.ml.training.text_loss import Loss

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


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_it_learns(optimizer: str) -> None:
    losses = [s.loss for s in train(Tiny(), TOKENS, replace(RECIPE, steps=60, rate=3e-2, optimizer=optimizer))]
    assert losses[0] > 1.5
    assert losses[-1] < 0.3


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_that_was_broken_off_ends_as_an_unbroken_one(tmp_path: Path, optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    whole = Tiny()
    losses = [step.loss for step in train(whole, TOKENS, recipe)]
    first, seen = Tiny(), list[float]()
    for step in train(first, TOKENS, recipe, checkpoint=tmp_path / "c", stop=lambda: len(seen) == 5):
        seen.append(step.loss)
    assert len(seen) == 5
    second = Tiny()
    seen += [step.loss for step in train(second, TOKENS, recipe, checkpoint=tmp_path / "c")]
    assert seen == losses
    for left, right in zip(whole.parameters(), second.parameters()):
        assert torch.equal(left, right)
    assert list(train(Tiny(), TOKENS, recipe, checkpoint=tmp_path / "c")) == []


def test_a_run_can_be_extended_before_its_decay_and_not_after(tmp_path: Path) -> None:
    for _ in train(
        Tiny(), TOKENS, replace(RECIPE, steps=40), checkpoint=tmp_path / "c", stop=lambda: False, save_every=10
    ):
        if (tmp_path / "c").exists():
            break
    longer = replace(RECIPE, steps=60)
    assert next(train(Tiny(), TOKENS, longer, checkpoint=tmp_path / "c")).number == 11
    list(train(Tiny(), TOKENS, replace(RECIPE, steps=40), checkpoint=tmp_path / "c"))
    with pytest.raises(InvalidInput, match="other settings"):
        next(train(Tiny(), TOKENS, longer, checkpoint=tmp_path / "c"))


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
        next(train(Tiny(), TOKENS, replace(RECIPE, optimizer="sgd")))


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


def test_a_corpus_is_every_text_and_its_end() -> None:
    tokenizer = train_tokenizer(["abc abc abc"], 260)
    tokens = encode(tokenizer, ["abc", "", "ü"])
    assert tokens.dtype == np.uint16
    assert (tokens == 0).tolist().count(True) == 3
    assert tokens[-1] == 0
    assert tokenizer.decode(tokens.tolist()) == "abcü"
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
