"""Adding texts, and looking at what could be added, without ever blocking: for screens and commands.

The work is done in a process of its own (`core.datasets.process`), as with pictures.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.datasets.adding import absolute, name_of
from core.datasets.library import Dataset, Datasets
from core.datasets.process import Progress, run_job
from core.errors import InvalidInput

HELD_OUT = 0.05
"""Share of the text that no step of training sees, by default."""


async def add_text(
    paths: Sequence[Path],
    name: str | None = None,
    *,
    field: str | None = None,
    held_out: float = HELD_OUT,
    seed: int = 0,
    datasets: Datasets | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read every text of `paths` and add them as one dataset.

    Takes folders (with their .gitignore), zip and tar archives, and files: plain text, JSON lines, CSV, TSV, Parquet.

    Args:
        paths: At least one.
        name: What to call it; by default the first path's name.
        field: Of records, the field that holds the text; None to find it.
        held_out: Share of the text that is held out, more than 0 and at most 0.5.
        seed: Of the choice of it.
        datasets: Where it is added; by default the user's.
        progress: Told how far it is.

    Raises:
        InvalidInput: No path, an empty name, or a share that is not allowed.
        Refused: A source is not there or hostile, or there is less than 10 kB of text.
        StorageError: The disk said no.
    """
    if not paths:
        raise InvalidInput("nothing can be added", "no folder or file was given")
    if not 0 < held_out <= 0.5:
        raise InvalidInput(f"{held_out:g} of the text cannot be held out", "it must be more than 0 and at most 0.5")
    sources = [absolute(path) for path in paths]
    chosen = name_of(name, sources[0])
    datasets = datasets or Datasets()
    staging = await asyncio.to_thread(datasets.staging)
    try:
        job = {
            "job": "add-text",
            "folder": str(staging),
            "sources": [str(path) for path in sources],
            "name": chosen,
            "field": field,
            "held_out": held_out,
            "seed": seed,
        }
        await run_job(job, f"{chosen} cannot be added", progress)
        adopting = asyncio.create_task(asyncio.to_thread(datasets.adopt, staging))
        try:
            return await asyncio.shield(adopting)
        except asyncio.CancelledError:
            await asyncio.wait([adopting])  # the staging folder is not deleted under a move that has begun
            raise
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True))


@dataclass(frozen=True)
class FoundField:
    """A field of records.

    Attributes:
        name: What it is called.
        sample: The beginning of one of its values, on one line.
    """

    name: str
    sample: str


@dataclass(frozen=True)
class Look:
    """What is in some files, before they are added.

    Attributes:
        kind: "image" or "text": what is guessed to be meant.
        pictures, texts: Files of either kind, by their names and first bytes.
        left_out: Files of neither kind or that rules leave out.
        bytes: What pictures and texts take as they are stored.
        complete: Whether all was looked at; a large source is not.
        fields: Of records, those that hold text.
        field: The one that would be used; "" where there are no records or none looks like it.
        splits: Whether the files say themselves what is held out.
    """

    kind: str
    pictures: int
    texts: int
    left_out: int
    bytes: int
    complete: bool
    fields: tuple[FoundField, ...] = ()
    field: str = ""
    splits: bool = False

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Look:
        """What `core.datasets.texts.look.look` found, as its process tells it."""
        fields = tuple(FoundField(str(each["name"]), str(each["sample"])) for each in told["fields"])
        return Look(**{**told, "fields": fields})


async def look(paths: Sequence[Path], *, progress: Progress | None = None) -> Look:
    """Look at `paths` quickly: which kind they are, how much there is, which fields records have. Seconds at most.

    Raises:
        InvalidInput: No path.
        Refused: A source is not there or cannot be read.
    """
    if not paths:
        raise InvalidInput("there is nothing to look at", "no folder or file was given")
    sources = [absolute(path) for path in paths]
    job = {"job": "look", "sources": [str(path) for path in sources]}
    return Look.from_json(await run_job(job, f"{name_of(None, sources[0])} cannot be looked at", progress))
