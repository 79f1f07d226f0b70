"""The models that can write beside another: those of the library, and every checkpoint of a text training.

A reference is plain text, so that a workspace file can keep it: "model:<id>" or "run:<run id>/<step>".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import NotFound
from tui.screens.chooser import Choice

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.services import Services


def choices(services: Services, without: Model) -> list[Choice]:
    """All there are but `without`: first the checkpoints of the run that made it. Reads the disk."""
    models = [
        Choice(f"model:{model.id}", title_of(model), "starter" if model.source == "starter" else "library")
        for model in services.library.models()
        if model.kind == "text" and model.problem is None and model.id != without.id
    ]
    own: list[Choice] = []
    others: list[Choice] = []
    for view in services.training.look():
        if view.plan.kind != "text":
            continue
        made = view.id == without.manifest.origin.get("run")
        for checkpoint in sorted(view.checkpoints, key=lambda each: -each.step):
            best = "checkpoint, the best" if checkpoint.best else "checkpoint"
            choice = Choice(f"run:{view.id}/{checkpoint.step}", f"{view.plan.name} at {checkpoint.step:,}", best)
            (own if made else others).append(choice)
    return [*own, *models, *others]


def find(services: Services, reference: str) -> Model:
    """The model that a reference names. Reads the disk.

    Raises:
        TarmacError: There is none any more, or it cannot be used.
    """
    kind, _, name = reference.partition(":")
    if kind == "model":
        return services.library.get(name)
    run, _, step = name.rpartition("/")
    for view in services.training.look():
        if view.id == run:
            for checkpoint in view.checkpoints:
                if str(checkpoint.step) == step:
                    from core.runs.models import checkpoint_model

                    return checkpoint_model(view, checkpoint.step)
    raise NotFound("the second model is gone", reference, "Choose another one")


def title_of(model: Model) -> str:
    """What a model is called beside others."""
    return model.id if model.source == "starter" else model.name
