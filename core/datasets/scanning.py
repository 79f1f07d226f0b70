"""Looking at every file of the sources once: what can be used, what is left out and why, and what is there twice.

The answer is an index, scan.jsonl in the dataset's folder: one line a file. Preparation follows it and decides nothing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.decoding import LEAST_SIDE, LeftOut, decode, over_white
from core.datasets.duplicates import THUMB, likeness, near_duplicates, pixel_hash
from core.datasets.pool import in_order
from core.datasets.sources import Entry, displayed, entries, kind_of
from core.errors import Refused
from core.library.manifest import clean_line
from core.paths import write_atomic

FILE_NAME = "scan.jsonl"
SOURCES = "sources.json"
UNSORTED = "unsorted"
"""The class of pictures that lie beside the classes' folders."""

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Record:
    """What was found out about one file.

    Attributes:
        number: Its place in the index; what adjustments call it.
        source: Which of the sources it belongs to, from 0.
        key: What finds it again there.
        name: For display.
        reason: Why it is left out, one of `REASONS`; "" if it is kept.
        why: More about the reason.
        width, height: In pixels, upright.
        mode: How it is stored.
        notes: What was done to it when it was decoded.
        label: Its class, "" without classes.
        like: Number of the file that it is a duplicate or near duplicate of; -1 if of none.
    """

    number: int
    source: int
    key: str
    name: str
    reason: str = ""
    why: str = ""
    width: int = 0
    height: int = 0
    mode: str = ""
    notes: tuple[str, ...] = ()
    label: str = ""
    like: int = -1

    @property
    def kept(self) -> bool:
        """Whether it is used."""
        return not self.reason

    @property
    def told(self) -> str:
        """Why it is left out, for people."""
        return f"{self.reason}: {self.why}" if self.why else self.reason


