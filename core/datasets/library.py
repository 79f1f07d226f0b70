"""The datasets on disk: what was added, and the starters, which are drawn when they are first used.

A dataset is a folder with a dataset.toml. It appears by one rename and disappears by one rename, as models do. A drawn
starter is the folder starter-NAME-SIZE; one that was never drawn is listed too, from the registry of what can be drawn.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.datasets.manifest import Manifest
from core.datasets.texts.store import HELD, INDEX, TEXTS
from core.errors import NotFound, Refused
from core.library.folders import claim, discard, folders, size, stage, steadily
from core.library.manifest import clean_line
from core.library.naming import STARTER_PREFIX, find, not_found, slug, the_one
from core.paths import data_dir as default_data_dir
from core.paths import storage_errors

STARTER_FOLDER = re.compile(r"starter-(.+)-(\d+)")

_EPOCH = datetime.fromtimestamp(0, UTC)


class Drawn(Protocol):
    """A starter dataset that is made by code: either `DrawnPictures` or `GatheredTexts`."""

    @property
    def about(self) -> str:
        """What is in it, one sentence."""

    @property
    def licence(self) -> str:
        """SPDX name of the licence of what is in it."""

    def available(self) -> str | None:
        """Why it cannot be drawn here; None if it can."""


class DrawnPictures(Drawn, Protocol):
    """One of pictures."""

    def draw(self, size: int) -> tuple[NDArray[np.uint8], list[str]]:
        """Pictures uint8 [n, size, size, 3] and their names."""


class GatheredTexts(Drawn, Protocol):
    """One of texts; its `kind` is "text"."""

    def gather(self) -> Iterator[tuple[str, str, bool]]:
        """The documents: name, text, and whether it is held out."""


@dataclass(frozen=True)
class Dataset:
    """One dataset. A broken folder is one too: then `problem` says what is wrong with it."""

    id: str
    """"20261125-170355-sneakers"; starters are "starter/portraits"."""
    name: str
    kind: str
    """"image" or "text"."""
    folder: Path
    source: str
    """"starter" or "library"."""
    count: int = 0
    """Pictures or documents; of a starter that was not drawn yet as many as are expected, 0 where that is unknown."""
    size: int = 0
    """Side of the prepared pictures in pixels; 0 = not prepared, or text."""
    channels: int = 3
    classes: tuple[str, ...] = ()
    """Labels by sub-folder; () when unconditional."""
    created: datetime = _EPOCH
    size_bytes: int = 0
    problem: str | None = None
    about: Mapping[str, object] = field(default_factory=dict)
    """The manifest's other tables: origin, preparation, report."""
    ready: bool = False
    """Prepared data is there."""


def registry() -> Mapping[str, Drawn]:
    """The starters that can be drawn, by name; empty in a build without any."""
    try:
        module = importlib.import_module("core.datasets.drawing.drawn")
    except ModuleNotFoundError as error:
        if error.name != "core.datasets.drawing.drawn":
            raise
        return {}
    found: Mapping[str, Drawn] = module.DRAWN
    return found


def kind_of(drawing: Drawn | None) -> str:
    """Whether a starter is of pictures or of texts."""
    return str(getattr(drawing, "kind", "image"))


