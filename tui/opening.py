"""From a saved picture back to its place: which model of this library drew it, and what is different."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.exports.reading import ENDINGS, Notes, read_notes
from core.interface import Vector
from core.library.fingerprint import checkpoint

if TYPE_CHECKING:
    from core.library.models import Library, Model

__all__ = ["ENDINGS", "Place", "find", "is_picture"]


@dataclass(frozen=True)
class Place:
    """Where a picture leads.

    Attributes:
        path: The file.
        notes: What it says.
        model: What can show it; None if there is nothing here that can.
        told: What is not as it was, as sentences for people; empty where all is the same.
    """

    path: Path
    notes: Notes
    model: Model | None
    told: tuple[str, ...] = ()

    @property
    def state(self) -> dict[str, object]:
        """What is handed to the explorer: the view, and a sheet's bookmarks, as plain data."""
        marks = [mark.to_json() for mark in self.notes.marks]
        return {"view": self.notes.view.to_json(), **({"bookmarks": marks} if marks else {})}


def is_picture(path: Path) -> bool:
    """Whether a file is named as one that Tarmac saves."""
    return path.suffix.lower() in ENDINGS


def find(path: Path, library: Library) -> Place:
    """Read a file and find the model that drew it: by its id, else by its weights, else by its name.

    Reads the disk, and weights that were never hashed: call it in a thread.

    Raises:
        Refused: Not a file of ours.
    """
    notes = read_notes(path)
    name = notes.model_name or notes.model
    models = [model for model in library.models() if model.problem is None and _dim(model) is not None]
    by_id = next((model for model in models if model.id == notes.model), None)
    if by_id is not None:
        return _known(path, notes, by_id)
    if notes.checkpoint:
        for model in models:
            if _dim(model) == notes.view.plane.dim and checkpoint(model.folder) == notes.checkpoint:
                return Place(path, notes, model)  # the same weights under another id: nothing is different
    for model in models:
        if model.name == notes.model_name and _dim(model) == notes.view.plane.dim:
            told = f"{path.name} was drawn by {notes.model}, which is not here. {model.id} has the same name and shows "
            return Place(path, notes, model, (f"{told}the same vectors; its pictures differ.",))
    told = f"{path.name} was drawn by {name}, which is not in your library. Import that model, then open it again."
    return Place(path, notes, None, (told,))


def _known(path: Path, notes: Notes, model: Model) -> Place:
    if _dim(model) != notes.view.plane.dim:
        told = f"{path.name} has vectors of {notes.view.plane.dim} numbers, {model.id} now has {_dim(model)}."
        return Place(path, notes, None, (told,))
    now = checkpoint(model.folder)
    if notes.checkpoint and now and now != notes.checkpoint:
        told = f"{model.id} has other weights now than when {path.name} was saved: the place is the same, its picture "
        return Place(path, notes, model, (f"{told}is not.",))
    return Place(path, notes, model)


def _dim(model: Model) -> int | None:
    """Length of the vectors of a model that can be explored."""
    command = model.spec.default if model.spec is not None else None
    if command is None or [kind.type_name for kind in command.outputs.values()][:1] != ["image"]:
        return None
    vectors = [kind for kind in command.inputs.values() if isinstance(kind, Vector)]
    return vectors[0].length if len(vectors) == 1 else None
