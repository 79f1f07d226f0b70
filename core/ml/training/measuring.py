"""What estimates of all kinds of runs share: what is asked, what is answered, and a look at memory and disk."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from core import devices
from core.runs.plan import RunPlan

STEPS = 20
SECONDS = 15.0
"""Whichever is reached first ends the measurement."""
SPARE = 0.95
"""Share of the memory that may be filled."""
DISK_SPEED = 200e6
"""Bytes a second that checkpoints are written with."""

Tell = Callable[[str, float | None], None]
"""Told what is being done and the share done, 0 to 1, or None where nobody can say."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take on this machine, with the load that it has now.

    Attributes:
        device: Where it was measured.
        batch: Pictures or rows a step that were measured.
        step_seconds: Mean, of images over a whole round of the regularisers.
        per_second: Pictures or tokens a second.
        seconds: Of the whole run, samples, scores and checkpoints included.
        memory, memory_available: Bytes of the GPU, else of the machine: most that is needed, and what is there.
        disk, disk_free: Bytes that the run's folder will take, and that are free.
        measured: Steps that were timed.
        chosen: What was left open in the plan.
        offer: Options that fit, where those of the plan do not.
    """

    device: str
    batch: int
    step_seconds: float
    per_second: float
    seconds: float
    memory: int
    memory_available: int
    disk: int
    disk_free: int
    measured: int
    chosen: dict[str, object] = field(default_factory=dict)
    offer: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """What is to be measured.

    Attributes:
        plan: What to do.
        dataset: Folder of the prepared data.
        base: Folder of the model to start from; None for random weights.
        folder: Where the run's folder will be.
        place: Where it is trained.
        there: Bytes of memory that there are.
        seconds: For the measurement.
        tell: Told how far it is.
        pictures: Instead of those in `dataset`.
    """

    plan: RunPlan
    dataset: Path
    base: Path | None
    folder: Path
    place: torch.device
    there: int
    seconds: float
    tell: Tell
    pictures: Any = None

    def with_options(self, options: Mapping[str, object]) -> Question:
        """The same with other options in its plan."""
        return replace(self, plan=replace(self.plan, options={**self.plan.options, **options}))

    def share(self, count: int, seconds: float) -> float:
        """Of the measurement that is done after so many steps and seconds, 0 to 1."""
        return round(min(1.0, max(count / STEPS, seconds / self.seconds)), 3)

    @property
    def disk_free(self) -> int:
        """Bytes that are free where the run's folder will be."""
        return psutil.disk_usage(str(_existing(self.folder))).free


def tensors(state: object) -> list[torch.Tensor]:
    """All tensors in a training's state."""
    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [tensor for value in state.values() for tensor in tensors(value)]
    return []


def available(place: torch.device) -> int:
    """Bytes that training may use: free ones of the GPU, or of the machine and what this process has already."""
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
    return devices.available_memory() + int(psutil.Process().memory_info().rss)


def most(place: torch.device) -> int:
    """Most bytes that were used so far."""
    if place.type == "cuda":
        return int(torch.cuda.max_memory_reserved(place))
    try:  # getrusage counts what the process was started from, too
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak if sys.platform == "darwin" else peak * 1024)


def finish(place: torch.device) -> None:
    """Wait for what a GPU has been told to do."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
