"""The kernel distance between two sets of features: squared maximum mean discrepancy with a cubic kernel, unbiased.

Source: Bińkowski et al., "Demystifying MMD GANs" (2018), section 4: kernel (x·y / D + 1)³, mean over random subsets.
It is a KID only when the features are Inception's. Unlike the Fréchet distance it is not biased by the number of
pictures, so it is the one to read where there are only hundreds. It can be a little below zero for equal sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

SUBSETS, SUBSET_SIZE = 100, 1000

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance with its protocol.

    Attributes:
        value: Mean of the subsets' unbiased estimates, not scaled.
        deviation: Standard deviation between subsets; 0 if there is but one way to choose them.
        subsets: How many were drawn.
        size: Features in each, of either set.
    """

    value: float
    deviation: float
    subsets: int
    size: int


def kernel_distance(
    one: Floats, other: Floats, *, seed: int, subsets: int = SUBSETS, size: int = SUBSET_SIZE
) -> KernelDistance:
    """The distance of features [N, D] and [M, D].

    Args:
        one, other: At least two features each.
        seed: Of the choice of subsets.
        subsets: How many are drawn.
        size: The most features in each, without repetition; fewer where a set has fewer.

    Raises:
        ValueError: A set has fewer than two features.
    """
    size = min(size, len(one), len(other))
    if size < 2:
        raise ValueError("a kernel distance needs two features of each set")
    if len(one) == len(other) == size:
        subsets = 1  # all of them would be the same
    draw = np.random.default_rng(seed)
    chosen = [(_choose(draw, len(one), size), _choose(draw, len(other), size)) for _ in range(subsets)]
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if max(len(one), len(other)) <= 4 * size:
        estimates = _together(first, second, chosen, size)
    else:
        estimates = np.array([_estimate(first[rows], second[columns]) for rows, columns in chosen])
    return KernelDistance(float(estimates.mean()), float(estimates.std()), subsets, size)


def _choose(draw: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    return np.arange(count) if count == size else draw.choice(count, size, replace=False)


def _kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    product = (torch.from_numpy(one) @ torch.from_numpy(other).T).numpy()
    product /= one.shape[1]
    product += 1
    return np.asarray(product * product * product)


def _estimate(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of one pair of subsets of equal size: no feature is compared with itself."""
    size = len(one)
    within = sum(float(kernel.sum() - np.trace(kernel)) for kernel in (_kernel(one, one), _kernel(other, other)))
    return within / (size * (size - 1)) - 2 * float(_kernel(one, other).mean())


def _together(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    chosen: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    size: int,
) -> NDArray[np.float64]:
    """The same for many subsets of small sets: each kernel is computed once, and summed over a subset as a product with
    its 0-and-1 vector.
    """
    members = [np.zeros((len(each), len(chosen))) for each in (one, other)]
    for number, pair in enumerate(chosen):
        for side, rows in zip(members, pair, strict=True):
            side[rows, number] = 1.0
    within = np.zeros(len(chosen))
    for features, side in zip((one, other), members, strict=True):
        kernel = _kernel(features, features)
        within += (side * (kernel @ side)).sum(0) - np.diag(kernel) @ side
    across = (members[0] * (_kernel(one, other) @ members[1])).sum(0)
    return np.asarray(within / (size * (size - 1)) - 2 * across / size**2)
