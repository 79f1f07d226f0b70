"""Pictures with what auto-crop found drawn into them: the subject's box, the square that is cut, a cross if left out.

Shape and colour both tell: a sure or accepted box is a whole line, a doubtful one is dashed, an excluded picture is dim
and crossed. Pure pixels; a picture of 100 pixels takes a fraction of a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tui.widgets.tile_sheet import squared

if TYPE_CHECKING:
    from core.datasets.review import Look
    from core.datasets.subject import Box, Subject

Pixels = NDArray[np.uint8]

SURE, DOUBTFUL, WINDOW, CROSS = (80, 220, 120), (250, 150, 60), (245, 245, 245), (230, 90, 80)
_DASH = 4


def place_in(box: Box, width: int, height: int, side: int) -> tuple[int, int, int, int]:
    """Where a box of a picture of this size lies when that is in a square of `side`: left, top, right, bottom."""
    scale = side / max(width, height)
    left, top = (side - width * scale) / 2, (side - height * scale) / 2
    edges = (left + box[0] * scale, top + box[1] * scale, left + box[2] * scale, top + box[3] * scale)
    return round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3])


def draw_frame(pixels: Pixels, frame: tuple[int, int, int, int], colour: tuple[int, int, int], dashed: bool) -> None:
    """A frame into a picture, in place; what lies outside is drawn along the edge."""
    height, width = pixels.shape[:2]
    thick = max(1, round(min(height, width) / 90))
    left, top = max(0, min(width - 1, frame[0])), max(0, min(height - 1, frame[1]))
    right, bottom = max(left + 1, min(width, frame[2])), max(top + 1, min(height, frame[3]))
    step = max(_DASH, thick * 4)
    across = np.arange(right - left) // step % 2 == 0 if dashed else np.ones(right - left, np.bool_)
    down = np.arange(bottom - top) // step % 2 == 0 if dashed else np.ones(bottom - top, np.bool_)
    for y in (slice(top, min(top + thick, bottom)), slice(max(bottom - thick, top), bottom)):
        pixels[y, left:right][:, across] = colour
    for x in (slice(left, min(left + thick, right)), slice(max(right - thick, left), right)):
        pixels[top:bottom, x][down] = colour


def source_tile(pixels: Pixels, look: Look, side: int) -> Pixels:
    """A picture as it came, with what was found and decided drawn into it, uint8 [side, side, 3]."""
    tile = squared(pixels, side).copy()
    if look.excluded:
        return crossed(tile)
    draw_frame(tile, place_in(look.window, look.width, look.height, side), WINDOW, False)
    if (box := look.box) is not None:
        colour = DOUBTFUL if look.unsure else SURE
        draw_frame(tile, place_in(box, look.width, look.height, side), colour, look.unsure)
    return tile


def crossed(tile: Pixels) -> Pixels:
    """A picture that is left out: dim, with a cross."""
    dim: Pixels = (tile // 3).astype(np.uint8)
    side = dim.shape[0]
    thick = max(1, side // 60)
    for row in range(side):
        for at in (row, side - 1 - row):
            dim[row, max(0, at - thick) : at + thick] = CROSS
    return dim


def cut_tile(pixels: Pixels, look: Look, side: int, fill: str = "edge") -> Pixels:
    """What becomes of a picture by these decisions, from its small copy: uint8 [side, side, 3]. Takes milliseconds."""
    from core.datasets.cropping import Preparation, cut

    scale = max(pixels.shape[:2]) / max(look.width, look.height)
    left, top, right, bottom = (edge * scale for edge in look.window)
    window = (left, top, max(right, left + 1), max(bottom, top + 1))
    tile = cut(pixels, window, side, Preparation(fill=fill, filter="box"))
    return crossed(tile) if look.excluded else np.ascontiguousarray(tile)


def window_tile(pixels: Pixels, crop: str, side: int, found: Subject | None = None) -> Pixels:
    """A picture as it came with the square that a way to crop would take, uint8 [side, side, 3]. Takes milliseconds.

    Args:
        pixels: The picture.
        crop: The way.
        side: In pixels.
        found: For "auto" the subject that a model saw; without it the contrast looks for it.
    """
    from core.datasets.cropping import all_of_it, middle
    from core.datasets.preparing import window_of
    from core.datasets.subject import find_subject

    height, width = pixels.shape[:2]
    tile = squared(pixels, side).copy()
    if crop == "auto":
        from core.datasets.subject import SURE as ENOUGH

        subject = found or find_subject(pixels)
        window = window_of(subject, None, height, width)
        sure = subject.confidence >= ENOUGH
        draw_frame(tile, place_in(window, width, height, side), WINDOW, False)
        draw_frame(tile, place_in(subject.box, width, height, side), SURE if sure else DOUBTFUL, not sure)
    elif crop == "random":
        short, along = min(width, height), max(width, height)
        for start in (0, along - short):
            x, y = (start, 0) if width > height else (0, start)
            draw_frame(tile, place_in((x, y, x + short, y + short), width, height, side), WINDOW, True)
    else:
        window = all_of_it(height, width) if crop == "none" else middle(height, width)
        draw_frame(tile, place_in(window, width, height, side), WINDOW, False)
    return tile
