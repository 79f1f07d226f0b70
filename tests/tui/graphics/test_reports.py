"""Reports are taken out of the input whole, split and late; everything else passes untouched."""

from __future__ import annotations

import pytest

from tui.graphics.replies import parse
from tui.graphics.reports import ReportFilter, question

ANSWER = b"\x1b[2;5R"


def test_a_question_and_its_answer() -> None:
    assert question(35) == "\x1b[2;5H\x1b[6n"
    reports = ReportFilter()
    assert reports.feed(b"a" + ANSWER + b"b", 0) == (b"ab", [3])


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_half_an_answer_waits_for_the_rest(cut: int) -> None:
    reports = ReportFilter()
    reports.expecting = True
    assert reports.feed(b"x" + ANSWER[:cut], 0) == (b"x", [])
    assert reports.holding
    assert reports.release(0.04) == b""
    assert reports.feed(ANSWER[cut:] + b"y", 0.045) == (b"y", [3])


def test_what_is_no_answer_after_all_is_released() -> None:
    reports = ReportFilter()
    reports.expecting = True
    assert reports.feed(b"\x1b[2", 0) == (b"", [])
    assert reports.feed(b"~", 0.1) == (b"\x1b[2~", []), "the insert key"
    assert reports.feed(b"\x1b[2", 1) == (b"", [])
    assert reports.release(2.5) == b"\x1b[2"
    assert not reports.holding


def test_the_escape_key_is_hardly_held_up() -> None:
    reports = ReportFilter()
    assert reports.feed(b"\x1b", 0) == (b"\x1b", [])
    reports.expecting = True
    assert reports.feed(b"\x1b", 0) == (b"", [])
    assert reports.release(0.06) == b"\x1b"


@pytest.mark.parametrize("keys", [b"\x1b[A", b"\x1b[1;2R", b"\x1bOR", b"\x1b[2;90R", b"[,]", b"\x1b[200~x\x1b[201~"])
def test_keys_pass(keys: bytes) -> None:
    reports = ReportFilter()
    reports.expecting = True
    assert reports.feed(keys, 0) == (keys, [])


LATE = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;17;8t\x1b[>1;4000;41c\x1b[?62;4c"


def test_late_answers_of_the_probe_are_dropped() -> None:
    for late in (True, False):
        reports = ReportFilter(late=late)
        assert reports.feed(b"a" + LATE + b"\x1b[?2026;2$yb", 0) == (b"a\x1b[?2026;2$yb", [])
    for cut in range(1, len(LATE)):
        reports = ReportFilter(late=True)
        first, _ = reports.feed(LATE[:cut], 0)
        second, _ = reports.feed(LATE[cut:], 0.1)
        assert first + second == b"", cut


def test_the_rest_of_an_answer_that_the_probe_saw_the_beginning_of() -> None:
    for cut in range(1, len(LATE)):
        whole = parse(LATE[:cut])
        reports = ReportFilter(late=True, unfinished=whole.unfinished)
        assert reports.feed(LATE[cut:] + b"j", 0.1) == (b"j", []), cut


def test_typing_between_the_halves_of_a_late_answer_passes() -> None:
    for cut in range(2, len(LATE)):
        unfinished = parse(LATE[:cut]).unfinished
        if unfinished in (b"", b"\x1b", b"\x1b[", b"\x1b[6"):  # keys begin like that, too
            continue
        reports = ReportFilter(late=True, unfinished=unfinished)
        free = b"P>|" in unfinished or b";O" in unfinished or unfinished.endswith((b"|", b";", b"\x1b"))
        typed = b"\x10\t" if free else b"\x10jX"
        assert reports.feed(typed, 0.1) == (typed, []), cut
        assert reports.feed(LATE[cut:] + b"k", 0.2) == (b"k", []), cut


def test_half_an_answer_whose_rest_never_comes_is_not_typed() -> None:
    reports = ReportFilter(late=True, unfinished=b"\x1b_Gi=42")
    assert reports.release(10) == b""
    assert reports.feed(b"j", 11) == (b"j", [])
    assert reports.release(30) == b""
    assert not reports.holding
    assert reports.feed(b"11", 31) == (b"11", [])


def test_the_escape_key_during_the_probe() -> None:
    reports = ReportFilter(late=True, unfinished=parse(b"\x1b").unfinished)
    assert reports.release(5) == b""
    assert reports.release(5.1) == b"\x1b"
