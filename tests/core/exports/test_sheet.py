"""Contact sheets: every picture in its place, captions that can be read and never run over."""

from __future__ import annotations

import numpy as np
import pytest

from core.exports.sheet import TILE, Frame, contact_sheet

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (30, 200, 200)]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_every_picture_is_there(count: int) -> None:
    frames = [
        Frame(np.full((16, 16, 3), COLOURS[number % 5], np.uint8), f"{number + 1}", "seed") for number in range(count)
    ]
    sheet = contact_sheet(frames, "a model")
    for colour in COLOURS[:count]:
        there = (np.abs(sheet.astype(int) - colour) < 3).all(2).sum()
        expected = sum(COLOURS[number % 5] == colour for number in range(count)) * TILE**2
        assert 0.97 * expected <= there <= 1.03 * expected
    assert np.array_equal(sheet, contact_sheet(frames, "a model"))


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 16, 3), (300, 200, 4)])
def test_shapes(shape: tuple[int, int, int]) -> None:
    sheet = contact_sheet([Frame(np.full(shape, 128, np.uint8), "x")], "t")
    assert ((sheet == 128).all(2).sum()) >= 0.9 * TILE**2 * min(shape[:2]) / max(shape[:2])


def test_long_and_strange_captions_stay_in_their_column() -> None:
    frames = [Frame(np.full((8, 8, 3), 250, np.uint8), "W" * 300, "日本\x1b é" * 50)] * 2
    sheet = contact_sheet(frames, "T" * 500)
    ink = (sheet < 150).any(2)
    assert ink.any()
    width = sheet.shape[1]
    assert not ink[:, :14].any()
    assert not ink[:, width - 14 :].any()
    gap = 16 + TILE
    assert not ink[80:, gap + 2 : gap + 14].any()
