"""Palettes and the tables that find a pixel's place in them without searching.

A fixed one (a colour cube) costs nothing; a fitted one is made from a picture and kept as long as it serves, so that
colours do not flicker from frame to frame and a megapixel is mapped in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tui.graphics.quality import FULL, Quality

_CUBES = {252: (6, 7, 6), 64: (4, 4, 4), 32: (4, 4, 2), 16: (2, 4, 2)}
Colours = tuple[tuple[int, int, int], ...]

_SAMPLE = 1 << 12
"""Pixels that a palette is made from: a quarter of the time of four times as many, and hardly worse."""
_WORSE, _WORSE_MOVING = 1.25, 2.0
"""A kept palette may be off by this factor more than it was on the picture that it was made for: at rest, and while
pictures move, when colours that stay are worth more than colours that fit."""
_MISSED, _MISSED_MOVING = 0.002, 0.2
"""Share of pixels that it may miss: a few tiles of colours of their own hardly change the mean error."""
_ANOTHER_COLOUR = 40
"""A pixel counts as missed when one of its channels is off by more than this."""


@dataclass(frozen=True)
class Palette:
    """Colours and the way to them.

    Attributes:
        colours: uint8 [n, 3], n at most 256.
        table: uint8 [32768]: the nearest colour for each red, green, blue of five bits.
    """

    colours: NDArray[np.uint8]
    table: NDArray[np.uint8]

    def indices(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The nearest colour of each pixel: uint8 [..., 3] to uint8 [...]."""
        wide = (pixels >> 3).astype(np.uint16)
        found: NDArray[np.uint8] = self.table[(wide[..., 0] << 10) | (wide[..., 1] << 5) | wide[..., 2]]
        return found

    def error(self, pixels: NDArray[np.uint8]) -> float:
        """Root mean square of what is lost, in steps of 0..255."""
        lost = pixels.astype(np.float32) - self.colours[self.indices(pixels)]
        return float(np.sqrt(np.mean(lost**2)))

    def misses(self, pixels: NDArray[np.uint8]) -> float:
        """The share of pixels that come out in another colour to the eye: some channel off by more than 40."""
        lost = np.abs(pixels.astype(np.int16) - self.colours[self.indices(pixels)])
        return float((lost > _ANOTHER_COLOUR).any(axis=-1).mean())


@lru_cache
def fixed(colours: int) -> Palette:
    """A cube of at most `colours` colours, evenly spaced in each channel, green finest (the eye is).

    Args:
        colours: 16 or more; 252 is the largest cube.
    """
    levels = next(cube for size, cube in _CUBES.items() if size <= max(16, colours))
    values = [np.round(np.linspace(0, 255, count)).astype(np.uint8) for count in levels]
    return _with_table(np.stack([axis.ravel() for axis in np.meshgrid(*values, indexing="ij")], axis=1))


