"""Which code trains which kind of model, and where what a plan names lies on this disk.

A training is a function `train(plan, recorder, *, dataset, base)`: `dataset` is the folder of the prepared data, `base`
the folder of the model to begin from or None. It returns the step that it reached, tells everything else to the
recorder, and publishes the finished model there. Other packages add kinds of their own as entry points of the group
"tarmac.trainings".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from core.errors import InvalidInput, NotFound
from core.runs.plan import RunPlan

Training = Callable[..., Any]

GROUP = "tarmac.trainings"

TRAININGS: Mapping[str, str] = {"image": "core.ml.training.image_run:train_image"}
"""Kind to "module:function"."""


def kinds() -> dict[str, str]:
    """Every kind that can be trained here, as `TRAININGS`."""
    return {**{point.name: point.value for point in entry_points(group=GROUP)}, **TRAININGS}


def check_kind(kind: str) -> None:
    """Refuse a kind that nothing trains.

    Raises:
        InvalidInput: There is no such kind.
    """
    known = kinds()
    if kind not in known:
        raise InvalidInput(f"there is no training of the kind {kind!r}", "", f"There is {', '.join(sorted(known))}")


def training(kind: str) -> Training:
    """The function that trains `kind`. Imports what it needs: seconds, for a framework.

    Raises:
        InvalidInput: There is no such kind.
    """
    check_kind(kind)
    module, _, name = kinds()[kind].partition(":")
    function: Training = getattr(import_module(module), name)
    return function


def dataset_folder(plan: RunPlan, data_dir: Path) -> Path:
    """Where the plan's dataset is.

    Raises:
        NotFound: It is gone; the sentence says what to do.
    """
    try:
        datasets = import_module("core.datasets.library").Datasets(data_dir)
        folder: Path = datasets.get(plan.dataset).folder
    except ModuleNotFoundError:
        folder = data_dir / "datasets" / plan.dataset
    except NotFound:
        folder = data_dir / "datasets" / "."
    if not plan.dataset or not folder.is_dir() or folder == data_dir / "datasets":
        name = plan.dataset or "without a name"
        raise NotFound(f"the dataset {name} is gone", "", "Prepare it again under this name, or make a new run")
    return folder


def base_folder(plan: RunPlan, data_dir: Path) -> Path | None:
    """Where the model is that the plan begins from; None for random weights.

    Raises:
        NotFound: It is gone.
        Refused: It is broken.
    """
    if not plan.base:
        return None
    from core.library.models import Library

    try:
        return Library(data_dir).get(plan.base).target().path
    except NotFound as error:
        raise NotFound(f"the base {plan.base} is gone", "", "Make a new run with another base") from error


def check_names(plan: RunPlan, data_dir: Path) -> None:
    """Refuse a plan that cannot begin: an unknown kind, a dataset or a base that is not there.

    Raises:
        TarmacError: The first thing that is wrong.
    """
    check_kind(plan.kind)
    dataset_folder(plan, data_dir)
    base_folder(plan, data_dir)
