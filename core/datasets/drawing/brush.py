"""Drawing with shapes, ramps and soft shadows: what the sets drawn by code share.

A `Canvas` has the unit square for coordinates, x to the right and y down, and is larger than the picture that comes of
it: edges are made smooth by reducing it with Lanczos. Shapes are closed lists of points; `rounded` gives them soft
corners that never leave the hull of the points, so that no silhouette can overshoot or cross itself by rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
Mask = Image.Image
"""How much of each pixel a shape covers: mode L, as large as the canvas."""

Pattern = Callable[[NDArray[np.floating[Any]], NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]
"""Opacities from 0 to 1 over columns and rows of the unit square."""

OVERSAMPLING = 4
_LEAST = 256  # pixels; smaller pictures are reduced from this, so that thin lines keep their weight

BACKDROPS: tuple[Colour, ...] = (
    (183, 208, 230),
    (238, 212, 188),
    (192, 217, 196),
    (217, 202, 229),
    (241, 224, 178),
    (234, 199, 197),
    (177, 213, 211),
    (212, 213, 219),
    (231, 226, 216),
    (160, 178, 200),
    (186, 177, 168),
    (150, 184, 176),
)
"""Calm colours for behind things; all light to middle, so that dark and bright things stand out."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
SHADOW: Colour = (28, 30, 44)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with a share of `other` from 0 to 1."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(one, other, strict=True))
    return r, g, b


