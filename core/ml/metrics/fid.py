"""The Fréchet distance between two sets of features, each seen as a Gaussian.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium" (2017),
section 3, with moments as the StyleGAN papers take them: in float64, divided by N (not N - 1). It is a FID only when
the features are Inception's (core/ml/metrics/features.py names them).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of features.

    Attributes:
        count: How many features they were taken from.
        mean: float64 [D].
        covariance: float64 [D, D], symmetric, divided by `count`.
    """

    count: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @staticmethod
    def of(features: Floats) -> Moments:
        """Moments of features [N, D]."""
        total = MomentSum()
        total.add(features)
        return total.moments()


class MomentSum:
    """Moments of features that come in parts, without keeping them."""

    def __init__(self) -> None:
        self.count = 0
        self._origin: NDArray[np.float64] | None = None
        self._sum: NDArray[np.float64] = np.zeros(0)
        self._products: NDArray[np.float64] = np.zeros((0, 0))

    def add(self, features: Floats) -> None:
        """Count features [N, D] in."""
        exact = np.asarray(features, np.float64)
        if self._origin is None:
            # Products are summed about a point near the mean: about zero, a mean that is large beside the deviation
            # would take digits from the covariance.
            self._origin = exact.mean(0)
            self._sum = np.zeros(exact.shape[1])
            self._products = np.zeros((exact.shape[1],) * 2)
        exact = exact - self._origin
        self.count += len(exact)
        self._sum += exact.sum(0)
        # Products and decompositions by torch, whose threads the process has sized; NumPy's own fight for the cores.
        some = torch.from_numpy(exact)
        self._products += (some.T @ some).numpy()

    def moments(self) -> Moments:
        """Of all that was added.

        Raises:
            ValueError: Nothing was.
        """
        if self._origin is None or not self.count:
            raise ValueError("no features were added")
        offset = self._sum / self.count
        covariance = self._products / self.count - np.outer(offset, offset)
        return Moments(self.count, self._origin + offset, (covariance + covariance.T) / 2)


def frechet_distance(one: Moments, other: Moments) -> float:
    """Squared Fréchet distance |m1 - m2|² + Tr(S1 + S2 - 2 (S1 S2)^½) of two Gaussians; 0 for equal ones.

    With S1 = A Aᵀ and S2 = B Bᵀ the trace of the root is the sum of the singular values of Aᵀ B. A and B come from
    symmetric eigen-decompositions without the directions that a set does not span, so covariances of any rank are
    exact: there is no root of a product that rounding has made indefinite, and nothing is added to a diagonal.
    """
    apart = one.mean - other.mean
    crossed = torch.linalg.svdvals(_root(one.covariance).T @ _root(other.covariance))
    spread = np.trace(one.covariance) + np.trace(other.covariance) - 2 * float(crossed.sum())
    return float(max(apart @ apart + spread, 0.0))


def _root(covariance: NDArray[np.float64]) -> torch.Tensor:
    """A with A Aᵀ = `covariance`, [D, rank]."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(np.ascontiguousarray(covariance)))
    # What rounding alone can leave of an eigenvalue that is zero.
    spanned = values > len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    root: torch.Tensor = vectors[:, spanned] * values[spanned].sqrt()
    return root
