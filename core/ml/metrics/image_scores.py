"""One number for how like a dataset a model's pictures are, with all that it takes to compare it with another number.

Three questions, answered from the same features: how far apart the two sets are as Gaussians (Fréchet distance), how
far apart without that assumption and without a bias at few pictures (kernel distance), and how different the model's
pictures are from each other (diversity, which falls when a training collapses).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.ml.metrics.features import FeatureExtractor
from core.ml.metrics.fid import MomentSum, frechet_distance
from core.ml.metrics.kid import kernel_distance
from core.ml.metrics.statistics import KEPT, statistics_of

Uint8 = NDArray[np.uint8]

Draw = Callable[[int, int], Uint8]
"""(seed, count) to that many pictures, uint8 [count, S, S, C]. The same seed and count must give the same pictures."""

DRAWN_AT_ONCE = 64
"""Pictures that are asked for with one seed; a part of the protocol, so that a seed always means the same pictures."""
FEWEST = 2
PAIRS = 20_000
"""Pairs of pictures that the diversity is a mean over, at most."""


class Pictures(Protocol):
    """The real pictures: an array, a memory map or `core.datasets.pictures.PictureSet`."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> Uint8: ...


@dataclass(frozen=True)
class Score:
    """A score and its protocol; two are comparable only if all but `value`, `seed` and `seconds` are the same.

    Attributes:
        metric: Its name with its unit: "FID", "KID×1000", "FD-D", "KD-D×1000". Only Inception's published weights make
            it a FID or KID.
        value: Lower is nearer to the dataset.
        samples: Pictures of the model.
        reals: Pictures of the dataset.
        seed: Of the model's pictures and of the choice of subsets.
        weights: Which network the features are from: its name and the first 8 digits of its file's SHA-256.
        dims: Numbers in a feature.
        drawing: How the pictures were drawn, in words: truncation, noise.
        seconds: Wall time of the whole, drawing included; of all scores that were taken together.
        deviation: Between subsets, of a kernel distance.
    """

    metric: str
    value: float
    samples: int
    reals: int
    seed: int
    weights: str
    dims: int
    drawing: str
    seconds: float
    deviation: float | None = None

    def to_json(self) -> dict[str, object]:
        """Plain data for journals and manifests."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Diversity:
    """How different pictures are from each other in feature space: root mean square distance of random pairs.

    Attributes:
        samples: Of the model's pictures.
        reals: Of the dataset's.
    """

    samples: float
    reals: float

    @property
    def share(self) -> float:
        """The model's as a share of the dataset's: near 1 is as varied, near 0 is collapsed."""
        return self.samples / self.reals if self.reals > 0 else 1.0


@dataclass(frozen=True)
class Scores:
    """All that was learned from one set of samples."""

    frechet: Score
    kernel: Score
    diversity: Diversity

    def to_json(self) -> dict[str, object]:
        """Plain data for journals and manifests."""
        told = {**asdict(self.diversity), "share": self.diversity.share}
        return {"frechet": self.frechet.to_json(), "kernel": self.kernel.to_json(), "diversity": told}


def score(
    draw: Draw,
    reals: Pictures,
    features: FeatureExtractor,
    samples: int,
    seed: int,
    cache: Path | None = None,
    *,
    drawing: str = "",
) -> Score:
    """The Fréchet distance between a model's pictures and a dataset; arguments and errors as of `score_all`."""
    return score_all(draw, reals, features, samples, seed, cache, drawing=drawing).frechet


def score_all(
    draw: Draw,
    reals: Pictures,
    features: FeatureExtractor,
    samples: int,
    seed: int,
    cache: Path | None = None,
    *,
    drawing: str = "",
    progress: Callable[[str, float], None] = lambda doing, share: None,
) -> Scores:
    """Draw pictures and compare them with a dataset.

    Args:
        draw: The model.
        reals: The dataset, all of which is used, without mirroring.
        features: What pictures are compared by.
        samples: How many pictures to draw, 2 or more. Scores of few are biased upwards: compare like with like.
        seed: 0 or more.
        cache: Folder where the dataset's statistics are kept for the next time; None for nowhere.
        drawing: How `draw` draws, for the score's protocol.
        progress: Told what is done and which share of it, 0 to 1. What it raises ends the scoring.

    Raises:
        InvalidInput: Too few pictures of either kind, or a negative seed.
    """
    started = time.monotonic()
    if samples < FEWEST:
        raise InvalidInput(f"samples is {samples}", f"it must be {FEWEST} or more")
    if len(reals) < FEWEST:
        raise InvalidInput(f"the dataset has {len(reals)} pictures", f"a score needs {FEWEST} or more")
    if seed < 0:
        raise InvalidInput(f"seed is {seed}", "it must be 0 or more")
    real = statistics_of(reals, features, cache, lambda share: progress("looking at the dataset", share))
    total, kept, room = MomentSum(), [], KEPT
    for pictures in _drawn(draw, samples, seed, features, progress):
        found = features(pictures)
        total.add(found)
        kept.append(found[:room])
        room -= len(kept[-1])
    some = np.concatenate(kept)
    value = frechet_distance(real.moments, total.moments())
    kernel = kernel_distance(some, real.features, seed=seed)
    diversity = Diversity(pairwise_distance(some, seed), pairwise_distance(real.features, seed))
    seconds = round(time.monotonic() - started, 3)

    def named(metric: str, value: float, deviation: float | None = None) -> Score:
        counts = {"samples": samples, "reals": real.moments.count, "seed": seed, "dims": features.dims}
        return Score(
            metric, value, weights=features.weights, drawing=drawing, seconds=seconds, deviation=deviation, **counts
        )

    return Scores(
        named(features.frechet_name, value),
        named(f"{features.kernel_name}×1000", 1000 * kernel.value, 1000 * kernel.deviation),
        diversity,
    )


def pairwise_distance(features: NDArray[np.floating], seed: int) -> float:
    """Root mean square Euclidean distance of pairs of features [N, D]: of all pairs, or of `PAIRS` random ones."""
    count = len(features)
    if count < 2:
        return 0.0
    if count * (count - 1) // 2 <= PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        generator = np.random.default_rng(seed)
        first = generator.integers(0, count, PAIRS)
        second = (first + generator.integers(1, count, PAIRS)) % count
    total = 0.0
    for start in range(0, len(first), 1024):
        part = slice(start, start + 1024)
        apart = features[first[part]].astype(np.float64) - features[second[part]]
        total += float(np.square(apart).sum())
    return float(np.sqrt(total / len(first)))


def _drawn(
    draw: Draw, samples: int, seed: int, features: FeatureExtractor, progress: Callable[[str, float], None]
) -> Iterator[Uint8]:
    """The model's pictures in parts that the extractor takes at once."""
    for number, start in enumerate(range(0, samples, DRAWN_AT_ONCE)):
        progress("drawing pictures", start / samples)
        own = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        pictures = draw(own, DRAWN_AT_ONCE)[: samples - start]
        yield from (pictures[at : at + features.batch] for at in range(0, len(pictures), features.batch))
    progress("drawing pictures", 1.0)
