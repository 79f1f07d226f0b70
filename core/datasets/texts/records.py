"""Documents out of a file: all of it, or one field of each record (JSON lines or array, CSV, TSV, Parquet).

The field is the one that was asked for, else the one that looks like it: `code` where records are laid out as those of
CodeSearchNet are, then `text`, `content`, `body`, `code`, else the column of text that is the longest on average.
"""

from __future__ import annotations

import csv
import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.datasets.decoding import LeftOut
from core.datasets.texts import json as text_json
from core.datasets.texts.decoding import BLOCK, TextReader, lines, pieces
from core.datasets.texts.files import TextFile
from core.datasets.texts.ignore import looks_minified
from core.datasets.texts.split import is_code_search_net

KNOWN_FIELDS = ("text", "content", "body", "code")
END_OF_TEXT = "<|endoftext|>"
"""Separates documents in files that were made for GPT-2, where it begins or ends a line."""
LEAST_MEAN = 20
"""Characters that the values of a field must have on average to be found by itself."""

_SEPARATOR = re.compile(r"^<\|endoftext\|>\n?|<\|endoftext\|>(?:\n|\Z)", re.MULTILINE)
_LINES = (".jsonl", ".ndjson")
_TABLES = {".csv": ",", ".tsv": "\t"}
_SAMPLED = 50
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Limits:
    """How much is held in memory at a time, in characters.

    Attributes:
        piece: Longest document; longer files are cut at line ends.
        record: Longest record of JSON and longest field of a table; longer ones are left out.
    """

    piece: int = 1 << 20
    record: int = 16 << 20


@dataclass
class Found:
    """What was seen while files were read.

    Attributes:
        fields: How many values of each field were documents.
        seen: Names of fields that records had, at most fifty.
        samples: The beginning of a value of each of those that hold text.
        encodings: Files by encoding.
        broken: Lines with bytes that do not decode.
        bad: Records that are none: lines of JSON that do not parse or are too long, rows that cannot be read.
        without: Records without the field.
        cut: Documents that begin in the middle of a line, because it was too long.
        pieces: Files that were cut into several documents.
        taken: How many bytes of the file that is being read were taken from it.
    """

    fields: Counter[str] = field(default_factory=Counter)
    seen: dict[str, None] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)
    encodings: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    bad: int = 0
    without: int = 0
    cut: int = 0
    pieces: int = 0
    taken: Callable[[], int] = int


def kind_of_file(file: TextFile) -> str:
    """ "lines" (of JSON), "table", "parquet", "json" (perhaps lines or an array) or "plain", told by its name."""
    name = file.plain_name
    if name.endswith(_LINES):
        return "lines"
    if name.endswith(".parquet"):
        return "parquet"
    if name.endswith(tuple(_TABLES)):
        return "table"
    return "json" if name.endswith(".json") else "plain"


def documents(file: TextFile, wanted: str | None, found: Found, limits: Limits | None = None) -> Iterator[str]:
    """The documents of a file, as they are; empty ones too.

    Args:
        file: Read once.
        wanted: The field of records; None to find it.
        found: Told what was seen.
        limits: How much is held in memory.

    Raises:
        LeftOut: It cannot be used, or only as far as it was given.
    """
    limits = limits or Limits()
    found.taken = int
    kind = kind_of_file(file)
    if kind == "parquet":
        yield from _parquet(file, wanted, found)
        return
    with file.opened() as opened:
        reader = TextReader(opened.file, opened.limit)
        found.taken = lambda: opened.source.taken
        try:
            blocks = reader.blocks()
            if kind == "json":
                first = next(blocks, "")
                kind = _json_kind(first, file, wanted)
                blocks = itertools.chain([first], blocks)
            if kind == "plain":
                yield from _plain(file, blocks, found, limits)
            else:
                table = kind == "table"
                records = _table(file, blocks, found, limits) if table else _json(kind, blocks, found, limits)
                yield from _values(file, records, wanted, found)
        finally:
            found.broken += reader.broken
            if reader.begun:
                found.encodings[reader.encoding] += 1


def _plain(file: TextFile, blocks: Iterator[str], found: Found, limits: Limits) -> Iterator[str]:
    count = 0
    for count, (piece, hard) in enumerate(pieces(blocks, limits.piece), 1):
        if count == 1 and not file.given and looks_minified(file.name, piece[:65_536]):
            raise LeftOut("minified", "very long lines")
        found.cut += hard
        if END_OF_TEXT in piece:
            yield from _SEPARATOR.split(piece)
        else:
            yield piece
    found.pieces += count > 1


def _json_kind(beginning: str, file: TextFile, wanted: str | None) -> str:
    """What a .json file holds: "lines", "array" of objects, or "plain" for anything else, as source folders have it.

    An array in a folder of other things is one of records only if they have text in a field.
    """
    if text_json.is_lines(beginning):
        return "lines"
    records = text_json.first_of_array(beginning, _SAMPLED)
    meant = wanted is not None or file.given
    if not records:  # the first may be longer than what was read so far
        return "array" if meant and len(beginning) >= BLOCK // 2 and text_json.begins_array(beginning) else "plain"
    return "array" if meant or choose(records, file) is not None else "plain"


