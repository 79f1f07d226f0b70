"""Prepared pictures as they are written: one after the other, at once into their final form, never half visible.

Files are written under hidden names and get their own when all is there. Writing is plain writing, not a map: a full
disk is then an error and not a dead process.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.datasets.manifest import Manifest
from core.datasets.store import Fingerprint
from core.errors import StorageError
from core.library.manifest import clean_line
from core.paths import private_dir, storage_errors

_SPARE = 64 << 20
_PART = ".part-"


def check_space(folder: Path, needed: int) -> None:
    """Whether `needed` bytes fit on the folder's disk with some to spare.

    Raises:
        StorageError: They do not.
    """
    with storage_errors(folder):
        free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise StorageError(
            "there is not enough space for the prepared pictures",
            f"they take {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free",
            "Free some space, choose a smaller size, or set TARMAC_HOME to a larger disk",
        )


class PictureWriter:
    """Writes the data of one preparation into a dataset's folder. A context manager: left by an error, nothing stays.

    Args:
        folder: The dataset's; made if it is not there.
        manifest: Its size, channels, layout ("square" or "ragged") and generation tell what is written.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.count = 0
        self._fingerprint = Fingerprint()
        self._shapes: list[tuple[int, int]] = []
        self._bytes = 0
        self._ragged = manifest.layout == "ragged"
        self._file: BinaryIO | None = None
        self._parts: dict[Path, Path] = {}

    def __enter__(self) -> PictureWriter:
        private_dir(self.folder)
        try:
            with storage_errors(self.folder):
                sweep_parts(self.folder)
                self._file = self._part(self.manifest.file("pixels" if self._ragged else "images")).open("wb")
                self._header()
        except BaseException:
            self.__exit__()
            raise
        return self

    def add(self, picture: NDArray[np.uint8]) -> None:
        """One picture more: uint8 [S, S, C], or [h, w, C] for the ragged layout."""
        assert self._file is not None
        with storage_errors(self.folder):
            self._file.write(np.ascontiguousarray(picture).data)
        self._fingerprint.add(picture)
        self._shapes.append((picture.shape[0], picture.shape[1]))
        self._bytes += picture.nbytes
        self.count += 1

    def finish(
        self,
        names: Sequence[str],
        labels: NDArray[np.int64] | None = None,
        numbers: Sequence[int] | None = None,
    ) -> str:
        """Write what belongs to the pictures, give the files their names, and return the fingerprint.

        The manifest is not written: until it is, the old data is what counts.
        """
        assert self._file is not None
        with storage_errors(self.folder):
            self._file.seek(0)
            self._header()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if self._ragged:
                np.save(self._part(self.manifest.file("shapes")), np.asarray(self._shapes, np.int32))
            if labels is not None:
                np.save(self._part(self.manifest.file("labels")), labels.astype(np.int64))
            if numbers is not None:
                np.save(self._part(self.manifest.file("numbers")), np.asarray(numbers, np.int64))
            lines = "\n".join(name.encode(errors="replace").decode() for name in names)
            self._part(self.manifest.file("names", "txt")).write_text(lines + "\n", encoding="utf-8")
            for part, final in self._parts.items():
                part.chmod(0o600)
                os.replace(part, final)
        return self._fingerprint.done(labels)

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is still in its buffer does not fit either
                self._file.close()
        for part in self._parts:
            part.unlink(missing_ok=True)

    def _part(self, name: str) -> Path:
        part = self.folder / f"{_PART}{os.getpid()}-{name}"
        self._parts[part] = self.folder / name
        return part

    def _header(self) -> None:
        """The array's header; numpy leaves room in it, so that the final count fits where the first one was."""
        assert self._file is not None
        side, channels = self.manifest.size, self.manifest.channels
        shape = (self._bytes,) if self._ragged else (self.count, side, side, channels)
        told = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, told)


def sweep_parts(folder: Path) -> None:
    """Delete what a killed preparation left; only for the one that holds the folder's lock."""
    for path in folder.glob(f"{_PART}*"):
        path.unlink(missing_ok=True)


def delete_older(folder: Path, manifest: Manifest) -> None:
    """Delete the files of other preparations. Who has them mapped keeps them until they are closed."""
    stems = ("images", "pixels", "shapes", "labels", "numbers", "names")
    kept = {manifest.file(stem, "txt" if stem == "names" else "npy") for stem in stems}
    unused = {"images"} if manifest.layout == "ragged" else {"pixels", "shapes"}
    unused |= set() if manifest.classes else {"labels"}
    kept -= {manifest.file(stem) for stem in unused}
    for stem in stems:
        for path in folder.glob(f"{stem}*"):
            if path.suffix in (".npy", ".txt") and path.name not in kept:
                path.unlink(missing_ok=True)


def write_square(
    folder: Path,
    manifest: Manifest,
    images: NDArray[np.uint8],
    names: Sequence[str] | None = None,
    labels: NDArray[np.int64] | None = None,
) -> Manifest:
    """Write pictures uint8 [n, S, S, C] that are there already, and the manifest, which gets their shape.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """
    count, size, _, channels = images.shape
    manifest = replace(manifest, count=count, size=size, channels=channels, layout="square")
    with PictureWriter(folder, manifest) as writer:
        for image in images:
            writer.add(image)
        told = [clean_line(name) for name in names] if names is not None else [str(row) for row in range(count)]
        manifest = replace(manifest, fingerprint=writer.finish(told, labels))
    manifest.write(folder)
    return manifest
