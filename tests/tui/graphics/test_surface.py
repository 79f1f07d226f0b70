"""The account of what the terminal shows: only what changed is asked for, and nothing stale is forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tui.graphics import kitty
from tui.graphics.brands import TerminalInfo
from tui.graphics.compose import Look, Scene
from tui.graphics.quality import FULL, Quality
from tui.graphics.surface import Surface

LOOK = Look()
SCENE = Scene(4, 2, {(x, y): x + 4 * y + 1 for x in range(4) for y in range(2)}, None, (0, 0))
COLUMNS, ROWS = 32, 8  # tiles of 64 x 68 pixels, 8 x 4 cells
ALL = np.ones((ROWS, COLUMNS), bool)
COARSE = Quality(scale=3, colours=32, jpeg=40, step=32)
TALL = 48
"""Rows of a canvas that kitty's picture is cut into eight bands for."""


def surface(protocol: str) -> Surface:
    return Surface(TerminalInfo(protocol=protocol, cell_width=8, cell_height=17), range(30, 38))  # type: ignore[arg-type]


def asked(on: Surface, scene: Scene = SCENE, visible: np.ndarray = ALL) -> list[tuple[int, int, int, int]] | None:
    request = on.request(scene, LOOK, COLUMNS, ROWS, visible)
    if request is None:
        return None
    on.written(request)
    return request.rects


def test_sixel_sends_all_then_only_changes() -> None:
    on = surface("sixel")
    assert asked(on) == [(0, 0, 32, 8)]
    assert asked(on) is None
    moved = replace(SCENE, cursor=(3, 1))
    rects = asked(on, moved)
    assert rects is not None
    covered = sum(width * height for _, _, width, height in rects)
    assert 2 * 32 <= covered < 32 * 8 / 2, "two tiles, no more than the cells they touch"


def test_what_text_wrote_over_is_sent_again() -> None:
    on = surface("sixel")
    asked(on)
    over = np.zeros_like(ALL)
    over[6:, 20:] = True
    on.painted(over)
    hidden = ALL & ~over
    assert asked(on, visible=hidden) is None, "a toast is still there"
    assert asked(on) == [(20, 6, 12, 2)]


def test_where_the_picture_is_no_text_need_be_written() -> None:
    on, shape = surface("sixel"), (ROWS, COLUMNS)
    request = on.request(SCENE, LOOK, COLUMNS, ROWS, ALL)
    assert request is not None
    assert not on.holds(0, 0, COLUMNS, (3, 2), shape)
    on.written(request, (3, 2))
    assert on.holds(0, 0, COLUMNS, (3, 2), shape)
    assert not on.holds(0, 0, COLUMNS, (3, 1), shape), "it moved"
    on.wiped(0, 4, 6)
    assert not on.holds(0, 0, COLUMNS, (3, 2), shape)
    assert on.holds(0, 6, COLUMNS, (3, 2), shape)
    assert asked(on) == [(4, 0, 2, 1)]
    on.moved()
    assert not on.holds(1, 0, COLUMNS, (3, 2), shape)
    assert asked(on) == [(0, 0, 32, 8)]


def test_a_size_that_was_there_for_a_moment_only() -> None:
    on = surface("sixel")
    asked(on)
    on.painted(np.ones((ROWS - 1, COLUMNS), bool))
    assert asked(on) == [(0, 0, 32, 8)], "text of another layout went over it"


def test_a_dropped_frame_is_not_forgotten() -> None:
    on = surface("sixel")
    request = on.request(SCENE, LOOK, COLUMNS, ROWS, ALL)
    assert request is not None
    on.give_back(request)
    assert asked(on) == [(0, 0, 32, 8)]


@pytest.mark.parametrize("protocol", ["sixel", "kitty", "kitty-direct", "iterm2", "blocks"])
def test_size_look_and_loss_mean_everything(protocol: str) -> None:
    on = surface(protocol)
    assert asked(on) is not None
    assert asked(on) is None
    assert on.request(SCENE, replace(LOOK, accent=(1, 2, 3)), COLUMNS, ROWS, ALL) is not None
    assert asked(on) is not None
    assert on.request(SCENE, LOOK, COLUMNS, ROWS - 1, ALL[1:]) is not None
    asked(on)
    on.lost()
    assert asked(on) is not None
    assert on.request(SCENE, LOOK, COLUMNS, ROWS, ~ALL) is None, "nothing to be seen"


def test_placements_follow_what_is_visible_and_alternate_ids() -> None:
    on = surface("kitty-direct")
    first = on.request(SCENE, LOOK, COLUMNS, ROWS, ALL)
    assert first is not None
    assert (first.job["images"], first.job["drop"]) == ([30], [])
    on.written(first)
    part = ALL.copy()
    part[5:, 10:] = False
    second = on.request(SCENE, LOOK, COLUMNS, ROWS, part)
    assert second is not None
    assert (second.job["images"], second.job["drop"]) == ([31], [30])
    assert len(second.rects) == 2
    on.written(second)
    assert "a=d,d=i,i=31" in on.hide()
    assert on.hide() == ""
    assert asked(on, visible=part) is not None, "shown again"
    assert on.delete() == kitty.delete(30), "the other one went with the frame before"


