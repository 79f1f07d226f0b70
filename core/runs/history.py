"""The history of runs as pictures: their sample sheets by step, and whether one goes on where another ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.errors import InvalidInput, Refused
from core.runs.view import RunView

SAME = 4.0
"""Mean difference of two sheets, of 255, up to which one is the other again: drawn in another batch or precision.

Sheets of other latents differ by ten times as much.
"""

_MOST_SIDE = 16_384
"""Pixels; a sheet of a run has about a thousand."""


@dataclass(frozen=True)
class Sheet:
    """One sample sheet.

    Attributes:
        path: A PNG that could be opened.
        run, name: Id and name of its run.
        step: When it was drawn.
        columns, rows: Of tiles.
        size: Width and height in pixels.
        turn: Whether a run begins or ends with it.
        leap: Whether it begins a run that does not go on from the run before it.
    """

    path: Path
    run: str
    name: str
    step: int
    columns: int
    rows: int
    size: tuple[int, int]
    turn: bool = False
    leap: bool = False

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of one tile in pixels."""
        return max(1, self.size[0] // self.columns), max(1, self.size[1] // self.rows)


def history(views: Sequence[RunView]) -> list[Sheet]:
    """The sheets of some runs, one run after the other. Opens every file: call it in a thread.

    Where a run begins with what the run before it ended with, that sheet is there once.

    Raises:
        InvalidInput: A run is named twice.
        Refused: A run has no sheets yet, there is only one in all, or one cannot be read.
    """
    ids = [view.id for view in views]
    for view in views:
        if ids.count(view.id) > 1:
            raise InvalidInput(f"the run {view.plan.name} is named twice", "", "Name each run once")
    found: list[Sheet] = []
    for view in views:
        mine = _sheets(view)
        if found:
            same = _same(found[-1], mine[0])
            mine = mine[1:] if same else [replace(mine[0], leap=True), *mine[1:]]
        found += mine
    if len(found) < 2:
        name = views[0].plan.name
        raise Refused(
            f"the run {name} has no history yet", "there is one sample sheet, and a film needs two", _wait(views[0])
        )
    return found


def _sheets(view: RunView) -> list[Sheet]:
    found: list[Sheet] = []
    for sample in view.samples:
        # The name comes from a file and must not lead elsewhere.
        path = view.folder / "samples" / Path(sample.file).name
        if path.suffix.lower() == ".png" and path.is_file():
            size = _size(path)
            columns, rows = max(1, sample.columns), max(1, sample.rows)
            found.append(Sheet(path, view.id, view.plan.name, sample.step, columns, rows, size))
    if not found:
        raise Refused(f"the run {view.plan.name} has no sample sheets", "there are no pictures of it", _wait(view))
    for end in (0, -1):
        found[end] = replace(found[end], turn=True)
    return found


def _wait(view: RunView) -> str:
    return "Wait for its next samples" if view.active else "Let it train on: tarmac runs resume or extend"


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            size = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if max(size) > _MOST_SIDE:
        raise Refused(f"the sample sheet {path} cannot be read", f"it is {size[0]} by {size[1]} pixels")
    return size


def read(sheet: Sheet) -> np.ndarray:
    """Its pixels, uint8 [H, W, 3]. Takes milliseconds.

    Raises:
        Refused: It is gone or torn.
    """
    from PIL import Image

    try:
        with Image.open(sheet.path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(sheet.path, error) from error
    if pixels.shape[:2] != sheet.size[::-1]:
        raise Refused(f"the sample sheet {sheet.path} cannot be read", "it was replaced meanwhile", "Try again")
    return pixels


def _unreadable(path: Path, error: BaseException) -> Refused:
    why = getattr(error, "strerror", None) or "it is torn, or no PNG"
    return Refused(f"the sample sheet {path} cannot be read", why, "Delete it: the film does without it")


def _same(last: Sheet, first: Sheet) -> bool:
    if (last.columns, last.rows, last.size) != (first.columns, first.rows, first.size):
        return False
    difference = np.abs(read(last).astype(np.int16) - read(first))
    return float(difference.mean()) <= SAME
