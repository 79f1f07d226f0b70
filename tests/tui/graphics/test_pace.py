"""The pace of frames: what is learned from the answers, how good a frame may be, when the next one may go."""

from __future__ import annotations

import itertools
from collections import deque

import pytest

from tui.graphics.pace import LIMIT, REST, TRANSFER, Pace
from tui.graphics.quality import FULL, ladder

GRID = 900_000
"""Pixels of a grid that fills a large terminal."""


class World:
    """A link and a terminal in numbers: frames go out as soon as the pace lets them.

    Args:
        trip: Seconds of a round trip.
        speed: Bytes a second.
        factor: How much larger frames are than the ladder guesses.
        work: Seconds to make a frame.
    """

    def __init__(
        self, trip: float, speed: float, *, kind: str = "kitty", factor: float = 1.0, work: float = 0.005
    ) -> None:
        self.pace = Pace(ladder(kind), trip)
        self.now = 100.0
        self.trip, self.speed, self.factor, self.work = trip, speed, factor, work
        self.sent: list[tuple[float, int, int]] = []
        """Time, level and bytes of each frame."""
        self.most_in_flight = 0
        self.stalled_until = 0.0
        self._answers: deque[tuple[float, int, bool]] = deque()
        self._drained = 0.0

    def pass_time(self, seconds: float) -> None:
        """Nothing happens but answers."""
        self.now += seconds
        while self._answers and self._answers[0][0] <= self.now:
            when, number, last = self._answers.popleft()
            (self.pace.taken if last else self.pace.begun)(number, when)

    def step(self, pixels: int = GRID) -> None:
        """A thousandth of a second in which there is always something to send."""
        self.pass_time(0.001)
        wait = self.pace.wait(self.now)
        if wait is not None and wait <= 0:
            level = self.pace.level(pixels, self.now)
            size = int(self.factor * self.pace.ladder[level].bytes * pixels)
            self.pace.made(level, pixels, size, self.work)
            number = len(self.sent) + 1
            self.pace.sent(number, size, self.now)
            self.sent.append((self.now, level, size))
            begun = max(self._drained, self.now + self.trip / 2, self.stalled_until)
            self._drained = begun + size / self.speed
            self._answers.append((begun + self.trip / 2, number, False))
            self._answers.append((self._drained + self.trip / 2, number, True))
        self.most_in_flight = max(self.most_in_flight, self.pace.in_flight)

    def hold(self, seconds: float, pixels: int = GRID) -> list[tuple[float, int, int]]:
        """A key is held: something changes thirty times a second; the frames that went out meanwhile."""
        first, end, change = len(self.sent), self.now + seconds, self.now
        while self.now < end:
            if self.now >= change:
                self.pace.changed(self.now)
                change += 1 / 30
            self.step(pixels)
        return self.sent[first:]


@pytest.mark.parametrize("kind", ["kitty", "sixel", "iterm2", "blocks"])
def test_a_held_key_stays_within_the_budget_and_fluid(kind: str) -> None:
    world = World(0.001, 50e6, kind=kind)
    pixels = 13_000 if kind == "blocks" else GRID
    world.hold(2, pixels)
    frames = world.hold(5, pixels)
    assert len(frames) / 5 >= 9
    assert sum(size for _, _, size in frames) / 5 <= 1.05 * LIMIT
    assert world.most_in_flight == 1, "no second frame where the round trip is short"


def test_a_long_round_trip_has_two_frames_on_the_way_and_no_more() -> None:
    world = World(0.1, 50e6)
    world.hold(1)
    frames = world.hold(5)
    assert len(frames) / 5 >= 6
    assert world.most_in_flight == 2


def test_a_slow_link_gets_frames_that_it_can_carry() -> None:
    world = World(0.03, 250_000)
    world.hold(1.5)
    frames = world.hold(5)
    assert all(size / world.speed <= 1.2 * TRANSFER for _, _, size in frames)
    assert len(frames) / 5 >= 8
    assert world.pace.speed == pytest.approx(250_000, rel=0.1)
    assert world.pace.round_trip == pytest.approx(0.03, rel=0.1)


def test_larger_pictures_than_guessed_are_sent_coarser() -> None:
    def mean(frames: list[tuple[float, int, int]]) -> float:
        return sum(level for _, level, _ in frames) / len(frames)

    plain, rich = World(0.001, 50e6), World(0.001, 50e6, factor=4)
    plain.hold(1)
    rich.hold(1)
    assert mean(rich.hold(3)) > mean(plain.hold(3)) + 0.5


