"""Colours that are told apart easily, for labels that have none of their own.

Made by the greedy rule of Glasbey, van der Heijden, Toh and Gray, "Colour displays for categorical images" (Color
Research and Application 32, 2007): each new colour is the one farthest from all before it, in CIELAB, beginning with
black and white, which themselves are not used.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt


def distinct_color(index: int) -> tuple[int, int, int]:
    """Colour number `index` (0 to 255) of the palette: red, green, blue, 0 to 255."""
    red, green, blue = _palette()[index]
    return int(red), int(green), int(blue)


@cache
def _palette() -> npt.NDArray[np.uint8]:
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    shades = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _cielab(shades)
    distance = np.minimum(_squared_distance(lab, 0), _squared_distance(lab, len(shades) - 1))
    chosen = np.empty(256, np.intp)
    for place in range(256):
        chosen[place] = distance.argmax()
        distance = np.minimum(distance, _squared_distance(lab, chosen[place]))
    return shades[chosen]


def _squared_distance(lab: npt.NDArray[np.float64], index: int) -> npt.NDArray[np.float64]:
    difference: npt.NDArray[np.float64] = ((lab - lab[index]) ** 2).sum(axis=1)
    return difference


def _cielab(shades: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """sRGB [n, 3] in CIELAB, white point D65 (IEC 61966-2-1, CIE 15)."""
    share = shades / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root[:, 0], root[:, 1], root[:, 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
