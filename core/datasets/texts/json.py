"""Records out of JSON: one object a line, or the objects of one array; read as a stream, one record at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from core.datasets.decoding import LeftOut
from core.datasets.texts.decoding import lines

_DECODER = json.JSONDecoder()
_ARRAY = re.compile(r"\s*\[\s*(?=\{)")
_BETWEEN = re.compile(r"\s*,?\s*")
_LEAST = 1 << 16


def is_lines(beginning: str) -> bool:
    """Whether the first two lines are objects by themselves; one is enough where there are no more."""
    first = [line for line in beginning.split("\n", 3)[:2] if line.strip()]
    with suppress(ValueError, RecursionError):
        return bool(first) and all(isinstance(json.loads(line), dict) for line in first)
    return False


def begins_array(beginning: str) -> bool:
    """Whether it may be an array of objects."""
    return _ARRAY.match(beginning) is not None


def first_of_array(beginning: str, most: int) -> list[Mapping[str, object]]:
    """The first objects of an array, as far as they are whole in `beginning`; none if it is no array of objects."""
    start = _ARRAY.match(beginning)
    found: list[Mapping[str, object]] = []
    for record, _ in _whole(beginning, start.end()) if start is not None else ():
        if not isinstance(record, dict) or len(found) >= most:
            break
        found.append(record)
    return found


def of_lines(blocks: Iterator[str], most: int) -> Iterator[Mapping[str, object] | None]:
    """The object of each line that is not empty; None for what is none, or is longer than `most` characters."""
    for line in lines(blocks, most):
        if line is not None and not line.strip():
            continue
        record: object = None
        if line is not None:
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
        yield record if isinstance(record, dict) else None


def of_array(blocks: Iterator[str], most: int) -> Iterator[Mapping[str, object] | None]:
    """The objects of an array, however they are spread over lines; None for what is none, or is longer than `most`.

    No more of the text is held than twice the longest record takes, and a block.

    Raises:
        LeftOut: It ends in the middle, is no JSON from some place on, or has a record that is longer still. What came
            before is good.
    """
    text = next(blocks, "")
    start = _ARRAY.match(text)
    if start is None:
        raise LeftOut("broken", "it is no array of objects")
    text, ended, count = text[start.end() :], False, 0
    while True:
        place = 0
        for record, end in _whole(text, 0):
            count += 1
            yield record if isinstance(record, dict) and end - place <= most else None
            place = end
        text = text[place:]
        if _closes(text, 0):
            return
        if ended and not text.strip():
            raise LeftOut("truncated", f"its array has no end after {count:,} records")
        if ended:
            raise LeftOut("broken", f"it is no JSON after {count:,} records")
        if len(text) > most:
            raise LeftOut("broken", f"record {count + 1:,} is longer than {most:,} characters, or no JSON")
        # What is there is not whole yet. It is tried again when it is twice as long: as often as its length has bits.
        text, ended = _longer(text, blocks, 2 * max(len(text), _LEAST))


def _longer(text: str, blocks: Iterator[str], least: int) -> tuple[str, bool]:
    """`text` and what follows it, of at least so many characters; and whether that is all there is."""
    parts, size = [text], len(text)
    while size < least:
        block = next(blocks, "")
        if not block:
            return "".join(parts), True
        parts.append(block)
        size += len(block)
    return "".join(parts), False


def _whole(text: str, place: int) -> Iterator[tuple[object, int]]:
    """The elements from `place` on that are whole, each with the place behind it and its comma."""
    place = _behind(text, place)
    with suppress(ValueError, RecursionError):
        while place < len(text) and text[place] != "]":
            record, place = _DECODER.raw_decode(text, place)
            place = _behind(text, place)
            yield record, place


def _closes(text: str, place: int) -> bool:
    place = _behind(text, place)
    return text[place : place + 1] == "]"


def _behind(text: str, place: int) -> int:
    """The place behind white space, and a comma if there is one."""
    found = _BETWEEN.match(text, place)
    return found.end() if found is not None else place
