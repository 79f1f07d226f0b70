"""When the next frame may go to the terminal, and how good it can be: plain numbers, no clock of its own.

Every frame lies between two questions to the terminal. The answer to the first tells the round trip, the time between
the two answers what the frame's bytes took, so both are known from each frame by itself. From that follow:

- at most one frame is on its way, or two where the round trip is long: then the second leaves as the first has left;
- while things change, a frame is as good as fits in TRANSFER seconds of the link and in the budget of bytes a second;
- REST seconds after the last change the picture is made whole, in pieces that a new change need not wait for.

A frame that may not go yet is not made, so nothing is ever queued.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tui.graphics.quality import Quality

REST = 0.15
"""Seconds without a change after which a picture is at rest."""

LIMIT = 1_000_000
"""Bytes a second while things move, where the settings say nothing else."""

TRANSFER = 0.09
"""Seconds that a moving frame may take to reach the terminal, round trip not counted."""

_SHORTEST = 0.05
"""Seconds between two moving frames at least: more of them an eye does not follow on a grid."""
_USUAL = 1 / 12
"""Seconds for which the budget should buy one moving frame."""
_BURST = 0.5
"""Seconds of budget that are saved up at rest: the first steps of a movement can be full pictures."""
_RECENT, _MANY = 0.4, 2
"""This many frames within so many seconds are a movement, not a single step."""
_PIECE = 0.15
"""Seconds that a piece of the full picture may take to reach the terminal."""
_PIECE_WORK = 0.1
"""Seconds that it may take to be made."""
_MOST_PIECES = 8
"""Pieces of a picture where only their making takes long."""
_SMALLEST_PIECE = 32_768
"""Bytes of the smallest piece worth a question of its own."""
_LONG = 0.03
"""Round trips longer than this deserve a second frame on the way."""
_ENOUGH = 4096
"""Frames of fewer bytes say nothing about the link's speed."""
_FIRST_SPEED = 4_000_000
"""Bytes a second that are believed before the first frame was measured."""
_PATIENCE, _ANSWERED_PATIENCE, _LONGEST = 2.0, 10.0, 30.0
"""Seconds to wait for an answer before the next frame goes out without it: from a terminal that never answered, from
one that did, and at most (it is doubled each time none came)."""


@dataclass
class _Flight:
    """A frame on its way."""

    number: int
    size: int
    sent: float
    alone: bool
    """Nothing was before it, so its first answer tells the round trip."""
    due: float
    """When its last answer is expected."""
    begun: float | None = None


