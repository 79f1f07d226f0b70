"""The plane: statistics of the field, pins, distances, coordinates, and the same bits however it is asked."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from core.errors import InvalidInput
from core.latent.basis import FREQUENCIES, LENGTH_SCALE, basis, correlation, seeded_vector
from core.latent.plane import MAX_PINS, Pin, Plane


def grid(width: int, height: int, x: int = 0, y: int = 0) -> list[tuple[int, int]]:
    return [(column, row) for row in range(y, y + height) for column in range(x, x + width)]


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


class TestField:
    def test_every_component_is_a_unit_gaussian_over_seeds(self) -> None:
        values = np.stack([Plane(16, seed).vectors([(0, 0), (37, -5)]) for seed in range(1500)]).astype(np.float64)
        columns = values.reshape(len(values), -1)
        assert np.abs(columns.mean(axis=0)).max() < 4.5 / np.sqrt(len(values))
        assert columns.std(axis=0) == pytest.approx(1, abs=0.09)
        standard = values.ravel()
        assert (standard**3).mean() == pytest.approx(0, abs=0.06)
        assert (standard**4).mean() == pytest.approx(3, abs=0.15)

    def test_one_plane_looks_gaussian_from_far_apart(self) -> None:
        values = Plane(512, 3).vectors([(1000 * x, 777 * y) for x in range(20) for y in range(20)])
        assert values.std() == pytest.approx(1, abs=0.05)
        lengths = np.linalg.norm(values, axis=1) / np.sqrt(512)
        assert 0.75 < lengths.min() < lengths.max() < 1.25
        inside = [(np.abs(values) < limit).mean() for limit in (0.6745, 1.6449, 2.5758)]
        assert inside == pytest.approx([0.5, 0.9, 0.99], abs=0.012)

    @pytest.mark.parametrize("distance", [0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1])
    def test_neighbours_correlate_as_documented_in_every_direction(self, distance: float) -> None:
        for step in ((1, 0), (0, 1), (0.6, -0.8)):
            found = []
            for seed in range(24):
                plane = Plane(256, seed, distance)
                start = np.array([(40 * x, 40 * y) for x in range(3) for y in range(3)], float)
                found.append(alike(plane.vectors(start), plane.vectors(start + step)))
            assert np.mean(found) == pytest.approx(correlation(distance), abs=0.02)

    def test_the_ends_of_the_range_are_twins_and_strangers(self) -> None:
        assert correlation(0.01) > 0.999
        assert correlation(1) < 0.05
        assert correlation(LENGTH_SCALE) == pytest.approx(np.exp(-0.5))

    def test_the_kernel_is_near_the_rbf_in_every_single_draw(self) -> None:
        for seed in range(20):
            frequencies = basis(seed, 4).frequencies
            for distance in (0.1, 0.3, 0.5):
                for angle in np.arange(8) * np.pi / 8:
                    step = distance * np.array([np.cos(angle), np.sin(angle)])
                    realised = np.cos(2 * np.pi * step @ frequencies).mean()
                    assert realised == pytest.approx(correlation(distance), abs=0.06)

    def test_all_directions_of_a_small_latent_space_are_used(self) -> None:
        values = Plane(64, 5).vectors([(50 * x, 50 * y) for x in range(20) for y in range(20)])
        assert np.linalg.matrix_rank(values) == 64
        spread = np.linalg.eigvalsh(np.cov(values.T.astype(np.float64)))
        assert spread.min() > 0.1

    @pytest.mark.parametrize("far", [1e6, -1e6, 9e11])
    def test_far_away_is_as_smooth_and_as_random(self, far: float) -> None:
        plane = Plane(256, 11, 0.1)
        here, near = plane.vectors([(far, far)]), plane.vectors([(far + 1, far)])
        assert alike(here, near) == pytest.approx(correlation(0.1), abs=0.03)
        assert here.std() == pytest.approx(1, abs=0.2)
        assert abs(alike(here, plane.vectors([(0, 0)]))) < 0.35

    def test_seeds_are_strangers(self) -> None:
        planes = [Plane(512, seed).vector(0, 0) for seed in range(6)]
        assert max(abs(alike(a, b)) for i, a in enumerate(planes) for b in planes[:i]) < 0.2


class TestRepeatable:
    """Bits, not closeness: tiles are cached and files go back to their place by vector."""

    @pytest.fixture(params=["plain", "pinned", "moved"])
    def plane(self, request: pytest.FixtureRequest) -> Plane:
        plane = Plane(100, 42, 0.3)
        if request.param != "plain":
            plane = plane.with_pin(1, 1).with_pin(4, 2, seeded_vector(1, 100)).with_pin(5, 2, seeded_vector(2, 100))
        if request.param == "moved":
            plane = plane.recentred(3, 3, 9).with_distance(0.11, 2, -1)
        return plane

    def test_alone_in_company_in_any_order_and_twice(self, plane: Plane) -> None:
        tiles = grid(9, 7, -3, -2)
        together = plane.vectors(tiles)
        assert all((plane.vector(*tile) == row).all() for tile, row in zip(tiles, together))
        order = np.random.default_rng(0).permutation(len(tiles))
        assert (plane.vectors(np.array(tiles)[order]) == together[order]).all()
        assert (plane.vectors(tiles + tiles)[len(tiles) :] == together).all()
        for size in (1, 2, 3, 5, 16, 17, 50):
            parts = [plane.vectors(tiles[start : start + size]) for start in range(0, len(tiles), size)]
            assert (np.concatenate(parts) == together).all()

    def test_more_tiles_than_one_chunk(self, plane: Plane) -> None:
        tiles = grid(50, 30)
        whole = plane.vectors(tiles)
        assert (whole[1020:1030] == plane.vectors(tiles[1020:1030])).all()

    def test_another_process_with_other_threads(self, plane: Plane) -> None:
        code = (
            "import json, sys; from core.latent.plane import Plane; "
            "plane = Plane.from_json(json.load(sys.stdin)); "
            "sys.stdout.buffer.write(plane.vectors([(x, y) for y in range(9) for x in range(9)]).tobytes())"
        )
        result = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(plane.to_json()).encode(),
            capture_output=True,
            check=True,
            env={"OPENBLAS_NUM_THREADS": "2", "PATH": ""},
        )
        assert result.stdout == plane.vectors(grid(9, 9)).tobytes()

    def test_known_bits(self) -> None:
        """A seed is the same plane for ever: these were computed once and must not change."""
        assert Plane(512, 7).vector(3, -2)[:4].tolist() == KNOWN_PLANE
        assert seeded_vector(7, 512)[:4].tolist() == KNOWN_VECTOR


class TestPins:
    def test_pins_are_exact(self) -> None:
        plane = Plane(64, 1, 0.1)
        places = [(0, 0), (2, 0), (-3, 5), (1, 1), (40, -7)]
        vectors = [seeded_vector(seed, 64) for seed in range(len(places))]
        for place, vector in zip(places, vectors):
            plane = plane.with_pin(*place, vector)
        assert (plane.vectors(places) == np.stack(vectors)).all()

    def test_the_field_meets_a_pin_smoothly(self) -> None:
        plane = Plane(64, 1, 0.2).with_pin(0, 0, seeded_vector(5, 64)).with_pin(3, 0, seeded_vector(6, 64))
        for x, y in ((0, 0), (3, 0)):
            assert np.abs(plane.vector(x + 1e-4, y) - plane.vector(x, y)).max() < 1e-2

    def test_two_strangers_blend_between_them(self) -> None:
        a, b = seeded_vector(1, 512), seeded_vector(2, 512)
        plane = Plane(512, 3, 0.1).with_pin(0, 0, a).with_pin(4, 0, b)
        towards = [(alike(plane.vector(x, 0), a), alike(plane.vector(x, 0), b)) for x in range(5)]
        assert [round(value[0], 1) for value in towards] == sorted([round(v[0], 1) for v in towards], reverse=True)
        assert [round(value[1], 1) for value in towards] == sorted(round(v[1], 1) for v in towards)
        assert min(towards[2]) > 0.5

    def test_far_from_pins_nothing_changes(self) -> None:
        plane = Plane(64, 1, 0.5)
        assert (
            plane.with_pin(0, 0, seeded_vector(5, 64)).vectors(grid(3, 3, 50)) == plane.vectors(grid(3, 3, 50))
        ).all()

    @pytest.mark.parametrize("distance", [0.02, 0.3, 1])
    def test_pinning_what_is_there_changes_nothing(self, distance: float) -> None:
        plane = Plane(64, 1, distance).with_pin(2, 2, seeded_vector(9, 64)).recentred(1, 0, 4)
        pinned = plane.with_pin(3, 3).with_pin(4, 3).with_pin(0, 0)
        assert np.abs(pinned.vectors(grid(6, 6)) - plane.vectors(grid(6, 6))).max() < 1e-5

    def test_it_is_the_posterior_of_the_gaussian_process(self) -> None:
        """Over seeds, mean and variance given one pin are those of the textbook (Rasmussen and Williams, 2.2)."""
        target = seeded_vector(3, 8)
        planes = [Plane(8, seed, 0.3).with_pin(0, 0, target) for seed in range(1500)]
        samples = np.stack([plane.vector(1, 0) for plane in planes]).astype(np.float64)
        rho = correlation(0.3)
        assert samples.mean(axis=0) == pytest.approx(rho * target, abs=0.1)
        assert samples.std(axis=0) == pytest.approx(np.sqrt(1 - rho**2), abs=0.06)

    def test_strangers_side_by_side_throw_nothing_out_of_the_distribution(self) -> None:
        plane = Plane(512, 1, 0.01)
        for index, (x, y) in enumerate(grid(4, 4)):
            plane = plane.with_pin(x, y, seeded_vector(index, 512))
        lengths = np.linalg.norm(plane.vectors(grid(40, 40, -18, -18)), axis=1) / np.sqrt(512)
        assert lengths.max() < 2.5

    def test_many_pins_stay_exact(self) -> None:
        plane = Plane(4, 1, 0.01)
        places = grid(8, 8)
        for index, (x, y) in enumerate(places):
            plane = plane.with_pin(x, y, seeded_vector(index, 4))
        inner = plane.vectors([(x + 1e-5, y) for x, y in places])
        assert np.abs(inner - plane.vectors(places)).max() < 1e-2

    def test_one_pin_a_tile_and_taking_it_away(self) -> None:
        plane = Plane(8, 1).with_pin(1, 2).with_pin(1, 2, np.ones(8))
        assert len(plane.pins) == 1
        assert plane.pinned(1, 2)
        assert (plane.vector(1, 2) == 1).all()
        assert plane.without_pin(1, 2) == Plane(8, 1)
        assert plane.without_pin(5, 5) == plane


class TestMoves:
    def test_a_change_of_distance_keeps_the_tile_and_the_pins(self) -> None:
        for plane in (Plane(64, 1), Plane(64, 1).with_pin(2, 1, seeded_vector(1, 64)), Plane(64, 1).recentred(5, 5, 2)):
            start = plane.vector(3, -4)
            pins = [plane.vector(pin.x, pin.y) for pin in plane.pins]
            for distance in (0.4, 0.9, 0.01, 0.33, 0.5):
                plane = plane.with_distance(distance, 3, -4)
                assert (plane.vector(3, -4) == start).all()
                assert [plane.vector(pin.x, pin.y).tolist() for pin in plane.pins] == [pin.tolist() for pin in pins]

    def test_a_small_change_of_distance_is_a_small_change(self) -> None:
        plane = Plane(64, 1, 0.2).with_pin(2, 1, seeded_vector(1, 64)).with_distance(0.3, 0, 0)
        moved = plane.with_distance(0.3003, 5, 2)
        assert alike(plane.vectors(grid(4, 4, 4, 1)), moved.vectors(grid(4, 4, 4, 1))) > 0.99

    def test_recentring_keeps_the_picture_and_the_pins_around_it(self) -> None:
        plane = Plane(64, 1).with_pin(6, 4, seeded_vector(8, 64))
        moved = plane.recentred(4, 4, new_seed=77)
        assert (moved.vector(0, 0) == plane.vector(4, 4)).all()
        assert (moved.vector(2, 0) == seeded_vector(8, 64)).all()
        assert abs(alike(moved.vectors(grid(5, 5, 20, 20)), plane.vectors(grid(5, 5, 24, 24)))) < 0.1

    def test_recentring_again_forgets_the_centre_before(self) -> None:
        moved = Plane(64, 1).recentred(4, 4, 2).recentred(3, 0, 3)
        assert moved.centre is not None
        assert not moved.pins
        assert abs(alike(moved.vector(-3, 0), Plane(64, 1).vector(4, 4))) < 0.5


class TestData:
    def test_round_trip_keeps_every_bit(self) -> None:
        plane = (
            Plane(33, 2**62, 0.37).with_pin(1.5, -2, seeded_vector(3, 33)).recentred(1, 1, 5).with_distance(0.1, 2, 3)
        )
        again = Plane.from_json(json.loads(json.dumps(plane.to_json())))
        assert again == plane
        assert hash(again.pins[0]) == hash(plane.pins[0])
        assert (again.vectors(grid(4, 4)) == plane.vectors(grid(4, 4))).all()

    def test_vectors_as_lists_are_read_too(self) -> None:
        assert Pin.from_json({"x": 0, "y": 0, "z": [1, 2.5]}).z.tolist() == [1, 2.5]

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            ({"dim": 0}, "dim"),
            ({"dim": 10**9}, "dim"),
            ({"dim": True}, "dim"),
            ({"seed": -1}, "seed"),
            ({"seed": "7"}, "seed"),
            ({"distance": 0}, "distance"),
            ({"distance": 1.5}, "distance"),
            ({"distance": float("nan")}, "distance"),
            ({"pins": 3}, "pins"),
            ({"pins": ["x"]}, "pin"),
            ({"pins": [{"x": 0, "y": 0, "z": "!!"}]}, "vector"),
            ({"pins": [{"x": 0, "y": 0, "z": [1, 2]}]}, "2 numbers, not 3"),
            ({"pins": [{"x": 0, "y": 0, "z": [1, float("inf"), 0]}]}, "finite"),
            ({"pins": [{"x": "0", "y": 0, "z": [1, 2, 3]}]}, "x"),
            ({"pins": [{"x": 0, "y": 1e13, "z": [1, 2, 3]}]}, "y"),
            ({"pins": [{"x": i, "y": 0, "z": [1, 2, 3]} for i in range(MAX_PINS + 1)]}, "too many"),
            ({"home": [1]}, "home"),
            ({"anchor": "ab"}, "anchor"),
            ({"centre": 5}, "pin"),
        ],
    )
    def test_bad_data_is_told_by_name(self, change: dict[str, object], names: str) -> None:
        with pytest.raises(InvalidInput, match=names):
            Plane.from_json({"dim": 3, "seed": 1} | change)

    @pytest.mark.parametrize("coords", [[1, 2], [[1, 2, 3]], [[np.nan, 0]], [[0, 2e12]]])
    def test_bad_coordinates(self, coords: object) -> None:
        with pytest.raises(InvalidInput, match="coordinates"):
            Plane(3, 1).vectors(coords)  # type: ignore[arg-type]

    def test_no_tiles_are_no_vectors(self) -> None:
        assert Plane(3, 1).with_pin(0, 0).vectors(np.empty((0, 2))).shape == (0, 3)


def test_weights_stay_on_their_grid() -> None:
    """What makes the sums exact: 2 K products of at most 8, on a grid of 2**-38, fit into 53 bits."""
    weights = basis(1, 512).weights * 2.0**18
    assert (weights == np.rint(weights)).all()
    assert 2 * FREQUENCIES * 8 * 2.0**38 <= 2.0**53
    assert np.abs(weights).max() < 8 * 2.0**18


KNOWN_PLANE = [0.29466626048088074, -0.8265109658241272, -0.019924622029066086, -0.9420009255409241]
KNOWN_VECTOR = [-0.9949144721031189, -0.7092577219009399, 0.9085056781768799, 1.1359678506851196]
