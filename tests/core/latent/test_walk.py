"""Walks: through every key, without a corner, on the sphere, the same bits however they are asked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import InvalidInput
from core.latent.basis import seeded_vector
from core.latent.plane import Plane
from core.latent.walk import MAX_KEYS, Circle, Moment, Walk, Way


def keys(count: int, dim: int = 64, first: int = 0) -> list[Moment]:
    return [Moment(seeded_vector(first + seed, dim), 0.5 + 0.05 * (seed % 4)) for seed in range(count)]


def path(way: Way, count: int) -> np.ndarray:
    return np.stack([way.frame(number, count).z for number in range(count)]).astype(float)


@pytest.mark.parametrize("eased", [False, True])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("dim", [1, 2, 64, 512])
def test_every_key_is_met_to_the_last_bit(dim: int, closed: bool, eased: bool) -> None:
    chosen = keys(4, dim)
    walk = Walk(chosen, closed=closed, eased=eased)
    count = 10 * walk.steps + (not closed)
    for number, key in enumerate(chosen):
        met = walk.frame(10 * number, count)
        assert np.array_equal(met.z, key.z)
        assert met.z.dtype == np.float32
        assert met.truncation == key.truncation


def test_the_same_bits_in_any_order() -> None:
    once, again = Walk(keys(5), closed=True), Walk(keys(5), closed=True)
    forward = path(once, 70)
    for number in reversed(range(70)):
        assert np.array_equal(again.frame(number, 70).z, forward[number])
    # A film of twice the frames has the same ones in between.
    assert np.array_equal(path(again, 140)[::2], forward)


@pytest.mark.parametrize("first", [0, 10, 20])
def test_no_corner_and_an_even_speed(first: int) -> None:
    walk = Walk(keys(5, first=first), closed=True)
    count = 1000
    way = path(walk, count)
    velocity = np.roll(way, -1, axis=0) - way
    speed = np.linalg.norm(velocity, axis=1)
    assert speed.max() / speed.min() < 2
    # Finer frames shrink every change of velocity with the square: at a corner it would shrink with the step alone.
    change = np.linalg.norm(np.roll(velocity, -1, axis=0) - velocity, axis=1).max()
    finer = path(walk, 4 * count)
    finer_velocity = np.roll(finer, -1, axis=0) - finer
    finer_change = np.linalg.norm(np.roll(finer_velocity, -1, axis=0) - finer_velocity, axis=1).max()
    assert finer_change < change / 8


def test_lengths_and_truncations_stay_between_the_keys() -> None:
    chosen = keys(6)
    walk = Walk(chosen, closed=True)
    lengths = [float(np.linalg.norm(key.z)) for key in chosen]
    truncations = [key.truncation for key in chosen]
    for number in range(300):
        step, moment = number * 6 // 300, walk.frame(number, 300)
        ends = (lengths[step], lengths[(step + 1) % 6])
        assert min(ends) - 1e-4 <= np.linalg.norm(moment.z) <= max(ends) + 1e-4
        ends = (truncations[step], truncations[(step + 1) % 6])
        assert min(ends) <= moment.truncation <= max(ends)


def test_a_closed_walk_goes_on_where_it_began() -> None:
    way = path(Walk(keys(3), closed=True), 300)
    steps = np.linalg.norm(np.roll(way, -1, axis=0) - way, axis=1)
    assert steps[-1] == pytest.approx((steps[-2] + steps[0]) / 2, rel=0.02)


def test_an_eased_walk_rests_at_its_keys() -> None:
    way = path(Walk(keys(3), eased=True), 201)
    speed = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert speed[99:101].max() < 0.1 * speed.max()


def test_two_keys_are_joined_by_their_great_circle() -> None:
    a, b = keys(2)
    middle = Walk([a, b]).frame(50, 101).z.astype(float)
    halfway = a.z / np.linalg.norm(a.z) + b.z / np.linalg.norm(b.z)
    cosine = middle @ halfway / np.linalg.norm(middle) / np.linalg.norm(halfway)
    assert cosine == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "chosen",
    [
        [Moment(seeded_vector(1, 8)), Moment(seeded_vector(1, 8)), Moment(seeded_vector(2, 8))],  # one twice
        [Moment(seeded_vector(1, 8)), Moment(-seeded_vector(1, 8))],  # opposite
        [Moment(np.zeros(8, np.float32)), Moment(seeded_vector(2, 8))],
        [Moment(seeded_vector(1, 8)), Moment(seeded_vector(2, 8)), Moment(seeded_vector(1, 8))],  # there and back
    ],
)
@pytest.mark.parametrize("closed", [False, True])
def test_odd_keys_make_a_walk_too(chosen: list[Moment], closed: bool) -> None:
    way = path(Walk(chosen, closed=closed), 200)
    assert np.isfinite(way).all()
    # No step is a jump: at a hundred frames a key even half a circle is passed in strides of a thirtieth.
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() < 0.1 * np.linalg.norm(way, axis=1).max()


def test_a_circle_is_the_plane() -> None:
    plane = Plane(16, 7, 0.5)
    circle = Circle(plane, (3, -1), 2.0, 0.6)
    moment = circle.frame(25, 100)
    assert moment.truncation == 0.6
    assert np.abs(moment.z - plane.vector(3, 1)).max() < 1e-5
    way = path(circle, 200)
    steps = np.linalg.norm(np.roll(way, -1, axis=0) - way, axis=1)
    assert steps.max() < 5 * steps.min()
    assert circle.steps == 6


def test_plain_data() -> None:
    for way in (Walk(keys(2)), Circle(Plane(4, 1), (0, 0), 1.0)):
        assert json.loads(json.dumps(way.to_json())) == way.to_json()


@pytest.mark.parametrize(
    "chosen",
    [
        [],
        keys(1),
        [*keys(1, 8), *keys(1, 9)],
        [*keys(1, 4), Moment(np.array([0, np.nan, 0, 0], np.float32))],
        keys(MAX_KEYS + 1, 2),
    ],
)
def test_what_is_no_walk(chosen: list[Moment]) -> None:
    with pytest.raises(InvalidInput, match="walk"):
        Walk(chosen)


@pytest.mark.parametrize("radius", [0, -1, float("nan"), float("inf"), 1e9])
def test_what_is_no_circle(radius: float) -> None:
    with pytest.raises(InvalidInput, match="radius"):
        Circle(Plane(4, 1), (0, 0), radius)
