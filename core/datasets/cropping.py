"""From a picture of any shape to what is trained on: which part of it, at which size, with what beyond its edges.

A window is the square that is cut out, in pixels of the picture; it may reach beyond the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.subject import Box
from core.errors import InvalidInput

CROPS = {
    "centre": "the middle square",
    "random": "another square each epoch",
    "none": "all of it, padded to a square",
    "auto": "the subject, at the same place and size in each",
}
AUTO, CONTRAST = "auto", "contrast"
"""How subjects are found: by the best model of the library that can, else by contrast; or always by contrast."""
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
LEAST, MOST = 16, 1024
LARGEST_DEFAULT = 256

SHARE = 0.78
"""Part of the frame that the longer side of a subject gets."""
ZOOM = 4.0
"""The window of an auto-crop is never smaller than the shorter side by more than this."""
BEYOND = 1.15
"""Nor larger than the longer side by more than this."""
_LONGEST = 4
"""A picture kept for random crops is cut to this many times its shorter side."""


@dataclass(frozen=True)
class Preparation:
    """How pictures become training data.

    Attributes:
        size: Side in pixels, a power of two from 16 to 1024; 0 lets the pictures decide.
        crop: One of `CROPS`.
        fill: What is beyond a picture's edges: "edge" (the edge goes on) or a colour "#rrggbb".
        filter: "lanczos" or "box".
        alpha: "white" (what is transparent becomes white) or "keep" (a fourth channel).
        subject: Who finds the subjects for `crop` "auto": `AUTO`, `CONTRAST`, or a model of the library by id or name.
    """

    size: int = 0
    crop: str = "centre"
    fill: str = "edge"
    filter: str = "lanczos"
    alpha: str = "white"
    subject: str = AUTO

    def check(self) -> Preparation:
        """Itself.

        Raises:
            InvalidInput: A value that is not allowed; names it and what is.
        """
        if self.size and (self.size & (self.size - 1) or not LEAST <= self.size <= MOST):
            raise InvalidInput(f"size {self.size} is not allowed", f"it must be a power of two from {LEAST} to {MOST}")
        for name, value, allowed in (
            ("crop", self.crop, tuple(CROPS)),
            ("filter", self.filter, tuple(FILTERS)),
            ("alpha", self.alpha, ("white", "keep")),
        ):
            if value not in allowed:
                raise InvalidInput(f"{name} {value!r} is not allowed", f"it must be one of {', '.join(allowed)}")
        if self.fill != "edge":
            self.colour()
        if not self.subject.strip() or not self.subject.isprintable():
            raise InvalidInput(f"subject {self.subject!r:.60} is not allowed", "it must be auto, contrast or a model")
        return self

    def colour(self) -> tuple[int, int, int] | None:
        """The colour beyond the edges, None for "edge".

        Raises:
            InvalidInput: It is no colour.
        """
        if self.fill == "edge":
            return None
        digits = self.fill.removeprefix("#")
        try:
            if len(digits) != 6:
                raise ValueError
            red, green, blue = bytes.fromhex(digits)
        except ValueError:
            raise InvalidInput(f"fill {self.fill!r} is not allowed", "it must be edge or a colour as #rrggbb") from None
        return red, green, blue


def choose_size(shapes: Sequence[tuple[int, int]], base: int | None = None) -> int:
    """The size to train at: the base model's; else the power of two that three of four pictures reach, at most 256.

    Args:
        shapes: Width and height of each picture.
        base: Side of what the base model makes, if there is one.
    """
    if base:
        return base
    short = float(np.quantile([min(shape) for shape in shapes], 0.25)) if shapes else LEAST
    return int(min(LARGEST_DEFAULT, max(LEAST, 2 ** math.floor(math.log2(max(1.0, short))))))


def middle(height: int, width: int) -> Box:
    """The window of the centre crop."""
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def all_of_it(height: int, width: int) -> Box:
    """The window that holds the whole picture."""
    side = max(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def around(box: Box, height: int, width: int) -> Box:
    """The window that brings a subject to the middle, its longer side to `SHARE` of the frame."""
    side = max(box[2] - box[0], box[3] - box[1]) / SHARE
    side = min(max(side, min(height, width) / ZOOM), max(height, width) * BEYOND)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def within(box: Box, window: Box, clipped: bool = True) -> Box:
    """A box in the coordinates of a window, the window's sides being 1; cut off at its edges."""
    side = window[2] - window[0]
    left, top, right, bottom = (
        (box[0] - window[0]) / side,
        (box[1] - window[1]) / side,
        (box[2] - window[0]) / side,
        (box[3] - window[1]) / side,
    )
    if not clipped:
        return left, top, right, bottom
    return max(0.0, min(1.0, left)), max(0.0, min(1.0, top)), max(0.0, min(1.0, right)), max(0.0, min(1.0, bottom))


def cut(pixels: NDArray[np.uint8], window: Box, size: int, preparation: Preparation) -> NDArray[np.uint8]:
    """The window of a picture uint8 [h, w, C] at `size` x `size`, uint8 [size, size, C].

    What lies beyond the picture is filled in after it was made smaller, so that no filter mixes the two.
    """
    height, width, channels = pixels.shape
    inside = (max(0.0, window[0]), max(0.0, window[1]), min(width, window[2]), min(height, window[3]))
    scale = size / (window[2] - window[0])
    left, top = round((inside[0] - window[0]) * scale), round((inside[1] - window[1]) * scale)
    right, bottom = round((window[2] - inside[2]) * scale), round((window[3] - inside[3]) * scale)
    across, down = max(1, size - left - right), max(1, size - top - bottom)
    left, top = min(left, size - across), min(top, size - down)
    image = Image.fromarray(pixels)
    found = np.asarray(image.resize((across, down), FILTERS[preparation.filter], box=inside, reducing_gap=3.0))
    if (across, down) == (size, size):
        return found
    colour = preparation.colour()
    if colour is None:
        return np.pad(found, ((top, size - top - down), (left, size - left - across), (0, 0)), mode="edge")
    whole = np.empty((size, size, channels), np.uint8)
    whole[:] = (*colour, 255)[:channels]
    whole[top : top + down, left : left + across] = found
    return whole


def shorter_side(pixels: NDArray[np.uint8], size: int, preparation: Preparation) -> NDArray[np.uint8]:
    """All of a picture with its shorter side at `size`, uint8 [h, w, C]; of a very long one the middle."""
    height, width = pixels.shape[:2]
    scale = size / min(height, width)
    across, down = min(_LONGEST * size, round(width * scale)), min(_LONGEST * size, round(height * scale))
    across, down = max(size, across), max(size, down)
    wide, high = min(width, across / scale), min(height, down / scale)
    left, top = (width - wide) / 2, (height - high) / 2
    box = (left, top, left + wide, top + high)
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((across, down), FILTERS[preparation.filter], box=box, reducing_gap=3.0))