def fitted(pixels: NDArray[np.uint8], colours: int = 255, always: Colours = (), sample: int = _SAMPLE) -> Palette:
    """The palette that suits a picture best: median cut over a sample of its pixels, bettered by k-means.

    Args:
        pixels: uint8 [..., 3].
        colours: Most colours, 2 to 256.
        always: Colours that must be in it exactly, few as their pixels may be.
        sample: How many pixels are looked at; the time goes with it.
    """
    picture = Image.fromarray(_sample(pixels, sample)[None])
    wanted = colours - len(always)
    found = picture.quantize(wanted, method=Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or [0, 0, 0]
    table = np.array(found, np.uint8).reshape(-1, 3)[:wanted]
    exact = np.array(always, np.uint8).reshape(-1, 3)
    return _with_table(np.unique(np.concatenate([table, exact]), axis=0))


class Fittings:
    """The fitted palettes in use, for each number of colours one for each canvas that needs its own."""

    def __init__(self) -> None:
        self._fittings: dict[tuple[int, int], Fitting] = {}
        self._used: dict[tuple[int, int], tuple[object, Colours, Palette]] = {}

    def palette_for(
        self,
        canvas: int,
        contents: object,
        draw: Callable[[], NDArray[np.uint8]],
        always: Colours,
        quality: Quality,
    ) -> Palette:
        """A palette for a picture, of as many colours as its quality says.

        Args:
            canvas: Canvases are told apart by this number: what suits one need not suit another.
            contents: What decides the picture's colours; while it is equal the picture is not looked at again.
            draw: Gives the whole picture, uint8 [H, W, 3].
            always: Colours that must be in it exactly.
            quality: Tells how many colours.
        """
        which = canvas, quality.colours
        if which in self._used and self._used[which][:2] == (contents, always):
            return self._used[which][2]
        if which not in self._fittings:
            full = quality.colours == FULL.colours
            self._fittings[which] = Fitting(quality.colours) if full else _moving(quality.colours)
        own, picture = self._fittings[which], draw()
        # A tile shown large beside the grid is a tile of the grid: the grid's palette has its colours.
        others = [
            each for (_, colours), each in self._fittings.items() if colours == quality.colours and each is not own
        ]
        serving = next((found for each in (own, *others) if (found := each.serving(picture, always))), None)
        palette = serving or own.palette_for(picture, always)
        self._used[which] = contents, always, palette
        return palette


class Fitting:
    """A fitted palette that is kept until a picture needs another one.

    Args:
        colours: How many it has at most.
        worse: It may be off by this factor more than on the picture that it was made for.
        missed: It may miss this share of the pixels, or `worse` times as many as it did then.
        sample: How many pixels it is made from.
    """

    def __init__(
        self, colours: int = 255, worse: float = _WORSE, missed: float = _MISSED, sample: int = _SAMPLE
    ) -> None:
        self._colours, self._worse, self._may_miss, self._count = colours, worse, missed, sample
        self._palette: Palette | None = None
        self._error = self._missed = 0.0
        self._always: Colours = ()

    def serving(self, pixels: NDArray[np.uint8], always: Colours) -> Palette | None:
        """The palette in use if it suits a picture, uint8 [H, W, 3]."""
        if self._palette is None or always != self._always:
            return None
        sample = _sample(pixels)
        serves = self._palette.error(sample) <= self._error * self._worse + 1
        serves = serves and self._palette.misses(sample) <= max(self._may_miss, self._missed * self._worse)
        return self._palette if serves else None

    def palette_for(self, pixels: NDArray[np.uint8], always: Colours = ()) -> Palette:
        """A palette for a picture, uint8 [H, W, 3]: the one in use if it serves.

        Args:
            pixels: The picture.
            always: Colours that must be in it exactly.
        """
        palette = self.serving(pixels, always)
        if palette is None:
            self._palette = palette = fitted(pixels, self._colours, always, self._count)
            sample = _sample(pixels)
            self._error, self._missed = palette.error(sample), palette.misses(sample)
            self._always = always
        return palette


def _moving(colours: int) -> Fitting:
    """A palette for pictures that move: made in less time, and kept longer."""
    return Fitting(colours, _WORSE_MOVING, _MISSED_MOVING, _SAMPLE // 2)


def _sample(pixels: NDArray[np.uint8], count: int = _SAMPLE) -> NDArray[np.uint8]:
    flat = pixels.reshape(-1, 3)
    # A step that shares no factor with common widths, so that no column of the picture is left out.
    step = max(1, len(flat) // count) | 1
    return np.ascontiguousarray(flat[::step])


def _with_table(colours: NDArray[np.uint8]) -> Palette:
    axis = (np.arange(32, dtype=np.float32) * 8 + 4).clip(0, 255)
    axis[0], axis[-1] = 0, 255  # black and white are common and must be exact
    red, green, blue = np.meshgrid(axis, axis, axis, indexing="ij")
    wanted = np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=1)
    there = colours.astype(np.float32)
    # Squared distance without the part that is the same for all candidates; in parts that a processor's cache holds.
    own = (there**2).sum(axis=1)
    nearest = [(own - 2 * part @ there.T).argmin(axis=1) for part in np.split(wanted, 32)]
    return Palette(colours, np.concatenate(nearest).astype(np.uint8))
