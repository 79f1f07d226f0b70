"""The models on disk: starters that ship with Tarmac and everything that was imported or trained.

A model is a folder with a model.toml and weights. It appears by one rename and disappears by one rename, so that any
number of studios can share a library: a reader sees a model whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import NotFound, Refused, TarmacError
from core.interface.command import Interface
from core.library.folders import claim, discard, folders, size, stage, steadily
from core.library.interfaces import interface_of
from core.library.manifest import FILE_NAME, Manifest, clean_line
from core.library.naming import STARTER_PREFIX, find, not_found, slug, the_one
from core.paths import data_dir as default_data_dir
from core.paths import storage_errors

if TYPE_CHECKING:
    from core.workers.session import Target

__all__ = ["Library", "Manifest", "Model"]

STARTERS = Path(__file__).parent / "starters"

_NEEDS = {
    "stylegan1": ("weights.safetensors",),
    "stylegan2": ("weights.safetensors",),
    "causal-lm": ("config.json",),
    "segmentation": ("config.json", "model.safetensors"),
    "detection": ("config.json", "model.safetensors"),
}


@dataclass(frozen=True)
class Model:
    """One model of the library. A broken folder is one too: then `problem` says what is wrong with it."""

    id: str
    """Unique, typeable, sorts by time of arrival: "20261122-170355-faces"; starters are "starter/portraits"."""
    folder: Path
    source: str
    """"starter" or "library"."""
    manifest: Manifest
    """Of a broken folder: as much as could be read; its name is the folder's if nothing could."""
    size_bytes: int = 0
    """All files of the folder."""
    problem: str | None = None
    spec: Interface | None = None
    """The interface; None when broken. `interface` is the same for those who need one."""

    @property
    def name(self) -> str:
        """What its owner calls it; others may be called the same."""
        return self.manifest.name

    @property
    def kind(self) -> str:
        """What it is for: "image-gan", "text", "segmentation", "detection"."""
        return self.manifest.kind

    @property
    def adapter(self) -> str:
        """Which code runs it: "stylegan2", "causal-lm", ..."""
        return self.manifest.adapter

    @property
    def author(self) -> str:
        """Who made it; may be empty."""
        return self.manifest.author

    @property
    def licence(self) -> str:
        """SPDX name where there is one; may be empty."""
        return self.manifest.licence

    @property
    def created(self) -> datetime:
        """When it was made or imported, in UTC."""
        return self.manifest.created

    @property
    def architecture(self) -> dict[str, object]:
        """Plain settings of the network."""
        return dict(self.manifest.architecture)

    @property
    def scores(self) -> dict[str, object]:
        """Measured scores by name."""
        return dict(self.manifest.scores)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Ids of the models it was made from, the nearest last."""
        return self.manifest.lineage

    @property
    def interface(self) -> Interface:
        """What it takes and gives.

        Raises:
            Refused: The folder is broken.
        """
        if self.spec is None or self.problem is not None:
            raise self._refusal()
        return self.spec

    def target(self, device: str = "auto") -> Target:
        """What a worker session needs to start it.

        Raises:
            Refused: The folder is broken.
        """
        from core.workers.session import Target

        if self.problem is not None:
            raise self._refusal()
        return Target(adapter=self.adapter, path=self.folder, device=device, name=self.name)

    def _refusal(self) -> Refused:
        return Refused(f"the model {self.name} cannot be used", self.problem or "", "Import it again, or delete it")


class Library:
    """The models of this user.

    Args:
        data_dir: Folder that holds models/; by default `core.paths.data_dir()`.
        starters: Folder of the models that ship with Tarmac.
    """

    def __init__(self, data_dir: Path | None = None, *, starters: Path = STARTERS) -> None:
        self.data_dir = data_dir if data_dir is not None else default_data_dir()
        self.folder = self.data_dir / "models"
        self._starters = starters

    def models(self) -> list[Model]:
        """Every model: starters by name, then the library's, the newest first. Reads the disk; never raises."""
        starters = [self._read(path, "starter") for path in folders(self._starters)]
        library = [self._read(path, "library") for path in folders(self.folder)]
        starters.sort(key=lambda model: model.id if model else "")
        library.sort(key=lambda model: model.id if model else "", reverse=True)
        return [model for model in (*starters, *library) if model is not None]

    def get(self, id_or_name: str) -> Model:
        """The model with this id, else the newest of this name, else the only one whose id starts like this.

        A starter answers to its short name too, unless a model of the library has that name.

        Raises:
            NotFound: No such model; names the nearest ones.
        """
        return find(self.models(), id_or_name, "model")[0]

    def remove(self, id_or_name: str) -> Model:
        """Delete a model of the library for ever; returns what it was.

        Raises:
            NotFound: No such model.
            Refused: It is a starter, or several models have this name.
            StorageError: The disk said no.
        """
        found = find(self.models(), id_or_name, "model")
        if found[0].source == "starter":
            raise Refused(f"{found[0].id} cannot be deleted", "it is a part of Tarmac")
        model = the_one(found, id_or_name, "model")
        if not discard(model.folder, self.folder):
            raise not_found(self.models(), id_or_name, "model")
        return model

    def staging(self) -> Path:
        """A new, empty, private folder to build a model in, on the library's own disk.

        Give it to `adopt` when it is whole, or delete it. One that nobody finished is removed after a day.
        """
        return stage(self.folder)

    def adopt(self, folder: Path, manifest: Manifest) -> Model:
        """Write the manifest into a finished staging folder and move it into the library by one rename.

        Raises:
            Refused: The folder with this manifest would be a broken model; nothing was added.
            StorageError: The disk said no; nothing was added.
        """
        manifest.write(folder)
        candidate = self._read(folder, "library")
        if candidate is None:
            raise Refused("the model cannot be added", f"{folder.name} is gone")
        if candidate.problem is not None:
            raise Refused(f"the model {manifest.name} cannot be added", candidate.problem)
        with storage_errors(folder):
            folder.chmod(0o700)
            place = claim(folder, self.folder, slug(manifest.name))
        model = self._read(place, "library")
        if model is None:
            raise NotFound(f"the model {manifest.name} was removed as soon as it was added")
        return model

    def _read(self, folder: Path, source: str) -> Model | None:
        """The model in `folder`, broken or not; None if the folder has gone meanwhile."""
        return steadily(folder, lambda place: _look(place, source))


_EPOCH = datetime.fromtimestamp(0, UTC)


def _look(folder: Path, source: str) -> Model:
    name = clean_line(folder.name)
    id_ = STARTER_PREFIX + name if source == "starter" else name
    manifest = Manifest(name=name, kind="unknown", adapter="unknown", interface={}, created=_EPOCH)
    spec: Interface | None = None
    problem: str | None = None
    try:
        manifest = Manifest.read(folder)
        spec = interface_of(manifest)
        if not spec.commands:
            raise Refused(f"{FILE_NAME} cannot be used", "its interface has no command")
        missing = [part for part in _NEEDS.get(manifest.adapter, ()) if not (folder / part).is_file()]
        if missing:
            raise Refused(f"{missing[0]} is missing")
    except TarmacError as error:
        problem = str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"the interface in {FILE_NAME} cannot be used: {clean_line(str(error))[:200]}"
    return Model(id_, folder, source, manifest, size_bytes=size(folder), problem=problem, spec=spec)
