"""Pixels to characters without any colour: braille dots where text is UTF-8, ASCII shades where it is not.

A braille character has two dots by four, so it shows four times as many points as a half-block, light or not. Which
of them are light is decided by an ordered pattern: the same grey looks the same in every frame, so nothing crawls.
Source: Unicode 16.0, chapter 21.1 (bit n of U+2800..U+28FF is dot n+1); B. E. Bayer, "An optimum method for two-level
rendition of continuous-tone pictures", ICC 1973.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DOTS = 2, 4
"""Pixels of a braille character: width, height."""

_GAMMA = 1.5
"""Between what the light of a dot would ask for (2.2) and what keeps a dark picture legible (1)."""

_SHADES = " .:-=+*#%@"
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_PATTERN = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5) / 16


def braille(pixels: NDArray[np.uint8]) -> list[str]:
    """The picture's rows; where all is dark there are spaces.

    Args:
        pixels: uint8 [4 * rows, 2 * columns, 3].
    """
    light = (pixels @ _WEIGHTS / 255) ** _GAMMA
    height, width = light.shape
    threshold = np.tile(_PATTERN, (-(-height // 4), -(-width // 4)))[:height, :width]
    cells = (light > threshold).reshape(height // 4, 4, width // 2, 2)
    codes = (cells * _BITS[None, :, None, :]).sum(axis=(1, 3))
    return ["".join(chr(0x2800 + code) if code else " " for code in row) for row in codes.tolist()]


def ascii_shades(pixels: NDArray[np.uint8]) -> list[str]:
    """The picture's rows, a character for two pixels one above the other.

    Args:
        pixels: uint8 [2 * rows, columns, 3].
    """
    light = (pixels[0::2].astype(np.float32) + pixels[1::2]) / 2 @ _WEIGHTS
    shades: list[list[int]] = np.round(light / 255 * (len(_SHADES) - 1)).astype(int).tolist()
    return ["".join(_SHADES[shade] for shade in row) for row in shades]


def painted(text: str) -> str:
    """The text as it goes to the terminal: light on dark whatever its own colours are, else faces are negatives."""
    return f"\x1b[97;40m{text}\x1b[0m"
