"""Takes a finished model into the library, once: whoever is interrupted here finds next time what was done already."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from core.errors import NotFound
from core.library.exporting import ONLY_FOR_TRAINING
from core.library.manifest import FILE_NAME, Manifest
from core.library.models import Library
from core.paths import storage_errors
from core.runs.folder import RunFolder
from core.runs.plan import RunPlan


def adopt(folder: RunFolder, plan: RunPlan, step: int) -> str:
    """The id of the library's model of this run at `step`, added if it is not there yet. Only under the run's lock.

    Returns:
        The id; empty if the training made no model.

    Raises:
        TarmacError: It could not be added; nothing was.
    """
    if not (folder.model / FILE_NAME).is_file():
        return ""
    library = Library(folder.path.parent.parent)
    mark = {"run": folder.path.name, "step": step}
    for model in library.models():
        if mark.items() <= dict(model.manifest.origin).items():
            return model.id
    manifest = Manifest.read(folder.model)
    manifest = replace(
        manifest.renamed(plan.name),
        created=datetime.now(UTC).replace(microsecond=0),
        lineage=manifest.lineage or _lineage(library, plan.base),
        origin={**manifest.origin, **mark},
    )
    staging = library.staging()
    try:
        with storage_errors(staging):
            _link_tree(folder.model, staging)
        return library.adopt(staging, manifest).id
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def adopt_checkpoint(library: Library, checkpoint: Path, name: str) -> str:
    """Bring the model that a checkpoint is into the library; its id. What only training needs is left out.

    Raises:
        TarmacError: The checkpoint is not whole, or the disk said no; nothing was added.
    """
    manifest = Manifest.read(checkpoint).renamed(name)
    staging = library.staging()
    try:
        with storage_errors(checkpoint):
            for path in checkpoint.iterdir():
                if path.is_file() and path.name not in (FILE_NAME, *ONLY_FOR_TRAINING):
                    shutil.copyfile(path, staging / path.name)
        return library.adopt(staging, manifest).id
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _lineage(library: Library, base: str) -> tuple[str, ...]:
    if not base:
        return ()
    try:
        model = library.get(base)
    except NotFound:
        return (base,)
    return (*model.lineage, model.id)


def _link_tree(source: Path, target: Path) -> None:
    """The files of `source` in `target`, without copying where one disk holds both. Nobody writes into either again."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        elif path.name != FILE_NAME:
            link(path, place)


def link(source: Path, target: Path) -> None:
    """`source` at `target` too: the same file where the disk can do that, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
