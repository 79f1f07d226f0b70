"""What the explorer writes to the exports folder: pictures, contact sheets, names for films. Each tells its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.exports import notes
from core.exports.sheet import TILE, Frame, contact_sheet
from core.latent.journey import View
from core.latent.plane import encode_vector
from core.library.fingerprint import checkpoint
from core.paths import data_dir, write_atomic
from tui.widgets.explorer.state import Bookmark

if TYPE_CHECKING:
    from core.library.models import Model


def save_picture(pixels: NDArray[np.uint8], model: Model, view: View, z: NDArray[np.float32]) -> Path:
    """Write a PNG into the exports folder; returns where. Takes milliseconds to seconds: call it in a thread.

    Args:
        pixels: uint8 [H, W, C] with C of 1, 3 or 4.
        model: What made it.
        view: Where it was found; the cursor is on it.
        z: Its vector, float32 [dim].

    Raises:
        StorageError: The disk said no.
    """
    facts = notes.facts(
        "picture",
        model=model.id,
        model_name=model.name,
        checkpoint=checkpoint(model.folder),
        view=view,
        z=encode_vector(z),
    )
    x, y = view.cursor
    content = notes.png(pixels, facts, f"{model.name}, seed {view.plane.seed} at {x}, {y}")
    path = free_path(model, f"{view.plane.seed}-{x}_{y}", ".png")
    write_atomic(path, content)
    return path


def save_sheet(marks: Sequence[tuple[Bookmark, NDArray[np.uint8]]], model: Model) -> Path:
    """Write a contact sheet into the exports folder; returns where. Takes up to seconds: call it in a thread.

    Raises:
        StorageError: The disk said no.
    """
    content, _, _ = sheet_png(marks, model, checkpoint(model.folder))
    path = free_path(model, "bookmarks", ".png")
    write_atomic(path, content)
    return path


def sheet_png(
    marks: Sequence[tuple[Bookmark, NDArray[np.uint8]]], model: Model, weights: str, tile: int = TILE
) -> tuple[bytes, dict[str, object], tuple[int, int]]:
    """A contact sheet of bookmarks, by number.

    Args:
        marks: At least one, each with its picture, uint8 [H, W, C].
        model: What made them.
        weights: The hash of its checkpoint.
        tile: Pixels of a picture's side.

    Returns:
        The PNG, its notes, and width and height.
    """
    frames = []
    for number, (mark, pixels) in enumerate(marks, 1):
        view = mark.view
        details = f"distance {view.plane.distance:.2f} · truncation {view.truncation:.2f}"
        if not view.style.empty:
            details += " · styled"
        frames.append(
            Frame(pixels, f"{number}  seed {view.plane.seed} · ({view.cursor[0]}, {view.cursor[1]})", details)
        )
    sheet = contact_sheet(frames, model.name, tile)
    facts = notes.facts(
        "sheet",
        model=model.id,
        model_name=model.name,
        checkpoint=weights,
        view=marks[0][0].view,
        bookmarks=[mark.to_json() for mark, _ in marks],
    )
    title = f"{model.name}, {len(marks)} bookmark{'s' if len(marks) > 1 else ''}"
    return notes.png(sheet, facts, title), facts, (sheet.shape[1], sheet.shape[0])


def free_path(model: Model, what: str, ending: str) -> Path:
    """A name in the exports folder that no file has yet: the time, the model, what it is."""
    return free_export(model.name, what, ending)


def free_export(name: str, what: str, ending: str) -> Path:
    """As `free_path`, for what has another name than a model's."""
    name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:40] or "picture"
    folder = data_dir() / "exports"
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name}-{what}"
    path = folder / f"{stem}{ending}"
    number = 2
    while path.exists():
        path = folder / f"{stem}-{number}{ending}"
        number += 1
    return path
