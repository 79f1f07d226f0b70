"""A contact sheet: many pictures in one, each with its caption below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

TILE = 256
"""Pixels of a picture's side on the sheet: a face and a caption can be read."""

_GAP = 16
_TITLE, _CAPTION, _SECOND = 26, 19, 15
"""Pixels of the letters."""

_PAPER, _INK, _GREY = (250, 250, 248), (20, 22, 26), (105, 110, 118)


@dataclass(frozen=True)
class Frame:
    """One picture of the sheet.

    Attributes:
        pixels: uint8 [H, W, C] with C of 1, 3 or 4.
        caption: Below it; shortened where it is too wide.
        details: Below that, smaller.
    """

    pixels: Pixels
    caption: str
    details: str = ""


def contact_sheet(frames: Sequence[Frame], title: str, tile: int = TILE) -> Pixels:
    """The sheet, uint8 [H, W, 3], as nearly square as the number of pictures allows. Takes some milliseconds each."""
    from PIL import Image, ImageDraw, ImageFont

    columns = max(1, int(np.ceil(np.sqrt(len(frames)))))
    rows = -(-len(frames) // columns)
    fonts = {size: ImageFont.load_default(size) for size in (_TITLE, _CAPTION, _SECOND)}
    below = _CAPTION + _SECOND + 18
    top = _TITLE + 2 * _GAP
    width, height = _GAP + columns * (tile + _GAP), top + rows * (tile + below + _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)

    def write(x: int, y: int, room: int, text: str, size: int, colour: tuple[int, int, int]) -> None:
        shown = text = drawable(text)
        while shown and pen.textlength(shown, fonts[size]) > room:
            text = text[:-1]
            shown = text.rstrip() + "..." if text else ""
        pen.text((x, y), shown, font=fonts[size], fill=colour)

    write(_GAP, _GAP - 2, width - 2 * _GAP, title, _TITLE, _INK)
    for index, frame in enumerate(frames):
        x = _GAP + index % columns * (tile + _GAP)
        y = top + index // columns * (tile + below + _GAP)
        colours = frame.pixels[:, :, :3] if frame.pixels.shape[2] > 2 else np.repeat(frame.pixels[:, :, :1], 3, 2)
        picture = Image.fromarray(np.ascontiguousarray(colours))
        scale = tile / max(picture.size)
        size = tuple(max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (tile - size[0]) // 2, y + (tile - size[1]) // 2))
        write(x, y + tile + 6, tile, frame.caption, _CAPTION, _INK)
        write(x, y + tile + _CAPTION + 11, tile, frame.details, _SECOND, _GREY)
    return np.asarray(sheet)


_SAME = str.maketrans({"−": "-", "…": "...", "–": "-"})


def drawable(text: str) -> str:
    """`text` in the letters that Pillow's own font has: every machine draws the same sheet."""
    return "".join(char if " " <= char <= "~" or char == "·" else "?" for char in text.translate(_SAME))
