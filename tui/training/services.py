"""What the place Training asks of the core: runs, datasets, estimates; imported when it is first asked.

Tests give the studio a subclass that answers from memory.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.paths import data_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.library.models import Library
    from core.runs.plan import RunPlan
    from core.runs.text_bases import TextBase
    from core.runs.view import RunView

    Pixels = NDArray[np.uint8]

ESTIMATE = "core.ml.training.estimate"
"""The process that times real steps of a plan."""

NAME = "Training experiment"
"""What a run is called whose owner gave no name, with a number behind it."""

Progress = Callable[[str, float | None], None]
"""Told what is being done and, where it is known, how much of it is done (0 to 1). On the event loop."""


class DatasetFacts(Protocol):
    """What the wizard reads of a `core.datasets.library.Dataset`."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def source(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def about(self) -> Mapping[str, object]: ...
    @property
    def ready(self) -> bool: ...


@dataclass(frozen=True)
class Estimate:
    """What a plan will take, by timing real steps of it.

    Attributes:
        seconds: From start to end.
        memory, memory_there: Bytes at the peak, of the GPU where there is one; and how many there are.
        disk, disk_free: Bytes that the run's folder will hold, and how many are free.
        about: How it was measured, for people.
        offer: Options that fit, where those of the plan do not.
        per_second: Pictures or tokens.
        chosen: What was left open in the plan, by the names of the options; of text also how many tokens there are.
    """

    seconds: float
    memory: int
    memory_there: int
    disk: int
    disk_free: int
    about: str = ""
    offer: Mapping[str, object] = field(default_factory=dict)
    per_second: float = 0.0
    chosen: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class TextPiece:
    """The beginning of a document: its number, its text up to some length, and its bytes in all."""

    number: int
    text: str
    bytes: int


