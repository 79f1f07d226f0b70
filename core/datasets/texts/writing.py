"""Texts as they are written: one after the other into their final form, each once, never half visible.

What is remembered of a document is at most some 40 bytes: where it begins, a digest of 64 bits that finds it again, and
a rank that the held-out part is chosen by. Two different texts have the same digest once in 10^19 pairs.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import shutil
from array import array
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.datasets.manifest import Manifest
from core.datasets.sources import displayed
from core.datasets.texts import split as text_split
from core.datasets.texts.store import HELD, INDEX, TEXTS
from core.errors import Refused, StorageError
from core.paths import private_dir, storage_errors

LONGEST, SAMPLES = 5, 6
"""Documents that are told by name because they are the longest, and those whose beginning is kept."""
SAMPLE_LENGTH = 400
"""Characters of such a beginning."""

_SPARE = 64 << 20
_CHECK_EVERY = 64 << 20
_BUFFER = 1 << 20
_CUT_LOOK = 1 << 16


class Digests:
    """A set of 64-bit numbers in 12 to 24 bytes each (open addressing)."""

    def __init__(self) -> None:
        self._table = array("Q", [0]) * 1024
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digest: int) -> bool:
        """Put a number in; False if it was there."""
        digest = digest or 1
        table, mask = self._table, len(self._table) - 1
        place = digest & mask
        while there := table[place]:
            if there == digest:
                return False
            place = (place + 1) & mask
        table[place] = digest
        self._count += 1
        if 3 * self._count > 2 * len(table):
            self._grow()
        return True

    def _grow(self) -> None:
        old = self._table
        table = array("Q", [0]) * (2 * len(old))
        mask = len(table) - 1
        for digest in old:
            if digest:
                place = digest & mask
                while table[place]:
                    place = (place + 1) & mask
                table[place] = digest
        self._table = table


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        documents, held: How many, and how many of them are held out.
        bytes, held_bytes: The same in UTF-8.
        fingerprint: sha256 of the texts, the index and the held-out flags.
        longest: Names and bytes.
        samples: Beginnings of documents.
    """

    documents: int
    held: int
    bytes: int
    held_bytes: int
    fingerprint: str
    longest: tuple[tuple[str, int], ...]
    samples: tuple[str, ...]


