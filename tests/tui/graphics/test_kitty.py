"""kitty: pictures, placements, placeholders and deletion, read back by a small store."""

from __future__ import annotations

import numpy as np

from tests.tui.graphics.decoders import Kitty, unwrap_tmux
from tui.graphics import kitty
from tui.graphics.files import paletted_png
from tui.graphics.palette import fitted


def png(seed: int = 0, height: int = 68, width: int = 96) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    palette = fitted(pixels)
    return paletted_png(pixels, palette), palette.colours[palette.indices(pixels)]


def test_a_picture_is_sent_in_chunks_and_comes_back() -> None:
    store, (data, wanted) = Kitty(), png(height=170, width=200)
    assert len(data) > 3 * 4096
    store.feed(kitty.send_virtual(7, data, 25, 10))
    assert store.virtual == {7: (25, 10)}
    assert np.array_equal(store.pictures[7], wanted)


def test_the_same_id_again_replaces() -> None:
    store = Kitty()
    for seed in range(3):
        data, wanted = png(seed)
        store.feed(kitty.send_virtual(7, data, 12, 4))
    assert len(store.pictures) == 1
    assert np.array_equal(store.pictures[7], wanted)


def test_placing_hiding_deleting() -> None:
    store = Kitty()
    store.feed(
        kitty.send(9, png()[0]) + kitty.place(9, 1, (0, 0, 96, 34), 12, 2) + kitty.place(9, 2, (0, 34, 8, 34), 1, 2)
    )
    assert set(store.placements) == {(9, 1), (9, 2)}
    store.feed(kitty.hide(9))
    assert not store.placements
    assert 9 in store.pictures
    store.feed(kitty.delete(9))
    assert not store.pictures


def test_there_are_297_different_diacritics() -> None:
    assert kitty.MOST_CELLS == 297
    assert len(set(kitty.DIACRITICS)) == 297
    assert [ord(kitty.DIACRITICS[index]) for index in (0, 1, 2, 296)] == [0x305, 0x30D, 0x30E, 0x1D244]


def test_placeholders_name_row_and_first_column_in_a_colour_of_256() -> None:
    text = kitty.placeholders(42, 3, 5, 9)
    assert text.startswith("\x1b[38;5;42;49m")
    assert text.count(kitty.PLACEHOLDER) == 4
    first = text.index(kitty.PLACEHOLDER)
    assert text[first + 1 : first + 3] == kitty.DIACRITICS[3] + kitty.DIACRITICS[5]
    assert kitty.placeholders(42, 3, 5, 5) == ""


def test_through_tmux() -> None:
    data, wanted = png(height=170, width=200)
    plain = kitty.send_virtual(7, data, 25, 10) + kitty.delete(8)
    assert unwrap_tmux(kitty.through_tmux(plain)) == f"\x1b[?2026h{plain}\x1b[?2026l"
    assert kitty.through_tmux("") == ""
    store = Kitty()
    store.feed(unwrap_tmux(kitty.through_tmux(plain)))
    assert np.array_equal(store.pictures[7], wanted)
