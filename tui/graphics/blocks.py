"""Pixels to half-blocks: two pixels a cell, the lower one in the colour of "▄", the upper one in the background.

The upper half block "▀" would do as well by the book, but in common fonts it leaves a line open above itself.

Works wherever text works. Colours are rounded and never said twice in a row, which halves what goes over the line.
With 256 or 16 colours the nearest one is taken; without any, `dots` takes over.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tui.graphics import dots

Depth = Literal["truecolor", "256", "16", "mono", "ascii"]
"""What text can show: colours, none (braille dots), or not even more than ASCII."""

HALF = "▄"

FINEST = 8
"""The usual distance of colours: what an eye takes for a smooth ramp."""
_DARK = [(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)]
_LIGHT = [(127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)]
_STANDARD = np.array([*_DARK, *_LIGHT, (255, 255, 255)], np.int32)
_CUBE = np.array([0, 95, 135, 175, 215, 255], np.int32)


def encode(pixels: NDArray[np.uint8], depth: Depth, step: int = FINEST) -> list[str]:
    """The picture's rows as text with colour codes, each complete in itself and closed with a reset.

    Args:
        pixels: uint8 [2 * rows, columns, 3].
        depth: What the terminal can show.
        step: Distance of the colours, 8 to 64: fewer of them, fewer changes of colour.
    """
    if depth != "mono" and (depth == "truecolor" or step > FINEST):
        pixels = rounded(pixels, step)
    top, bottom = pixels[0::2], pixels[1::2]
    if depth == "mono":
        return dots.braille(pixels.repeat(2, axis=0).repeat(2, axis=1))
    if depth == "ascii":
        return dots.ascii_shades(pixels)
    if depth == "truecolor":
        return [_true_row(*pair) for pair in zip(top.tolist(), bottom.tolist())]
    find = _index_256 if depth == "256" else _index_16
    return [_indexed_row(*pair) for pair in zip(find(top).tolist(), find(bottom).tolist())]


def rounded(pixels: NDArray[np.uint8], step: int = FINEST) -> NDArray[np.uint8]:
    """The colours that `encode` shows in truecolour: rounded to multiples of `step`, white kept white."""
    near = (pixels.astype(np.int32) + step // 2) // step * step
    return np.minimum(near, 255).astype(np.uint8)


def _true_row(top: list[list[int]], bottom: list[list[int]]) -> str:
    parts: list[str] = []
    fore: list[int] | None = None
    back: list[int] | None = None
    for above, below in zip(top, bottom):
        codes = []
        if above != below and below != fore:
            codes.append("38;2;{};{};{}".format(*below))
            fore = below
        if above != back:
            codes.append("48;2;{};{};{}".format(*above))
            back = above
        parts.append(_cell(codes, above == below))
    return "".join(parts) + "\x1b[0m"


def _indexed_row(top: list[int], bottom: list[int]) -> str:
    parts: list[str] = []
    fore = back = -1
    for above, below in zip(top, bottom):
        codes = []
        if above != below and below != fore:
            codes.append(_code(below, 30))
            fore = below
        if above != back:
            codes.append(_code(above, 40))
            back = above
        parts.append(_cell(codes, above == below))
    return "".join(parts) + "\x1b[0m"


def _cell(codes: list[str], same: bool) -> str:
    character = " " if same else HALF
    return f"\x1b[{';'.join(codes)}m{character}" if codes else character


def _code(index: int, base: int) -> str:
    """The colour code of a palette place; the first sixteen in the form that every terminal knows."""
    if index >= 16:
        return f"{base + 8};5;{index}"
    return str(base + index if index < 8 else base + 60 + index - 8)


def _index_256(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Nearest of xterm's 6x6x6 cube and its 24 greys."""
    wide = pixels.astype(np.int32)
    nearest = np.abs(wide[..., None] - _CUBE).argmin(axis=-1)
    cube_error = ((wide - _CUBE[nearest]) ** 2).sum(axis=-1)
    grey = np.clip(np.round((wide.mean(axis=-1) - 8) / 10), 0, 23).astype(np.int32)
    grey_error = ((wide - (8 + 10 * grey)[..., None]) ** 2).sum(axis=-1)
    cube = 16 + nearest[..., 0] * 36 + nearest[..., 1] * 6 + nearest[..., 2]
    found: NDArray[np.int32] = np.where(grey_error < cube_error, 232 + grey, cube).astype(np.int32)
    return found


def _index_16(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    distance = ((pixels.astype(np.int32)[..., None, :] - _STANDARD) ** 2).sum(axis=-1)
    found: NDArray[np.int32] = distance.argmin(axis=-1).astype(np.int32)
    return found
