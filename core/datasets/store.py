"""What training reads: prepared pictures, mapped from disk, so that no step of training decodes or waits.

Two layouts. "square": images.npy, uint8 [n, S, S, C]. "ragged", for random crops: pixels.npy, all pictures one after
the other as flat uint8, and shapes.npy, int32 [n, 2] with their heights and widths, the shorter of which is S; a crop
is then a slice of the map. labels.npy (int64 [n]) is there when the dataset has classes, numbers.npy (int64 [n]) says
which lines of the index of files the pictures come from, names.txt holds a name a line.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from core.datasets.manifest import Manifest
from core.errors import Refused
from core.library.folders import identity

_Number = TypeVar("_Number", bound=np.generic)
_LOOKS = 5
_SHEET_GAP, _GROUND = 2, 24


class PictureStore:
    """The prepared pictures of a dataset, mapped read-only; made by `open`. Picklable by its folder alone.

    Attributes:
        folder: Where it is.
        size: S, side in pixels of what `take` and `[]` give.
        channels: C, 3 (RGB) or 4 (RGB and alpha).
        labels: int64 [n], which class each picture belongs to; None without classes.
        classes: The labels' names.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.size, self.channels, self.classes = manifest.size, manifest.channels, manifest.classes
        self._manifest = manifest
        if manifest.kind != "image" or not manifest.size:
            raise Refused(f"{manifest.name} has no prepared pictures", "", "Prepare the dataset first")
        self._images: NDArray[np.uint8] | None = None
        if manifest.layout == "ragged":
            self._shapes = np.asarray(_map(folder, manifest.file("shapes"), np.int32, 2))
            self._pixels: NDArray[np.uint8] = _map(folder, manifest.file("pixels"), np.uint8, 1)
            areas = self._shapes.astype(np.int64).prod(axis=1) * self.channels
            self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(areas)])
            good = self._shapes.shape[1] == 2 and bool((self._shapes.min(axis=1, initial=self.size) >= self.size).all())
            if not good or self._starts[-1] != len(self._pixels):
                raise _damaged(folder, "shapes.npy and pixels.npy do not fit together")
            count = len(self._shapes)
        else:
            self._images = _map(folder, manifest.file("images"), np.uint8, 4)
            if self._images.shape[1:] != (self.size, self.size, self.channels):
                raise _damaged(folder, f"{manifest.file('images')} holds {self._images.shape}")
            count = len(self._images)
        self._count = count
        if not count or count != manifest.count:
            raise _damaged(folder, f"it says {manifest.count} pictures and holds {count}")
        self.labels: NDArray[np.int64] | None = None
        if manifest.classes:
            labels = np.asarray(_map(folder, manifest.file("labels"), np.int64, 1))
            if len(labels) != count or labels.min() < 0 or labels.max() >= len(manifest.classes):
                raise _damaged(folder, "its labels do not fit its pictures")
            self.labels = labels

    @staticmethod
    def open(folder: Path) -> PictureStore:
        """The prepared pictures in a dataset's folder.

        Raises:
            Refused: There are none, or the parts do not fit together.
        """
        for look in range(_LOOKS):
            before = identity(folder)
            try:
                return PictureStore(folder, Manifest.read(folder))
            except Refused:
                # Preparing again may have replaced the files between the manifest's reading and theirs.
                if identity(folder) == before or look == _LOOKS - 1:
                    raise
        raise AssertionError("unreachable")

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return PictureStore.open, (self.folder,)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: ArrayLike | slice) -> NDArray[np.uint8]:
        """Pictures uint8 [k, S, S, C]; of those stored larger, the middle.

        Args:
            rows: Numbers of pictures (any sequence, one number, or a slice).
        """
        chosen = self._rows(rows)
        if self._images is not None:
            return self._images[chosen]
        height, width = (self._shapes[chosen] - self.size).astype(np.int64).T // 2
        return self._crops(chosen, height, width)

    def take(self, rows: NDArray[np.int64], draw: int) -> NDArray[np.uint8]:
        """Pictures uint8 [k, S, S, C], each cropped at a place that depends on its row and `draw` and on nothing else.

        Equal to `self[rows]` where nothing is stored larger than it is trained on.

        Args:
            rows: int64 [k].
            draw: Which drawing of places: the epoch, say.
        """
        chosen = self._rows(rows)
        if self._images is not None:
            return self._images[chosen]
        room = (self._shapes[chosen] - self.size).astype(np.uint64) + np.uint64(1)
        mixed = _mix(_mix(chosen.astype(np.uint64)) ^ np.uint64(draw % 2**64))
        top, left = mixed % room[:, 0], _mix(mixed) % room[:, 1]
        return self._crops(chosen, top.astype(np.int64), left.astype(np.int64))

    def sheet(self, rows: ArrayLike | slice, tile: int, columns: int | None = None) -> NDArray[np.uint8]:
        """Pictures side by side on a dark ground, uint8 [H, W, 3]; transparent parts are white.

        Args:
            rows: Numbers of pictures, at least one.
            tile: Side of each in pixels.
            columns: Pictures in a row; by default about as many as there are rows.
        """
        return sheet_of(self[rows], tile, columns)

    @cached_property
    def names(self) -> Sequence[str]:
        """A name for each picture, harmless to show; numbers where the dataset has no names."""
        try:
            path = self.folder / self._manifest.file("names", "txt")
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            lines = []
        found = lines[: self._count]
        return found if len(found) == self._count else [str(row) for row in range(self._count)]

    @cached_property
    def numbers(self) -> NDArray[np.int64] | None:
        """int64 [n], the number of each picture in the dataset's index; None for drawn pictures, which have none."""
        name = self._manifest.file("numbers")
        if not (self.folder / name).is_file():
            return None
        numbers = np.asarray(_map(self.folder, name, np.int64, 1))
        return numbers if len(numbers) == self._count else None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the pictures and labels; from the manifest, or computed where an old manifest has none."""
        if self._manifest.fingerprint:
            return self._manifest.fingerprint
        digest = Fingerprint()
        for row in range(self._count):
            if self._images is not None:
                digest.add(self._images[row])
            else:
                height, width = self._shapes[row]
                flat = self._pixels[self._starts[row] : self._starts[row + 1]]
                digest.add(flat.reshape(height, width, self.channels))
        return digest.done(self.labels)

    def _rows(self, rows: ArrayLike | slice) -> NDArray[np.int64]:
        """Row numbers int64 [k], in range; IndexError else."""
        if isinstance(rows, slice):
            return np.arange(self._count)[rows]
        chosen = np.atleast_1d(np.asarray(rows))
        if chosen.dtype == np.bool_:
            return np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        if len(chosen) and not -self._count <= chosen.min() <= chosen.max() < self._count:
            raise IndexError(f"rows {chosen.min()} to {chosen.max()} of {self._count} pictures")
        return np.where(chosen < 0, chosen + self._count, chosen)

    def _crops(self, rows: NDArray[np.int64], tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> NDArray[np.uint8]:
        side = self.size
        found = np.empty((len(rows), side, side, self.channels), np.uint8)
        for k, (row, top, left) in enumerate(zip(rows.tolist(), tops.tolist(), lefts.tolist())):
            flat = self._pixels[self._starts[row] : self._starts[row + 1]]
            whole = flat.reshape(*self._shapes[row], self.channels)
            found[k] = whole[top : top + side, left : left + side]
        return found


class Fingerprint:
    """sha256 over pictures in their order and their labels, fed while they are written."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, picture: NDArray[np.uint8]) -> None:
        """One picture more, uint8 [h, w, C]."""
        self._digest.update(",".join(str(length) for length in picture.shape).encode())
        self._digest.update(np.ascontiguousarray(picture).data)

    def done(self, labels: NDArray[np.int64] | None) -> str:
        """The fingerprint in hexadecimal."""
        if labels is not None:
            self._digest.update(b"labels")
            self._digest.update(labels.astype("<i8").tobytes())
        return self._digest.hexdigest()


