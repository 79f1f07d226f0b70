"""The numbers of one training of a text model: what each step reads, and how fast it learns from it.

AdamW (Loshchilov & Hutter 2019) with a warm-up, a constant part and a decay to zero along 1 - sqrt (Hägele et al.
2024, "Scaling laws and compute-optimal training beyond fixed training durations", section 3): unlike a cosine, such a
run can be extended at any time before its decay begins, and its history stays what it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InvalidInput


@dataclass(frozen=True)
class Recipe:
    """All numbers of one run.

    `steps` of `batch` rows of `context` tokens; `rate` is the highest learning rate; `warmup` steps rise to it, the
    last `decay` (share of `steps`, 0–1) fall to zero. `seed` decides which tokens each step reads, whatever happened
    before: a resumed run reads what an unbroken one reads. `optimizer` is "adamw", or "muon" for models trained from
    nothing. A step's rows are computed in `accumulate` parts. `precision` is that of the products, "float32" or
    "bfloat16"; weights and sums are float32.
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
    accumulate: int = 1
    dropout: float = 0.0
    precision: str = "float32"


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of the step (from 0)."""
    falling = max(1, round(recipe.steps * recipe.decay))
    start = recipe.steps - falling
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    if step < start:
        return recipe.rate
    return recipe.rate * (1 - math.sqrt((step - start) / falling))


def batch_at(
    tokens: NDArray[Any], step: int, recipe: Recipe, *, rank: int = 0, world: int = 1, read: int | None = None
) -> Tensor:
    """The rows that the step (from 0) reads: int64 [batch / world, context + 1].

    Every epoch cuts the corpus at another offset and shuffles the pieces, so each token is read once an epoch.

    Args:
        tokens: The corpus, integers [n].
        step: Which.
        recipe: For batch, context and seed.
        rank, world: Which part of the batch, of how many.
        read: Rows that were read before; by default as many as so many steps of this batch read.
    """
    length = recipe.context
    if len(tokens) < 2 * length + 1:
        raise InvalidInput(
            "the corpus is too short", f"{len(tokens)} tokens for a context of {length}", "Add more text"
        )
    rows_per_epoch = (len(tokens) - 1 - length) // length
    share = recipe.batch // world
    first = (step * recipe.batch if read is None else read) + rank * share
    rows = []
    for row in range(first, first + share):
        epoch, place = divmod(row, rows_per_epoch)
        offset, order = _epoch_order(rows_per_epoch, length, recipe.seed, epoch)
        start = offset + int(order[place]) * length
        rows.append(tokens[start : start + length + 1].astype(np.int64))
    return torch.from_numpy(np.stack(rows))


_orders: dict[tuple[int, int, int, int], tuple[int, NDArray[np.int64]]] = {}


def _epoch_order(rows: int, length: int, seed: int, epoch: int) -> tuple[int, NDArray[np.int64]]:
    key = (rows, length, seed, epoch)
    if key not in _orders:
        generator = np.random.default_rng([seed, epoch])
        while len(_orders) > 2:
            _orders.pop(next(iter(_orders)))
        _orders[key] = int(generator.integers(length)), generator.permutation(rows)
    return _orders[key]