def test_a_link_that_gets_faster_is_noticed() -> None:
    world = World(0.03, 250_000)
    slow = world.hold(3)[-1]
    world.speed = 20e6
    world.hold(3)
    fast = world.sent[-1]
    assert fast[1] < slow[1]
    assert fast[2] > 2 * slow[2]


def test_rest_means_full_quality() -> None:
    world = World(0.03, 250_000)
    world.hold(2)
    assert world.pace.level(GRID, world.now) > 0
    assert world.pace.rests_in(world.now) == pytest.approx(REST, abs=0.04)
    later = world.now + REST
    assert world.pace.resting(later)
    assert world.pace.ladder[world.pace.level(GRID, later)] == FULL
    # In pieces that do not hold a new change up for long.
    assert world.pace.bytes_for(0, world.pace.piece()) == pytest.approx(0.15 * 250_000, rel=0.2)


def test_one_slow_frame_does_not_break_the_picture_into_crumbs() -> None:
    """The first picture waits for a palette; those after it do not."""
    pace = Pace(ladder("sixel"), 0.1)
    pace.made(0, GRID, 400_000, 5.0)
    assert pace.piece() >= GRID // 8
    for _ in range(12):
        pace.made(0, pace.piece(), 50_000, 0.01)
    assert pace.piece() > GRID // 4


def test_a_single_step_is_full_where_the_link_allows_it_and_quick_where_not() -> None:
    fast, slow = World(0.001, 50e6), World(0.03, 250_000)
    for world in (fast, slow):
        world.hold(2)
        world.pass_time(2)
        world.pace.changed(world.now)
    part = GRID // 4
    assert fast.pace.level(part, fast.now) == 0
    assert slow.pace.level(part, slow.now) > 0


def test_a_stall_sends_nothing_and_goes_on_afterwards() -> None:
    world = World(0.05, 5e6)
    world.hold(2)
    world.stalled_until = world.now + 5
    during = world.hold(5)
    assert len(during) <= 2, "what was on its way, and nothing after it"
    after = world.hold(3)
    assert len(after) / 3 >= 6
    assert world.most_in_flight <= 2


def test_a_terminal_that_never_answers_gets_a_frame_now_and_then() -> None:
    pace = Pace(ladder("sixel"), None)
    pace.sent(1, 1000, 10.0)
    assert pace.wait(10.5) is None
    assert pace.patience(10.5) == pytest.approx(1.5)
    pace.give_up()
    assert pace.in_flight == 0
    pace.sent(2, 1000, 12.0)
    assert pace.patience(12.0) == pytest.approx(4.0), "longer each time"


def test_an_answer_stands_for_all_frames_before_it() -> None:
    pace = Pace(ladder("sixel"), 0.1)
    pace.sent(1, 50_000, 1.0)
    pace.sent(2, 50_000, 1.1)
    pace.taken(2, 1.4)
    assert pace.in_flight == 0
    pace.taken(1, 1.5)
    assert pace.in_flight == 0, "an answer that nobody waits for is nothing"


def test_small_frames_tell_the_round_trip_but_no_speed() -> None:
    pace = Pace(ladder("sixel"), None)
    pace.sent(1, 200, 1.0)
    pace.begun(1, 1.08)
    pace.taken(1, 1.0801)
    assert pace.round_trip == pytest.approx(0.08)
    assert pace.speed is None


def test_what_follows_a_frame_is_no_round_trip() -> None:
    pace = Pace(ladder("sixel"), 0.1)
    pace.sent(1, 50_000, 1.0)
    pace.sent(2, 50_000, 1.05)
    pace.begun(1, 1.1)
    pace.taken(1, 1.3)
    pace.begun(2, 1.3)
    assert pace.round_trip == pytest.approx(0.1), "the second question waited for the first frame"


def test_a_busy_machine_does_not_spoil_the_picture_for_nothing() -> None:
    """Where making any frame takes long, a worse one would not come sooner."""
    world = World(0.001, 50e6, factor=0.3, work=0.3)
    world.hold(3)
    assert world.hold(2)[-1][1] <= 3


def test_the_ladder_goes_down() -> None:
    for kind in ("kitty", "kitty-direct", "sixel", "iterm2", "blocks"):
        rungs = ladder(kind)
        assert rungs[0] == FULL
        assert all(upper.bytes > lower.bytes for upper, lower in itertools.pairwise(rungs))
        assert all(upper.nanoseconds >= lower.nanoseconds for upper, lower in itertools.pairwise(rungs))
        if kind == "sixel":
            assert all(6 % rung.scale == 0 for rung in rungs)
            assert all(rung.colours <= 64 for rung in rungs[1:])
    assert ladder("off") == (FULL,)
