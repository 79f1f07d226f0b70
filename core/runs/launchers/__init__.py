"""Where a run's supervisor is started: on this machine, or as a job of a cluster. Each engine has three verbs.

A launcher starts, looks at and stops a tree of processes. Events never come from it: those are in the run folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.errors import InvalidInput
from core.runs.plan import RunPlan


@dataclass(frozen=True)
class Handle:
    """What an engine calls the run.

    Attributes:
        launcher: Name of the engine.
        id: Its name for the job; empty where there is none (a local supervisor is known by its record).
        folder: The run.
    """

    launcher: str
    id: str
    folder: Path


@dataclass(frozen=True)
class Status:
    """What an engine says of a job: "queued", "running" or "gone", and in its own words why and where."""

    state: str
    reason: str = ""
    nodes: str = ""
    about: str = field(default="")


class Launcher(Protocol):
    """One engine."""

    name: str

    def check(self, plan: RunPlan) -> None:
        """Refuse a plan that it could not carry.

        Raises:
            TarmacError: What is missing, and what to do.
        """

    async def submit(self, folder: Path, plan: RunPlan) -> Handle:
        """Start the run's supervisor there; returns when the engine has taken it.

        Raises:
            TarmacError: It did not; the sentence is the engine's.
        """

    async def poll(self, handles: Sequence[Handle]) -> dict[str, Status]:
        """What it says of each, by `Handle.id`: one question for all. Those it cannot tell of are left out."""

    async def cancel(self, handle: Handle) -> None:
        """End it: politely, and after a while by force. The wish to stop is on disk already."""


def launcher(name: str) -> Launcher:
    """The engine called `name`.

    Raises:
        InvalidInput: There is none.
    """
    if name == "local":
        from core.runs.launchers.local import Local

        return Local()
    if name == "slurm":
        from core.runs.launchers.slurm import Slurm

        return Slurm()
    raise InvalidInput(f"there is no launcher {name!r:.60}", "", "There is local and slurm")
