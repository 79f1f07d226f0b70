"""From the index of a scan to data that training maps: every kept picture decoded once more, cut, resized, written.

All or nothing: until the manifest is replaced, at the very end and by one rename, the dataset is what it was before.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets import adjustments as adjusting
from core.datasets.adjustments import Adjustment
from core.datasets.advice import LEAST, advise
from core.datasets.cropping import (
    CONTRAST,
    Preparation,
    all_of_it,
    around,
    choose_size,
    cut,
    middle,
    shorter_side,
    within,
)
from core.datasets.decoding import LeftOut, decode, over_white
from core.datasets.manifest import Manifest
from core.datasets.pool import in_order
from core.datasets.scanning import Record, read_index, read_sources
from core.datasets.sources import Entry, entries
from core.datasets.store import PictureStore
from core.datasets.subject import SURE, Box, Segmenter, Subject, alignment, find_subject
from core.datasets.writing import PictureWriter, check_space, delete_older
from core.errors import Refused
from core.paths import storage_errors, write_atomic

BOXES = "boxes.jsonl"
"""What auto-crop found: one line a picture with its number, box and confidence."""

_MEASURED = 400  # pictures that the alignment is measured on; more changes the third digit

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class _Made:
    pixels: NDArray[np.uint8] | None
    subject: Subject | None = None
    window: Box = (0.0, 0.0, 1.0, 1.0)
    left_out: LeftOut | None = None


def prepare(
    folder: Path,
    preparation: Preparation,
    *,
    base_size: int | None = None,
    segmenter: Segmenter | None = None,
    looked: Mapping[str, object] | None = None,
    progress: Progress = lambda text, share: None,
) -> Manifest:
    """Prepare the dataset in `folder`, for the first time or again; returns its new manifest.

    The folder holds dataset.toml, scan.jsonl and sources.json, and adjustments.toml if there are any.

    Args:
        folder: The dataset's.
        preparation: How.
        base_size: Side of what the base model makes; used when `preparation.size` is 0.
        segmenter: Sees subjects better than their contrast does; for auto-crop.
        looked: What the manifest keeps about who looked for the subjects.
        progress: Told how far it is.

    Raises:
        InvalidInput: The preparation is not allowed.
        Refused: Too few pictures are left, the sources have gone, or it is being prepared already.
        StorageError: The disk is full, read-only or gone.
    """
    preparation.check()
    with _alone(folder):
        started = time.monotonic()
        before = Manifest.read(folder)
        decided = adjusting.read(folder)
        records = read_index(folder)
        chosen = [each for each in records if each.kept and not _excluded(decided.get(each.number))]
        _check_count(len(chosen), before.name)
        shapes = [(each.width, each.height) for each in chosen]
        size = preparation.size or choose_size(shapes, base_size)
        preparation = replace(preparation, size=size).check()
        layout = "ragged" if preparation.crop == "random" else "square"
        channels = 4 if preparation.alpha == "keep" else 3
        generation = before.generation + 1 if before.size else before.generation
        after = replace(before, size=size, channels=channels, layout=layout, generation=generation, classes=())
        check_space(folder, sum(_area(shape, size, layout) for shape in shapes) * channels)
        used: list[Record] = []
        found: list[tuple[Record, _Made]] = []
        failed: list[tuple[Record, LeftOut]] = []

        def make(pair: tuple[Record, Entry]) -> _Made:
            return _make(*pair, preparation, decided.get(pair[0].number), segmenter)

        with PictureWriter(folder, after) as writer:
            pairs = _pairs(read_sources(folder), chosen, failed)
            for done, ((record, _), made) in enumerate(in_order(make, pairs, weight=_weight), 1):
                if made.pixels is None:
                    failed.append((record, made.left_out or LeftOut("broken")))
                else:
                    writer.add(made.pixels)
                    used.append(record)
                    if made.subject is not None:
                        found.append((record, replace(made, pixels=None)))
                rate = done / max(1e-3, time.monotonic() - started)
                progress(f"preparing {done:,} of {len(chosen):,}, {rate:.0f} pictures/s", done / len(chosen))
            _check_count(len(used), before.name, failed)
            classes = tuple(sorted({record.label for record in used} - {""}))
            labels = None
            if classes:
                places = {label: place for place, label in enumerate(classes)}
                labels = np.asarray([places[record.label] for record in used], np.int64)
            after = replace(after, classes=classes, count=len(used))
            fingerprint = writer.finish([record.name for record in used], labels, [record.number for record in used])
        after = replace(after, fingerprint=fingerprint)
        about = {key: value for key, value in before.about.items() if key != "subjects"}
        if preparation.crop == "auto":
            _write_boxes(folder, found)
            placed = _placed(PictureStore(folder, after), found, segmenter, progress)
            about["subjects"] = dict(looked or {"by": CONTRAST}) | placed
        prepared = {"at": datetime.now(UTC).replace(microsecond=0), "seconds": round(time.monotonic() - started, 1)}
        excluded = sum(1 for each in records if each.kept) - len(chosen)
        about["preparation"] = asdict(preparation) | prepared | {"excluded": excluded, "failed": len(failed)}
        about["report"] = _report(before, len(used), failed)
        after = replace(after, about=about)
        after.write(folder)
        delete_older(folder, after)
        return after


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it however this process ends.

    Raises:
        Refused: Another process holds it.
    """
    if not folder.is_dir():
        raise Refused(f"{folder.name} is gone", "", "See `tarmac datasets list`")
    with storage_errors(folder):
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("the dataset is being prepared already", "", "Wait until that is done") from None
        yield
    finally:
        os.close(handle)


