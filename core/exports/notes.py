"""What a saved picture, sheet or film says about itself: JSON, in the place that each format has for comments."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.latent.journey import View

FORMAT = 1
PROGRAM = "tarmac"

CHUNK = "tarmac"
"""Name of a PNG's text chunk; it holds the JSON."""

KINDS = ("picture", "grid", "film", "sheet")

HISTORY = "history"
"""The kind of a film of trainings: it belongs to runs, and shows no place of one model."""


def facts(
    kind: str, *, model: str, model_name: str, checkpoint: str, view: View, truncation: bool = True, **more: object
) -> dict[str, object]:
    """What is told about a file.

    Args:
        kind: One of `KINDS`.
        model: Its id in the library.
        model_name: What its owner calls it.
        checkpoint: SHA-256 of its weights; "" where there are none.
        view: Where it was made.
        truncation: Whether the model has one.
        more: What this kind tells besides; plain data.
    """
    return {
        "format": FORMAT,
        "program": PROGRAM,
        "version": version(),
        "kind": kind,
        "model": model,
        "model_name": model_name,
        **({"checkpoint": checkpoint} if checkpoint else {}),
        "seed": view.plane.seed,
        "distance": view.plane.distance,
        "position": list(view.cursor),
        **({"truncation": view.truncation} if truncation else {}),
        **more,
        "view": view.to_json(),
    }


def png(pixels: NDArray[np.uint8], said: Mapping[str, object], title: str) -> bytes:
    """A PNG file.

    Args:
        pixels: uint8 [H, W, C] with C of 1, 3 or 4.
        said: What `facts` gave.
        title: One line for other programs.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(CHUNK, dumps(said))
    info.add_itxt("Title", title)
    info.add_itxt("Software", f"Tarmac {version()}")
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def dumps(said: Mapping[str, object]) -> str:
    """The facts as one line of JSON."""
    return json.dumps(said, separators=(",", ":"))


def version() -> str:
    """This program's."""
    try:
        return installed_version(PROGRAM)
    except PackageNotFoundError:
        return "unknown"


def loads(text: str) -> dict[str, Any] | None:
    """The facts in a text of ours; None if it is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.get("program") == PROGRAM else None
