"""Pictures that are arrays already: as a dataset on disk, and side by side on a sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.manifest import Manifest
from core.datasets.store import PictureStore
from core.datasets.writing import write_square


def write_pictures(
    folder: Path,
    name: str,
    images: NDArray[np.uint8],
    about: Mapping[str, object],
    names: Sequence[str] | None = None,
) -> PictureStore:
    """Write a dataset from an array uint8 [n, size, size, 3 or 4] and open it.

    Args:
        folder: Where it goes; a dataset that is there already is replaced.
        name: For people.
        images: At least one.
        about: More for the manifest: licence, source and the like.
        names: One for each picture.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """
    write_square(folder, Manifest(name=name, about=about), images, names)
    return PictureStore.open(folder)


def contact_sheet(images: Iterable[NDArray[np.uint8]], columns: int, gap: int = 2) -> NDArray[np.uint8]:
    """Pictures uint8 [S, S, 3] side by side on a dark ground, uint8 [H, W, 3]."""
    tiles = list(images)
    side, rows = tiles[0].shape[0], -(-len(tiles) // columns)
    sheet = np.full((rows * (side + gap) + gap, columns * (side + gap) + gap, 3), 24, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = gap + number // columns * (side + gap), gap + number % columns * (side + gap)
        sheet[top : top + side, left : left + side] = tile
    return sheet
