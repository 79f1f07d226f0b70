"""Taking a foreign file or folder into the library, without ever blocking and without trusting it.

The conversion runs in a process of its own (`python -m core.ml.checkpoints`) that writes into a staging folder; what it
finds out comes back as JSON lines. Only a finished, checked model is moved into the library. Whatever else happens, a
refusal, a cancel, a death of either process, the library stays as it was.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from core.errors import Refused
from core.jobs.parent import SILENCE, Progress, run
from core.library.manifest import Manifest, clean_line
from core.library.models import Library, Model


async def import_model(
    path: Path,
    *,
    name: str | None = None,
    library: Library,
    progress: Progress | None = None,
    silence: float = SILENCE,
) -> Model:
    """Convert `path` and add it to the library.

    Takes StyleGAN and StyleGAN2 weights (NVIDIA and TensorFlow-era pickles, rosinality .pt and .model, safetensors), a
    model folder of ours, or the folder of a text, segmentation or detection model in Hugging Face layout. Cancelling
    the task ends the conversion and leaves nothing behind.

    Args:
        path: The file or folder. It is only read.
        name: What to call it; by default what the folder's manifest says, or the file's name.
        progress: Told how far it is.
        silence: Seconds without a word after which the conversion is given up.

    Raises:
        Refused: The file is not one of these, damaged or hostile.
        StorageError: The disk said no.
        OutOfMemory: The machine has not enough memory.
    """
    given = _absolute(path)
    if name is not None and not clean_line(name):
        raise Refused(f"cannot import {given.name}", "the name is empty")
    staging = await asyncio.to_thread(library.staging)
    try:
        result = await _convert(given, staging, progress, silence)
        manifest = _manifest(result, name)
        adopting = asyncio.create_task(asyncio.to_thread(library.adopt, staging, manifest))
        try:
            return await asyncio.shield(adopting)
        except asyncio.CancelledError:
            await asyncio.wait([adopting])  # the staging folder is not deleted under a move that has begun
            raise
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True))


def _absolute(path: Path) -> Path:
    """From the root, so that a leading "-" is no option and ".." has a name; asks the disk nothing about the file."""
    return Path(os.path.abspath(path))


async def _convert(path: Path, staging: Path, progress: Progress | None, silence: float) -> Mapping[str, object]:
    """What the conversion process found out; it has ended when this returns or raises."""
    arguments, what = [str(path), str(staging)], f"cannot import {path.name}"
    return await run("core.ml.checkpoints", arguments, what, noun="conversion", progress=progress, silence=silence)


def _manifest(result: Mapping[str, object], name: str | None) -> Manifest:
    def text(values: Mapping[str, object], key: str) -> str:
        value = values.get(key)
        return value if isinstance(value, str) else ""

    def table(values: Mapping[str, object], key: str) -> Mapping[str, object]:
        value = values.get(key)
        return value if isinstance(value, dict) else {}

    card = table(result, "card")
    lineage = card.get("lineage")
    chosen = clean_line(name or "") or clean_line(text(result, "name")) or "imported model"
    return Manifest(
        name=chosen,
        kind=text(result, "kind"),
        adapter=text(result, "adapter"),
        interface=table(result, "interface"),
        author=text(card, "author"),
        licence=text(card, "licence"),
        description=text(card, "description"),
        lineage=tuple(str(item) for item in lineage) if isinstance(lineage, list) else (),
        architecture=table(result, "architecture"),
        scores=table(card, "scores"),
        recipe=table(card, "recipe"),
        origin=table(result, "origin"),
    )
