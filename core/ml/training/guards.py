"""What watches a training and says when it goes wrong: each guard speaks once, and again only after things were well.

They are plain values and functions; what they say is a `Warned` event with a way out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.runs.events import Warned

MOST_RESCUES = 3
"""Times that a training goes back to its last checkpoint before it gives up."""


def broken(told: Mapping[str, float]) -> str:
    """The name of the first curve that is no longer a number; empty if all are."""
    return next((name for name, value in told.items() if not math.isfinite(value)), "")


class Overfit:
    """The discriminator knows the training pictures by heart: p at its cap, and still sure of them."""

    def __init__(self, cap: float) -> None:
        self.cap = cap
        self.warned = False

    def see(self, step: int, p: float, real_sign: float) -> Warned | None:
        """Means of the last while."""
        if self.cap <= 0.0:
            return None
        if p < 0.98 * self.cap or real_sign < 0.7:
            self.warned = False
        elif real_sign > 0.8 and not self.warned:
            self.warned = True
            return Warned(
                "overfit",
                "the discriminator knows the training pictures by heart",
                f"the augmentation is at its cap of {self.cap:g} and {(1 + real_sign) / 2:.0%} of them score as real",
                "Stop and keep the best checkpoint, add pictures, or train from a base",
                step,
            )
        return None


class Diverging:
    """The score gets worse snapshot by snapshot.

    Args:
        patience: Snapshots in a row that must be worse than the one before, and the last worse than the best.
    """

    def __init__(self, patience: int = 3) -> None:
        self.patience = patience
        self.values: list[float] = []
        self.warned = False

    def see(self, step: int, metric: str, value: float, *, higher: bool = False) -> Warned | None:
        """A new score."""
        self.values.append(-value if higher else value)
        recent = self.values[-self.patience - 1 :]
        worse = len(recent) > self.patience and all(b > a for a, b in pairwise(recent))
        if not worse:
            self.warned = self.warned and recent[-1] >= recent[-2] if len(recent) > 1 else False
        elif not self.warned and recent[-1] > 1.05 * min(self.values):
            self.warned = True
            return Warned(
                "diverging",
                f"{metric} has got worse {self.patience} times in a row",
                f"it is {value:.4g} now, the best was {-min(self.values) if higher else min(self.values):.4g}",
                "Stop and take the best checkpoint; a larger gamma or a lower rate may go further",
                step,
            )
        return None


class HeldOut:
    """The loss of text that is not trained on has turned: from here the model learns its texts by heart.

    Args:
        seen: Steps and losses of an earlier attempt.
        patience: Scores in a row that must be worse than the best.
        margin: Nats a token that they must be worse by.
    """

    def __init__(self, seen: Iterable[tuple[int, float]] = (), patience: int = 2, margin: float = 0.01) -> None:
        self.patience, self.margin = patience, margin
        self.seen: list[tuple[int, float]] = []
        self.warned = False
        for step, loss in seen:
            self.see(step, loss)

    def see(self, step: int, loss: float) -> Warned | None:
        """A new score (nats a token)."""
        self.seen.append((step, loss))
        best_step, best = min(self.seen, key=lambda each: each[1])
        recent = [value for at, value in self.seen if at > best_step][-self.patience :]
        if len(recent) < self.patience or min(recent) < best + self.margin:
            self.warned = self.warned and bool(recent)
        elif not self.warned:
            self.warned = True
            return Warned(
                "overfit",
                "the loss of the held-out text rises",
                f"it was {best:.3f} at step {best_step:,} and is {loss:.3f} now: the texts are learned by heart",
                f"Stop and keep the best checkpoint, of step {best_step:,}; more text or a lower rate goes further",
                step,
            )
        return None


class Memorising:
    """What the model writes stands word for word in its training text.

    Args:
        most: Share of sampled pieces of its writing that may, 0 to 1.
    """

    def __init__(self, most: float = 0.1) -> None:
        self.most = most
        self.warned = False

    def see(self, step: int, share: float, length: int) -> Warned | None:
        """A new score: the share of pieces of `length` tokens that occur."""
        if share <= self.most:
            self.warned = self.warned and share > self.most / 2
        elif not self.warned:
            self.warned = True
            return Warned(
                "overfit",
                "the model repeats its training text word for word",
                f"{share:.0%} of the pieces of {length} tokens that it writes stand there",
                "Stop and keep an earlier checkpoint; more text, a lower rate or fewer steps help",
                step,
            )
        return None


class Collapse:
    """All pictures become alike.

    Args:
        yardstick: Diversity of the real pictures.
    """

    def __init__(self, yardstick: float) -> None:
        self.yardstick = yardstick
        self.most = 0.0
        self.warned = False

    def see(self, step: int, diversity: float) -> Warned | None:
        """Diversity of the sample sheet: it must once have been half of what it should be before it can fall."""
        self.most = max(self.most, diversity)
        usual = min(self.most, self.yardstick)
        if diversity > 0.5 * usual:
            self.warned = False
        elif usual > 0.4 * self.yardstick and diversity < 0.3 * usual and not self.warned:
            self.warned = True
            return Warned(
                "collapse",
                "the samples have become alike",
                f"they differ by {diversity:.1f} of 255 on average, and have differed by {self.most:.1f}",
                "Stop and go on from an earlier checkpoint with a larger gamma, or a lower rate",
                step,
            )
        return None


class SlowLoader:
    """Fetching what is trained on holds the steps up.

    Args:
        advice: What to do then.
        share: Of a step's time that is too much.
        steps: Over which it is measured.
    """

    def __init__(self, advice: str = "", share: float = 0.2, steps: int = 100) -> None:
        self.advice, self.share, self.steps = advice, share, steps
        self.warned = False
        self._count, self._loading, self._seconds = 0, 0.0, 0.0

    def see(self, step: int, loading: float, seconds: float) -> Warned | None:
        """A step took so many seconds, `loading` of them for its pictures or tokens."""
        self._count, self._loading, self._seconds = self._count + 1, self._loading + loading, self._seconds + seconds
        if self._count < self.steps:
            return None
        share = self._loading / self._seconds if self._seconds else 0.0
        self._count, self._loading, self._seconds = 0, 0.0, 0.0
        if share <= self.share:
            self.warned = False
        elif not self.warned:
            self.warned = True
            return Warned(
                "slow-loader",
                "fetching the data holds the training up",
                f"it took {share:.0%} of the last {self.steps} steps",
                self.advice,
                step,
            )
        return None


def diversity(images: NDArray[np.uint8], most: int = 64) -> float:
    """Mean root mean square distance of all pairs of pictures, 0 to 255.

    Args:
        images: uint8 [N, S, S, C], at least two.
        most: No more than the first so many are compared.
    """
    images = images[:most]
    n, size = images.shape[:2]
    side = min(16, size)
    small = images[:, : size - size % side, : size - size % side].astype(np.float32)
    small = small.reshape(n, side, size // side, side, size // side, -1).mean(axis=(2, 4)).reshape(n, -1)
    squares = np.square(small).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares[None] - 2 * small @ small.T, 0.0) / small.shape[1]
    return float(np.sqrt(apart).sum() / max(1, n * (n - 1)))
