"""The order in which training pictures are shown: whole rounds, mirrored ones, labels, crops, any place directly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core.ml.training.image.reals import Averaged, Reals


def numbered(count: int = 7) -> NDArray[np.uint8]:
    """Pictures that are dark on the left, and whose right half tells their number."""
    images = np.zeros((count, 8, 8, 3), np.uint8)
    images[:, :, 4:] = np.arange(1, count + 1)[:, None, None, None] * 20
    return images


class Cropping:
    """A store that says which drawing of crops it was asked for, as the colour of the pictures."""

    labels = np.array([2, 0, 1, 2, 2])
    asked: list[tuple[int, int]]

    def __init__(self) -> None:
        self.asked = []

    def __len__(self) -> int:
        return 5

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        raise AssertionError("training takes crops")

    def take(self, rows: NDArray[np.int64], draw: int) -> NDArray[np.uint8]:
        self.asked += [(int(row), draw) for row in rows]
        return np.full((len(rows), 8, 8, 3), draw, np.uint8)


def shown(images: torch.Tensor) -> list[tuple[int, bool]]:
    """Which pictures these are, and whether they are mirrored."""
    bright = ((images.amax(dim=(1, 2, 3)) + 1) * 127.5 / 20).round().int().tolist()
    mirrored = (images[:, 0, 0, 0] > images[:, 0, 0, 7]).tolist()
    return list(zip(bright, mirrored, strict=True))


def test_every_round_shows_each_picture_once() -> None:
    reals = Reals(numbered(), seed=1)
    for start in (0, 7, 70):
        assert sorted(shown(reals.take(start, 7)[0])) == [(k, False) for k in range(1, 8)]
    assert shown(reals.take(0, 7)[0]) != shown(reals.take(7, 7)[0])


def test_a_mirrored_round_shows_both_sides_of_each_picture() -> None:
    reals = Reals(numbered(), seed=1, mirror=True)
    assert sorted(shown(reals.take(14, 14)[0])) == [(k, side) for k in range(1, 8) for side in (False, True)]


def test_any_place_is_found_directly() -> None:
    whole = shown(Reals(numbered(), seed=3).take(0, 30)[0])
    parts = Reals(numbered(), seed=3)
    assert shown(parts.take(12, 10)[0]) == whole[12:22]
    assert shown(parts.take(4, 3)[0]) == whole[4:7]
    assert shown(Reals(numbered(), seed=4).take(0, 30)[0]) != whole


def test_pixels_are_from_minus_one_to_one() -> None:
    images = np.stack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)])
    taken, labels = Reals(images).take(0, 2)
    assert sorted(taken.mean(dim=(1, 2, 3)).tolist()) == [-1.0, 1.0]
    assert labels is None


def test_crops_change_with_the_round() -> None:
    store = Cropping()
    Reals(store).take(3, 4)
    assert sorted(draw for _, draw in store.asked) == [0, 0, 1, 1]


def test_labels_go_with_the_pictures() -> None:
    store = Cropping()
    reals = Reals(store, classes=3)
    _, labels = reals.take(0, 5)
    assert labels is not None
    assert labels.argmax(dim=1).tolist() == [int(store.labels[row]) for row, _ in store.asked]
    drawn = reals.labels_at(torch.linspace(0, 0.999, 100))
    assert drawn is not None
    assert drawn.sum(dim=0).tolist() == [20, 20, 60]
    with pytest.raises(ValueError, match="labels"):
        Reals(numbered(), classes=3)


def test_pictures_are_averaged_down() -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), np.uint8)
    small = Averaged(images, 4)
    assert len(small) == 3
    expected = images.reshape(3, 4, 2, 4, 2, 3).mean((2, 4))
    assert np.abs(small[np.arange(3)] - expected).max() <= 0.5
    assert np.array_equal(small.take(np.arange(2), 1), small[np.arange(2)])
    assert Averaged(Cropping(), 4).take(np.arange(2), 9).shape == (2, 4, 4, 3)  # type: ignore[arg-type]
