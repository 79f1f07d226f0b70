"""What tmux's own sixel needs (3.4 to 3.6): it reads a picture, keeps it, and draws it again in its own words.

Three things go wrong in there for pictures that any terminal takes. A picture's height is rounded up to whole bands of
six pixels, and then to whole cells, so that it may reach into the row below: `whole_bands` cuts rectangles at rows
where nothing is to be rounded. Colours that the picture does not define are defined as of no colour space, which
makes xterm drop the ones after them: so all are defined. And text over any part of a picture takes all of it off the
screen, which the account of the canvas has to know (`tui.graphics.pictures`).
Source: tmux 3.5a, image-sixel.c (`sixel_parse_write`, `sixel_print`) and image.c (`image_check_area`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tui.graphics import sixel
from tui.graphics.layout import Rect
from tui.graphics.palette import Palette

_BAND = 6


def whole_bands(rects: list[Rect], visible: NDArray[np.bool_], cell_height: int) -> list[Rect]:
    """Rectangles of cells that cover `rects` and whose heights in pixels are multiples of six where that can be.

    They may overlap and may reach beyond `rects`, but never to what is not visible. One that cannot be made fit stays
    as it is and loses up to five rows of pixels at its lower edge.

    Args:
        rects: x, y, width, height in cells.
        visible: bool [rows, columns]: where pictures may be drawn.
        cell_height: Pixels.
    """
    step = _BAND // math.gcd(_BAND, cell_height)
    found = []
    for x, y, width, height in rects:
        over = height % step
        if over == 0:
            found.append((x, y, width, height))
            continue
        if height > step:
            found.append((x, y, width, height - over))
        # The rest with rows that are there already, or one rectangle of whole bands around a small one.
        bottom = y + height
        for top in (bottom - step, y):
            inside = top >= 0 and top + step <= len(visible)
            if inside and (height > step or visible[top : top + step, x : x + width].all()):
                found.append((x, top, width, step))
                break
        else:
            found.append((x, y, width, height))
    return found


def encode(pixels: NDArray[np.uint8], palette: Palette, scale: int, size: tuple[int, int]) -> bytes:
    """One sixel sequence without the last rows that do not fill a band.

    Args:
        pixels: uint8 [H, W, 3].
        palette: At most 256 colours; all of them are defined.
        scale: Each pixel is drawn as a square of this size: 1, 2, 3 or 6.
        size: Width and height of the whole in pixels; a height of at least 6.
    """
    width, height = size[0], size[1] // _BAND * _BAND
    return sixel.encode(pixels[: -(-height // scale)], palette, scale, (width, height), define_all=True)
