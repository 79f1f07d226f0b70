"""Saving one picture with everything that is needed to make it again."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.latent.journey import View
from core.latent.plane import encode_vector
from core.paths import data_dir, write_atomic

if TYPE_CHECKING:
    from core.library.models import Model

CHUNK = "tarmac"
"""Name of the PNG's text chunk; it holds JSON."""


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
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    facts = {
        "format": 1,
        "program": "tarmac",
        "version": _version(),
        "model": model.id,
        "seed": view.plane.seed,
        "distance": view.plane.distance,
        "truncation": view.truncation,
        "position": list(view.cursor),
        "z": encode_vector(z),
        "view": view.to_json(),
    }
    notes = PngInfo()
    notes.add_itxt(CHUNK, json.dumps(facts))
    notes.add_itxt("Title", f"{model.name}, seed {view.plane.seed} at {view.cursor[0]}, {view.cursor[1]}")
    notes.add_itxt("Software", f"Tarmac {_version()}")
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=notes)
    path = _free_path(data_dir() / "exports", model, view)
    write_atomic(path, buffer.getvalue())
    return path


def _free_path(folder: Path, model: Model, view: View) -> Path:
    name = re.sub(r"[^\w.-]+", "-", model.name).strip("-.")[:40] or "picture"
    x, y = view.cursor
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name}-{view.plane.seed}-{x}_{y}"
    path = folder / f"{stem}.png"
    number = 2
    while path.exists():
        path = folder / f"{stem}-{number}.png"
        number += 1
    return path


def _version() -> str:
    try:
        return version("tarmac")
    except PackageNotFoundError:
        return "unknown"
