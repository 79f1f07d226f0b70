"""The random field under the plane: smooth, endless, the same to the last bit however it is asked.

Every component of z is a sample of a Gaussian process over (u, v) with unit variance and an RBF kernel, drawn with
random Fourier features:

    z(p) = K**-0.5 * sum_k  A_k cos(2 pi w_k . p) + B_k sin(2 pi w_k . p),     A_k, B_k ~ N(0, 1)^dim

Rahimi and Recht, "Random features for large-scale kernel machines", 2007. Sines and cosines of the same frequencies
rather than random phases (Sutherland and Schneider, "On the error of random Fourier features", 2015, section 2), for
then cos² + sin² = 1 makes the variance exactly one at every place, and every component is exactly Gaussian.

Sums of floating-point numbers depend on their order, and a matrix product picks its order by the shape of its
operands. So weights and features are rounded to fixed-point grids on which every product and every partial sum is
exact in float64: one tile asked alone gets the same bits as in a grid of a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LENGTH_SCALE = 0.4
"""Of the RBF kernel, in units of the field; one unit is one tile at sampling distance 1."""

FREQUENCIES = 128
"""K. More are slower; fewer are less varied: the vectors of one plane span 2 K dimensions."""

# |feature| <= 1 and |weight| < 8, so a partial sum of the 2 K products stays under 2**11 and on a grid of 2**-38:
# 49 bits, and a float64 holds 53.
_FEATURE_GRID = 2.0**20
_WEIGHT_GRID = 2.0**18
_WEIGHT_LIMIT = 7.999  # a unit Gaussian goes beyond once in 10**15

# OpenBLAS hands a product to its threads above 2**18 multiplications, and beside a busy worker waiting for those
# threads costs ten times the product. Blocks of this size stay on the caller's own.
_ROWS, _COLUMNS = 16, 64

_PLANE, _VECTOR = 0, 1
"""What a seed is used for, so that a plane and a vector of the same seed share nothing."""


@dataclass(frozen=True, eq=False)
class Basis:
    """The frequencies and weights of one seed.

    Attributes:
        frequencies: [2, K], cycles per unit of the field.
        weights: [blocks, 2 K, 64], cosines first, rounded to the weight grid; zeros after column `dim`.
        dim: Length of the vectors.
    """

    frequencies: Floats
    weights: Floats
    dim: int

    def sample(self, places: Floats) -> Floats:
        """The field at `places` [n, 2]: [n, dim], every component N(0, 1) over seeds."""
        count = self.frequencies.shape[1]
        rows, blocks = -(-len(places) // _ROWS), len(self.weights)
        turns = np.zeros((rows * _ROWS, count))
        used = turns[: len(places)]
        np.multiply(places[:, :1], self.frequencies[0], out=used)
        used += places[:, 1:] * self.frequencies[1]
        features = np.multiply(np.rint(_waves(turns) * _FEATURE_GRID), 1 / _FEATURE_GRID, dtype=np.float64)
        result = np.empty((rows, _ROWS, blocks, _COLUMNS))
        features = features.reshape(rows, 1, _ROWS, 2 * count)
        np.matmul(features, self.weights, out=result.transpose(0, 2, 1, 3))
        field: Floats = result.reshape(rows * _ROWS, blocks * _COLUMNS)[: len(places), : self.dim]
        field *= count**-0.5
        return field


@lru_cache(maxsize=8)
def basis(seed: int, dim: int) -> Basis:
    """The basis of a seed; the last few are kept."""
    bits = np.random.PCG64(np.random.SeedSequence((_PLANE, seed)))
    uniform = _uniform(bits, 2 * FREQUENCIES).reshape(2, FREQUENCIES)
    # Radii and angles each from every stratum once: still the RBF's spectrum in expectation, but nearer to it, and
    # the same in all directions, in every single draw.
    radii = np.sqrt(-2 * np.log1p(-(np.arange(FREQUENCIES) + uniform[0]) / FREQUENCIES)) / (2 * np.pi * LENGTH_SCALE)
    turns = np.arange(FREQUENCIES) * _GOLDEN + uniform[1, 0] + (uniform[1] - uniform[1, 0]) / FREQUENCIES
    frequencies = radii * _waves(turns[None]).reshape(2, FREQUENCIES)
    weights = _normal(bits, 2 * FREQUENCIES * dim).reshape(2 * FREQUENCIES, dim)
    weights = np.rint(np.clip(weights, -_WEIGHT_LIMIT, _WEIGHT_LIMIT) * _WEIGHT_GRID) / _WEIGHT_GRID
    padded = np.pad(weights, ((0, 0), (0, -dim % _COLUMNS)))
    blocks = np.ascontiguousarray(padded.reshape(len(padded), -1, _COLUMNS).transpose(1, 0, 2))
    for array in (frequencies, blocks):
        array.setflags(write=False)
    return Basis(frequencies, blocks, dim)


def seeded_vector(seed: int, dim: int) -> NDArray[np.float32]:
    """The vector [dim] of a seed, components N(0, 1): the same on every machine and with every numpy."""
    bits = np.random.PCG64(np.random.SeedSequence((_VECTOR, seed)))
    return _normal(bits, dim).astype(np.float32)


def correlation(distance: float) -> float:
    """How alike two tiles are that lie `distance` units of the field apart: 1 the same, 0 strangers.

    For neighbours at sampling distance d this is exp(-d² / (2 LENGTH_SCALE²)):
    0.01 → 0.9997, 0.05 → 0.992, 0.1 → 0.969, 0.2 → 0.88, 0.3 → 0.75, 0.5 → 0.46, 0.7 → 0.22, 1 → 0.04.
    """
    return float(np.exp(-(distance**2) / (2 * LENGTH_SCALE**2)))


_GOLDEN = 0.6180339887498949


def _uniform(bits: np.random.PCG64, count: int) -> Floats:
    # Raw bits, since numpy keeps those streams for ever but may change the streams of its distributions.
    raw = np.asarray(bits.random_raw(count), dtype=np.uint64)
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _normal(bits: np.random.PCG64, count: int) -> Floats:
    """Box and Muller's transform of `count` (rounded up to even) uniform numbers."""
    half = (count + 1) // 2
    uniform = _uniform(bits, 2 * half)
    radii = np.sqrt(-2 * np.log(uniform[:half]))
    pairs: Floats = radii * _waves(uniform[None, half:]).reshape(2, half)
    return pairs.ravel()[:count]


