"""Small text datasets made on the spot, as the library keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.datasets.manifest import Manifest
from core.datasets.texts.store import HELD, INDEX, TEXTS


def write_texts(folder: Path, texts: Sequence[str], held: Sequence[int] = (), **changes: object) -> Path:
    """A prepared text dataset of these documents; those numbered in `held` are held out."""
    folder.mkdir(parents=True, exist_ok=True)
    fields: dict[str, object] = {"name": folder.name, "kind": "text", "count": len(texts)} | changes
    manifest = Manifest(**fields)  # type: ignore[arg-type]
    parts = [text.encode() for text in texts]
    (folder / manifest.file(TEXTS, "bin")).write_bytes(b"".join(parts))
    starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    np.save(folder / manifest.file(INDEX), starts)
    out = np.zeros(len(texts), np.bool_)
    out[list(held)] = True
    np.save(folder / manifest.file(HELD), out)
    manifest.write(folder)
    return folder
