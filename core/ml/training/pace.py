"""How fast a training goes and when it will be done: a mean that one slow step does not move."""

from __future__ import annotations

from collections import deque

_WINDOW = 64
"""Steps that the mean is taken from: whole rounds of the regularisers, which come every 4 and 16."""
_SETTLED = 20
"""Steps before which no time of arrival is told."""


class Pace:
    """Durations in seconds of steps, and of everything else by its kind."""

    def __init__(self) -> None:
        self._steps: deque[float] = deque(maxlen=_WINDOW)
        self._others: dict[str, deque[float]] = {}
        self._count = 0

    def step(self, seconds: float) -> None:
        """A step took so long. The first of an attempt, which warms up, does not count."""
        self._count += 1
        if self._count > 1:
            self._steps.append(seconds)

    def other(self, kind: str, seconds: float) -> None:
        """Something between steps ("sample", "score", "save") took so long."""
        self._others.setdefault(kind, deque(maxlen=5)).append(seconds)

    @property
    def per_step(self) -> float | None:
        """Mean seconds of a step, the slowest and the quickest twentieth left out; None before the second."""
        if not self._steps:
            return None
        ordered = sorted(self._steps)
        cut = len(ordered) // 20
        kept = ordered[cut : len(ordered) - cut]
        return sum(kept) / len(kept)

    def eta(self, steps: int, others: dict[str, int]) -> float | None:
        """Seconds until `steps` more steps and so many of the other things are done; None while it is not settled."""
        mean = self.per_step
        if mean is None or self._count < min(_SETTLED, self._count + steps):
            return None
        between = (count * sum(t) / len(t) for kind, count in others.items() if (t := self._others.get(kind)))
        return steps * mean + sum(between)
