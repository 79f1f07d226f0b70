"""A quick look at what could be added: pictures or texts, how much, and which fields records have."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.datasets.decoding import ENDINGS, LeftOut
from core.datasets.sources import displayed
from core.datasets.texts.files import TextFile, glimpsed
from core.datasets.texts.records import Found, Limits, documents, kind_of_file
from core.datasets.texts.split import HELD, TRAIN, told_by_name

SECONDS = 3.0
"""After this the answer is what was seen so far."""
MOST_OPENED = 400
"""Files of an unknown ending that are looked into."""

_SIGNS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"qoif")
_TEXTS = tuple(
    """.adoc .bash .c .cc .cfg .conf .cpp .cs .css .csv .dart .el .erl .ex .exs .f90 .fs .go .h .hpp .hs .htm .html .ini
    .ipynb .java .jl .js .json .jsonl .jsx .kt .log .lua .m .markdown .md .mjs .ml .ndjson .org .parquet .php .pl .ps1
    .py .r .rb .rs .rst .sass .scala .scss .sh .sql .srt .swift .tex .text .toml .ts .tsv .tsx .txt .vue .xml .yaml .yml
    .zig""".split()  # noqa: SIM905
)


@dataclass
class _Seen:
    pictures: int = 0
    texts: int = 0
    left_out: int = 0
    size: int = 0
    opened: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    chosen: str = ""
    told: set[int] = field(default_factory=set)


def look(sources: Sequence[Path], seconds: float = SECONDS) -> dict[str, object]:
    """What is in `sources`, as the fields of `core.datasets.texts.adding.Look`.

    Raises:
        Refused: A source is not there, cannot be read or is hostile.
    """
    end = time.monotonic() + seconds
    seen, complete = _Seen(), True
    for source in sources:
        for file in glimpsed(source):
            if time.monotonic() > end:
                complete = False
                break
            _look_at(file, seen)
    # Captions may lie beside pictures, and icons beside source: the more frequent is what is meant.
    image = seen.pictures >= seen.texts
    return {
        "kind": "image" if image else "text",
        "pictures": seen.pictures,
        "texts": seen.texts,
        "left_out": seen.left_out,
        "bytes": seen.size,
        "complete": complete,
        "fields": [{"name": name, "sample": sample} for name, sample in seen.fields.items()],
        "field": seen.chosen,
        "splits": {HELD, TRAIN} <= seen.told,
    }


def _look_at(file: TextFile, seen: _Seen) -> None:
    name = file.plain_name
    if name.endswith(ENDINGS):
        seen.pictures += 1
        seen.size += file.size
        return
    if isinstance(file.content, LeftOut):
        seen.left_out += 1
        return
    kind = kind_of_file(file)
    try:
        if kind != "plain" and not seen.fields:
            _look_into(file, seen)
        elif not name.endswith(_TEXTS) and seen.opened < MOST_OPENED:
            seen.opened += 1
            with file.opened() as opened:
                head = opened.file.read(4096)
            if head.startswith(_SIGNS) or head[4:12] in (b"ftypavif", b"ftypavis"):
                seen.pictures += 1
                seen.size += file.size
                return
            if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
                seen.left_out += 1
                return
    except (LeftOut, EOFError, OSError, ValueError):
        seen.left_out += 1
        return
    seen.texts += 1
    seen.size += file.size
    seen.told.add(told_by_name(file.whole_name))


def _look_into(file: TextFile, seen: _Seen) -> None:
    """The fields of the first records."""
    found = Found()
    try:
        for _ in itertools.islice(documents(file, None, found, Limits(record=1 << 20)), 1):
            pass
    except LeftOut as left:
        if left.reason not in ("no text field", "truncated", "broken"):
            raise
    for name, sample in found.samples.items():
        seen.fields[displayed(name)] = displayed(sample)
    seen.chosen = displayed(next(iter(found.fields))) if found.fields else ""
