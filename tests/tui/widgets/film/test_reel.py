"""The frames of a film: which are asked for first, what is shown meanwhile, what is dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.errors import InvalidInput, TarmacError
from core.exports.drawing import Drawing
from core.latent.walk import Moment
from tui.widgets.film import reel as film_reel
from tui.widgets.film.bar import bar, told_time
from tui.widgets.film.reel import Reel


class Call:
    """A request that is answered when the test says so."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.outputs: dict[str, object] | None = None
        self.error: TarmacError | None = None
        self.cancelled = False
        self._callback: Callable[[Call], None] = lambda _: None

    def add_done_callback(self, callback: Callable[[Call], None]) -> None:
        self._callback = callback

    def cancel(self) -> None:
        self.cancelled = True

    def answer(self, side: int = 4) -> None:
        self.outputs = {"image": np.full((side, side, 3), self.number % 256, np.uint8)}
        self._callback(self)

    def fail(self, error: TarmacError) -> None:
        self.error = error
        self._callback(self)


class Session:
    """Keeps what it is asked for."""

    def __init__(self) -> None:
        self.state = "ready"
        self.calls: list[Call] = []

    def run(self, command: str, inputs: dict[str, Any]) -> Call:
        call = Call(int(inputs["z"][0]))
        self.calls.append(call)
        return call


class Set:
    """A reel with its session and a clock."""

    def __init__(self, count: int, monkeypatch: pytest.MonkeyPatch, most_bytes: int = 2**20) -> None:
        self.session, self.now = Session(), 100.0
        monkeypatch.setattr(film_reel.time, "monotonic", lambda: self.now)
        self.errors: list[TarmacError] = []
        self.forgotten: list[int] = []
        self.reel = Reel(
            self.session,  # type: ignore[arg-type]
            Drawing("generate", "z", "image", False),
            [Moment(np.full(4, number, np.float32)) for number in range(count)],
            on_frame=lambda: None,
            on_error=self.errors.append,
            on_forget=self.forgotten.extend,
            most_bytes=most_bytes,
        )

    def answer(self, seconds: float, most: int = 10**6) -> list[int]:
        """Answer what is asked for, one every `seconds`; gives the numbers in that order."""
        numbers = []
        while self.session.calls and len(numbers) < most:
            call = self.session.calls.pop(0)
            self.now += seconds
            numbers.append(call.number)
            call.answer()
        return numbers


def test_a_quick_model_draws_ahead_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(64, monkeypatch)
    film.reel.follow(0, 25)
    numbers = film.answer(0.001)
    assert sorted(numbers) == list(range(64))
    assert list(film.reel.made) == list(range(64))
    # Once the speed is known every frame is asked for, from where the film is onward.
    assert numbers[-40:] == sorted(numbers[-40:])
    film.reel.follow(10, 25)
    assert not film.session.calls


def test_a_slow_model_draws_what_will_be_due(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(400, monkeypatch)
    film.reel.follow(0, 25)
    film.answer(0.2, 20)  # five a second for twenty-five: every eighth keeps up
    asked = [call.number for call in film.session.calls]
    assert all(number % 8 == 0 for number in asked)
    film.answer(0.2, 30)
    assert all(number % 8 == 0 for number in film.reel.made)
    # The gaps are filled with the rounds that follow.
    film.answer(0.2)
    assert list(film.reel.made) == list(range(400))


def test_a_film_that_stands_gets_its_frame_first(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(400, monkeypatch)
    film.reel.follow(37, 0)
    assert film.session.calls[0].number == 37
    assert [call.number for call in film.session.calls[:4]] == [37, 38, 39, 40]


def test_what_is_shown_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(100, monkeypatch)
    assert film.reel.nearest(5) is None
    film.reel.follow(0, 25)
    film.answer(0.2, 3)
    made = list(film.reel.made)
    assert made == [0, 8, 16]
    assert [film.reel.nearest(number) for number in (0, 7, 8, 15, 99)] == [0, 0, 8, 8, 16]
    key = film.reel.key(8)
    assert key is not None
    assert film.reel.by_key[key][0, 0, 0] == 8
    assert film.reel.key(9) is None


def test_memory_is_bounded_and_what_is_due_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(500, monkeypatch, most_bytes=60 * 48)  # sixty frames
    film.reel.follow(0, 25)
    film.answer(0.001)
    assert len(film.reel.made) <= 60
    film.reel.follow(100, 25)
    film.answer(0.001)
    made = set(film.reel.made)
    assert len(made) <= 60
    assert set(range(105, 150)) <= made
    assert len(film.forgotten) + len(film.reel.by_key) == len({*film.forgotten, *film.reel.by_key})
    film.reel.follow(470, 25)  # round the end
    film.answer(0.001)
    assert {480, 499, 0, 10} <= set(film.reel.made)


def test_an_error_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(50, monkeypatch)
    film.reel.follow(0, 25)
    calls = list(film.session.calls)
    for call in calls[:3]:
        call.fail(InvalidInput("no"))
    assert len(film.errors) == 1
    assert len(film.session.calls) == len(calls)


def test_stopping_gives_everything_up(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(50, monkeypatch)
    film.reel.follow(0, 25)
    film.answer(0.01, 5)
    keys = set(film.reel.by_key)
    film.reel.stop()
    assert all(call.cancelled for call in film.session.calls)
    assert set(film.forgotten) == keys
    film.session.calls[0].answer()
    assert not film.reel.by_key


def test_nothing_is_asked_of_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Set(50, monkeypatch)
    film.session.state = "dead"
    film.reel.follow(0, 25)
    assert not film.session.calls
    film.session.state = "ready"
    film.reel.resting = True
    film.reel.ask()
    assert not film.session.calls
    film.reel.resting = False
    film.reel.ask()
    assert film.session.calls


@pytest.mark.parametrize("width", [10, 30, 80, 198])
def test_the_bar_fills_its_line(width: int) -> None:
    line = bar(width, 40, 150, list(range(0, 150, 8)), 3, True, 25)
    assert line.cell_length == max(width, 2 + 4 + len(" 0:01.6 / 0:06.0"))
    assert line.plain.startswith("▶ ")
    assert line.plain.endswith(" 0:01.6 / 0:06.0")
    assert "●" in line.plain


def test_times() -> None:
    assert [told_time(seconds) for seconds in (0, 9.96, 61.25)] == ["0:00.0", "0:10.0", "1:01.2"]
