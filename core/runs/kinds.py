"""Which code trains which kind of model, and where what a plan names lies on this disk.

A training is a function of the shape of `Training`. It tells what happens to its recorder, writes the model when its
steps are done, and returns how it ended. Other packages add kinds of their own as entry points of the group
"tarmac.trainings".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from core.datasets.library import Dataset, Datasets
from core.datasets.manifest import KINDS as DATASETS
from core.errors import InvalidInput, NotFound, Refused, TarmacError
from core.library.gpt2 import in_library, missing, published
from core.library.models import Library, Model
from core.runs.fitting import check_image, check_size
from core.runs.fitting_text import check_text
from core.runs.plan import RunPlan
from core.runs.recorder import Recorder


class Outcome(Protocol):
    """How a training ended, in the words of `events.Ended`: finished, stopped (wished), interrupted, failed, fenced."""

    @property
    def state(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def what(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def do(self) -> str: ...
    @property
    def offer(self) -> Mapping[str, object]: ...


class Training(Protocol):
    """Trains until the steps are done or the wish changes, from the recorder's last checkpoint on."""

    def __call__(
        self,
        plan: RunPlan,
        recorder: Recorder,
        *,
        dataset: Path,
        base: Path | None,
        model: Path | None,
        rank: int,
        world: int,
        store: Path | None,
        interrupted: Callable[[], bool],
    ) -> Outcome:
        """Train.

        Args:
            plan: What to do.
            recorder: The run.
            dataset: Folder of the prepared data.
            base: Folder of the model to begin from; None for random weights.
            model: Folder to write the finished model into, with a model.toml; it is not there yet.
            rank, world: Which of how many processes that train together this is.
            store: File that is not there yet, over which those of one machine meet; None for MASTER_ADDR.
            interrupted: Whether to save and end though nobody wished it; asked between steps.
        """


GROUP = "tarmac.trainings"

TRAININGS: Mapping[str, str] = {
    "image": "core.ml.training.image.run:train_image",
    "text": "core.ml.training.text.run:train_text",
    "serve": "core.hosting.spread.serve_run:serve",
}
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
    """Where the plan's dataset is; of a run that serves: its deployment.

    Raises:
        NotFound: It is gone; the sentence says what to do.
        Refused: It is broken, or not prepared.
    """
    return served_folder(plan, data_dir) if plan.kind == "serve" else _dataset(plan, data_dir).folder


def served_folder(plan: RunPlan, data_dir: Path) -> Path:
    """Where the deployment is that a run serves.

    Raises:
        NotFound: It is gone.
    """
    name = str(plan.options.get("deployment", ""))
    folder = data_dir / "deployments" / name
    if not name or "/" in name or name.startswith(".") or not folder.is_dir():
        raise NotFound(f"no deployment is called {name!r:.80}")
    return folder


def base_folder(plan: RunPlan, data_dir: Path) -> Path | None:
    """Where the model is that the plan begins from; None for random weights.

    Raises:
        NotFound: It is gone.
        Refused: It is broken.
    """
    found = _base(plan, data_dir)
    return found.target().path if found is not None else None


def settled(plan: RunPlan, data_dir: Path, *, branched: bool = False) -> RunPlan:
    """`plan` with ids for names, so that it means the same for ever, if it can begin.

    Args:
        plan: As it was asked for.
        data_dir: Folder of the user's datasets and models.
        branched: Whether it begins from a checkpoint: then its base may be gone.

    Raises:
        TarmacError: An unknown kind, a dataset or a base that is not there, broken, or of another kind.
    """
    check_kind(plan.kind)
    if plan.kind == "serve":
        served_folder(plan, data_dir)
        return plan
    if plan.kind == "image" and isinstance(size := plan.options.get("size"), int) and size:
        check_size(size)  # before a starter is looked for that was drawn so
    dataset = _dataset(plan, data_dir)
    try:
        base = _base(plan, data_dir)
        if base is not None:
            base.target()
    except TarmacError:
        if not branched:
            raise
        base = None
    if dataset.kind != plan.kind and plan.kind in DATASETS:
        what = f"the dataset {dataset.name} is of the kind {dataset.kind}"
        raise Refused(what, f"no {plan.kind} model can be trained on it", "Choose another dataset")
    if plan.kind == "image":
        check_image(plan, dataset, base)
    if plan.kind == "text" and not (branched and base is None):
        check_text(plan, base, others=Library(data_dir).models())
    options = dict(plan.options)
    if dataset.source == "starter" and plan.kind == "image" and not options.get("size"):
        options["size"] = dataset.size  # it may be drawn at another size before the run goes on
    return replace(plan, dataset=dataset.id, base=base.id if base is not None else plan.base, options=options)


def _dataset(plan: RunPlan, data_dir: Path) -> Dataset:
    if not plan.dataset:
        raise InvalidInput("the run has no dataset", "", "Give one")
    size = plan.options.get("size")
    try:
        found = Datasets(data_dir).get(plan.dataset, size if isinstance(size, int) and size else None)
    except NotFound as error:
        raise NotFound(f"there is no dataset {plan.dataset!r:.80}", "", error.do) from None
    if found.problem or not found.ready:
        do = "Prepare it: `tarmac datasets prepare`, or key 4 in the studio"
        raise Refused(f"the dataset {found.name} cannot be trained on", found.problem or "it is not prepared", do)
    return found


def _base(plan: RunPlan, data_dir: Path) -> Model | None:
    if not plan.base:
        return None
    library = Library(data_dir)
    found = in_library(plan.base, library)
    if found is not None:
        return found
    known = published(plan.base) if plan.kind == "text" else None
    if known is not None:
        raise missing(known)
    try:
        return library.get(plan.base)
    except NotFound as error:
        raise NotFound(f"there is no model {plan.base!r:.80} to begin from", "", error.do) from None
