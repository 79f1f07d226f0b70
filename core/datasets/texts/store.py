"""What a text training reads: documents as UTF-8, one after the other in one file, mapped from disk.

texts.bin holds the documents' bytes, texts-index.npy (int64 [n + 1]) where each begins and the last ends,
texts-held.npy (bool [n]) which of them are held out. Tokens are made of it for one tokenizer at a time, elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.manifest import Manifest
from core.errors import Refused

TEXTS, INDEX, HELD = "texts", "texts-index", "texts-held"
"""Stems of the files' names; see `Manifest.file`."""


class TextStore:
    """The documents of a text dataset, mapped read-only; made by `open`.

    Attributes:
        folder: Where it is.
        manifest: What it says about itself.
        starts: int64 [n + 1], byte offsets.
        held: bool [n], the documents that no step of training sees.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        if manifest.kind != "text":
            raise Refused(
                f"{manifest.name} has no texts", f"it is of the kind {manifest.kind}", "Choose a text dataset"
            )
        try:
            self.starts: NDArray[np.int64] = np.load(folder / manifest.file(INDEX), mmap_mode="r", allow_pickle=False)
            self.held: NDArray[np.bool_] = np.load(folder / manifest.file(HELD), allow_pickle=False)
            path = folder / manifest.file(TEXTS, "bin")
            size = path.stat().st_size
            self._bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
        except (OSError, ValueError) as error:
            raise _damaged(manifest, str(error)) from error
        count = manifest.count
        good = self.starts.dtype == np.int64 and self.held.dtype == np.bool_
        good = good and self.starts.shape == (count + 1,) and self.held.shape == (count,) and count > 0
        if not good or self.starts[0] != 0 or self.starts[-1] != size or bool((np.diff(self.starts) < 0).any()):
            raise _damaged(manifest, "its index does not fit its texts")

    @staticmethod
    def open(folder: Path) -> TextStore:
        """The documents in a dataset's folder.

        Raises:
            Refused: There are none, or the parts do not fit together.
        """
        return TextStore(folder, Manifest.read(folder))

    def __len__(self) -> int:
        return len(self.held)

    def text(self, number: int, most: int | None = None) -> str:
        """Document `number`; of a long one no more than its first `most` bytes, up to a whole character."""
        first, last = int(self.starts[number]), int(self.starts[number + 1])
        if most is None or last - first <= most:
            return bytes(self._bytes[first:last]).decode("utf-8", "replace")
        return bytes(self._bytes[first : first + most]).decode("utf-8", "ignore")

    def texts(self, *, held: bool) -> Iterator[str]:
        """The documents of one side of the split, in their order, read one at a time."""
        for number in np.flatnonzero(self.held == held):
            yield self.text(int(number))

    def size(self, *, held: bool | None = None) -> int:
        """UTF-8 bytes of all documents, or of one side of the split."""
        sizes = np.diff(self.starts)
        return int(sizes.sum() if held is None else sizes[self.held == held].sum())


def _damaged(manifest: Manifest, why: str) -> Refused:
    return Refused(f"the texts of {manifest.name} cannot be used", why, "Add the dataset again")
