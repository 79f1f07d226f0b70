"""Scores during a training: the averaged generator's pictures against the dataset, in the same protocol every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.errors import TarmacError
from core.ml.metrics import features, inception_weights
from core.ml.metrics.image_scores import score_all
from core.runs.events import Score

DRAWING = "truncation 1, stored noise"


class Scorer(Protocol):
    """Scores averaged weights; the first of its scores decides which checkpoint is the best."""

    def __call__(self, generator: Any, step: int) -> Sequence[Score]:
        """Scores of `generator` (no gradients)."""


def scorer_for(device: torch.device, seed: int, cache: Path | None = None) -> Callable[[Any], Scorer] | None:
    """What makes a scorer for pictures; None where neither network for the features is there.

    The features are Inception's where its weights lie on this disk and a GPU computes them, else a discriminator's of
    emoji portraits, which cost little.

    Args:
        device: Where the features are computed.
        seed: Of the pictures that are drawn.
        cache: Where statistics of the dataset are kept.
    """
    extractor: features.FeatureExtractor | None = None
    if device.type == "cuda":
        # Without the weights the portraits' discriminator has to do.
        with suppress(TarmacError):
            extractor = features.InceptionFeatures(inception_weights.read(), device)
    try:
        extractor = extractor or features.DiscriminatorFeatures(device=device)
    except TarmacError:
        return None
    judge = extractor
    samples = 4096 if device.type == "cuda" else 256

    def prepared(pictures: Any) -> Scorer:
        def score(generator: Any, step: int) -> Sequence[Score]:
            draw = _drawer(generator, pictures)
            found = score_all(draw, pictures, judge, samples, seed, cache, drawing=DRAWING)
            return [_event(step, each.to_json()) for each in (found.frechet, found.kernel)]

        return score

    return prepared


def _event(step: int, told: dict[str, Any]) -> Score:
    about = {name: value for name, value in told.items() if name not in ("metric", "value")}
    return Score(step, str(told["metric"]), float(told["value"]), about)


def _drawer(generator: Any, pictures: Any, batch: int = 16) -> Callable[[int, int], NDArray[np.uint8]]:
    """(seed, count) to pictures uint8 [count, S, S, C], always the same; classes as frequent as in the dataset."""
    device = next(generator.parameters()).device
    labels = getattr(pictures, "labels", None)

    @torch.no_grad()
    def draw(seed: int, count: int) -> NDArray[np.uint8]:
        source = torch.Generator().manual_seed(seed)
        z = torch.randn(count, generator.z_dim, generator=source)
        c = None
        if generator.c_dim and labels is not None:
            rows = torch.randint(len(labels), [count], generator=source).numpy()
            c = F.one_hot(torch.from_numpy(np.asarray(labels)[rows]), generator.c_dim).float().to(device)
        drawn = []
        for start in range(0, count, batch):
            part = None if c is None else c[start : start + batch]
            pixels = generator(z[start : start + batch].to(device), part, noise_mode="const").float()
            drawn.append((pixels * 127.5 + 128).nan_to_num(0.0).clamp(0, 255).byte().cpu())
        found: NDArray[np.uint8] = torch.cat(drawn).permute(0, 2, 3, 1).contiguous().numpy()
        return found

    return draw
