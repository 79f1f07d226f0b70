"""What estimates of all kinds of runs share: their answer, and a look at memory and disk."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

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

Tell = Callable[[dict[str, object]], None]
"""Told {"phase": ...} and {"share": ...}."""


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


def with_batch(plan: RunPlan, batch: int) -> RunPlan:
    """The plan with another batch."""
    return replace(plan, options={**plan.options, "batch": batch})


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


def existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