class TextWriter:
    """Writes the texts of a dataset into its folder. A context manager: left by an error, nothing stays.

    Args:
        folder: The dataset's; made if it is not there.
        manifest: Its generation tells what the files are called.
        seed: Of the held-out part.

    Attributes:
        count, bytes: Documents so far, and what they take.
        duplicates, empty: Documents that were not taken.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, seed: int = 0) -> None:
        self.folder, self.manifest, self._seed = folder, manifest, seed
        self.bytes = self.duplicates = self.empty = 0
        self._starts = array("q", [0])
        self._ranks = array("I")
        self._told = bytearray()
        self._digests = Digests()
        self._sha = hashlib.sha256()
        self._longest: list[tuple[int, int, str]] = []
        self._samples: list[tuple[int, int, str]] = []
        self._file: BinaryIO | None = None
        self._checked = 0
        self._part = folder / f".part-{os.getpid()}-{manifest.file(TEXTS, 'bin')}"

    @property
    def count(self) -> int:
        """Documents so far."""
        return len(self._told)

    def __enter__(self) -> TextWriter:
        private_dir(self.folder)
        with storage_errors(self.folder):
            self._file = self._part.open("wb", buffering=_BUFFER)
        return self

    def add(self, text: str, name: str, told: int = text_split.UNSAID) -> bool:
        """One document more; False if it is empty or was there already.

        Args:
            text: Of any length above zero; halves of surrogate pairs become question marks.
            name: Where it is from, for display.
            told: Which side of the split its source puts it on, see `core.datasets.texts.split`.
        """
        assert self._file is not None
        if not text or text.isspace():
            self.empty += 1
            return False
        data = text.encode("utf-8", "replace")
        digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
        if not self._digests.add(digest):
            self.duplicates += 1
            return False
        if self.bytes - self._checked > _CHECK_EVERY:
            self._check_space()
        with storage_errors(self.folder):
            self._file.write(data)
        self._sha.update(data)
        rank = text_split.rank(digest, self._seed)
        self._note(self._longest, LONGEST, len(data), name)
        # The highest ranks are a fair draw, and lie in the training part: what chance holds out is not shown.
        self._note(self._samples, SAMPLES, rank, text)
        self.bytes += len(data)
        self._starts.append(self.bytes)
        self._ranks.append(rank)
        self._told.append(told)
        return True

    def finish(self, share: float) -> Written:
        """Choose the held-out part and give the files their names. The manifest is not written.

        Raises:
            Refused: Nothing was added.
            StorageError: The disk said no.
        """
        assert self._file is not None
        if not self.count:
            raise Refused("nothing can be written", "there is no text")
        self._digests = Digests()  # its memory is needed for the index
        with storage_errors(self.folder):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        starts, held = self._split(share)
        sizes = np.diff(starts)
        self._sha.update(starts.tobytes())
        self._sha.update(held.tobytes())
        with storage_errors(self.folder):
            for stem, values in ((INDEX, starts), (HELD, held)):
                path = self.folder / self.manifest.file(stem)
                np.save(path, values)
                path.chmod(0o600)
            self._part.chmod(0o600)
            os.replace(self._part, self.folder / self.manifest.file(TEXTS, "bin"))
        return Written(
            documents=len(held),
            held=int(held.sum()),
            bytes=self.bytes,
            held_bytes=int(sizes[held].sum()),
            fingerprint=self._sha.hexdigest(),
            longest=tuple((name, size) for size, _, name in sorted(self._longest, reverse=True)),
            samples=tuple(text for _, _, text in sorted(self._samples, key=lambda each: -each[1])),
        )

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is still in its buffer does not fit either
                self._file.close()
        self._part.unlink(missing_ok=True)

    def _note(self, heap: list[tuple[int, int, str]], most: int, worth: int, text: str) -> None:
        """Keep the text if it is among the `most` of highest worth; of equal ones the first, of equal texts one."""
        if len(heap) == most and worth <= heap[0][0]:
            return
        kept = displayed(text) if heap is self._longest else text[:SAMPLE_LENGTH]
        for place, (known, _, there) in enumerate(heap):
            if there == kept:  # the pieces of one long file, or the records of one table
                if worth > known:
                    heap[place] = (worth, -self.count, kept)
                    heapq.heapify(heap)
                return
        (heapq.heappush if len(heap) < most else heapq.heapreplace)(heap, (worth, -self.count, kept))

    def _split(self, share: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        starts = np.frombuffer(self._starts, np.int64)
        ranks = np.frombuffer(self._ranks, np.uint32)
        chosen = text_split.split(np.diff(starts), ranks, np.frombuffer(self._told, np.uint8), share)
        if chosen.cut < 0:
            return starts, chosen.held
        first, last = int(starts[chosen.cut]), int(starts[chosen.cut + 1])
        end = min(max(1, round(share * self.bytes)), (last - first) // 2)
        at = self._cut(first, last, last - end)
        if at is None:  # a single character
            return starts, chosen.held
        held = np.insert(chosen.held, chosen.cut + 1, True)
        return np.insert(starts, chosen.cut + 1, at), held

    def _cut(self, first: int, last: int, wanted: int) -> int | None:
        """Where to cut the document between two places: after the line end that is nearest above, or else below."""
        with storage_errors(self._part), self._part.open("rb") as file:
            begin, stop = max(first, wanted - _CUT_LOOK), min(last, wanted + _CUT_LOOK)
            file.seek(begin)
            data = file.read(stop - begin)
        below = data.find(b"\n", wanted - begin, len(data) - 1)
        above = data.rfind(b"\n", 0, wanted - begin)
        if below >= 0 or above >= 0:
            return begin + (below if below >= 0 else above) + 1
        for place in range(wanted - begin, len(data)):
            if data[place] & 0xC0 != 0x80 and begin + place > first:  # never inside of a character
                return begin + place
        return None

    def _check_space(self) -> None:
        self._checked = self.bytes
        with storage_errors(self.folder):
            free = shutil.disk_usage(self.folder).free
        if free < _SPARE:
            raise StorageError(
                "there is not enough space for the texts",
                f"{self.bytes / 1e6:,.0f} MB are written, {free / 1e6:,.0f} MB are free",
                "Free some space, add less, or set TARMAC_HOME to a larger disk",
            )
