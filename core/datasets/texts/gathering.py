"""A text dataset made of files: each is read once, as a stream, and its documents written as they come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.datasets.decoding import LeftOut
from core.datasets.manifest import Manifest
from core.datasets.scanning import Record, write_index
from core.datasets.sources import displayed, kind_of
from core.datasets.texts.advice import advise
from core.datasets.texts.files import Listing, TextFile, listed
from core.datasets.texts.records import Found, Limits, documents
from core.datasets.texts.split import HELD, TRAIN, told_by_name
from core.datasets.texts.writing import TextWriter, Written
from core.errors import InvalidInput, Refused

SHARE = 0.05
"""Of the text that is held out, by default."""
MOST_TOLD = 50_000
"""Files that were left out are listed up to this number; all of them are counted."""

_TELL_EVERY = 500
_LONG = 100_000

Progress = Callable[[str, float | None], None]


@dataclass
class _Tally:
    """What became of the files."""

    files: int = 0
    size: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """By reason the first file with more to say about it."""
    records: list[Record] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    started: float = field(default_factory=time.monotonic)

    def leave(self, source: int, name: str, left: LeftOut) -> None:
        """Note a file that is not used, or not to its end."""
        self.left_out[left.reason] += 1
        if left.why:
            self.examples.setdefault(left.reason, f"{displayed(name)}: {left.why}")
        if len(self.records) < MOST_TOLD:
            told = displayed(name)
            self.records.append(Record(len(self.records), source, told, told, left.reason, left.why))


@dataclass
class _Way:
    """How far the reading of a source has come, for the one who waits."""

    progress: Progress
    tally: _Tally
    writer: TextWriter
    listing: Listing
    done: int = 0

    def tell(self, taken: int = 0) -> None:
        """Say it; of the present file `taken` bytes are read."""
        count, size = self.listing.count, self.listing.size
        of = f" of {count:,}" if count > 1 else ""
        share = min(1.0, (self.done + taken) / size) if size else None
        self.progress(f"file {self.tally.files:,}{of}, {_speed(self.writer, self.tally)}", share)


def gather(
    sources: Sequence[Path],
    folder: Path,
    name: str,
    *,
    wanted: str | None = None,
    share: float = SHARE,
    seed: int = 0,
    limits: Limits | None = None,
    progress: Progress = lambda text, share: None,
) -> Manifest:
    """Write the texts of `sources` into `folder` as a dataset.

    Args:
        sources: Folders, archives and single files. They are only read.
        folder: A staging folder.
        name: What it is called.
        wanted: The field of records; None to find it.
        share: Of the text that is held out, more than 0 and at most 0.5.
        seed: Of the choice of it.
        limits: How much is held in memory.
        progress: Told how far it is, with MB/s as measured.

    Raises:
        InvalidInput: The share is not allowed.
        Refused: A source is not there or hostile, or there is less than 10 kB of text.
        StorageError: The disk said no.
    """
    if not 0 < share <= 0.5:
        raise InvalidInput(f"{share:g} of the text cannot be held out", "it must be more than 0 and at most 0.5")
    tally = _Tally()
    manifest = Manifest(name=name, kind="text")
    with TextWriter(folder, manifest, seed=seed) as writer:
        for number, source in enumerate(sources):
            progress(f"listing {displayed(source.name)}", None)
            listing = listed(source)
            way = _Way(progress, tally, writer, listing if len(sources) == 1 else Listing(iter(())))
            for file in listing.files:
                _read(file, number, wanted, way, limits or Limits())
                way.done += file.size
                way.tell()
            if tally.left_out["vanished"]:
                kind_of(source)  # perhaps all of it went away while it was read; then this says so
        _check_amount(name, writer, tally, wanted)
        progress("choosing what is held out", None)
        written = writer.finish(share)
        report = _report(written, writer, tally)
    write_index(folder, tally.records, sources)
    chosen = [each for each, _ in tally.found.fields.most_common(5)]
    about: dict[str, object] = {
        "origin": {"sources": [str(source) for source in sources], "fields": chosen},
        "report": report,
        "split": {"held_out": share, "seed": seed},
    }
    return _manifest(folder, name, written, about)


def gather_starter(
    folder: Path,
    name: str,
    texts: Iterable[tuple[str, str, bool]],
    about: Mapping[str, object],
    progress: Progress = lambda text, share: None,
) -> Manifest:
    """Write texts that are made by code into `folder` as a dataset.

    Args:
        folder: A staging folder.
        name: What it is called.
        texts: Name, text, and whether it is held out.
        about: More for the manifest.
        progress: Told how far it is.

    Raises:
        Refused: There is less than 10 kB of text.
        StorageError: The disk said no.
    """
    tally = _Tally()
    with TextWriter(folder, Manifest(name=name, kind="text")) as writer:
        for file, text, held in texts:
            writer.add(text, file, HELD if held else TRAIN)
            tally.files += 1
            progress(f"gathering {name}, {_speed(writer, tally)}", None)
        _check_amount(name, writer, tally, None)
        written = writer.finish(SHARE)
        report = _report(written, writer, tally)
    told = {**about, "report": report, "split": {"held_out": SHARE, "by": "name"}}
    return _manifest(folder, name, written, told)


def _manifest(folder: Path, name: str, written: Written, about: Mapping[str, object]) -> Manifest:
    manifest = Manifest(name=name, kind="text", count=written.documents, fingerprint=written.fingerprint, about=about)
    manifest.write(folder)
    return manifest


def _read(file: TextFile, source: int, wanted: str | None, way: _Way, limits: Limits) -> None:
    tally, writer = way.tally, way.writer
    tally.files += 1
    told = told_by_name(file.whole_name)
    seen, found, known = 0, 0, writer.duplicates
    try:
        for text in documents(file, wanted, tally.found, limits):
            seen += 1
            found += writer.add(text, file.name, told)
            if seen % _TELL_EVERY == 0 or len(text) > _LONG:
                way.tell(tally.found.taken())
    except LeftOut as left:
        why = (
            f"{left.why}; what came before it was taken: {found:,} document{'s'[: found != 1]}".lstrip("; ")
            if found
            else left.why
        )
        tally.leave(source, file.name, LeftOut(left.reason, why))
    else:
        if not found:
            tally.leave(source, file.name, LeftOut("duplicate" if writer.duplicates > known else "empty"))
    tally.size += file.size


def _check_amount(name: str, writer: TextWriter, tally: _Tally, wanted: str | None) -> None:
    advice = advise(writer.bytes, writer.count)
    if advice.level != "refused":
        return
    what = f"{name} cannot be added"
    if wanted is not None and not tally.found.fields and tally.found.seen:
        known = ", ".join(displayed(each) for each in list(tally.found.seen)[:12])
        raise Refused(what, f"no record has text in the field {displayed(wanted)}", f"Their fields are {known}")
    left = ", ".join(f"{count:,} {reason}" for reason, count in tally.left_out.most_common())
    only = tally.records[0].told if len(tally.records) == tally.files == 1 else ""
    looked = f" ({tally.files:,} {'file' if tally.files == 1 else 'files'} looked at; left out: {only or left})"
    raise Refused(what, advice.sentence + (looked if left else ""), "Add more text")


def _speed(writer: TextWriter, tally: _Tally) -> str:
    seconds = max(1e-3, time.monotonic() - tally.started)
    return f"{writer.count:,} documents, {writer.bytes / 1e6:,.0f} MB, {writer.bytes / 1e6 / seconds:.1f} MB/s"


def _report(written: Written, writer: TextWriter, tally: _Tally) -> dict[str, object]:
    """What the manifest says about it."""
    seconds = time.monotonic() - tally.started
    found, advice = tally.found, advise(written.bytes, written.documents)
    return {
        "files": tally.files,
        "kept": written.documents,
        "documents": written.documents,
        "bytes": written.bytes,
        "held_out": written.held,
        "held_bytes": written.held_bytes,
        "duplicates": writer.duplicates,
        "empty": writer.empty,
        "broken_lines": found.broken,
        "bad_records": found.bad,
        "without_field": found.without,
        "cut_lines": found.cut,
        "cut_files": found.pieces,
        "read_bytes": tally.size,
        "seconds": round(seconds, 2),
        "mb_per_s": round(written.bytes / 1e6 / max(1e-3, seconds), 1),
        "advice": advice.sentence,
        "level": advice.level,
        "left_out": dict(tally.left_out.most_common()),
        "left_out_because": dict(tally.examples),
        "encodings": dict(found.encodings.most_common()),
        "samples": list(written.samples),
        "longest": [{"name": each, "bytes": size} for each, size in written.longest],
    }