class Datasets:
    """The datasets of this user.

    Args:
        data_dir: Folder that holds datasets/; by default `core.paths.data_dir()`.
        drawn: The starters that can be drawn; by default `registry()`.
    """

    def __init__(self, data_dir: Path | None = None, *, drawn: Mapping[str, Drawn] | None = None) -> None:
        self.data_dir = data_dir if data_dir is not None else default_data_dir()
        self.folder = self.data_dir / "datasets"
        self.drawn = drawn if drawn is not None else registry()

    def datasets(self) -> list[Dataset]:
        """Every dataset: starters by name, then the library's, the newest first.

        Reads the disk and may ask the system for fonts: call it in a thread. Never raises.
        """
        prepared: dict[str, list[Dataset]] = {}
        library: list[Dataset] = []
        for folder in folders(self.folder):
            starter = STARTER_FOLDER.fullmatch(folder.name)
            found = _read(folder, starter.group(1) if starter else None)
            if found is not None and starter:
                prepared.setdefault(starter.group(1), []).append(found)
            elif found is not None:
                library.append(found)
        starters = [self._starter(name, prepared.get(name, [])) for name in sorted({*self.drawn, *prepared})]
        return [*starters, *sorted(library, key=lambda dataset: dataset.id, reverse=True)]

    def get(self, id_or_name: str, size: int | None = None) -> Dataset:
        """The dataset with this id, else the newest of this name, else the only one whose id starts like this.

        A starter answers to its short name too, unless a dataset of the library has that name.

        Args:
            id_or_name: As above.
            size: Of a starter that was drawn at several sizes, the one meant; else the one that was drawn last. A
                starter that was not drawn at this size comes back as not ready.

        Raises:
            NotFound: No such dataset; names the nearest ones.
        """
        found = find(self.datasets(), id_or_name, "dataset")[0]
        if found.source == "starter" and found.kind == "image" and size is not None and found.size != size:
            name = found.id.removeprefix(STARTER_PREFIX)
            drawn = _read(self.starter_folder(name, size), name)
            return self._starter(name, [drawn] if drawn is not None else [])
        return found

    def remove(self, id_or_name: str) -> Dataset:
        """Delete a dataset for ever; of a starter, what was drawn of it. Returns what it was.

        Raises:
            NotFound: No such dataset.
            Refused: It is a starter that was not drawn, or several datasets have this name.
            StorageError: The disk said no.
        """
        found = the_one(find(self.datasets(), id_or_name, "dataset"), id_or_name, "dataset")
        places = [found.folder]
        if found.source == "starter":
            name = found.id.removeprefix(STARTER_PREFIX)
            own = [(place, STARTER_FOLDER.fullmatch(place.name)) for place in folders(self.folder)]
            places = [place for place, match in own if match and match.group(1) == name]
            if not places:
                raise Refused(f"{found.id} cannot be deleted", "it takes no space: it is drawn when it is used")
        if not any([discard(place, self.folder) for place in places]):
            raise not_found(self.datasets(), id_or_name, "dataset")
        return found

    def starter_folder(self, name: str, side: int) -> Path:
        """Where a starter drawn at `side` pixels belongs; of text, whose side is 0."""
        return self.folder / f"starter-{name}-{side}"

    def staging(self) -> Path:
        """A new, empty, private folder to build a dataset in, on the library's own disk.

        Give it to `adopt` when it is whole, or delete it. One that nobody finished is removed after a day.
        """
        return stage(self.folder)

    def adopt(self, folder: Path) -> Dataset:
        """Move a finished staging folder, its manifest written, into the library by one rename.

        Raises:
            Refused: The folder would be a broken dataset; nothing was added.
            StorageError: The disk said no; nothing was added.
        """
        candidate = _read(folder, None)
        if candidate is None or candidate.problem is not None:
            raise Refused("the dataset cannot be added", candidate.problem or "" if candidate else "its folder is gone")
        with storage_errors(folder):
            place = claim(folder, self.folder, slug(candidate.name, otherwise="dataset"))
        found = _read(place, None)
        if found is None:
            raise NotFound(f"the dataset {candidate.name} was removed as soon as it was added")
        return found

    def adopt_starter(self, folder: Path, name: str, side: int) -> None:
        """Move a drawn starter from its staging folder to its place; if one is there already, that one stays.

        A broken one, which has lost its pictures, is replaced.

        Raises:
            StorageError: The disk said no.
        """
        place = self.starter_folder(name, side)
        there = _read(place, name)
        if there is not None and not there.ready:
            discard(place, self.folder)
        with storage_errors(folder):
            try:
                os.rename(folder, place)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def _starter(self, name: str, prepared: list[Dataset]) -> Dataset:
        whole = [dataset for dataset in prepared if dataset.ready]
        if whole:
            return max(whole, key=lambda dataset: (dataset.created, dataset.size))
        drawing = self.drawn.get(name)
        broken = prepared[0].problem if prepared else None
        about: dict[str, object] = {}
        problem = broken
        if drawing is not None:
            about = {"description": drawing.about, "licence": drawing.licence}
            problem = drawing.available()
        kind = prepared[0].kind if prepared and drawing is None else kind_of(drawing)
        folder = self.starter_folder(name, 0 if kind == "text" else 64)
        expected = getattr(drawing, "count", 0)
        return Dataset(STARTER_PREFIX + name, name, kind, folder, "starter", expected, about=about, problem=problem)


def _read(folder: Path, starter: str | None) -> Dataset | None:
    """The dataset in `folder`, broken or not; None if the folder is not there."""
    return steadily(folder, lambda place: _look(place, starter))


def _look(folder: Path, starter: str | None) -> Dataset:
    name = clean_line(folder.name)
    id_, source = (STARTER_PREFIX + starter, "starter") if starter else (name, "library")
    taken = size(folder)
    try:
        manifest = Manifest.read(folder)
    except Refused as error:
        return Dataset(id_, starter or name, "image", folder, source, size_bytes=taken, problem=str(error))
    ready, problem = bool(manifest.size), None
    if ready and manifest.kind == "image":
        parts = ("pixels", "shapes") if manifest.layout == "ragged" else ("images",)
        missing = [manifest.file(part) for part in parts if not (folder / manifest.file(part)).is_file()]
        if missing:
            ready, problem = False, f"{missing[0]} is missing. Prepare it again"
    if manifest.kind == "text":
        needed = (manifest.file(TEXTS, "bin"), manifest.file(INDEX), manifest.file(HELD))
        lost = [name for name in needed if not (folder / name).is_file()]
        ready, problem = not lost, f"{lost[0]} is missing. Add it again" if lost else None
    return Dataset(
        id=id_,
        name=starter or manifest.name,
        kind=manifest.kind,
        folder=folder,
        source=source,
        count=manifest.count,
        size=manifest.size if ready else 0,
        channels=manifest.channels,
        classes=manifest.classes,
        created=manifest.created,
        size_bytes=taken,
        problem=problem,
        about=manifest.about,
        ready=ready,
    )
