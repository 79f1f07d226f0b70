"""Picture datasets on disk: equal squares in one array that is mapped, not read, and a manifest beside it.

A dataset is a folder of `dataset.toml` and `images.npy` (uint8 [n, size, size, 3]). Training takes rows from the map,
so that a dataset may be larger than memory and several processes share it.
"""

from __future__ import annotations

import os
import tomllib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tomlkit
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import InvalidInput, Refused
from core.paths import private_dir, storage_errors, write_atomic

FORMAT = 1
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
MAX_PIXELS = 100_000_000
"""A picture of more pixels is a mistake or an attack."""


@dataclass(frozen=True)
class PictureSet:
    """A prepared dataset.

    Attributes:
        name: For people.
        images: uint8 [n, size, size, 3], mapped read-only.
        about: What the manifest says besides: licence, source, how it was prepared.
    """

    name: str
    images: NDArray[np.uint8]
    about: Mapping[str, object] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.images[rows]

    @staticmethod
    def open(folder: Path) -> PictureSet:
        """The dataset in `folder`.

        Raises:
            Refused: There is none, or its parts do not fit together.
        """
        try:
            told = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise Refused(f"{folder} is no picture dataset", str(error), "Prepare it again") from error
        if told.get("format") != FORMAT or told.get("kind") != "image":
            raise Refused(f"{folder} is no picture dataset of format {FORMAT}", do="Prepare it again, or update Tarmac")
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3:
            raise Refused(f"{folder} is damaged", f"images.npy holds {images.dtype} {images.shape}", "Prepare it again")
        about = {key: value for key, value in told.items() if key not in ("format", "kind", "name")}
        return PictureSet(str(told.get("name", folder.name)), images, about)


def write_pictures(folder: Path, name: str, images: NDArray[np.uint8], about: Mapping[str, object]) -> PictureSet:
    """Write a dataset from an array uint8 [n, size, size, 3] and open it.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """
    private_dir(folder)
    with storage_errors(folder):
        part = folder / f".images.{os.getpid()}.npy"
        try:
            np.save(part, images, allow_pickle=False)
            os.replace(part, folder / "images.npy")
        finally:
            part.unlink(missing_ok=True)
    _write_manifest(folder, name, images.shape, about)
    return PictureSet.open(folder)


def prepare_folder(
    source: Path,
    folder: Path,
    *,
    name: str,
    size: int,
    about: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PictureSet, list[str]]:
    """Make a dataset of all pictures under `source`: upright, cropped to the middle square, resized with Lanczos.

    Args:
        source: Folder of pictures, searched with its sub-folders in the order of names.
        folder: Where the dataset goes.
        name: For people.
        size: Side in pixels, a power of two from 8 to 1024.
        about: More for the manifest.
        progress: Told how many of how many files are done.

    Returns:
        The dataset, and one line for each file that could not be used.

    Raises:
        InvalidInput: `size` is not allowed, or no picture could be used.
        StorageError: The disk is full, read-only or gone.
    """
    if size < 8 or size > 1024 or size & (size - 1):
        raise InvalidInput(f"size {size} is not allowed", "it must be a power of two from 8 to 1024")
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    private_dir(folder)
    part, left_out, count = folder / f".room.{os.getpid()}.npy", [], 0
    try:
        with storage_errors(folder):
            # Rows are written into the map as they come; the few that fail are cut off at the end.
            room = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(max(1, len(files)), size, size, 3))
            for number, path in enumerate(files, 1):
                try:
                    room[count] = read_square(path, size)
                    count += 1
                except Refused as error:
                    left_out.append(str(error))
                if progress:
                    progress(number, len(files))
            room.flush()
        if not count:
            raise InvalidInput(f"no picture in {source} can be used", "; ".join(left_out[:3]), "Choose another folder")
        return write_pictures(folder, name, room[:count], {"source": source.name, **(about or {})}), left_out
    finally:
        part.unlink(missing_ok=True)


def read_square(path: Path, size: int) -> NDArray[np.uint8]:
    """The middle square of a picture file as uint8 [size, size, 3]; transparent parts are white.

    Raises:
        Refused: It is no picture, is damaged, or has more than `MAX_PIXELS` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large or odd files; they are judged here
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise Refused(f"{path.name} is too large", f"{opened.width} x {opened.height} pixels")
                upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused(f"{path.name} is no picture that can be read", str(error)) from error
    white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, upright).convert("RGB")
    return np.asarray(ImageOps.fit(flat, (size, size), Image.Resampling.LANCZOS))


def contact_sheet(images: Iterable[NDArray[np.uint8]], columns: int, gap: int = 2) -> NDArray[np.uint8]:
    """Pictures uint8 [S, S, 3] side by side on a dark ground, uint8 [H, W, 3]."""
    tiles = list(images)
    side, rows = tiles[0].shape[0], -(-len(tiles) // columns)
    sheet = np.full((rows * (side + gap) + gap, columns * (side + gap) + gap, 3), 24, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = gap + number // columns * (side + gap), gap + number % columns * (side + gap)
        sheet[top : top + side, left : left + side] = tile
    return sheet


def _write_manifest(folder: Path, name: str, shape: tuple[int, ...], about: Mapping[str, object]) -> None:
    told = {"format": FORMAT, "kind": "image", "name": name, "count": shape[0], "size": shape[1], **about}
    write_atomic(folder / "dataset.toml", tomlkit.dumps(told))
