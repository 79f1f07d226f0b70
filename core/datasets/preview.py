"""Before and after: pictures as they came, with the subject's box and what is cut out, beside what became of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from core.datasets import adjustments as adjusting
from core.datasets.cropping import all_of_it, middle
from core.datasets.decoding import LeftOut, decode, over_white
from core.datasets.manifest import Manifest
from core.datasets.preparing import place, read_boxes, window_of
from core.datasets.scanning import read_index, read_sources
from core.datasets.sources import entries
from core.datasets.store import PictureStore, sheet_of
from core.datasets.subject import SURE, Box, Subject
from core.errors import Refused

FOUND, UNSURE, CUT = (80, 220, 120), (240, 120, 70), (250, 250, 250)
"""Colours of a subject's box that is used, of one that is too unsure, and of the window that is cut out."""


def before_and_after(folder: Path, count: int, tile: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Pairs of pictures, the source with its boxes left of the prepared one, uint8 [H, W, 3], and which rows they are.

    Args:
        folder: A prepared dataset whose sources are still there.
        count: Pairs, spread over the dataset.
        tile: Side of each picture in pixels.

    Raises:
        Refused: It is not prepared, or its sources have gone.
    """
    store, manifest = PictureStore.open(folder), Manifest.read(folder)
    rows = np.unique(np.linspace(0, len(store) - 1, min(len(store), count)).astype(np.int64)).tolist()
    decided = adjusting.read(folder)
    told = manifest.about.get("preparation")
    crop = str(told.get("crop", "centre")) if isinstance(told, dict) else "centre"
    if store.numbers is None:
        raise Refused("there is nothing to compare", "these pictures were drawn, not prepared from others")
    records = {record.number: record for record in read_index(folder)}
    boxes = read_boxes(folder) if crop == "auto" else {}
    shown = {row: records[int(store.numbers[row])] for row in rows}
    tiles: dict[int, NDArray[np.uint8]] = {}
    for source, path in enumerate(read_sources(folder)):
        wanted = {record.key: row for row, record in shown.items() if record.source == source}
        for entry in entries(path, tuple(wanted)) if wanted else ():
            row = wanted[entry.key]
            try:
                if isinstance(entry.content, LeftOut):
                    continue
                pixels = decode(entry.content, name=entry.name).pixels
            except LeftOut:
                continue
            number = shown[row].number
            tiles[row] = _drawn(pixels, crop, decided.get(number), boxes.get(number), tile)
    used = [row for row in rows if row in tiles]
    if not used:
        raise Refused("there is nothing to compare", "none of the pictures can be read again")
    pairs = [picture for row in used for picture in (tiles[row], store[row][0])]
    per_row = max(2, 2 * round((len(pairs) / 2) ** 0.5))
    return sheet_of(pairs, tile, per_row), used


def _drawn(
    pixels: NDArray[np.uint8],
    crop: str,
    adjustment: adjusting.Adjustment | None,
    found: Subject | None,
    tile: int,
) -> NDArray[np.uint8]:
    """A picture shrunk to a tile with its window, and for auto-crop its subject's box, drawn into it."""
    height, width = pixels.shape[:2]
    scale = tile / max(height, width)
    small = Image.fromarray(over_white(pixels)).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX
    )
    pen = ImageDraw.Draw(small)
    if crop == "auto":
        if found is None or (adjustment is not None and adjustment.box is not None):
            subject, window = place(pixels, adjustment)
        else:  # as it was found when it was prepared, by whoever looked
            subject, window = found, window_of(found, adjustment, height, width)
        used = subject.confidence >= SURE or adjustment is not None
        _frame(pen, window, scale, CUT)
        _frame(pen, subject.box, scale, FOUND if used else UNSURE)
    else:
        _frame(pen, all_of_it(height, width) if crop == "none" else middle(height, width), scale, CUT)
    return np.asarray(small)


def _frame(pen: ImageDraw.ImageDraw, box: Box, scale: float, colour: tuple[int, int, int]) -> None:
    left, top, right, bottom = (edge * scale for edge in box)
    pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=2)
