"""Palettes and the tables that find a pixel's place in them without searching.

A fixed one (a colour cube) costs nothing; a fitted one is made from a picture and kept as long as it serves, so that
colours do not flicker from frame to frame and a megapixel is mapped in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_CUBES = {252: (6, 7, 6), 64: (4, 4, 4), 32: (4, 4, 2), 16: (2, 4, 2)}
Colours = tuple[tuple[int, int, int], ...]

_SAMPLE = 1 << 14
_WORSE = 1.25
"""A kept palette may be off by this factor more than it was on the picture that it was made for."""
_ANOTHER_COLOUR = 40
_MISSED = 0.002
"""Share of pixels that a kept palette may miss: a few tiles of colours of their own hardly change the mean error."""


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


def fitted(pixels: NDArray[np.uint8], colours: int = 255, always: Colours = ()) -> Palette:
    """The palette that suits a picture best: median cut over a sample of its pixels, bettered by k-means.

    Args:
        pixels: uint8 [..., 3].
        colours: Most colours, 2 to 256.
        always: Colours that must be in it exactly, few as their pixels may be.
    """
    picture = Image.fromarray(_sample(pixels)[None])
    wanted = colours - len(always)
    found = picture.quantize(wanted, method=Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or [0, 0, 0]
    table = np.array(found, np.uint8).reshape(-1, 3)[:wanted]
    exact = np.array(always, np.uint8).reshape(-1, 3)
    return _with_table(np.unique(np.concatenate([table, exact]), axis=0))


class Fitting:
    """A fitted palette that is kept until a picture needs another one."""

    def __init__(self, colours: int = 255) -> None:
        self._colours = colours
        self._palette: Palette | None = None
        self._error = self._missed = 0.0
        self._always: Colours = ()

    def palette_for(self, pixels: NDArray[np.uint8], always: Colours = ()) -> Palette:
        """A palette for a picture, uint8 [H, W, 3]: the one in use if it serves.

        Args:
            always: Colours that must be in it exactly.
        """
        sample = _sample(pixels)
        kept = self._palette if always == self._always else None
        if (
            kept is None
            or kept.error(sample) > self._error * _WORSE + 1
            or kept.misses(sample) > max(_MISSED, self._missed * _WORSE)
        ):
            self._palette = kept = fitted(pixels, self._colours, always)
            self._error, self._missed = kept.error(sample), kept.misses(sample)
            self._always = always
        return kept


def _sample(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    flat = pixels.reshape(-1, 3)
    # A step that shares no factor with common widths, so that no column of the picture is left out.
    step = max(1, len(flat) // _SAMPLE) | 1
    return np.ascontiguousarray(flat[::step])


def _with_table(colours: NDArray[np.uint8]) -> Palette:
    axis = (np.arange(32, dtype=np.float32) * 8 + 4).clip(0, 255)
    axis[0], axis[-1] = 0, 255  # black and white are common and must be exact
    red, green, blue = np.meshgrid(axis, axis, axis, indexing="ij")
    wanted = np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=1)
    there = colours.astype(np.float32)
    # Squared distance without the part that is the same for all candidates.
    distance = (there**2).sum(axis=1) - 2 * wanted @ there.T
    return Palette(colours, distance.argmin(axis=1).astype(np.uint8))
