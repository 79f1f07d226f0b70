"""Pixels to sixel: six rows of pixels a band, one colour after the other.

Every colour is defined before any is selected (xterm 379 does not select on definition), the background is left
alone (P2=1) since every pixel is set, and the raster attributes tell the true size so that a last band of fewer than
six rows does not reach below it. The whole picture is turned into runs and the runs into text by numpy, without a
loop over pixels, bands or colours. Source: DEC, "VT330/VT340 Programmer Reference Manual", volume 2, chapter 14.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui.graphics.palette import Palette

_TOKEN = 5 + 6 + 6
"""Bytes of the widest run: separator and colour (5), a gap (6), the run itself (6)."""


def encode(
    pixels: NDArray[np.uint8],
    palette: Palette,
    scale: int = 1,
    size: tuple[int, int] | None = None,
    *,
    define_all: bool = False,
) -> bytes:
    """One complete sixel sequence.

    Args:
        pixels: uint8 [H, W, 3]; H and W at least 1 and, times `scale`, less than 10000.
        palette: At most 256 colours.
        scale: Draw each pixel as a square of this size: 1, 2, 3 or 6. Costs what the pixels cost, not the squares.
        size: Width and height of the whole in pixels, where the last squares are cut off.
        define_all: Define the colours that no pixel has, too.
    """
    indices = palette.indices(pixels)
    width, height = size or (indices.shape[1] * scale, indices.shape[0] * scale)
    used = np.arange(len(palette.colours)) if define_all else np.unique(indices)
    percent = np.round(palette.colours.astype(np.float32) * (100 / 255)).astype(int)
    definitions = "".join("#{};2;{};{};{}".format(index, *percent[index]) for index in used)
    header = f'\x1bP0;1;0q"1;1;{width};{height}{definitions}'
    return header.encode() + _data(indices, scale, width, height) + b"\x1b\\"


def _data(indices: NDArray[np.uint8], scale: int, width: int, height: int) -> bytes:
    band, colour, column, bits = _columns(indices, scale)
    if rest := height % 6:
        last = band == height // 6
        bits[last] &= (1 << rest) - 1
    # A run: the same six bits of the same colour in columns that follow each other.
    line = band * 256 + colour
    same_line = line[1:] == line[:-1]
    goes_on = same_line & (column[1:] == column[:-1] + 1) & (bits[1:] == bits[:-1])
    starts = np.flatnonzero(np.concatenate(([True], ~goes_on)))
    lengths = np.diff(np.concatenate((starts, [len(line)])))
    run_line, run_band, run_column = line[starts], band[starts], column[starts] * scale
    new_line = np.concatenate(([True], run_line[1:] != run_line[:-1]))
    new_band = np.concatenate(([False], run_band[1:] != run_band[:-1]))
    ends = np.minimum(run_column + lengths * scale, width)
    lengths = ends - run_column
    gaps = run_column - np.where(new_line, 0, np.concatenate(([0], ends[:-1])))

    tokens = np.zeros((len(starts), _TOKEN), np.uint8)
    # "$" goes back to the start of the band, "-" on to the next one; the very first line of all needs neither.
    tokens[:, 0] = np.where(new_band, ord("-"), np.where(new_line, ord("$"), 0))
    tokens[0, 0] = 0
    tokens[:, 1] = np.where(new_line, ord("#"), 0)
    _digits(tokens[:, 2:5], np.where(new_line, colour[starts], -1))
    _repeat(tokens[:, 5:11], gaps, np.full(len(starts), ord("?"), np.uint8))
    _repeat(tokens[:, 11:17], lengths, (bits[starts] + ord("?")).astype(np.uint8))
    flat = tokens.ravel()
    text: bytes = flat[flat != 0].tobytes()
    return text


def _columns(indices: NDArray[np.uint8], scale: int) -> tuple[NDArray[np.int64], ...]:
    """Which colours each column of each band has, sorted: band, colour, column, bits (bit 0 is the top row)."""
    height, width = indices.shape
    in_band = 6 // scale
    bands = -(-height // in_band)
    padded = np.full((bands * in_band, width), -1, np.int16)
    padded[:height] = indices
    rows = padded.reshape(bands, in_band, width)
    square = (1 << scale) - 1
    keys = []
    for row in range(in_band):
        own = rows[:, row]
        bits = np.zeros((bands, width), np.int64)
        first = own >= 0
        for other in range(in_band):
            equal = rows[:, other] == own
            bits |= equal.astype(np.int64) * (square << other * scale)
            if other < row:
                first &= ~equal
        band, column = np.nonzero(first)
        keys.append(((band * 256 + own[first]) * 16384 + column) * 64 + bits[first])
    key = np.sort(np.concatenate(keys))
    return key >> 28, (key >> 20) & 255, (key >> 6) & 16383, key & 63


def _digits(place: NDArray[np.uint8], numbers: NDArray[np.int64]) -> None:
    """Write non-negative numbers in decimal into their rows, without leading zeros; a negative one leaves its row."""
    width = place.shape[1]
    for digit in range(width):
        power = 10 ** (width - 1 - digit)
        shown = (numbers >= power) | ((power == 1) & (numbers >= 0))
        place[:, digit] = np.where(shown, numbers // power % 10 + ord("0"), 0)


def _repeat(place: NDArray[np.uint8], counts: NDArray[np.int64], characters: NDArray[np.uint8]) -> None:
    """Write `count` times a character: as it is up to three times, from four on as "!count"."""
    many = counts > 3
    place[:, 0] = np.where(many, ord("!"), 0)
    _digits(place[:, 1:5], np.where(many, counts, -1))
    place[:, 5] = np.where(counts > 0, characters, 0)
    place[:, 0] = np.where(~many & (counts > 1), characters, place[:, 0])
    place[:, 1] = np.where(~many & (counts > 2), characters, place[:, 1])
