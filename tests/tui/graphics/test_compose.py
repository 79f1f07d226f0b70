"""The grid as one picture: any part of it, in any detail, is what the whole shows there."""

from __future__ import annotations

import numpy as np
import pytest

from tui.graphics.compose import Look, Scene, TileStore, compose
from tui.graphics.layout import Geometry, Rect

LOOK = Look()
RNG = np.random.default_rng(5)
SCENE = Scene(
    3,
    2,
    {(0, 0): 1, (1, 0): 2, (2, 1): 3},
    frozenset({(0, 0), (1, 0), (2, 1), (0, 1)}),
    (1, 0),
    frozenset({(1, 0), (2, 1)}),
)
GEOMETRY = Geometry(200, 130, 3, 2)


def store() -> TileStore:
    tiles = TileStore()
    for key in (1, 2, 3):
        tiles.put(key, RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    return tiles


@pytest.mark.parametrize(
    "part", [(0, 0, 200, 130), (0, 0, 200, 17), (64, 34, 40, 51), (190, 120, 10, 10), (7, 1, 3, 3)]
)
def test_a_part_is_cut_out_of_the_whole(part: Rect) -> None:
    tiles = store()
    whole = compose(SCENE, GEOMETRY, tiles, LOOK)
    x, y, width, height = part
    assert np.array_equal(compose(SCENE, GEOMETRY, tiles, LOOK, part), whole[y : y + height, x : x + width])


@pytest.mark.parametrize("scale", [2, 3, 4, 6, 8])
def test_less_detail_shows_the_same_in_the_same_places(scale: int) -> None:
    smooth = TileStore()
    ramp = np.linspace(0, 255, 64)
    for key in (1, 2, 3):
        tile = np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], 64), np.full((64, 64), 80.0 * key)], -1)
        smooth.put(key, tile.clip(0, 255).astype(np.uint8))
    plain = Scene(3, 2, SCENE.tiles, SCENE.waiting)
    whole = compose(plain, GEOMETRY, smooth, LOOK).astype(int)
    coarse = compose(plain, GEOMETRY, smooth, LOOK, None, scale)
    assert coarse.shape == (-(-130 // scale), -(-200 // scale), 3)
    large = coarse.repeat(scale, axis=0).repeat(scale, axis=1)[:130, :200].astype(int)
    # The edges of tiles may be off by half a square; inside, only the detail is gone.
    assert (np.abs(large - whole).max(axis=2) > 16 + 8 * scale).mean() < 0.02 * scale


def test_cursor_and_pins_are_seen_in_little_detail() -> None:
    coarse = compose(SCENE, GEOMETRY, store(), LOOK, None, 4)
    x, y, side, _ = GEOMETRY.tile(1, 0)
    assert (coarse == LOOK.accent).all(axis=2)[y // 4 : (y + side) // 4, x // 4 : (x + side) // 4].sum() >= 4 * 12
    x, y, side, _ = GEOMETRY.tile(2, 1)
    assert (coarse == LOOK.accent).all(axis=2)[y // 4 : (y + side) // 4, x // 4 : (x + side) // 4].any()


def test_a_tile_is_not_drawn_upon() -> None:
    """The cursor goes on; the picture under it is as it was."""
    tiles = store()
    before = compose(Scene(3, 2, SCENE.tiles), GEOMETRY, tiles, LOOK)
    compose(SCENE, GEOMETRY, tiles, LOOK)
    assert np.array_equal(compose(Scene(3, 2, SCENE.tiles), GEOMETRY, tiles, LOOK), before)


def test_the_store_keeps_versions_within_its_room() -> None:
    tiles = TileStore(most_bytes=10 * 50 * 50 * 3)
    for key in range(100):
        tiles.put(key, np.full((8, 8, 3), key, np.uint8))
        sized = tiles.sized(key, 50, 50)
        assert sized is not None
        assert (sized == key).all()
    assert sum(made.nbytes for made in tiles._sized.values()) <= 10 * 50 * 50 * 3
    first = tiles.sized(0, 50, 50)
    assert first is not None, "the tile itself is still there"
    assert (first == 0).all()
    tiles.put(0, np.full((8, 8, 1), 200, np.uint8))
    again = tiles.sized(0, 50, 50)
    assert again is not None
    assert (again == 200).all(), "another picture under the same key"
    tiles.forget([0, 1, 12345])
    assert tiles.sized(0, 50, 50) is None
