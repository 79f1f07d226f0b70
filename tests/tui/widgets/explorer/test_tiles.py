"""Which pictures are asked for, in which order, what is given up and what is kept; the window on the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from core.errors import Cancelled, TarmacError
from core.latent.style import COMMAND, PLAIN, Style
from core.library.interfaces import image_gan_interface
from tui.widgets.explorer.tiles import TileMaker, Wish
from tui.widgets.explorer.view import Window


class FakeCall:
    """One request, answered by hand."""

    def __init__(self, session: FakeSession, command: str, inputs: Mapping[str, Any]) -> None:
        self.session, self.command, self.inputs = session, command, inputs
        self.outputs: dict[str, object] | None = None
        self.error: TarmacError | None = None
        self.callback: Callable[[FakeCall], None] | None = None

    def add_done_callback(self, callback: Callable[[FakeCall], None]) -> None:
        self.callback = callback

    def cancel(self) -> None:
        self.end(error=Cancelled("given up"))

    def end(self, pixels: int = 0, error: TarmacError | None = None) -> None:
        self.session.calls.remove(self)
        self.error = error
        self.outputs = None if error else {"image": np.full((8, 8, 3), pixels, np.uint8)}
        assert self.callback is not None
        self.callback(self)

    @property
    def number(self) -> int:
        return int(self.inputs["z"][0])


class FakeSession:
    """Takes requests and answers when it is told to."""

    def __init__(self) -> None:
        self.state = "ready"
        self.info: dict[str, object] = {}
        self.interface = None
        self.calls: list[FakeCall] = []
        self.others = 0

    @property
    def running(self) -> int:
        return len(self.calls) + self.others

    def run(self, command: str, inputs: Mapping[str, Any]) -> FakeCall:
        call = FakeCall(self, command, inputs)
        self.calls.append(call)
        return call

    def asked(self) -> list[int]:
        return [call.number for call in self.calls]

    def answer(self) -> None:
        """Answer what is there, and what comes of it."""
        while self.calls:
            self.calls[0].end(self.calls[0].number)


def wish(number: int, style: Style = PLAIN) -> Wish:
    return Wish.of(np.array([number, 0], np.float32), 0.5, style)


def wishes(*numbers: int) -> list[Wish]:
    return [wish(number) for number in numbers]


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def forgotten() -> list[int]:
    return []


@pytest.fixture
def maker(session: FakeSession, forgotten: list[int]) -> TileMaker:
    command = image_gan_interface(2, 8).default
    return TileMaker(
        session,  # type: ignore[arg-type]
        command,
        on_tile=lambda: None,
        on_error=lambda error: None,
        on_forget=forgotten.extend,
        most_bytes=10 * 8 * 8 * 3,
    )


def test_what_is_wanted_comes_first_and_alone(session: FakeSession, maker: TileMaker) -> None:
    maker.want(wishes(1, 2))
    maker.look_ahead(wishes(3, 4, 5))
    assert session.asked() == [1, 2]
    session.calls[0].end()
    assert session.asked() == [2]
    session.calls[0].end()
    # Now, a few at a time, and none of it counts as still to come.
    assert session.asked() == [3, 4]
    assert maker.missing == 0
    session.answer()
    assert all(maker.get(tile) for tile in wishes(1, 2, 3, 4, 5))
    assert maker.made == 5


def test_what_is_made_ahead_gives_way(session: FakeSession, maker: TileMaker) -> None:
    maker.want(wishes(1))
    session.answer()
    maker.look_ahead(wishes(2, 3, 4, 5))
    assert session.asked() == [2, 3]
    # The new view wants one of them and something else: the other one is given up.
    maker.want(wishes(1, 2, 9))
    assert session.asked() == [2, 9]
    session.answer()
    assert maker.get(wish(4)) is None


def test_it_goes_on_while_nothing_is_missing(session: FakeSession, maker: TileMaker) -> None:
    maker.want(wishes(1, 2))
    session.answer()
    maker.look_ahead(wishes(3, 4))
    maker.want(wishes(2, 1))
    assert session.asked() == [3, 4]


def test_others_work_goes_first(session: FakeSession, maker: TileMaker) -> None:
    maker.want(wishes(1))
    session.answer()
    session.others = 1
    maker.look_ahead(wishes(2))
    assert session.asked() == []
    session.others = 0
    maker.ask()
    assert session.asked() == [2]


def test_stale_requests_are_given_up(session: FakeSession, maker: TileMaker) -> None:
    maker.want(wishes(1, 2, 3))
    maker.want(wishes(3, 4))
    assert session.asked() == [3, 4]
    maker.stop()
    assert session.asked() == []


def test_what_was_used_last_is_kept(session: FakeSession, maker: TileMaker, forgotten: list[int]) -> None:
    for number in range(10):
        maker.want(wishes(number))
        session.answer()
    kept = maker.get(wish(0))
    assert kept is not None
    maker.want(wishes(10))
    session.answer()
    assert maker.get(wish(0)) is kept
    assert maker.get(wish(1)) is None
    assert maker.get(wish(2)) is None
    assert len(forgotten) == 2
    assert len(maker.by_key) == 9


def test_no_more_is_made_ahead_than_there_is_room_for(
    session: FakeSession, maker: TileMaker, forgotten: list[int]
) -> None:
    maker.want(wishes(*range(6)))
    session.answer()
    maker.look_ahead(wishes(*range(100, 140)))
    session.answer()
    assert maker.made == 8
    assert not forgotten
    assert all(maker.get(tile) for tile in wishes(*range(6)))


def test_a_style_goes_to_the_command_that_draws_it(session: FakeSession, maker: TileMaker) -> None:
    style = Style(edits=(1.5,), edit_layers=(0, 3))
    maker.want([wish(1), wish(1, style)])
    plain, styled = session.calls
    assert plain.command == "generate"
    assert set(plain.inputs) == {"z", "truncation"}
    assert styled.command == COMMAND
    assert styled.inputs["edits"] == [1.5]
    assert styled.inputs["edit_layers"] == [0, 3]
    session.answer()
    assert maker.get(wish(1)) is not maker.get(wish(1, style))


# -- the window


def test_the_ring_begins_where_one_is_heading() -> None:
    window = Window(-2, -1, 5, 3)
    ring = window.ring((1, 0))
    assert len(ring) == len(set(ring)) == 7 * 5 - 5 * 3
    assert all(window.place(tile) is None for tile in ring)
    assert {x for x, _ in ring[:5]} == {3}
    assert ring[0] == (3, 0)
    assert {y for _, y in window.ring((0, -1))[:7]} == {-2}


@pytest.mark.parametrize("place", [(0, 0), (2, 1), (7, 5), (4, 3)])
def test_zoom_keeps_the_tile_where_it_is_on_the_screen(place: tuple[int, int]) -> None:
    window = Window(-3, -2, 8, 6)
    tile = window.tile(place)
    share = window.share(tile)
    for columns, rows in [(7, 5), (6, 4), (4, 3), (3, 2), (4, 3), (6, 4), (10, 7), (16, 12), (8, 6)]:
        window = window.resized(columns, rows, tile, share)
        x, y = window.share(tile)
        # Half a tile is as near as whole tiles allow.
        assert abs(x - share[0]) <= 0.5 / columns + 1e-9
        assert abs(y - share[1]) <= 0.5 / rows + 1e-9
    assert window == Window(-3, -2, 8, 6)