def sheet_of(images: Iterable[NDArray[np.uint8]], tile: int, columns: int | None = None) -> NDArray[np.uint8]:
    """Pictures uint8 [h, w, 3 or 4] of any shape as tiles on a dark ground, uint8 [H, W, 3]; never distorted.

    Raises:
        ValueError: There is none.
    """
    tiles = [_tile(image, tile) for image in images]
    if not tiles:
        raise ValueError("a sheet needs a picture")
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    columns = min(columns, len(tiles))
    step = tile + _SHEET_GAP
    found = np.full((-(-len(tiles) // columns) * step + _SHEET_GAP, columns * step + _SHEET_GAP, 3), _GROUND, np.uint8)
    for number, picture in enumerate(tiles):
        height, width = picture.shape[:2]
        top = _SHEET_GAP + number // columns * step + (tile - height) // 2
        left = _SHEET_GAP + number % columns * step + (tile - width) // 2
        found[top : top + height, left : left + width] = picture
    return found


def _tile(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width, channels = image.shape
    if channels == 4:
        alpha = image[..., 3:].astype(np.uint16)
        image = ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    elif channels == 1:
        image = np.repeat(image, 3, axis=2)
    scale = side / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    if shape == (width, height):
        return image
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(shape, Image.Resampling.BOX))


def _map(folder: Path, name: str, kind: type[_Number], dimensions: int) -> NDArray[_Number]:
    """The array in a file, mapped read-only."""
    try:
        found = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, f"{name}: {error}") from error
    if found.dtype != kind or found.ndim != dimensions:
        raise _damaged(folder, f"{name} holds {found.dtype} {found.shape}")
    plain: NDArray[_Number] = found.view(np.ndarray)
    return plain


def _damaged(folder: Path, why: str) -> Refused:
    return Refused(f"the dataset in {folder.name} is damaged", why, "Prepare it again")


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64's step (Steele, Lea, Flood 2014): well mixed bits of each value, uint64 to uint64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