def _pairs(
    sources: Sequence[Path], chosen: Sequence[Record], failed: list[tuple[Record, LeftOut]]
) -> Iterator[tuple[Record, Entry]]:
    """The chosen records with their files, in the order of the index; those whose source lost them go to `failed`."""
    for number, path in enumerate(sources):
        wanted = {record.key: record for record in chosen if record.source == number}
        if wanted:
            try:
                for entry in entries(path, tuple(wanted)):
                    record = wanted.pop(entry.key, None)
                    if record is not None:
                        yield record, entry
            except Refused as error:
                raise Refused("the dataset cannot be prepared", str(error), "Bring it back, or add it anew") from error
            failed += [(record, LeftOut("vanished")) for record in wanted.values()]


def _make(
    record: Record,
    entry: Entry,
    preparation: Preparation,
    adjustment: Adjustment | None,
    segmenter: Segmenter | None,
) -> _Made:
    try:
        if isinstance(entry.content, LeftOut):
            raise entry.content
        pixels = decode(entry.content, name=record.name).pixels
    except LeftOut as left:
        return _Made(None, left_out=left)
    height, width = pixels.shape[:2]
    subject, window = None, all_of_it(height, width) if preparation.crop == "none" else middle(height, width)
    if preparation.crop == "auto":
        subject, window = place(pixels, adjustment, segmenter)
    if preparation.alpha == "white":
        pixels = over_white(pixels)
    elif pixels.shape[2] == 3:
        pixels = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
    if preparation.crop == "random":
        return _Made(shorter_side(pixels, preparation.size, preparation))
    return _Made(cut(pixels, window, preparation.size, preparation), subject, window)


def place(
    pixels: NDArray[np.uint8], adjustment: Adjustment | None, segmenter: Segmenter | None = None
) -> tuple[Subject, Box]:
    """The subject of a picture and the window that auto-crop cuts: the middle where the subject is unsure."""
    height, width = pixels.shape[:2]
    if adjustment is not None and adjustment.box is not None:
        subject = Subject(adjustment.box, 1.0, "hand")
    else:
        subject = find_subject(pixels, segmenter)
    return subject, window_of(subject, adjustment, height, width)


def window_of(subject: Subject, adjustment: Adjustment | None, height: int, width: int) -> Box:
    """The window that auto-crop cuts of a picture with that subject: the middle where the subject is unsure."""
    accepted = adjustment is not None and adjustment.action in ("accept", "box")
    if subject.confidence >= SURE or accepted:
        return around(subject.box, height, width)
    return middle(height, width)