def light(colour: Colour) -> float:
    """How light a colour looks, from 0 to 1 (ITU-R BT.601 luma)."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


def apart(one: Colour, other: Colour) -> float:
    """How far two colours are from each other, from 0 to 1; lightness counts as much as hue."""
    hue = math.dist(one, other) / math.dist(BLACK, WHITE)
    return 0.5 * hue + 0.5 * abs(light(one) - light(other))


def rounded(corners: Sequence[tuple[float, float, float]], steps: int = 9) -> list[Point]:
    """A closed shape of (x, y, radius): each corner is cut `radius` before and after it and bridged by a curve."""
    shape: list[Point] = []
    for i, (x, y, radius) in enumerate(corners):
        ends = []
        for nx, ny, _ in (corners[i - 1], corners[(i + 1) % len(corners)]):
            length = math.hypot(nx - x, ny - y)
            share = min(radius / length, 0.5) if length else 0.0
            ends.append((x + (nx - x) * share, y + (ny - y) * share))
        (ax, ay), (bx, by) = ends
        for step in range(steps + 1):
            t = step / steps
            u, v, w = (1 - t) ** 2, 2 * t * (1 - t), t * t
            shape.append((u * ax + v * x + w * bx, u * ay + v * y + w * by))
    return shape


def curve(points: Sequence[Point], steps: int = 8) -> list[Point]:
    """An open line through all `points` (Catmull-Rom, uniform)."""
    padded = [points[0], *points, points[-1]]
    line: list[Point] = []
    for (ax, ay), (bx, by), (cx, cy), (dx, dy) in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            k = (-t + 2 * t**2 - t**3) / 2
            m = (2 - 5 * t**2 + 3 * t**3) / 2
            n = (t + 4 * t**2 - 3 * t**3) / 2
            o = (t**3 - t**2) / 2
            line.append((k * ax + m * bx + n * cx + o * dx, k * ay + m * by + n * cy + o * dy))
    return [*line, points[-1]]


def ellipse(x: float, y: float, rx: float, ry: float | None = None, steps: int = 40) -> list[Point]:
    """A closed ellipse around (x, y); a circle when `ry` is not given."""
    ry = rx if ry is None else ry
    turns = (2 * math.pi * i / steps for i in range(steps))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in turns]


@dataclass
class Canvas:
    """A picture that is being drawn.

    Attributes:
        size: Side in pixels of the picture that comes of it.
        image: RGB, `OVERSAMPLING` times as large.
    """

    size: int
    image: Image.Image

    @staticmethod
    def on(size: int, backdrop: Colour) -> Canvas:
        """A canvas with a backdrop that is a touch lighter above than below; every row of it is of one colour."""
        side = max(_LEAST, OVERSAMPLING * size)
        canvas = Canvas(size, Image.new("RGB", (side, side), backdrop))
        canvas.image = canvas.ramp([(0, mix(backdrop, WHITE, 0.12)), (0.7, backdrop), (1, mix(backdrop, BLACK, 0.05))])
        return canvas

    @property
    def side(self) -> int:
        """Side in pixels of the canvas."""
        return self.image.width

    def mask(self, *shapes: Sequence[Point], within: Mask | None = None) -> Mask:
        """What `shapes` cover together, and of that what lies `within` another mask."""
        covered = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(covered)
        for shape in shapes:
            draw.polygon(self._pixels(shape), fill=255)
        return covered if within is None else ImageChops.darker(covered, within)

    def stroke(self, line: Sequence[Point], width: float, within: Mask | None = None) -> Mask:
        """What a line of a width covers."""
        covered = Image.new("L", self.image.size)
        pixels = max(1, round(width * self.side))
        ImageDraw.Draw(covered).line(self._pixels(line), fill=255, width=pixels, joint="curve")
        return covered if within is None else ImageChops.darker(covered, within)

    def paint(self, where: Mask, what: Colour | Image.Image, opacity: float = 1.0) -> None:
        """Lay a colour or a whole image over what a mask covers."""
        if opacity < 1:
            where = where.point([round(value * opacity) for value in range(256)])
        self.image.paste(what, (0, 0, self.side, self.side), where)

    def fill(
        self,
        shape: Sequence[Point],
        what: Colour | Image.Image,
        opacity: float = 1.0,
        within: Mask | None = None,
    ) -> None:
        """Paint a closed shape."""
        pixels = self._pixels(shape)
        if within is None and opacity >= 1 and isinstance(what, tuple):
            ImageDraw.Draw(self.image).polygon(pixels, fill=what)
        else:
            self._lay(pixels, 0, what, opacity, within)

    def line(
        self,
        line: Sequence[Point],
        width: float,
        colour: Colour,
        opacity: float = 1.0,
        within: Mask | None = None,
    ) -> None:
        """Paint an open line."""
        pixels, thick = self._pixels(line), max(1, round(width * self.side))
        if within is None and opacity >= 1:
            ImageDraw.Draw(self.image).line(pixels, fill=colour, width=thick, joint="curve")
        else:
            self._lay(pixels, thick, colour, opacity, within)

    def _lay(
        self, pixels: Sequence[Point], thick: int, what: Colour | Image.Image, opacity: float, within: Mask | None
    ) -> None:
        """Paint a polygon, or a line `thick` pixels wide, working on no more than the rectangle around it."""
        xs, ys = [x for x, _ in pixels], [y for _, y in pixels]
        left, top = max(0, int(min(xs)) - thick - 1), max(0, int(min(ys)) - thick - 1)
        right, low = min(self.side, int(max(xs)) + thick + 2), min(self.side, int(max(ys)) + thick + 2)
        if left >= right or top >= low:
            return
        box = (left, top, right, low)
        covered = Image.new("L", (right - left, low - top))
        draw, moved = ImageDraw.Draw(covered), [(x - left, y - top) for x, y in pixels]
        value = round(255 * min(1.0, opacity))
        if thick:
            draw.line(moved, fill=value, width=thick, joint="curve")
        else:
            draw.polygon(moved, fill=value)
        if within is not None:
            covered = ImageChops.multiply(covered, within.crop(box))
        self.image.paste(what if isinstance(what, tuple) else what.crop(box), box, covered)

    def dashes(self, line: Sequence[Point], width: float, colour: Colour, dash: float, within: Mask | None) -> None:
        """Paint a line of stitches, each `dash` long and as far apart."""
        covered = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(covered)
        pixels = max(1, round(width * self.side))
        walked = 0.0
        for a, b in itertools.pairwise(line):
            length = math.dist(a, b)
            parts = max(1, math.ceil(length / (dash / 2)))
            for part in range(parts):
                if int((walked + length * part / parts) / dash) % 2 == 0:
                    ends = [
                        tuple(p + (q - p) * at / parts for p, q in zip(a, b, strict=True)) for at in (part, part + 1)
                    ]
                    draw.line(
                        self._pixels([(ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])]), fill=255, width=pixels
                    )
            walked += length
        self.paint(covered if within is None else ImageChops.darker(covered, within), colour, 0.8)

    def ramp(self, stops: Sequence[tuple[float, Colour]], across: bool = False) -> Image.Image:
        """An image that goes through colours from top to bottom, or from left to right."""
        at, colours = [stop[0] for stop in stops], np.array([stop[1] for stop in stops], float)
        places = (np.arange(self.side) + 0.5) / self.side
        strip = np.stack([np.interp(places, at, colours[:, channel]) for channel in range(3)], -1)
        strip = np.rint(strip).astype(np.uint8)
        strip = strip[None] if across else strip[:, None]
        return Image.fromarray(strip).resize(self.image.size, Image.Resampling.NEAREST)

    def veil(self, where: Mask, colour: Colour, stops: Sequence[tuple[float, float]], across: bool = False) -> None:
        """Lay a colour over a mask, with an opacity that changes from top to bottom, or from left to right."""
        places = (np.arange(self.side) + 0.5) / self.side
        strip = np.interp(places, [stop[0] for stop in stops], [stop[1] for stop in stops])
        strip = np.rint(strip * 255).astype(np.uint8)
        opacity = Image.fromarray(strip[None] if across else strip[:, None]).resize(self.image.size)
        self.paint(ImageChops.multiply(where, opacity), colour)

    def glow(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, opacity: float, within: Mask | None = None
    ) -> None:
        """A soft ellipse: full in the middle, nothing at its edge. Shadows on the ground, lights on what is round."""
        coarse = 96
        left, right = (round(min(max(edge, 0), 1) * self.side) for edge in (x - rx, x + rx))
        top, low = (round(min(max(edge, 0), 1) * self.side) for edge in (y - ry, y + ry))
        box = (left, top, right, low)
        across = np.linspace(left, right, coarse) / self.side
        down = np.linspace(top, low, coarse) / self.side
        far = np.sqrt(((across[None] - x) / rx) ** 2 + ((down[:, None] - y) / ry) ** 2)
        soft = np.clip(1 - far, 0, 1)
        soft = np.minimum(soft * soft * (3 - 2 * soft) * 1.5, 1) * opacity * 255
        covered = Image.fromarray(np.rint(soft).astype(np.uint8))
        covered = covered.resize((right - left, low - top), Image.Resampling.BILINEAR)
        if within is not None:
            covered = ImageChops.multiply(covered, within.crop(box))
        self.image.paste(colour, box, covered)

    def texture(self, where: Mask, pattern: Pattern) -> None:
        """Darken a mask by `pattern(x, y)`, opacities from 0 to 1 over the coordinates of the unit square."""
        places = (np.arange(self.side) + 0.5) / self.side
        opacity = np.clip(pattern(places[None], places[:, None]), 0, 1)
        covered = Image.fromarray(np.rint(np.broadcast_to(opacity, (self.side, self.side)) * 255).astype(np.uint8))
        self.paint(ImageChops.multiply(where, covered), BLACK)

    def finish(self) -> NDArray[np.uint8]:
        """The picture, uint8 [size, size, 3]."""
        return np.asarray(self.image.resize((self.size, self.size), Image.Resampling.LANCZOS))

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        # Pillow counts whole pixels by their middle.
        side = self.side
        return [(x * side - 0.5, y * side - 0.5) for x, y in points]