class TrainingServices:
    """The core's training, as one thing to hold. What is not async reads or writes the disk: it belongs into a thread.

    Args:
        data_folder: Folder that holds runs/ and datasets/; by default `core.paths.data_dir()`.
    """

    kinds: tuple[str, ...] = ("image", "text")
    """What can be trained."""

    def __init__(self, data_folder: Path | None = None) -> None:
        self._data = data_folder if data_folder is not None else data_dir()

    # -- runs

    @cached_property
    def _runs(self) -> Any:
        return _core("core.runs.store").Runs(self._data)

    def look(self) -> list[RunView]:
        """Every training as its folder tells it now, the newest first. Cheap where nothing has happened."""
        if not (self._data / "runs").is_dir():
            return []  # most studios never train: nothing is imported for them
        views: list[RunView] = self._runs.runs()
        return [each for each in views if each.plan.kind != "serve"]  # those belong to their deployment

    async def ask_engines(self) -> None:
        """Ask the clusters that carry runs how those stand; `look` knows it then. An engine that is silent is none."""
        await asyncio.to_thread(asyncio.run, self._runs.ask_engines())

    async def revive(self) -> list[RunView]:
        """Let every lost run of this machine go on that nobody has stopped; those that were started."""
        revived: list[RunView] = await asyncio.to_thread(
            lambda: asyncio.run(_core("core.runs.store").revive(self._data))
        )
        return revived

    def create(self, plan: RunPlan) -> str:
        """Make a run's folder; its id.

        Raises:
            TarmacError: The plan cannot be carried out, or the disk said no.
        """
        return str(self._runs.create(plan).id)

    async def start(self, run_id: str, changes: Mapping[str, object] | None = None) -> None:
        """Start a run, or go on with one that stopped; returns when its supervisor has answered.

        Args:
            run_id: The run.
            changes: Options that differ from now on.

        Raises:
            TarmacError: It did not start.
        """
        await self._runs.start(run_id, changes=changes)

    def stop(self, run_id: str) -> None:
        """Wish that a run saves and ends."""
        self._runs.stop(run_id)

    def extend(self, run_id: str, steps: int) -> None:
        """Change how many steps a run has in all."""
        self._runs.extend(run_id, steps)

    def branch(self, run_id: str, step: int, name: str) -> str:
        """A new run that goes on from a checkpoint of another; its id. It is not started."""
        return str(self._runs.branch(run_id, step, name=name).id)

    def remove(self, run_id: str) -> None:
        """Delete a run's folder for ever; the model that it made stays."""
        self._runs.remove(run_id)

    def adopt_checkpoint(self, library: Library, view: RunView, step: int) -> str:
        """Bring the model of a checkpoint into the library, as it draws at that step; its id.

        A checkpoint is a model folder with what training needs beside it, which is left out.

        Raises:
            TarmacError: The checkpoint is not whole, or the disk said no; nothing was added.
        """
        from core.runs.adoption import adopt_checkpoint

        folder = next(each.folder for each in view.checkpoints if each.step == step)
        return adopt_checkpoint(library, view.folder / "checkpoints" / folder, f"{view.plan.name} at {step:,}")

    # -- datasets

    def datasets(self) -> Sequence[DatasetFacts]:
        """What can be trained on: starters first, then the user's own, the newest first."""
        found: Sequence[DatasetFacts] = _core("core.datasets.library").Datasets(self._data).datasets()
        return found

    def pictures(self, dataset: DatasetFacts, count: int, side: int) -> list[Pixels]:
        """Some pictures of a dataset that is ready, spread over all of it: uint8 [side, side, 3] each.

        Raises:
            TarmacError: They cannot be read.
        """
        from tui.graphics.files import resized

        store = _core("core.datasets.store").PictureStore.open(dataset.folder)
        rows = [number * len(store) // count for number in range(min(count, len(store)))]
        return [resized(picture[:, :, :3], side, side) for picture in store[rows]]

    def texts(self, dataset: DatasetFacts, count: int, length: int) -> list[TextPiece]:
        """The beginnings of some documents of a dataset that is ready, spread over all of it.

        Args:
            dataset: Of text.
            count: Documents at most.
            length: Characters of each at most.

        Raises:
            TarmacError: They cannot be read.
        """
        store = _core("core.datasets.texts.store").TextStore.open(dataset.folder)
        numbers = [number * len(store) // count for number in range(min(count, len(store)))]
        sizes = store.starts[1:] - store.starts[:-1]
        return [TextPiece(number, store.text(number)[:length], int(sizes[number])) for number in numbers]

    async def prepare(
        self, dataset: DatasetFacts, size: int, crop: str, progress: Progress, subject: str = "auto"
    ) -> DatasetFacts:
        """Make a dataset ready for training at `size` pixels; a starter is drawn.

        Args:
            dataset: Which.
            size, crop, subject: As a `Preparation` has them.
            progress: Told how far it is.

        Raises:
            TarmacError: It was refused.
        """
        adding = await asyncio.to_thread(_core, "core.datasets.adding")
        preparation = _core("core.datasets.cropping").Preparation(size=size, crop=crop, subject=subject)
        store = _core("core.datasets.library").Datasets(self._data)
        found: DatasetFacts = await adding.prepare_dataset(dataset.id, preparation, datasets=store, progress=progress)
        return found

    # -- bases

    def text_bases(self, library: Library) -> Sequence[TextBase]:
        """What a text training can begin from on this machine; random weights, with the id "", are the last.

        Reads headers only, but asks for the memory that is free, which may take seconds.
        """
        found: Sequence[TextBase] = _core("core.runs.text_bases").text_bases(library)
        return found

    async def bring_base(self, name: str, library: Library, progress: Progress) -> str:
        """Take a published model into the library that is only in the cache of Hugging Face's tools; its id.

        Raises:
            TarmacError: It is not there either, it cannot be used, or the disk said no.
        """
        gpt2 = await asyncio.to_thread(_core, "core.library.gpt2")
        return str((await gpt2.bring_base(name, library, progress)).id)

    # -- estimates

    async def estimate(self, plan: RunPlan, progress: Progress) -> Estimate:
        """Time real steps of a plan in a process of its own, which ends with the task that waits for it.

        Raises:
            TarmacError: It could not be measured.
        """
        measure = (await asyncio.to_thread(_core, "core.jobs.parent")).run
        with tempfile.TemporaryDirectory(prefix="tarmac-estimate-") as folder:
            await asyncio.to_thread(_core("core.runs.plan_file").write_plan, Path(folder), plan)
            arguments = [folder, "--data", str(self._data)]
            what = "nothing could be measured"
            return _estimate_of(await measure(ESTIMATE, arguments, what, noun="measurement", progress=progress))


def _estimate_of(found: Mapping[str, Any]) -> Estimate:
    """What the process that measures has found out."""
    return Estimate(
        found["seconds"],
        found["memory"],
        found["memory_available"],
        found["disk"],
        found["disk_free"],
        f"{found['measured']} steps of {found['batch']} timed on {found['device']}",
        found["offer"],
        found["per_second"],
        found["chosen"],
    )


def next_name(taken: Iterable[str]) -> str:
    """ "Training experiment N" with the first number above all that were given."""
    numbers = [int(found[1]) for name in taken if (found := re.fullmatch(rf"{NAME} (\d{{1,6}})", name))]
    return f"{NAME} {max(numbers, default=0) + 1}"


def _core(name: str) -> Any:
    return importlib.import_module(name)
