"""The Fréchet distance against closed forms and against a brute-force matrix root."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.ml.metrics.fid import Moments, MomentSum, frechet_distance


def features(count: int, dims: int, seed: int, rank: int | None = None) -> NDArray[np.float64]:
    draw = np.random.default_rng(seed)
    mixed = draw.standard_normal((rank or dims, dims))
    return draw.standard_normal((count, rank or dims)) @ mixed + draw.standard_normal(dims)


def brute_force(one: Moments, other: Moments) -> float:
    """By the eigenvalues of the product itself, which is not symmetric: textbook form, full rank only."""
    roots = np.sqrt(np.linalg.eigvals(one.covariance @ other.covariance).astype(complex)).real.sum()
    apart = np.square(one.mean - other.mean).sum()
    return float(apart + np.trace(one.covariance + other.covariance) - 2 * roots)


def test_moments_divide_by_n() -> None:
    some = features(40, 6, 0)
    moments = Moments.of(some)
    assert moments.count == 40
    np.testing.assert_allclose(moments.mean, some.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(some.T, bias=True), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_of_parts_are_those_of_the_whole(offset: float) -> None:
    some = features(100, 5, 1) + offset
    total = MomentSum()
    for part in (some[:1], some[1:60], some[60:]):
        total.add(part.astype(np.float64))
    np.testing.assert_allclose(total.moments().mean, some.mean(0), rtol=1e-12)
    np.testing.assert_allclose(total.moments().covariance, np.cov(some.T, bias=True), rtol=1e-6, atol=1e-8)


def test_no_features_are_no_moments() -> None:
    with pytest.raises(ValueError, match="no features"):
        MomentSum().moments()


@pytest.mark.parametrize(("count", "dims"), [(200, 1), (200, 7), (500, 40)])
def test_equals_brute_force(count: int, dims: int) -> None:
    one, other = Moments.of(features(count, dims, 2)), Moments.of(features(count, dims, 3))
    assert frechet_distance(one, other) == pytest.approx(brute_force(one, other), rel=1e-8)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-10)


def test_equal_sets_are_at_zero() -> None:
    for rank in (30, 4):
        one = Moments.of(features(200, 30, 4, rank))
        assert frechet_distance(one, one) <= 1e-10 * np.trace(one.covariance)


def test_shift_costs_its_square_and_scale_its_square() -> None:
    some = features(300, 12, 5)
    one = Moments.of(some)
    shifted = Moments.of(some + 3.0)
    assert frechet_distance(one, shifted) == pytest.approx(9 * 12, rel=1e-9)
    centred = some - some.mean(0)
    doubled = frechet_distance(Moments.of(centred), Moments.of(2 * centred))
    assert doubled == pytest.approx(np.trace(one.covariance), rel=1e-9)  # (2 - 1)² times the variance


def test_independent_coordinates_have_a_closed_form() -> None:
    deviations = np.array([[1.0, 2.0, 0.0, 5.0], [3.0, 2.0, 4.0, 0.0]])
    one, other = (Moments(9, np.zeros(4), np.diag(each**2)) for each in deviations)
    assert frechet_distance(one, other) == pytest.approx(np.square(deviations[0] - deviations[1]).sum(), rel=1e-12)


def test_rank_deficient_sets_are_exact() -> None:
    """Fewer features than dimensions: the root of the product is known from the features themselves."""
    one, other = features(10, 64, 6), features(25, 64, 7)
    centred = [each - each.mean(0) for each in (one, other)]
    nuclear = np.linalg.svd(centred[0] @ centred[1].T / np.sqrt(250), compute_uv=False).sum()
    expected = (
        np.square(one.mean(0) - other.mean(0)).sum()
        + sum(np.square(each).sum() / len(each) for each in centred)
        - 2 * nuclear
    )
    assert frechet_distance(Moments.of(one), Moments.of(other)) == pytest.approx(expected, rel=1e-9)


def test_one_feature_is_a_point() -> None:
    point, some = np.zeros((1, 3)), features(50, 3, 8)
    expected = np.square(some.mean(0)).sum() + some.var(0).sum()
    assert frechet_distance(Moments.of(point), Moments.of(some)) == pytest.approx(expected)
