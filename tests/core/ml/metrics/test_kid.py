"""The kernel distance against its definition, written as loops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.ml.metrics.kid import kernel_distance


def features(count: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal((count, 5)) + shift).astype(np.float32)


def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float((x @ y / len(x) + 1) ** 3)


def unbiased(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    x, y = one.astype(np.float64), other.astype(np.float64)
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def test_whole_sets_equal_the_definition() -> None:
    one, other = features(12, 0), features(12, 1, 0.5)
    found = kernel_distance(one, other, seed=0)
    assert found.value == pytest.approx(unbiased(one, other), rel=1e-10)
    assert (found.subsets, found.size, found.deviation) == (1, 12, 0.0)


@pytest.mark.parametrize(("n", "m"), [(20, 31), (9, 200)], ids=["kernels once", "subset by subset"])
def test_subsets_equal_the_definition(n: int, m: int) -> None:
    one, other = features(n, 2), features(m, 3, 0.3)
    found = kernel_distance(one, other, seed=7, subsets=6, size=8)
    draw = np.random.default_rng(7)
    each = []
    for _ in range(6):
        rows, columns = draw.choice(n, 8, replace=False), draw.choice(m, 8, replace=False)
        each.append(unbiased(one[rows], other[columns]))
    assert found.value == pytest.approx(np.mean(each), rel=1e-9)
    assert found.deviation == pytest.approx(np.std(each), rel=1e-9)


def test_the_smaller_set_limits_a_subset() -> None:
    assert kernel_distance(features(30, 4), features(11, 5), seed=0, size=1000).size == 11


def test_same_seed_same_value() -> None:
    one, other = features(40, 6), features(40, 7)
    values = [kernel_distance(one, other, seed=seed, subsets=3, size=10).value for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_is_not_biased_by_the_number_of_features() -> None:
    """Two draws from one distribution: the mean estimate is zero at any size, within what its spread allows."""
    for size in (10, 50):
        values = [kernel_distance(features(size, 2 * i), features(size, 2 * i + 1), seed=0).value for i in range(200)]
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)


def test_grows_with_the_shift() -> None:
    one = features(100, 8)
    values = [kernel_distance(one, features(100, 9, shift), seed=0).value for shift in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)


def test_one_feature_is_too_few() -> None:
    with pytest.raises(ValueError, match="two features"):
        kernel_distance(features(1, 0), features(5, 0), seed=0)
