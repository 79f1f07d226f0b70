"""What the place Datasets asks of the core: imported when it is first asked; foreign files are decoded elsewhere.

Tests give the studio a subclass that answers from memory.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from core.datasets.adjustments import Adjustment
    from core.datasets.cropping import Preparation
    from core.datasets.library import Dataset, Datasets
    from core.datasets.review import Look
    from core.datasets.scanning import Record
    from core.datasets.subject import Subject
    from core.datasets.texts.adding import Look as FoundFiles
    from core.datasets.texts.store import TextStore

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Document:
    """A document of a text dataset, fit for a screen.

    Attributes:
        number: From 0.
        text: It, or its beginning.
        bytes: What all of it takes.
        shown: Bytes that `text` took.
        held: No step of training sees it.
    """

    number: int
    text: str
    bytes: int
    shown: int
    held: bool


Progress = Callable[[str, float | None], None]
"""Told what is being done and, where it is known, how much of it is done (0 to 1). On the event loop."""


class DatasetServices:
    """The core's datasets, as one thing to hold. What is not async reads or writes the disk: it belongs into a thread.

    Args:
        data_folder: Folder that holds datasets/; by default `core.paths.data_dir()`.
    """

    def __init__(self, data_folder: Path | None = None) -> None:
        self._data = data_folder
        self._store_of_texts: tuple[tuple[Path, datetime], TextStore] | None = None
        """The documents that were looked at last: mapped once, not at every page."""

    @cached_property
    def _store(self) -> Datasets:
        from core.datasets.library import Datasets

        return Datasets(self._data)

    def datasets(self) -> list[Dataset]:
        """All: starters, then one's own, the newest first."""
        _import_ahead()
        return self._store.datasets()

    def kind_of(self, path: Path) -> str:
        """ "folder", "zip", "tar" or "file".

        Raises:
            Refused: It is not there, or cannot be read.
        """
        from core.datasets.sources import kind_of

        return kind_of(path)

    async def add(
        self, paths: Sequence[Path], name: str | None, classes: bool, drop_near: bool, progress: Progress
    ) -> Dataset:
        """Look at every file and add what can be used; it is not prepared yet. Cancelling leaves nothing behind.

        Raises:
            TarmacError: It was refused.
        """
        await asyncio.to_thread(_import_ahead)
        from core.datasets.adding import Looking, add_pictures

        looking = Looking(classes=classes, drop_near=drop_near)
        return await add_pictures(paths, name=name, looking=looking, datasets=self._store, progress=progress)

    async def look(self, paths: Sequence[Path]) -> FoundFiles:
        """What is in some files, before they are added: pictures or texts, how much, which fields records have.

        Raises:
            TarmacError: They cannot be read.
        """
        await asyncio.to_thread(_import_ahead)
        from core.datasets.texts.adding import look

        return await look(paths)

    async def add_text(
        self, paths: Sequence[Path], name: str | None, field: str | None, held_out: float, progress: Progress
    ) -> Dataset:
        """Read every text and add them; ready to be trained on. Cancelling leaves nothing behind.

        Args:
            paths: What is read.
            name: What to call it; None for the first path's name.
            field: Of records, the one that holds the text; None to find it.
            held_out: Share of the text that no step of training sees.
            progress: Told how far it is.

        Raises:
            TarmacError: It was refused.
        """
        await asyncio.to_thread(_import_ahead)
        from core.datasets.texts.adding import add_text

        return await add_text(paths, name, field=field, held_out=held_out, datasets=self._store, progress=progress)

    async def prepare(self, dataset_id: str, preparation: Preparation | None, progress: Progress) -> Dataset:
        """Prepare a dataset, for the first time or again; a starter is drawn. Cancelling leaves what was there.

        Raises:
            TarmacError: It was refused.
        """
        await asyncio.to_thread(_import_ahead)
        from core.datasets.adding import prepare_dataset

        return await prepare_dataset(dataset_id, preparation, datasets=self._store, progress=progress)

    def preparation(self, dataset: Dataset) -> Preparation:
        """How it was prepared; the defaults where it never was."""
        from core.datasets.adding import preparation_of

        return preparation_of(dataset)

    def suggested_size(self, dataset: Dataset) -> int:
        """Side in pixels that a dataset's pictures suggest; 0 where nothing is known."""
        from core.datasets.cropping import choose_size
        from core.errors import TarmacError

        try:
            return choose_size([(each.width, each.height) for each in self.files(dataset) if each.kept])
        except TarmacError:
            return 0

    def pictures(self, dataset: Dataset, rows: Sequence[int] | int, side: int) -> tuple[list[Pixels], list[str]]:
        """Prepared pictures, uint8 [side, side, 3] each, and their names.

        Args:
            dataset: Prepared.
            rows: Which; a number of them, spread over all, where it is one number.
            side: In pixels.

        Raises:
            Refused: They cannot be read.
        """
        from core.datasets.decoding import over_white
        from core.datasets.store import PictureStore
        from tui.graphics.files import resized

        store = PictureStore.open(dataset.folder)
        if isinstance(rows, int):
            rows = [number * len(store) // rows for number in range(min(rows, len(store)))]
        rows = [row for row in rows if 0 <= row < len(store)]
        names = store.names
        return [resized(over_white(store[row][0]), side, side) for row in rows], [names[row] for row in rows]

    def documents(self, dataset: Dataset, *, held: bool) -> Sequence[int]:
        """The numbers of a text dataset's documents: all, or those that are held out.

        Raises:
            Refused: They cannot be read.
        """
        import numpy as np

        store = self._texts(dataset)
        return np.flatnonzero(store.held).tolist() if held else range(len(store))

    def document(self, dataset: Dataset, number: int, most: int) -> Document:
        """One document; of a long one its first `most` bytes.

        Raises:
            Refused: It cannot be read.
        """
        from core.library.manifest import clean_text

        store = self._texts(dataset)
        size = int(store.starts[number + 1] - store.starts[number])
        text = clean_text(store.text(number, most))
        return Document(number, text, size, min(size, most), bool(store.held[number]))

    def _texts(self, dataset: Dataset) -> TextStore:
        from core.datasets.texts.store import TextStore

        if self._store_of_texts is None or self._store_of_texts[0] != (dataset.folder, dataset.created):
            self._store_of_texts = (dataset.folder, dataset.created), TextStore.open(dataset.folder)
        return self._store_of_texts[1]

    def files(self, dataset: Dataset) -> list[Record]:
        """Every file that was looked at.

        Raises:
            Refused: There is no list of them.
        """
        from core.datasets.scanning import read_index

        return read_index(dataset.folder)

    def looks(self, dataset: Dataset) -> tuple[list[Look], bool]:
        """The pictures of an auto-cropped dataset, the least sure first; whether decisions wait to be applied.

        Raises:
            Refused: It was not prepared with auto-crop, or its files are damaged.
        """
        from core.datasets.review import looks, pending

        return looks(dataset.folder), pending(dataset.folder)

    async def sources(
        self, dataset: Dataset, numbers: Sequence[int], side: int, progress: Progress | None = None
    ) -> dict[int, Pixels]:
        """Pictures as they came, by number, uint8 [h, w, 3]; those that cannot be read again are missing.

        Raises:
            Refused: The sources have gone.
        """
        await asyncio.to_thread(_import_ahead)
        from core.datasets.adding import source_pictures

        return await source_pictures(dataset, numbers, side, progress)

    async def subjects(
        self, dataset: Dataset, numbers: Sequence[int], side: int, preparation: Preparation, progress: Progress
    ) -> dict[int, Subject]:
        """The subjects of some pictures as auto-crop would find them; boxes are in pixels of `sources` of that side.

        Raises:
            TarmacError: The model that is asked cannot be used, or the sources have gone.
        """
        await asyncio.to_thread(_import_ahead)
        from core.datasets.adding import find_subjects

        return await find_subjects(dataset, numbers, side, preparation, datasets=self._store, progress=progress)

    def decide(self, dataset: Dataset, decided: Mapping[int, Adjustment], names: Mapping[int, str]) -> None:
        """Write all decisions about a dataset's pictures; they count when it is prepared again.

        Raises:
            StorageError: The disk said no.
        """
        from core.datasets.adjustments import write

        write(dataset.folder, decided, names)

    def remove(self, dataset_id: str) -> None:
        """Delete a dataset for ever; of a starter, what was drawn of it.

        Raises:
            TarmacError: It cannot be deleted.
        """
        self._store.remove(dataset_id)


def _import_ahead() -> None:
    """Half a second of imports, in the thread that is waited for anyway: never on the event loop."""
    for name in (
        "core.datasets.adding",
        "core.datasets.texts.adding",
        "core.datasets.library",
        "core.datasets.review",
        "tui.datasets.crop_drawing",
    ):
        importlib.import_module(name)