class Pace:
    """The account of one link. All times are seconds of one clock that never goes back.

    Args:
        ladder: The qualities to choose from, best first.
        round_trip: What a question took at the start; None when nobody asked.
        limit: Bytes a second while things move.
    """

    def __init__(self, ladder: Sequence[Quality], round_trip: float | None = None, limit: float = LIMIT) -> None:
        self.ladder = tuple(ladder)
        self.limit = limit
        self.changes = 0
        """How often something has changed."""
        self._trips: deque[float] = deque([round_trip] if round_trip is not None else [], maxlen=12)
        self._seconds_a_byte: float | None = None
        self._flights: deque[_Flight] = deque()
        self._free_at = 0.0
        self._changed_at = float("-inf")
        self._sent_at: deque[float] = deque(maxlen=_MANY)
        self._last_level = 0
        self._most = 0
        self._saved, self._saved_at = limit * _BURST, 0.0
        # How the pictures at hand differ from the ladder's guesses: for each rung, and for all where one was not used.
        self._bytes_factor: list[float | None] = [None] * len(self.ladder)
        self._time_factor: list[float | None] = [None] * len(self.ladder)
        self._answered = False
        self._patience = _PATIENCE

    # -- what is known of the link

    @property
    def round_trip(self) -> float | None:
        """Seconds that a question takes by itself: the least of the last few."""
        return min(self._trips) if self._trips else None

    @property
    def speed(self) -> float | None:
        """Bytes a second that the terminal takes; None before a frame was large enough to tell."""
        return None if self._seconds_a_byte is None else 1 / self._seconds_a_byte

    @property
    def in_flight(self) -> int:
        """Frames that are not known to have arrived."""
        return len(self._flights)

    # -- what happens

    def changed(self, now: float) -> None:
        """There is something new to be seen."""
        self.changes += 1
        self._changed_at = now

    def made(self, level: int, pixels: int, size: int, seconds: float) -> None:
        """A frame of so many pixels of the full picture has come out in so many bytes after so many seconds."""
        rung = self.ladder[level]
        if pixels > 0:
            _learn(self._bytes_factor, level, size / (rung.bytes * pixels))
            self._most = max(self._most, pixels)
            # A small part costs more than its share: it would be a bad guide.
            if pixels >= self._most / (2 * _MOST_PIECES):
                _learn(self._time_factor, level, seconds * 1e9 / (rung.nanoseconds * pixels))
        self._last_level = level

    def sent(self, number: int, size: int, now: float) -> None:
        """A frame has been written, a question before it and one after it."""
        self._save(now)
        # A full picture at rest may cost more than was saved; the next movement does not pay for it.
        floor = -self.limit * _BURST if not self.resting(now) else 0.0
        self._saved = max(floor, self._saved - size)
        self._free_at = max(self._free_at, now) + size * self._slowness
        due = self._free_at + (self.round_trip or 0.0)
        self._flights.append(_Flight(number, size, now, not self._flights, due))
        self._sent_at.append(now)

    def begun(self, number: int, now: float) -> None:
        """The question before a frame was answered."""
        for flight in self._flights:
            if flight.number == number and flight.begun is None:
                flight.begun = now
                if flight.alone:
                    self._trips.append(now - flight.sent)

    def taken(self, number: int, now: float) -> None:
        """The question after a frame was answered, so it and all before it have arrived."""
        if not any(flight.number == number for flight in self._flights):
            return
        while self._flights:
            flight = self._flights.popleft()
            if flight.number == number:
                break
        self._answered = True
        self._patience = _ANSWERED_PATIENCE
        if flight.begun is not None and flight.size >= _ENOUGH:
            self._measure(max(1e-4, now - flight.begun) / flight.size)
        self._free_at = min(self._free_at, now) if not self._flights else self._free_at

    def give_up(self) -> None:
        """No answer came for as long as `patience` said: what was sent counts as arrived."""
        self._flights.clear()
        self._patience = min(_LONGEST, self._patience * 2)

    # -- what follows

    def resting(self, now: float) -> bool:
        """Nothing has changed for a while: the picture may be made whole."""
        return now - self._changed_at >= REST

    def rests_in(self, now: float) -> float:
        """Seconds until the picture rests, if nothing changes any more."""
        return max(0.0, self._changed_at + REST - now)

    def wait(self, now: float) -> float | None:
        """Seconds until the next frame may be written; None when it takes an answer first."""
        own = 0.0 if self.resting(now) else self._budget_wait(now)
        if not self._flights:
            return own
        trip = self.round_trip
        known = trip is not None and self._seconds_a_byte is not None
        if len(self._flights) > 1 or not known or (trip or 0.0) < _LONG or self._late(now):
            return None
        return max(own, self._free_at - now)

    def expected_wait(self, now: float) -> float:
        """The same, where an answer is counted on to come when it should; one that is late may take for ever."""
        wait = self.wait(now)
        if wait is not None:
            return wait
        return self._flights[0].due - now if not self._late(now) else self.patience(now)

    def patience(self, now: float) -> float:
        """Seconds until the oldest frame on its way has to be given up."""
        return max(0.0, self._flights[0].sent + self._patience - now) if self._flights else self._patience

    def level(self, pixels: int, now: float) -> int:
        """The best rung for a frame of so many pixels of the full picture."""
        if self.resting(now):
            return 0
        self._save(now)
        moving = len(self._sent_at) == _MANY and now - self._sent_at[0] <= _RECENT
        room = self.limit * _USUAL if moving else max(self.limit * _USUAL, self._saved)
        # Where even the last rung takes long (a busy machine), worse pictures would not come much sooner.
        time = max(TRANSFER, 1.5 * self.seconds_for(len(self.ladder) - 1, pixels))
        for level in range(len(self.ladder)):
            size = self.bytes_for(level, pixels)
            link, work = size * self._slowness, self.seconds_for(level, pixels)
            # What is better than the last frame must fit with ease, lest frames be good and bad by turns.
            ease = 0.8 if moving and level < self._last_level else 1.0
            fits = link <= TRANSFER * ease and work <= time * ease if moving else link + work <= time
            if size <= room * ease and fits:
                return level
        return len(self.ladder) - 1

    def piece(self) -> int:
        """Pixels of the full picture that make one piece of it at rest."""
        size = max(_SMALLEST_PIECE, _PIECE / self._slowness)
        by_link = size / max(1e-9, self.bytes_for(0, 1_000_000) / 1_000_000)
        by_work = _PIECE_WORK / max(1e-12, self.seconds_for(0, 1_000_000) / 1_000_000)
        # Smaller than this share of a whole picture the pieces would tell nothing about their time, and come slowly.
        return max(1, int(min(by_link, max(by_work, self._most / _MOST_PIECES))))

    def bytes_for(self, level: int, pixels: int) -> float:
        """How large a frame is expected to be."""
        return _factor(self._bytes_factor, level) * self.ladder[level].bytes * pixels

    def seconds_for(self, level: int, pixels: int) -> float:
        """How long it is expected to take to be made."""
        return _factor(self._time_factor, level) * self.ladder[level].nanoseconds * 1e-9 * pixels

    # -- inside

    def _late(self, now: float) -> bool:
        """The oldest frame on its way should have arrived by now."""
        return bool(self._flights) and now > self._flights[0].due + max(0.1, self.round_trip or 0.0)

    @property
    def _slowness(self) -> float:
        return 1 / _FIRST_SPEED if self._seconds_a_byte is None else self._seconds_a_byte

    def _save(self, now: float) -> None:
        self._saved = min(self.limit * _BURST, self._saved + max(0.0, now - self._saved_at) * self.limit)
        self._saved_at = now

    def _budget_wait(self, now: float) -> float:
        self._save(now)
        paid = max(0.0, -self._saved / self.limit)
        return max(paid, self._sent_at[-1] + _SHORTEST - now if self._sent_at else 0.0)

    def _measure(self, slowness: float) -> None:
        known = self._seconds_a_byte
        if known is None:
            self._seconds_a_byte = slowness
            return
        # One frame that a stall held up, or that came out of a buffer, is no new link.
        bounded = min(max(slowness, known / 4), known * 4)
        self._seconds_a_byte = known + 0.35 * (bounded - known)


def _learn(factors: list[float | None], level: int, seen: float) -> None:
    known = factors[level]
    factors[level] = seen if known is None else known + 0.3 * (seen - known)


def _factor(factors: list[float | None], level: int) -> float:
    """What is known of a rung, else of the one nearest to it."""
    known = [(abs(other - level), factor) for other, factor in enumerate(factors) if factor is not None]
    return min(known)[1] if known else 1.0