def test_off_sends_nothing() -> None:
    assert surface("off").request(SCENE, LOOK, COLUMNS, ROWS, ALL) is None


@pytest.mark.parametrize("protocol", ["sixel", "kitty", "kitty-direct", "iterm2", "blocks"])
def test_what_moved_in_little_detail_is_made_whole_at_rest(protocol: str) -> None:
    on = surface(protocol)
    asked(on)
    moved = replace(SCENE, tiles={place: key + 100 for place, key in SCENE.tiles.items()})
    request = on.request(moved, LOOK, COLUMNS, ROWS, ALL, COARSE, sharp=False)
    assert request is not None
    assert not request.sharp
    on.written(request)
    assert on.due(moved, LOOK, COLUMNS, ROWS, ALL, sharp=False) == 0, "while it moves that is enough"
    assert on.due(moved, LOOK, COLUMNS, ROWS, ALL, sharp=True) == request.pixels > 0
    request = on.request(moved, LOOK, COLUMNS, ROWS, ALL, FULL, sharp=True)
    assert request is not None
    assert request.sharp
    on.written(request)
    assert on.due(moved, LOOK, COLUMNS, ROWS, ALL, sharp=True) == 0


def test_only_what_is_in_little_detail_is_made_whole() -> None:
    on = surface("sixel")
    asked(on)
    moved = replace(SCENE, cursor=(1, 0))
    request = on.request(moved, LOOK, COLUMNS, ROWS, ALL, COARSE, sharp=False)
    assert request is not None
    on.written(request)
    assert asked(on, moved) == request.rects
    assert sum(width * height for _, _, width, height in request.rects) < 32 * 8 / 2


def test_a_dropped_whole_picture_is_still_to_come() -> None:
    on = surface("sixel")
    coarse = on.request(SCENE, LOOK, COLUMNS, ROWS, ALL, COARSE, sharp=False)
    assert coarse is not None
    on.written(coarse)
    whole = on.request(SCENE, LOOK, COLUMNS, ROWS, ALL)
    assert whole is not None
    on.give_back(whole)
    assert on.due(SCENE, LOOK, COLUMNS, ROWS, ALL) == whole.pixels


@pytest.mark.parametrize("protocol", ["sixel", "kitty", "iterm2", "blocks"])
def test_a_large_picture_comes_in_pieces_from_the_cursor_on(protocol: str) -> None:
    on = surface(protocol)
    scene, visible = replace(SCENE, cursor=(2, 1)), np.ones((TALL, COLUMNS), bool)
    cell = on.cell[0] * on.cell[1]
    seen = np.zeros((TALL, COLUMNS), int)
    pieces = []
    while (request := on.request(scene, LOOK, COLUMNS, TALL, visible, most=7 * COLUMNS * cell)) is not None:
        on.written(request)
        pieces.append(request)
        for x, y, width, height in request.rects:
            seen[y : y + height, x : x + width] += 1
    assert (seen == 1).all(), "every cell once"
    assert all(request.pixels <= 7 * COLUMNS * cell for request in pieces)
    assert len(pieces) >= TALL // 7
    x, y, side, _ = on.geometry(COLUMNS, TALL, scene).tile(2, 1)
    middle = (y + side / 2) / on.cell[1]
    _, top, _, height = pieces[0].rects[0]
    assert top - 1 <= middle <= top + height + 1


def test_kitty_sends_the_bands_that_changed_under_the_same_ids() -> None:
    on, visible = surface("kitty"), np.ones((TALL, COLUMNS), bool)
    first = on.request(SCENE, LOOK, COLUMNS, TALL, visible)
    assert first is not None
    assert first.job["images"] == list(range(30, 38))
    on.written(first)
    moved = replace(SCENE, cursor=(1, 0))
    second = on.request(moved, LOOK, COLUMNS, TALL, visible)
    assert second is not None
    images = second.job["images"]
    assert isinstance(images, list)
    assert 1 <= len(images) < 8
    for image, (x, y, width, height) in zip(images, second.rects):
        assert (x, width) == (0, COLUMNS)
        assert [on.placeholder(row, TALL) for row in range(y, y + height)] == [(image, row) for row in range(height)]
    on.written(second)
    # A lower canvas has fewer bands: the ids that are left over are freed.
    third = on.request(moved, LOOK, COLUMNS, ROWS, ALL)
    assert on.placeholder(TALL - 1, TALL)[0] == 37, "the canvas may be tall again before that is written"
    assert third is not None
    assert (third.job["images"], third.job["drop"]) == ([30], list(range(31, 38)))
    on.written(third)
    assert on.delete() == kitty.delete(30)
    assert on.delete() == ""


def test_half_blocks_come_in_whole_rows() -> None:
    on = surface("blocks")
    asked(on)
    rects = asked(on, replace(SCENE, cursor=(3, 1)))
    assert rects is not None
    assert all((x, width) == (0, COLUMNS) for x, _, width, _ in rects)
    assert sum(height for _, _, _, height in rects) <= ROWS