def _waves(turns: Floats) -> NDArray[np.float32]:
    """cos(2 pi turns) beside sin(2 pi turns), [n, K] to [n, 2 K], within 3e-7.

    From additions and multiplications alone: no two machines differ, as their libraries' sines do.
    """
    count = turns.shape[1]
    reduced = (turns - np.rint(turns)).astype(np.float32)
    quarters = np.empty((len(turns), 2 * count), np.float32)  # angles within a quarter turn of the same sines
    cosines, sines = quarters[:, :count], quarters[:, count:]
    np.subtract(0.25, np.abs(reduced), out=cosines)
    np.subtract(0.25, np.abs(cosines), out=sines)
    np.copysign(sines, reduced, out=sines)
    squares = quarters * quarters
    result = squares * np.float32(_TAYLOR[-1])
    for term in _TAYLOR[-2:0:-1]:
        result += np.float32(term)
        result *= squares
    result += np.float32(_TAYLOR[0])
    result *= quarters
    return result


# Taylor's terms of sin(2 pi x) to x**13: for x up to a quarter turn the next one is 6.7e-10.
_TAYLOR = (
    6.283185307179586,
    -41.341702240399755,
    81.60524927607504,
    -76.70585975306136,
    42.058693944897634,
    -15.094642576822986,
    3.8199525848482803,
)
