"""What is written beside a deployment: its request log, and its numbers."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from core.hosting import request_log
from core.hosting.request_log import RequestLog
from core.hosting.statistics import Statistics
from core.hosting.status import Status


def test_the_log_moves_aside_when_it_grows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "LIMIT", 2000)
    log = RequestLog(home / "requests.log")
    for number in range(30):
        log.tell("first", "127.0.0.1", "POST", "/v1/query", 200, float(number))
        log.flush()
    new, old = home / "requests.log", home / "requests.log.1"
    assert new.stat().st_size <= 2000
    assert old.stat().st_size <= 2000
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    numbers = [json.loads(line)["ms"] for file in (old, new) for line in file.read_text().splitlines()]
    assert numbers == [float(number) for number in range(30)][-len(numbers) :]


def test_a_log_that_cannot_be_written_is_kept_for_later(home: Path) -> None:
    (home / "place").mkdir()
    (home / "place" / "requests.log").mkdir()
    log = RequestLog(home / "place" / "requests.log")
    log.tell("a\x1b[31m", "::1", "GET", "/v1/", 200, 1.0, "error\nin two lines")
    log.flush()
    assert log.waiting
    (home / "place" / "requests.log").rmdir()
    log.flush()
    line = json.loads((home / "place" / "requests.log").read_text())
    assert (line["client"], line["error"]) == ("a [31m", "error in two lines")


def test_numbers_of_today_are_todays(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.mktime((2026, 11, 25, 12, 0, 0, 0, 0, -1))
    monkeypatch.setattr(time, "time", lambda: now)
    statistics = Statistics(Status("asleep", requests=10, errors=2, requests_today=4, errors_today=1, updated=now - 60))
    for latency in range(100):
        statistics.count(good=True, fault=False, milliseconds=float(latency))
    statistics.count(good=False, fault=True, milliseconds=1000.0)
    status = statistics.status("awake", queue=3)
    assert (status.requests, status.errors, status.requests_today, status.errors_today) == (111, 3, 105, 2)
    assert (status.p50_ms, status.p95_ms, status.queue, status.rate[-1]) == (50.0, 95.0, 3, 101)
    now += 24 * 3600
    status = statistics.status("awake")
    assert (status.requests, status.requests_today, status.p50_ms, sum(status.rate)) == (111, 0, None, 0)
    assert Statistics(Status("asleep", requests=9, requests_today=9, updated=now - 86400)).requests_today == 0
