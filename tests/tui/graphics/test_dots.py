"""Braille and ASCII: the dots that are read back are those of the picture, and light stays lighter than dark."""

from __future__ import annotations

import numpy as np

from tests.tui.graphics.decoders import read_braille
from tui.graphics import dots


def test_black_and_white_come_back_dot_by_dot() -> None:
    light = np.random.default_rng(1).random((12, 20)) > 0.5
    pixels = np.repeat(np.uint8(light * 255)[..., None], 3, axis=2)
    lines = dots.braille(pixels)
    assert [len(line) for line in lines] == [10, 10, 10]
    assert np.array_equal(read_braille(lines), light)


def test_dark_is_a_space_and_light_is_full() -> None:
    assert dots.braille(np.zeros((4, 6, 3), np.uint8)) == ["   "]
    assert dots.braille(np.full((4, 6, 3), 255, np.uint8)) == ["⣿⣿⣿"]


def test_greys_have_their_share_of_dots() -> None:
    for grey in (32, 64, 128, 192, 224):
        shown = read_braille(dots.braille(np.full((32, 32, 3), grey, np.uint8)))
        assert abs(shown.mean() - (grey / 255) ** 1.5) <= 1 / 16, grey


def test_a_picture_is_recognised() -> None:
    y, x = np.mgrid[0:64, 0:64] / 63
    wanted = (np.sin(3 * x) * np.cos(2 * y) + 1) / 2
    pixels = np.repeat(np.uint8(wanted * 255)[..., None], 3, axis=2)
    shown = read_braille(dots.braille(pixels)).reshape(8, 8, 8, 8).mean(axis=(1, 3))
    assert np.abs(shown - (wanted**1.5).reshape(8, 8, 8, 8).mean(axis=(1, 3))).max() < 0.12


def test_ascii_is_ascii_and_tells_light_from_dark() -> None:
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, 1], pixels[:, 2], pixels[:, 3] = 80, 160, 255
    (line,) = dots.ascii_shades(pixels)
    assert line.isascii()
    assert line[0] == " "
    assert line[3] == "@"
    assert len(set(line)) == 4


def test_light_on_dark_whatever_the_terminals_colours_are() -> None:
    assert dots.painted("⣿") == "\x1b[97;40m⣿\x1b[0m"
