"""Adding, preparing, drawing and showing datasets, without ever blocking and without trusting a file.

The work happens in a process of its own (`core.datasets.process`). A new dataset is built in a staging folder and moved
into the library when it is whole: whatever else happens, a refusal, a cancel, a death of either process, nothing
half-made is ever listed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.datasets.cropping import Preparation
from core.datasets.decoding import LEAST_SIDE
from core.datasets.library import Dataset, Datasets
from core.datasets.manifest import MAX_NAME
from core.datasets.process import Progress, run_job
from core.datasets.review import load_pictures
from core.datasets.segmenting import Finder, as_job
from core.datasets.sources import displayed
from core.datasets.subject import Subject
from core.errors import InvalidInput, Refused
from core.library.manifest import clean_line
from core.library.naming import STARTER_PREFIX

STARTER_SIZE = 64
"""Side at which a starter is drawn when nobody asks for another."""


@dataclass(frozen=True)
class Looking:
    """How files are judged when they are added.

    Attributes:
        least_side: Pictures with a shorter side in pixels are left out.
        classes: Take sub-folders as classes.
        drop_near: Leave near duplicates out, not only exact ones.
    """

    least_side: int = LEAST_SIDE
    classes: bool = False
    drop_near: bool = False


async def add_pictures(
    paths: Sequence[Path],
    *,
    name: str | None = None,
    looking: Looking | None = None,
    preparation: Preparation | None = None,
    base_size: int | None = None,
    datasets: Datasets | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Look at every file of `paths` and add what can be used as one dataset.

    Takes folders, zip and tar archives and single pictures, several at once. The sources are only read; the dataset
    remembers where they are, so that it can be prepared again.

    Args:
        paths: At least one.
        name: What to call it; by default the first path's name.
        looking: How files are judged.
        preparation: How it is prepared; None adds it without preparing it.
        base_size: Side of what the base model makes; used when `preparation.size` is 0.
        datasets: Where it is added; by default the user's.
        progress: Told how far it is.

    Raises:
        InvalidInput: No path, an empty name, or a preparation that is not allowed.
        Refused: A source is not there, hostile, or has fewer than 50 pictures that can be used.
        StorageError: The disk said no.
    """
    if not paths:
        raise InvalidInput("nothing can be added", "no folder or file was given")
    sources = [absolute(path) for path in paths]
    chosen = name_of(name, sources[0])
    datasets = datasets or Datasets()
    finder = None
    if preparation is not None:
        preparation, finder = await _finder(preparation.check(), datasets)
    staging = await asyncio.to_thread(datasets.staging)
    try:
        job = {
            "job": "add",
            "folder": str(staging),
            "sources": [str(path) for path in sources],
            "name": chosen,
            **asdict(looking or Looking()),
            "preparation": asdict(preparation) if preparation is not None else None,
            "base_size": base_size,
            "finder": as_job(finder),
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


async def prepare_dataset(
    id_or_name: str,
    preparation: Preparation | None = None,
    *,
    base_size: int | None = None,
    datasets: Datasets | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Prepare a dataset, for the first time or again; a starter is drawn. Until it is done the old data stays.

    A starter that was drawn at this size already comes back as it is.

    Args:
        id_or_name: Which.
        preparation: How; by default as it was prepared before. Of a starter only the size counts.
        base_size: Side of what the base model makes; used when no size is given.
        datasets: Where it is; by default the user's.
        progress: Told how far it is.

    Raises:
        NotFound: No such dataset.
        InvalidInput: The preparation is not allowed.
        Refused: Its sources have gone, too few pictures are left, or it is being prepared already.
        StorageError: The disk said no.
    """
    datasets = datasets or Datasets()
    found = await asyncio.to_thread(datasets.get, id_or_name)
    if found.source == "starter":
        size = (preparation.size if preparation is not None else 0) or base_size or STARTER_SIZE
        size = 0 if found.kind == "text" else size
        return await _draw(found, size, datasets, progress)
    if found.kind != "image":
        raise Refused(f"{found.name} cannot be prepared", f"its kind is {found.kind}; only pictures are prepared")
    chosen, finder = await _finder((preparation or preparation_of(found)).check(), datasets)
    job = {
        "job": "prepare",
        "folder": str(found.folder),
        "preparation": asdict(chosen),
        "base_size": base_size,
        "finder": as_job(finder),
    }
    await run_job(job, f"{found.name} cannot be prepared", progress)
    return await asyncio.to_thread(datasets.get, found.id)


async def find_subjects(
    dataset: Dataset,
    numbers: Sequence[int],
    side: int,
    preparation: Preparation,
    *,
    datasets: Datasets | None = None,
    progress: Progress | None = None,
) -> dict[int, Subject]:
    """The subjects of some pictures as auto-crop would find them, without preparing anything.

    Args:
        dataset: Whose.
        numbers: In its index; pictures that cannot be read any more are missing in the answer.
        side: Pictures are decoded with at most so many pixels on the longer side; boxes are in those pixels.
        preparation: Says who looks.
        datasets: Where it is; by default the user's.
        progress: Told how far it is.

    Raises:
        NotFound: It names a model that is not there.
        Refused: That model cannot be used, or a source has gone.
    """
    _, finder = await _finder(preparation.check(), datasets or Datasets())
    job = {
        "job": "find",
        "folder": str(dataset.folder),
        "numbers": list(numbers),
        "side": side,
        "finder": as_job(finder),
    }
    told = await run_job(job, f"the subjects of {dataset.name} cannot be shown", progress)
    found = cast("dict[str, Any]", told["subjects"])
    return {int(number): Subject(tuple(box), sure, by) for number, (box, sure, by) in found.items()}


async def _finder(preparation: Preparation, datasets: Datasets) -> tuple[Preparation, Finder | None]:
    """See `core.datasets.segmenting.choose`: of the library beside the datasets, on the device of the settings."""
    if preparation.crop != "auto":
        return preparation, None

    def choose() -> tuple[Preparation, Finder | None]:
        from core import config
        from core.datasets import segmenting
        from core.library.models import Library

        return segmenting.choose(preparation, Library(datasets.data_dir), config.load().settings.device)

    return await asyncio.to_thread(choose)


def preparation_of(dataset: Dataset) -> Preparation:
    """How a dataset was prepared; the defaults where it never was."""
    told = dataset.about.get("preparation")
    table = told if isinstance(told, dict) else {}
    try:
        return Preparation(**{key: table[key] for key in Preparation.__dataclass_fields__ if key in table}).check()
    except (TypeError, InvalidInput):
        return Preparation()


async def draw_sheet(
    dataset: Dataset,
    out: Path,
    *,
    count: int = 64,
    tile: int = 64,
    columns: int | None = None,
    boxes: bool = False,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write a contact sheet of a prepared dataset as a PNG; returns its width, height and how many pictures it shows.

    Args:
        dataset: Prepared.
        out: The PNG.
        count: Most pictures, spread over the dataset.
        tile: Side of each in pixels.
        columns: Pictures in a row.
        boxes: Show each picture's source beside it, with what was found and what was cut out.
        progress: Told what is going on.

    Raises:
        Refused: It is not prepared, or with `boxes` its sources have gone.
        StorageError: The disk said no.
    """
    if not dataset.ready:
        raise Refused(
            f"{dataset.name} has nothing to show", dataset.problem or "it is not prepared", "Prepare it first"
        )
    if not 1 <= count <= 4096 or not 8 <= tile <= 1024:
        raise InvalidInput("the sheet cannot be drawn", "it takes 1 to 4,096 pictures of 8 to 1,024 pixels each")
    job = {
        "job": "sheet",
        "folder": str(dataset.folder),
        "out": str(absolute(out)),
        "count": count,
        "tile": tile,
        "columns": columns,
        "boxes": boxes,
    }
    return dict(await run_job(job, f"{dataset.name} cannot be shown", progress))


async def source_pictures(
    dataset: Dataset, numbers: Sequence[int], side: int, progress: Progress | None = None
) -> dict[int, NDArray[np.uint8]]:
    """Some pictures of a dataset as they came, by their numbers in its index: uint8 [h, w, 3], at most `side` long.

    Those that cannot be read any more are missing.

    Raises:
        Refused: It does not say where its pictures came from, or a source has gone.
    """
    with tempfile.TemporaryDirectory(prefix="tarmac-pictures-") as scratch:
        out = Path(scratch) / "pictures.npz"
        job = {
            "job": "sources",
            "folder": str(dataset.folder),
            "out": str(out),
            "numbers": list(numbers),
            "side": side,
        }
        await run_job(job, f"the pictures of {dataset.name} cannot be shown", progress)
        return await asyncio.to_thread(load_pictures, out)


def name_of(name: str | None, source: Path) -> str:
    """What a new dataset is called: as asked for, else as its first source.

    Raises:
        InvalidInput: Nothing is left of the name that can be shown.
    """
    chosen = clean_line(displayed(name if name is not None else source.stem))[:MAX_NAME]
    if not chosen or (name is not None and not clean_line(name)):
        raise InvalidInput("the dataset cannot be added", "its name is empty", "Give it a name")
    return chosen


def absolute(path: Path) -> Path:
    """From the root, so that ".." has a name; asks the disk nothing about it."""
    return Path(os.path.abspath(path))


async def _draw(starter: Dataset, size: int, datasets: Datasets, progress: Progress | None) -> Dataset:
    name = starter.id.removeprefix(STARTER_PREFIX)
    if starter.kind == "image":
        Preparation(size=size).check()
    there = await asyncio.to_thread(datasets.get, starter.id, size)
    if there.ready:
        return there
    staging = await asyncio.to_thread(datasets.staging)
    try:
        job = {"job": "draw", "folder": str(staging), "name": name, "size": size}
        await run_job(job, f"{starter.id} cannot be drawn", progress)
        await asyncio.to_thread(datasets.adopt_starter, staging, name, size)
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True))
    return await asyncio.to_thread(datasets.get, starter.id, size)
