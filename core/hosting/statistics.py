"""What is counted of a deployment: requests, errors, latencies, the last sixty seconds; kept over restarts."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

from core.hosting.status import SECONDS, State, Status

_WINDOW = 300.0
"""Seconds that latencies are told of."""

_MOST = 4096
"""Latencies kept."""


class Statistics:
    """The numbers of one deployment.

    Args:
        before: What was counted until now.
    """

    def __init__(self, before: Status | None = None) -> None:
        self._latencies: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._rate: deque[list[int]] = deque(maxlen=SECONDS)
        self._day = ""
        self.requests = self.errors = self.requests_today = self.errors_today = 0
        if before is not None:
            self.requests, self.errors = before.requests, before.errors
            if _day(before.updated) == _day(time.time()):
                self.requests_today, self.errors_today = before.requests_today, before.errors_today
        self._day = _day(time.time())

    def count(self, good: bool, fault: bool, milliseconds: float) -> None:
        """A request was answered after `milliseconds`: well, or by a fault of the model or of ours, or by neither."""
        now = time.time()
        self._new_day(now)
        self.requests += 1
        self.requests_today += 1
        if fault:
            self.errors += 1
            self.errors_today += 1
        if good:
            self._latencies.append((now, milliseconds))
        second = int(now)
        if self._rate and self._rate[-1][0] == second:
            self._rate[-1][1] += 1
        else:
            self._rate.append([second, 1])

    def percentiles(self) -> tuple[float | None, float | None]:
        """The latencies that 50 and 95 in 100 of the last minutes' good answers kept, in ms; None without any."""
        since = time.time() - _WINDOW
        recent = sorted(value for moment, value in self._latencies if moment >= since)
        if not recent:
            return None, None
        return recent[len(recent) // 2], recent[min(len(recent) - 1, len(recent) * 95 // 100)]

    def status(self, state: State, sentence: str = "", **numbers: int) -> Status:
        """All of it as status.json tells it, with what the pool is doing."""
        now = time.time()
        self._new_day(now)
        rate = [0] * SECONDS
        for second, count in self._rate:
            place = SECONDS - 1 - (int(now) - second)
            if 0 <= place < SECONDS:
                rate[place] = count
        p50, p95 = self.percentiles()
        status = Status(
            state=state,
            sentence=sentence,
            requests=self.requests,
            errors=self.errors,
            requests_today=self.requests_today,
            errors_today=self.errors_today,
            p50_ms=None if p50 is None else round(p50, 1),
            p95_ms=None if p95 is None else round(p95, 1),
            rate=tuple(rate),
            updated=float(int(now)),
        )
        return replace(status, **numbers)  # type: ignore[arg-type]

    def _new_day(self, now: float) -> None:
        day = _day(now)
        if day != self._day:
            self._day = day
            self.requests_today = self.errors_today = 0


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))