def _json(kind: str, blocks: Iterator[str], found: Found, limits: Limits) -> Iterator[Mapping[str, object]]:
    read = text_json.of_lines if kind == "lines" else text_json.of_array
    for record in read(blocks, limits.record):
        if record is None:
            found.bad += 1
        else:
            yield record


def _table(file: TextFile, blocks: Iterator[str], found: Found, limits: Limits) -> Iterator[Mapping[str, object]]:
    text = (f"{line}\n" if line is not None else "\n" for line in lines(blocks, limits.record))
    first = next(text, "")
    delimiter = _TABLES[next(end for end in _TABLES if file.plain_name.endswith(end))]
    if delimiter == ",":
        delimiter = max(_DELIMITERS, key=first.count) if any(each in first for each in _DELIMITERS) else ","
    csv.field_size_limit(min(limits.record, sys.maxsize))
    rows = csv.reader(itertools.chain([first], text), delimiter=delimiter)
    names: list[str] | None = None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            found.bad += 1
            continue
        if names is None:
            names = [name.strip() for name in row]
        elif row:
            yield dict(zip(names, row, strict=False))


def _values(file: TextFile, records: Iterator[Mapping[str, object]], wanted: str | None, found: Found) -> Iterator[str]:
    """The field of each record. The first records are looked at before it is chosen."""
    sample: list[Mapping[str, object]] = []
    stopped: LeftOut | None = None
    try:
        for record in itertools.islice(records, _SAMPLED):
            sample.append(record)
    except LeftOut as left:  # the good beginning is used all the same
        stopped = left
    _remember(sample, found)
    name = wanted if wanted is not None else choose(sample, file)
    if not sample and stopped is None:
        raise LeftOut("no records", "none of its lines could be read as one")
    if name is None and stopped is None:
        names = ", ".join(list(dict.fromkeys(key for record in sample for key in record))[:12])
        raise LeftOut("no text field", f"its fields are {names}" if names else "")
    for record in itertools.chain(sample, () if stopped is not None else records):
        value = value_of(record, name) if name is not None else None
        if isinstance(value, str):
            found.fields[str(name)] += 1
            yield value
        else:
            found.without += 1
    if stopped is not None:
        raise stopped


def value_of(record: Mapping[str, object], name: str) -> object:
    """A field; "a.b" is the field b of the record in field a, where there is no field of that name."""
    if name in record:
        return record[name]
    inner: object = record
    for part in name.split("."):
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner


def choose(records: Sequence[Mapping[str, object]], file: TextFile | None = None) -> str | None:
    """The field that holds the text of some records; None if none looks like it."""
    lengths: Counter[str] = Counter()
    for record in records:
        for name, value in record.items():
            if isinstance(value, str) and isinstance(name, str):
                lengths[name] += len(value)
    path = file.whole_name if file is not None else ""
    if "code" in lengths and (is_code_search_net(path) or {"func_name", "docstring"} <= lengths.keys()):
        return "code"
    for name in KNOWN_FIELDS:
        same = next((each for each in lengths if each.casefold() == name), None)
        if same is not None and lengths[same]:
            return same
    longest = lengths.most_common(1)
    return longest[0][0] if longest and longest[0][1] >= LEAST_MEAN * len(records) else None


def _remember(sample: Sequence[Mapping[str, object]], found: Found) -> None:
    for record in sample:
        for name, value in record.items():
            if len(found.seen) < 50 and isinstance(name, str):
                found.seen.setdefault(name)
                if isinstance(value, str) and value.strip():
                    found.samples.setdefault(name, value.strip()[:200])


def _parquet(file: TextFile, wanted: str | None, found: Found) -> Iterator[str]:
    if file.path is None or isinstance(file.content, LeftOut):
        why = "Parquet is read from its end, which an archive does not allow: unpack it, and add the folder"
        raise file.content if isinstance(file.content, LeftOut) else LeftOut("in an archive", why)
    try:
        from pyarrow import ArrowException  # type: ignore[import-untyped, import-not-found, unused-ignore]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        raise LeftOut(
            "needs pyarrow", "Parquet files are read where pyarrow is installed: pip install pyarrow"
        ) from None
    try:
        with ParquetFile(file.path, memory_map=True) as table:
            names = _text_columns(table.schema_arrow)
            for name in names[:50]:
                found.seen.setdefault(name)
            column = wanted
            if column is None:
                first = next(table.iter_batches(_SAMPLED, columns=names), None) if names else None
                sample: list[Mapping[str, object]] = first.to_pylist() if first is not None else []
                _remember(sample, found)
                column = choose(sample, file)
            if column is None or column not in names:
                raise LeftOut("no text field", f"its columns of text are {', '.join(names[:12]) or 'none'}")
            found.encodings["parquet"] += 1
            for batch in table.iter_batches(256, columns=[column]):
                for value in batch.column(0):
                    text = value.as_py()
                    if isinstance(text, str):
                        found.fields[column] += 1
                        yield text
                    else:
                        found.without += 1
    except FileNotFoundError:
        raise LeftOut("vanished") from None
    except (ArrowException, OSError, ValueError) as error:
        raise LeftOut("broken", str(error)) from error


def _text_columns(schema: Any) -> list[str]:
    from pyarrow import types

    return [each.name for each in schema if types.is_string(each.type) or types.is_large_string(each.type)]
