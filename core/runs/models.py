"""A model by what people call it, checkpoints of runs included: "cats@1200", "cats@best", "cats@last"."""

from __future__ import annotations

from pathlib import Path

from core.errors import NotFound
from core.library.interfaces import interface_of
from core.library.manifest import Manifest
from core.library.models import Library, Model
from core.library.naming import not_found
from core.runs.events import Checkpoint
from core.runs.store import Runs
from core.runs.view import RunView

SOURCE = "run"
"""Of models that are checkpoints."""


def model_named(text: str, data_dir: Path | None = None) -> Model:
    """The model of the library that is called so, else what a run of this name has made, else one of its checkpoints.

    Args:
        text: Id or name of a model; or of a run, with an @ and a step, "best" or "last" behind it.
        data_dir: Folder of the user's models and runs; by default `core.paths.data_dir()`.

    Raises:
        NotFound: There is none; names the nearest, or the checkpoints that there are.
    """
    library = Library(data_dir)
    try:
        return library.get(text)
    except NotFound:
        runs = Runs(data_dir)
        if not runs.folder.is_dir():
            raise
        name, at, which = text.rpartition("@")
        try:
            run = runs.get(name if at else text)
        except NotFound:
            if at:
                raise
            raise not_found([*library.models(), *runs.runs()], text, "model") from None
    if at:
        return checkpoint_model(run, _chosen(run, which).step)
    if run.model:
        return library.get(run.model)
    do = f"Name a checkpoint of it: {_there(run)}" if run.checkpoints else "Wait for its first checkpoint"
    raise NotFound(f"the run {run.name} has made no model yet", "", do)


def checkpoint_model(run: RunView, step: int) -> Model:
    """What a run was at `step`, as a model; where it lies it is deleted when its run keeps newer ones.

    Raises:
        NotFound: There is no such checkpoint.
        Refused: It cannot be read.
    """
    folder = next((each.folder for each in run.checkpoints if each.step == step), "")
    if not folder:
        raise _unknown(run, f"of step {step:,}")
    place = run.folder / "checkpoints" / folder
    manifest = Manifest.read(place).renamed(f"{run.name} at {step:,}"[:80])
    return Model(f"{run.id}/{step}", place, SOURCE, manifest, spec=interface_of(manifest))


def _chosen(run: RunView, which: str) -> Checkpoint:
    if not run.checkpoints:
        raise NotFound(f"the run {run.name} has no checkpoint yet", "", "Wait for its first")
    if which == "last":
        return run.checkpoints[-1]
    if which == "best":
        return max(run.checkpoints, key=lambda each: (each.best, each.step))
    found = next((each for each in run.checkpoints if str(each.step) == which.replace(",", "")), None)
    if found is None:
        raise _unknown(run, f"{which!r:.40}")
    return found


def _unknown(run: RunView, which: str) -> NotFound:
    return NotFound(f"the run {run.name} has no checkpoint {which}", "", f"There are {_there(run)}")


def _there(run: RunView) -> str:
    return ", ".join(f"{run.name}@{each.step}" for each in run.checkpoints)
