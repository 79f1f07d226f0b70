"""The training loop of causal language models: plain, resumable, the same for starters and fine-tuning.

AdamW (Loshchilov & Hutter 2019) with a warm-up, a constant part and a decay to zero along 1 - sqrt (Hägele et al.
2024, "Scaling laws and compute-optimal training beyond fixed training durations", section 3): unlike a cosine, such a
run can be extended at any time before its decay begins, and its history stays what it was.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from core.errors import InvalidInput
from core.ml.training.muon import Muon, groups


@dataclass(frozen=True)
class Recipe:
    """All numbers of one run.

    `steps` of `batch` rows of `context` tokens; `rate` is the highest learning rate; `warmup` steps rise to it, the
    last `decay` (share of `steps`, 0–1) fall to zero. `seed` decides which tokens each step reads, whatever happened
    before: a resumed run reads what an unbroken one reads. `optimizer` is "adamw", or "muon" for models trained from
    nothing.
    """

    steps: int
    batch: int
    context: int
    rate: float = 6e-4
    warmup: int = 100
    decay: float = 0.25
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    seed: int = 0
    optimizer: str = "adamw"


@dataclass(frozen=True)
class Step:
    """What one step did: number from 1, mean loss in nats per token, learning rate, tokens per second."""

    number: int
    loss: float
    rate: float
    tokens_per_second: float


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of the step (from 0)."""
    falling = max(1, round(recipe.steps * recipe.decay))
    start = recipe.steps - falling
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    if step < start:
        return recipe.rate
    return recipe.rate * (1 - math.sqrt((step - start) / falling))


def batch_at(tokens: np.ndarray, step: int, recipe: Recipe) -> Tensor:
    """The rows that the step (from 0) reads: int64 [batch, context + 1].

    Every epoch cuts the corpus at another offset and shuffles the pieces, so each token is read once an epoch.
    """
    length = recipe.context
    if len(tokens) < 2 * length + 1:
        raise InvalidInput(
            "the corpus is too short", f"{len(tokens)} tokens for a context of {length}", "Add more text"
        )
    rows_per_epoch = (len(tokens) - 1 - length) // length
    rows = []
    for row in range(step * recipe.batch, (step + 1) * recipe.batch):
        epoch, place = divmod(row, rows_per_epoch)
        offset, order = _epoch_order(rows_per_epoch, length, recipe.seed, epoch)
        start = offset + int(order[place]) * length
        rows.append(tokens[start : start + length + 1].astype(np.int64))
    return torch.from_numpy(np.stack(rows))


def train(
    model: nn.Module,
    tokens: np.ndarray,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    save_every: int = 200,
    autocast: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Train `model` in place; yields after every step.

    Args:
        model: Takes int64 [batch, context], gives an object with float `logits` [batch, context, vocabulary].
        tokens: The corpus: integers [tokens], in memory or memory-mapped.
        recipe: The numbers.
        checkpoint: File to go on from if it exists, and to write (whole or not at all) every `save_every` steps, at
            the end and when stopped.
        autocast: Compute in bfloat16 where that is safe; the weights stay float32.
        stop: Asked before every step.
    """
    device = next(model.parameters()).device
    optimizer = _optimizer(model, recipe)
    first = _resume(checkpoint, model, optimizer, recipe) if checkpoint else 0
    model.train()
    done = first
    for step in range(first, recipe.steps):
        if stop():
            break
        started = time.perf_counter()
        rate = rate_at(step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = batch_at(tokens, step, recipe).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            logits = model(rows[:, :-1]).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        done = step + 1
        value = loss.item()
        yield Step(done, value, rate, recipe.batch * recipe.context / (time.perf_counter() - started))
        if checkpoint and done % save_every == 0:
            _save(checkpoint, model, optimizer, recipe, done)
    model.eval()
    if checkpoint and done > first:
        _save(checkpoint, model, optimizer, recipe, done)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW with weight decay for matrices only (biases and norms gain nothing from it), or Muon."""
    if recipe.optimizer == "muon":
        return Muon(groups(model, recipe.weight_decay), recipe.rate, betas=(recipe.beta1, recipe.beta2))
    if recipe.optimizer != "adamw":
        raise InvalidInput("unknown optimizer", repr(recipe.optimizer), "adamw and muon are known")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(decayed, lr=recipe.rate, betas=(recipe.beta1, recipe.beta2), fused=True)


_orders: dict[tuple[int, int, int, int], tuple[int, np.ndarray]] = {}


def _epoch_order(rows: int, length: int, seed: int, epoch: int) -> tuple[int, np.ndarray]:
    key = (rows, length, seed, epoch)
    if key not in _orders:
        generator = np.random.default_rng([seed, epoch])
        while len(_orders) > 2:
            _orders.pop(next(iter(_orders)))
        _orders[key] = int(generator.integers(length)), generator.permutation(rows)
    return _orders[key]


def _save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    part = path.with_name(path.name + ".part")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "recipe": asdict(recipe), "step": step}
    torch.save(state, part)
    os.replace(part, path)


def _resume(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe) -> int:
    """Steps already done. A run may be made longer or shorter as long as its decay has not begun."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    step = int(state["step"])
    old = Recipe(**state["recipe"])
    same = all(rate_at(n, old) == rate_at(n, recipe) for n in range(step))
    if not same or (old.batch, old.context, old.seed) != (recipe.batch, recipe.context, recipe.seed):
        raise InvalidInput("this run began with other settings", str(path), "Start a new run, or go back to them")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return step
