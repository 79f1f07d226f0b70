"""The training pictures in the order in which they are shown: endless shuffled rounds, a function of seed and position.

Nothing about the order is kept but how many pictures have been shown, so a training that is broken off goes on with the
very picture that would have come next, and any number of ranks show the same pictures as one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.datasets.store import PictureStore


class Pictures(Protocol):
    """Training pictures: an array uint8 [n, S, S, C], in memory or mapped from disk.

    A store of pictures may have `take(rows, draw)`, which crops anew in each round, and `labels`, int64 [n].
    """

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]: ...


class Reals:
    """The pictures as training sees them.

    Args:
        pictures: All of them.
        seed: Of the order.
        mirror: Show the mirrored ones too: a round is twice as long.
        classes: Length of the one-hot labels; 0 for none.
    """

    def __init__(self, pictures: Pictures, *, seed: int = 0, mirror: bool = False, classes: int = 0) -> None:
        self.pictures, self.seed, self.mirror, self.classes = pictures, seed, mirror, classes
        labels = getattr(pictures, "labels", None)
        self.labels: NDArray[np.int64] | None = None if labels is None else np.asarray(labels)
        if classes and self.labels is None:
            raise ValueError("classes need labels")
        self._round = lru_cache(maxsize=2)(self._shuffled)

    def take(self, position: int, count: int) -> tuple[Tensor, Tensor | None]:
        """The pictures at `position` and after it.

        Returns:
            float32 [count, C, S, S], -1 to 1, and one-hot labels [count, classes] or None.
        """
        length = len(self.pictures) * (2 if self.mirror else 1)
        numbers = np.arange(position, position + count)
        rounds = numbers // length
        chosen = np.concatenate([self._round(int(k))[numbers[rounds == k] % length] for k in np.unique(rounds)])
        rows, mirrored = chosen % len(self.pictures), chosen >= len(self.pictures)
        images = torch.from_numpy(self._pixels(rows, rounds)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        if mirrored.any():
            images = torch.where(torch.from_numpy(mirrored)[:, None, None, None], images.flip(3), images)
        return images, self._one_hot(rows)

    def labels_at(self, numbers: Tensor) -> Tensor | None:
        """One-hot labels as frequent as the pictures', for uniform `numbers` [N] from 0 to 1."""
        return self._one_hot((numbers.double().numpy() * len(self.pictures)).astype(np.int64))

    def _pixels(self, rows: NDArray[np.int64], rounds: NDArray[np.int64]) -> NDArray[np.uint8]:
        take: Any = getattr(self.pictures, "take", None)
        if take is None or isinstance(self.pictures, np.ndarray):
            return np.ascontiguousarray(self.pictures[rows])
        # A batch over the border of two rounds is cropped in two parts.
        parts = [take(rows[rounds == k], int(k)) for k in np.unique(rounds)]
        return np.ascontiguousarray(np.concatenate(parts))

    def _one_hot(self, rows: NDArray[np.int64]) -> Tensor | None:
        if not self.classes or self.labels is None:
            return None
        return F.one_hot(torch.from_numpy(self.labels[rows]), self.classes).float()

    def _shuffled(self, number: int) -> NDArray[np.int64]:
        length = len(self.pictures) * (2 if self.mirror else 1)
        return np.random.default_rng([self.seed, number]).permutation(length)


class Averaged:
    """Pictures averaged down to a smaller side that theirs is a multiple of.

    Args:
        pictures: Larger ones.
        size: Wanted side in pixels.
    """

    def __init__(self, pictures: Pictures, size: int) -> None:
        self.pictures, self.size = pictures, size
        self.labels = getattr(pictures, "labels", None)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._averaged(self.pictures[rows])

    def take(self, rows: NDArray[np.int64], draw: int) -> NDArray[np.uint8]:
        """As the pictures', in another crop for each drawing where they have one."""
        take: Any = None if isinstance(self.pictures, np.ndarray) else getattr(self.pictures, "take", None)
        return self._averaged(self.pictures[rows] if take is None else take(rows, draw))

    def _averaged(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        n, side, _, channels = pictures.shape
        by = side // self.size
        mean = pictures.reshape(n, self.size, by, self.size, by, channels).mean(axis=(2, 4), dtype=np.float32)
        found: NDArray[np.uint8] = np.floor(mean + 0.5).astype(np.uint8)
        return found


def open_pictures(folder: Path) -> Any:
    """The prepared pictures in a dataset's folder.

    Raises:
        Refused: There are none, or the parts do not fit together.
    """
    return PictureStore.open(folder)
