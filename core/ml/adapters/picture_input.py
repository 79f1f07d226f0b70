"""What a vision network wants to be shown: the size, scale and colours that its preprocessor_config.json asks for.

All of a picture is shown, whatever crop the settings name: the map that comes out covers the picture that went in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.errors import Refused

FILE = "preprocessor_config.json"
MULTIPLE = 32
"""Sides of pictures that keep their shape are whole multiples of this, which the strides of known networks divide."""
LEAST, USUAL, MOST = 16, 512, 2048
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which most networks were trained with
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class PictureInput:
    """How a picture becomes what the network reads.

    Attributes:
        height, width: Of every picture in pixels, where the network wants one size; else 0.
        shortest, longest: Where it keeps a picture's shape: the shorter side, unless the longer one becomes more than
            `longest`. A `shortest` of 0 keeps the size of the picture up to `longest`.
        scale: What levels of 0 to 255 are multiplied by.
        mean, std: Taken off and divided by, for red, green, blue.
        swapped: Whether blue comes first.
    """

    height: int = USUAL
    width: int = USUAL
    shortest: int = 0
    longest: int = MOST
    scale: float = 1 / 255
    mean: tuple[float, float, float] = _MEAN
    std: tuple[float, float, float] = _STD
    swapped: bool = False

    @staticmethod
    def read(folder: Path, usual: int = 0) -> PictureInput:
        """What the file in a model's folder says; the usual sizes and colours where there is none.

        Args:
            folder: The model's.
            usual: Side in pixels where the file names none.

        Raises:
            Refused: The file is damaged or asks for something impossible.
        """
        path = folder / FILE
        try:
            if not path.exists():
                return _of({}, usual)
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
            told = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(told, dict):
                raise ValueError("it is no JSON object")
            return _of(told, usual)
        except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Refused(f"{FILE} cannot be used", str(error), "Copy the model again") from error

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which a picture of that size is shown."""
        if self.height:
            return self.height, self.width
        factor = self.shortest / min(height, width) if self.shortest else 1.0
        factor = min(factor, self.longest / max(height, width))
        high, wide = (max(MULTIPLE, round(side * factor / MULTIPLE) * MULTIPLE) for side in (height, width))
        return high, wide

    @property
    def side(self) -> int:
        """No side that is shown is longer: pictures need not be brought in larger than this."""
        return max(self.height, self.width) or self.longest

    def tensor(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """A picture uint8 [h, w, 3] as float32 [1, 3, H, W]."""
        height, width = self.size(*pixels.shape[:2])
        image = Image.fromarray(pixels)
        if (height, width) != pixels.shape[:2]:
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        levels = np.asarray(image, np.float32) * np.float32(self.scale)
        shown = (levels - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        if self.swapped:
            shown = shown[..., ::-1]
        return torch.from_numpy(np.ascontiguousarray(shown.transpose(2, 0, 1)))[None]


def _of(told: Mapping[str, object], usual: int) -> PictureInput:
    height, width, shortest, longest = _sizes(told.get("size"), usual or USUAL)
    if told.get("do_resize") is False:
        height = width = shortest = 0
    normal = told.get("do_normalize", True)
    std = _three(told.get("image_std"), _STD) if normal else (1.0, 1.0, 1.0)
    if not all(std):
        raise ValueError("its image_std holds a zero")
    return PictureInput(
        height,
        width,
        shortest,
        longest,
        _number(told.get("rescale_factor"), 1 / 255) if told.get("do_rescale", True) else 1.0,
        _three(told.get("image_mean"), _MEAN) if normal else (0.0, 0.0, 0.0),
        std,
        told.get("do_flip_channel_order") is True,
    )


def _sizes(size: object, usual: int) -> tuple[int, int, int, int]:
    """Height, width, shortest and longest side."""
    if isinstance(size, Mapping):
        if "height" in size and "width" in size:
            return _side(size["height"]), _side(size["width"]), 0, MOST
        if "shortest_edge" in size:
            longest = size.get("longest_edge")
            return 0, 0, _side(size["shortest_edge"]), _side(longest) if longest is not None else MOST
        if "longest_edge" in size:
            return 0, 0, 0, _side(size["longest_edge"])
    elif size is not None:
        return _side(size), _side(size), 0, MOST
    return _side(usual), _side(usual), 0, MOST


def _side(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST <= value <= MOST:
        raise ValueError(f"its size is {str(value)[:20]}, not a whole number from {LEAST} to {MOST}")
    return value


def _number(value: object, otherwise: float) -> float:
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{str(value)[:20]} is no number")
    return float(value)


def _three(value: object, otherwise: tuple[float, float, float]) -> tuple[float, float, float]:
    if value is None:
        return otherwise
    numbers = list(value) if isinstance(value, list | tuple) else [value] * 3
    if len(numbers) != 3:
        raise ValueError("its colours are not three")
    red, green, blue = (_number(each, 0.0) for each in numbers)
    return red, green, blue