@dataclass(frozen=True)
class Scan:
    """All files, and how reading them went.

    Attributes:
        records: One for each file, in order.
        seconds: How long it took.
        read_bytes: What the files take as they are stored.
    """

    records: tuple[Record, ...]
    seconds: float
    read_bytes: int

    @property
    def kept(self) -> list[Record]:
        """Those that are used."""
        return [record for record in self.records if record.kept]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, sorted; () when there are none."""
        return tuple(sorted({record.label for record in self.kept} - {""}))

    def left_out(self) -> dict[str, int]:
        """How many files were left out, by reason, the most frequent first."""
        return dict(Counter(record.reason for record in self.records if record.reason).most_common())

    def near(self) -> int:
        """Kept pictures that are almost the same as another kept one."""
        return sum(1 for record in self.records if record.kept and record.like >= 0)

    def notes(self) -> dict[str, int]:
        """What was done to kept pictures when they were decoded, by kind."""
        return dict(Counter(note for record in self.kept for note in record.notes).most_common())


@dataclass
class _Look:
    record: Record
    pixels: str = ""
    hash: int = 0
    thumb: NDArray[np.uint8] | None = None


def scan(
    sources: Sequence[Path],
    *,
    least_side: int = LEAST_SIDE,
    classes: bool = False,
    drop_near: bool = False,
    progress: Progress = lambda text, share: None,
) -> Scan:
    """Decode every file of `sources` and judge it.

    Args:
        sources: Folders, archives and single files.
        least_side: Shortest side allowed, in pixels.
        classes: Take the names of sub-folders (or of the sources, if there are several) as classes.
        drop_near: Leave near duplicates out as well.
        progress: Told how far it is, with MB/s as measured.

    Raises:
        Refused: A source is not there, cannot be read or is hostile.
    """
    started = time.monotonic()
    looks: list[_Look] = []
    read = kept = 0
    roots = [path.name for path in sources]
    folders: list[tuple[str, ...]] = []
    for source, path in enumerate(sources):
        found, total = _listed(path)

        def look(entry: Entry, source: int = source) -> _Look:
            return _look_at(entry, source, least_side)

        for done, (entry, seen) in enumerate(in_order(look, found, weight=_weight), 1):
            looks.append(_numbered(seen, len(looks)))
            folders.append((roots[source], *entry.folders))
            read += entry.size
            kept += seen.record.kept
            speed = read / 1e6 / max(1e-3, time.monotonic() - started)
            of = f" of {total:,}" if total else ""
            out, places = len(looks) - kept, 0 if speed >= 10 else 1
            told = f"looking at {done:,}{of}, {kept:,} good, {out:,} left out, {speed:.{places}f} MB/s"
            progress(told, done / total if total else None)
        if not any(seen.record.kept for seen in looks):
            kind_of(path)  # perhaps it went away while it was looked at; then this says so
    progress("looking for duplicates", None)
    records = _without_copies(looks, drop_near)
    if classes:
        labels = labels_of([folders[record.number] for record in records if record.kept])
        given = iter(labels)
        records = [replace(record, label=next(given)) if record.kept else record for record in records]
    return Scan(tuple(records), time.monotonic() - started, read)


def labels_of(folders: Sequence[tuple[str, ...]]) -> list[str]:
    """A class for each file: the first folder in which they differ.

    Args:
        folders: For each file the name of its source and the folders it lies in, from the top.
    """
    common = 0
    while folders and all(len(parts) > common for parts in folders) and len({p[common] for p in folders}) == 1:
        common += 1
    return [displayed(parts[common]) if len(parts) > common else UNSORTED for parts in folders]


def write_index(folder: Path, records: Iterable[Record], sources: Sequence[Path]) -> None:
    """Write scan.jsonl, and sources.json: paths may hold what a manifest cannot.

    Raises:
        StorageError: The disk said no.
    """
    lines = [json.dumps(asdict(record)) for record in records]
    write_atomic(folder / SOURCES, json.dumps([str(path) for path in sources]))
    write_atomic(folder / FILE_NAME, "\n".join(lines) + "\n")


def read_index(folder: Path) -> list[Record]:
    """The records of a dataset's folder.

    Raises:
        Refused: There is no index, or it is damaged.
    """
    try:
        with (folder / FILE_NAME).open(encoding="utf-8") as file:
            return list(_records(file))
    except FileNotFoundError:
        raise Refused(f"{folder.name} has no list of its files", f"{FILE_NAME} is missing", "Add it again") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Refused(f"{FILE_NAME} in {folder.name} cannot be used", str(error), "Add the dataset again") from error


def read_sources(folder: Path) -> list[Path]:
    """Where a dataset's pictures came from.

    Raises:
        Refused: It does not say.
    """
    try:
        listed = json.loads((folder / SOURCES).read_text(encoding="utf-8"))
        if not isinstance(listed, list) or not listed:
            raise ValueError("it lists none")
        return [Path(str(path)) for path in listed]
    except (OSError, ValueError) as error:
        raise Refused(f"{folder.name} does not say where its pictures came from", str(error), "Add it anew") from error


def _records(lines: Iterable[str]) -> Iterator[Record]:
    known = Record.__dataclass_fields__
    for line in lines:
        if line.strip():
            told: dict[str, Any] = {key: value for key, value in json.loads(line).items() if key in known}
            yield Record(**(told | {"name": clean_line(str(told["name"])), "notes": tuple(told.get("notes", ()))}))


def _listed(path: Path) -> tuple[Iterable[Entry], int]:
    """The entries of a source, and how many there are where that is known before they are read."""
    if kind_of(path) == "folder":
        found = list(entries(path))
        return found, len(found)
    return entries(path), 0


def _weight(entry: Entry) -> int:
    return len(entry.content) if isinstance(entry.content, bytes) else 0


def _look_at(entry: Entry, source: int, least_side: int) -> _Look:
    record = Record(-1, source, entry.key, displayed(entry.name))
    try:
        if isinstance(entry.content, LeftOut):
            raise entry.content
        picture = decode(entry.content, least_side=least_side, name=entry.name)
    except LeftOut as left:
        return _Look(replace(record, reason=left.reason, why=left.why))
    height, width = picture.pixels.shape[:2]
    bits, thumb = likeness(over_white(picture.pixels))
    seen = replace(record, width=width, height=height, mode=picture.mode, notes=picture.notes)
    return _Look(seen, pixel_hash(picture.pixels), bits, thumb)


def _numbered(look: _Look, number: int) -> _Look:
    """The same with its place in the index."""
    look.record = replace(look.record, number=number)
    return look


def _without_copies(looks: Sequence[_Look], drop_near: bool) -> list[Record]:
    """The records, copies marked. The first of several equal ones is kept; of near ones too."""
    records = [look.record for look in looks]
    first: dict[str, int] = {}
    rows: list[int] = []
    for number, look in enumerate(looks):
        if look.record.reason:
            continue
        known = first.setdefault(look.pixels, number)
        if known != number:
            why = f"the same as {records[known].name}"
            records[number] = replace(look.record, reason="duplicate", why=why, like=known)
        else:
            rows.append(number)
    thumbs = np.zeros((len(rows), THUMB, THUMB, 3), np.uint8)
    for row, number in enumerate(rows):
        thumb = looks[number].thumb
        if thumb is not None:
            thumbs[row] = thumb
    for row, leader in near_duplicates([looks[number].hash for number in rows], thumbs).items():
        number, like = rows[row], rows[leader]
        record = replace(records[number], like=like)
        if drop_near:
            record = replace(record, reason="near duplicate", why=f"almost {records[like].name}")
        records[number] = record
    return records