def _placed(
    store: PictureStore, found: Sequence[tuple[Record, _Made]], segmenter: Segmenter | None, progress: Progress
) -> dict[str, object]:
    """How alike subjects are placed, in the middle squares and in the finished pictures, where they are looked for
    again: so the second number is measured and does not follow from how the crop was made."""
    what = "measuring how alike the subjects are placed"
    progress(what, None)
    rows = np.unique(np.linspace(0, len(found) - 1, min(len(found), _MEASURED)).astype(np.int64))
    before: list[Box] = []
    after: list[Box] = []
    for done, row in enumerate(rows.tolist(), 1):
        record, made = found[row]
        assert made.subject is not None
        before.append(within(made.subject.box, middle(record.height, record.width)))
        again = find_subject(store[row][0], segmenter)
        after.append(within(again.box, (0.0, 0.0, float(store.size), float(store.size))))
        progress(what, done / len(rows))
    unsure = sum(1 for _, made in found if made.subject is not None and made.subject.confidence < SURE)
    unseen = sum(1 for _, made in found if made.subject is not None and made.subject.by == "contrast")
    return {
        "found": len(found) - unsure,
        "unsure": unsure,
        **({"unseen": unseen} if segmenter is not None else {}),
        "alignment_before": round(alignment(before), 3),
        "alignment_after": round(alignment(after), 3),
        "measured_on": len(rows),
    }


def _write_boxes(folder: Path, found: Sequence[tuple[Record, _Made]]) -> None:
    lines = []
    for record, made in found:
        if made.subject is not None:
            box = [round(edge, 1) for edge in made.subject.box]
            told = {"number": record.number, "box": box, "confidence": round(made.subject.confidence, 3)}
            told |= {"by": made.subject.by, "window": [round(edge, 1) for edge in made.window]}
            lines.append(json.dumps(told))
    write_atomic(folder / BOXES, "\n".join(lines) + "\n")


def read_boxes(folder: Path) -> dict[int, Subject]:
    """What auto-crop found, by the pictures' numbers in the index; {} where it never ran.

    Raises:
        Refused: The file is damaged.
    """
    try:
        found = {}
        for line in (folder / BOXES).read_text(encoding="utf-8").splitlines():
            told: dict[str, Any] = json.loads(line)
            left, top, right, bottom = (float(edge) for edge in told["box"])
            by = str(told.get("by", "contrast"))
            found[int(told["number"])] = Subject((left, top, right, bottom), float(told["confidence"]), by)
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{BOXES} in {folder.name} cannot be used", str(error), "Prepare the dataset again") from error


def _report(before: Manifest, count: int, failed: Sequence[tuple[Record, LeftOut]]) -> dict[str, object]:
    told = before.about.get("report")
    report: dict[str, object] = dict(told) if isinstance(told, Mapping) else {}
    read = report.get("read_bytes")
    advice = advise(count, read if isinstance(read, int) else 0)
    report |= {"advice": advice.sentence, "level": advice.level}
    report["failed_to_prepare"] = dict(Counter(left.reason for _, left in failed))
    return report


def _excluded(adjustment: Adjustment | None) -> bool:
    return adjustment is not None and adjustment.action == "exclude"


def _check_count(count: int, name: str, failed: Sequence[tuple[Record, LeftOut]] = ()) -> None:
    if count < LEAST:
        lost = f"; {len(failed)} could not be read again ({failed[0][1].reason})" if failed else ""
        raise Refused(f"{name} cannot be prepared", advise(count).sentence + lost, "Add more pictures")


def _area(shape: tuple[int, int], size: int, layout: str) -> int:
    if layout == "square":
        return size * size
    short, long = sorted(shape)
    return size * min(4 * size, round(size * long / max(1, short)))


def _weight(pair: tuple[Record, Entry]) -> int:
    return len(pair[1].content) if isinstance(pair[1].content, bytes) else 0
