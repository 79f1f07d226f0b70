"""What a person judges of auto-crop: each picture with its subject, how sure that is, and what was decided about it.

The found boxes come from boxes.jsonl, the decisions from adjustments.toml; the pictures are decoded from their sources
once more, small, and only those that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets import adjustments as adjusting
from core.datasets.adjustments import Adjustment
from core.datasets.cropping import around, middle
from core.datasets.decoding import LeftOut, decode, over_white
from core.datasets.manifest import FILE_NAME as MANIFEST
from core.datasets.preparing import read_boxes
from core.datasets.scanning import read_index, read_sources
from core.datasets.sources import entries
from core.datasets.store import PictureStore
from core.datasets.subject import SURE, Box, Subject
from core.errors import Refused


@dataclass(frozen=True)
class Look:
    """One picture to judge.

    Attributes:
        number: Its number in the index; what adjustments call it.
        name: For display.
        row: In the prepared data; -1 where it was excluded before that was made.
        width, height: Of the upright picture in pixels.
        subject: What auto-crop found; None where it did not look.
        decided: What a person decided; None while nobody did.
    """

    number: int
    name: str
    row: int
    width: int
    height: int
    subject: Subject | None = None
    decided: Adjustment | None = None

    @property
    def box(self) -> Box | None:
        """Where the subject is: as a person says, else as it was found."""
        if self.decided is not None and self.decided.box is not None:
            return self.decided.box
        return self.subject.box if self.subject is not None else None

    @property
    def unsure(self) -> bool:
        """The found box is too doubtful to be used, and nobody has judged it yet."""
        return self.decided is None and self.subject is not None and self.subject.confidence < SURE

    @property
    def excluded(self) -> bool:
        """A person wants it left out."""
        return self.decided is not None and self.decided.action == "exclude"

    @property
    def window(self) -> Box:
        """What is cut out when the dataset is prepared with these decisions, in pixels of the picture."""
        box = self.box
        sure = self.subject is not None and self.subject.confidence >= SURE
        accepted = self.decided is not None and self.decided.action in ("accept", "box")
        if box is None or not (sure or accepted):
            return middle(self.height, self.width)
        return around(box, self.height, self.width)


def looks(folder: Path) -> list[Look]:
    """The pictures of an auto-cropped dataset, the least sure first, those excluded earlier last. Reads the disk.

    Raises:
        Refused: It was not prepared with auto-crop, or its files are damaged.
    """
    boxes, decided = read_boxes(folder), adjusting.read(folder)
    if not boxes:
        raise Refused("there is nothing to review", "no subjects were looked for", "Prepare it with auto-crop first")
    store = PictureStore.open(folder)
    numbers = store.numbers.tolist() if store.numbers is not None else []
    rows = {number: row for row, number in enumerate(numbers)}
    found = []
    for record in read_index(folder):
        number = record.number
        choice = decided.get(number)
        if not record.kept or (number not in rows and choice is None):
            continue
        subject = boxes.get(number)
        found.append(Look(number, record.name, rows.get(number, -1), record.width, record.height, subject, choice))
    return sorted(found, key=lambda each: (each.row < 0, each.subject.confidence if each.subject else 0.0, each.number))


def pending(folder: Path) -> bool:
    """Whether something was decided since the dataset was prepared. Reads the disk."""
    try:
        decided = (folder / adjusting.FILE_NAME).stat().st_mtime_ns
        return decided > (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        return False


def sources_of(
    folder: Path, numbers: Sequence[int], side: int, progress: Callable[[str, float | None], None]
) -> dict[int, NDArray[np.uint8]]:
    """The sources of some pictures by number, uint8 [h, w, 3] each, the longer side at most `side` pixels.

    Those that cannot be read any more are missing.

    Args:
        folder: The dataset's.
        numbers: In its index.
        side: In pixels; a smaller picture stays as it is.
        progress: Told how far it is.

    Raises:
        Refused: The index is damaged, or a source has gone.
    """
    wanted = {record.number: record for record in read_index(folder) if record.number in set(numbers)}
    found: dict[int, NDArray[np.uint8]] = {}
    for source, path in enumerate(read_sources(folder)):
        keys = {record.key: number for number, record in wanted.items() if record.source == source}
        for entry in entries(path, tuple(keys)) if keys else ():
            if isinstance(entry.content, LeftOut):
                continue
            try:
                pixels = decode(entry.content, name=entry.name).pixels
            except LeftOut:
                continue
            found[keys[entry.key]] = _shrunk(over_white(pixels), side)
            progress(f"reading {len(found):,} of {len(wanted):,} pictures", len(found) / len(wanted))
    return found


def save_pictures(out: Path, pictures: Mapping[int, NDArray[np.uint8]]) -> None:
    """Write pictures into one file, for `load_pictures`."""
    with out.open("wb") as file:
        np.savez(file, allow_pickle=False, **{str(number): pixels for number, pixels in pictures.items()})


def load_pictures(path: Path) -> dict[int, NDArray[np.uint8]]:
    """What `save_pictures` wrote."""
    with np.load(path, allow_pickle=False) as found:
        return {int(number): found[number] for number in found.files}


def _shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.BOX, reducing_gap=2.0))
