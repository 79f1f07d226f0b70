"""From a deployment to what its workers run: the model of the library, its options, one GPU for each replica."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core import config, devices
from core.errors import Refused
from core.hosting.deployment import Deployment
from core.hosting.guard import usable
from core.interface import Interface
from core.library.models import Library
from core.workers.adapter import Target


@dataclass(frozen=True)
class Served:
    """What a deployment runs, once its model was found.

    Attributes:
        interface: What the model takes and gives.
        target: What replica `number` runs; asked at each start, it may raise a `TarmacError`.
        model: The model's id.
        title: What people call the model.
        description: Its card.
    """

    interface: Interface
    target: Callable[[int], Target]
    model: str = ""
    title: str = ""
    description: str = ""


Resolve = Callable[[Deployment], Served]
"""Finds what a deployment runs; blocking. Raises a `TarmacError` where that cannot be found."""


def from_library(data_dir: Path) -> Resolve:
    """Models of the library in `data_dir`."""

    def resolve(deployment: Deployment) -> Served:
        library = Library(data_dir)
        model = library.get(deployment.model)
        interface = model.interface
        command = interface.command(deployment.command or None)
        if not usable(command):
            raise Refused(
                f"{model.name} cannot be hosted", f"its command {command.name} takes or gives files of this machine"
            )

        def target(number: int) -> Target:
            # Looked up anew: the model may have been deleted, and a sentence is better than a crash.
            found = library.get(deployment.model).target(_device(number))
            return replace(found, options=interface.check_options(deployment.options))

        return Served(interface, target, model.id, model.name, model.manifest.description)

    return resolve


def _device(number: int) -> str:
    """Where replica `number` runs: what the settings say, or one GPU after the other where there are several."""
    wanted = config.load().settings.device
    if wanted not in ("auto", "cuda"):
        return wanted
    gpus = len(devices.machine().gpus) if _has_driver() else 0
    return f"cuda:{number % gpus}" if gpus > 1 else wanted


def _has_driver() -> bool:
    return any(
        (Path(folder) / "nvidia-smi").exists() for folder in os.environ.get("PATH", "").split(os.pathsep) if folder
    )
