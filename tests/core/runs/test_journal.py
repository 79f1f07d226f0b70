"""The journal: whole lines from several writers, torn ones repaired, and readers that never trip."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from core.errors import StorageError
from core.runs import journal
from core.runs.events import KINDS, Checkpoint, Ended, Metrics, Phase, Score, Started, Warned
from core.runs.journal import Journal, decode, encode

EVENTS = [
    Phase("reading the base"),
    Started(3, 10, "cpu", {"batch": 8}),
    Metrics(4, {"loss": 0.5}, 12.0, 7, None),
    Score(4, "fid", 3.5, {"samples": 10}, best=True),
    Checkpoint(4, "4", bytes=12),
    Warned("disk-full", "no room", "the disk is full", "Free some", 4, {"keep": 1}),
    Ended("failed", 4, "é\x1b", offer={"batch": 4}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(event: object) -> None:
    line = encode(event, 5.0)  # type: ignore[arg-type]
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == (5.0, event)


def test_numbers_without_a_word_in_json_are_none_to_others_and_nan_to_us() -> None:
    line = encode(Metrics(1, {"loss": math.nan, "other": np.float32(2.5)}, math.inf), 0.0)  # type: ignore[dict-item]
    assert json.loads(line)["values"] == {"loss": None, "other": 2.5}
    told = decode(line)
    assert told is not None
    assert math.isnan(told[1].values["loss"])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"at": 1}',
        b'{"at": "x", "event": "phase", "doing": "a"}',
        b'{"at": 1, "event": "from-the-future", "step": 3}',
        b'{"at": 1, "event": "checkpoint", "step": "three", "folder": "3"}',
        b'{"at": 1, "event": "checkpoint", "step": 3}',
        b'{"at": 1, "event": ["phase"], "doing": "a"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_event_is_left_out(line: bytes) -> None:
    assert decode(line) is None


def test_fields_of_later_versions_are_skipped() -> None:
    assert decode(b'{"at": 1, "event": "phase", "doing": "a", "mood": 3}') == (1.0, Phase("a"))
    assert set(KINDS) >= {"metrics", "ended"}


def test_a_torn_line_is_ended_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / journal.FILE_NAME
    first, second = Journal(tmp_path), Journal(tmp_path)
    first.tell(Phase("one"))
    with open(path, "ab") as file:
        file.write(b'{"at": 1, "event": "pha')  # a writer was killed here
    second.tell(Phase("two"))
    first.tell(Phase("three"))
    lines = path.read_bytes().split(b"\n")
    told = [decode(line) for line in lines]
    assert [each[1] for each in told if each is not None] == [Phase("one"), Phase("two"), Phase("three")]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Journal(tmp_path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:5]))
    with pytest.raises(StorageError, match="full"):
        book.tell(Phase("one"))
    monkeypatch.undo()
    book.tell(Phase("two"))
    told = [decode(line) for line in book.path.read_bytes().split(b"\n")]
    assert [each[1] for each in told if each is not None] == [Phase("two")]
