"""`tarmac datasets` for text: adding it, and what is told about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tui.commands.common import Progress, run_async, size
from tui.words import counted

if TYPE_CHECKING:
    from core.datasets.library import Dataset

PICTURES_ONLY = (
    "classes",
    "least_side",
    "drop_near",
    "no_prepare",
    "size",
    "crop",
    "fill",
    "filter",
    "alpha",
    "subject",
)
TEXT_ONLY = ("field", "held_out", "seed")
"""Options of `datasets add` that mean nothing for the other kind."""

_PLAIN = ("binary", "duplicate", "empty", "generated", "ignored", "minified", "link")
"""Reasons for which a file is left out that need no example."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `datasets add` for text."""
    text = parser.add_argument_group("text")
    text.add_argument("--field", metavar="NAME", help="of JSON lines and tables: the field with the text (found)")
    text.add_argument("--held-out", type=float, metavar="SHARE", help="of the text, never trained on (default: 0.05)")
    text.add_argument("--seed", type=int, metavar="N", help="of the choice of what is held out (default: 0)")


def kind_of(options: argparse.Namespace) -> str:
    """The kind that was asked for, else the one that the given options or the files speak for; says what was guessed.

    Raises:
        Refused: A source is not there or cannot be read.
    """
    if options.kind is not None:
        return str(options.kind)
    if _given(options, TEXT_ONLY):
        return "text"
    if _given(options, PICTURES_ONLY):
        return "image"
    from core.datasets.texts.adding import look

    seen = run_async(look(options.path))
    if seen.kind == "text":
        pictures = f", {seen.pictures:,} pictures" if seen.pictures else ""
        more = "" if seen.complete else "more than "
        files = "1 file" if seen.texts == 1 else f"{seen.texts:,} files"
        print(f"taken as text: {more}{files} of text{pictures} (see --kind)", file=sys.stderr)
    elif seen.texts and seen.pictures:
        told = f"{seen.pictures:,} pictures, {seen.texts:,} files of text"
        print(f"taken as pictures: {told} (see --kind)", file=sys.stderr)
    return seen.kind


def check(options: argparse.Namespace, kind: str) -> None:
    """Refuse options that mean nothing for this kind.

    Raises:
        InvalidInput: One was given.
    """
    from core.errors import InvalidInput

    wrong = _given(options, PICTURES_ONLY if kind == "text" else TEXT_ONLY)
    if wrong:
        word = "text" if kind == "text" else "pictures"
        raise InvalidInput(f"--{wrong[0].replace('_', '-')} is not for {word}", "", "Leave it away, or see --kind")


def add(options: argparse.Namespace) -> Dataset:
    """Add the texts."""
    from core.datasets.texts.adding import HELD_OUT, add_text

    progress = Progress()
    work = add_text(
        options.path,
        options.name,
        field=options.field,
        held_out=HELD_OUT if options.held_out is None else options.held_out,
        seed=options.seed or 0,
        progress=progress,
    )
    try:
        return run_async(work)
    finally:
        progress.clear()


def report_lines(dataset: Dataset) -> list[str]:
    """What is known about its texts, a line each: label and words."""
    report, origin = _table(dataset, "report"), _table(dataset, "origin")
    documents, taken = _number(report, "documents"), _number(report, "bytes")
    lines = []
    if report.get("advice"):
        lines.append(f"advice     {report['advice']}")
    if taken:
        held, held_bytes = _number(report, "held_out"), _number(report, "held_bytes")
        lines.append(f"text       {size(taken)} in {counted(documents, 'document')}")
        share = f"{100 * held_bytes / taken:.1f} %"
        lines.append(f"held out   {size(held_bytes)} in {counted(held, 'document')} ({share})")
    if origin.get("fields"):
        lines.append(f"field      {', '.join(map(str, origin['fields']))}")
    left_out = report.get("left_out")
    if isinstance(left_out, Mapping) and left_out:
        words = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        lines.append(f"left out   {words} (of {counted(_number(report, 'files'), 'file')})")
        examples = _table_in(report, "left_out_because")
        lines += [
            f"           {examples[reason]}" for reason in left_out if reason in examples and reason not in _PLAIN
        ]
    counts = {
        "duplicates": ("duplicate", "dropped"),
        "broken_lines": ("line", "with bytes that do not decode"),
        "bad_records": ("record", "that cannot be read"),
        "without_field": ("record", "without the field"),
        "cut_files": ("long file", "cut into documents"),
        "cut_lines": ("long line", "cut"),
    }
    told = [
        f"{counted(_number(report, key), thing)} {what}"
        for key, (thing, what) in counts.items()
        if _number(report, key)
    ]
    if told:
        lines.append(f"noted      {', '.join(told)}")
    encodings = report.get("encodings")
    if isinstance(encodings, Mapping) and encodings:
        lines.append(f"encodings  {', '.join(f'{name} {count:,}' for name, count in encodings.items())}")
    for number, each in enumerate(_tables(report, "longest")):
        label = "longest    " if not number else "           "
        lines.append(f"{label}{size(float(each.get('bytes', 0)))}  {each.get('name', '')}")
    if report.get("seconds"):
        lines.append(f"read in    {report['seconds']:.1f} s, {report.get('mb_per_s', 0):.1f} MB/s")
    return lines


def samples(dataset: Dataset) -> list[str]:
    """Beginnings of documents."""
    told = _table(dataset, "report").get("samples")
    return [str(each) for each in told] if isinstance(told, list | tuple) else []


def held_share(dataset: Dataset) -> str:
    """For a table: "5 % held out", or a dash."""
    report = _table(dataset, "report")
    taken = _number(report, "bytes")
    return f"{100 * _number(report, 'held_bytes') / taken:.0f} % held out" if taken else "–"


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if getattr(options, name) is not None and getattr(options, name) is not False]


def _table(dataset: Dataset, key: str) -> Mapping[str, Any]:
    return _table_in(dataset.about, key)


def _table_in(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = told.get(key)
    return value if isinstance(value, Mapping) else {}


def _tables(report: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = report.get(key)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _number(report: Mapping[str, Any], key: str) -> int:
    value = report.get(key)
    return value if isinstance(value, int) else 0
