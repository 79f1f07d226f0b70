"""The image training with little memory, of a kind of its own, "tight": this process may take `room` megabytes more
than it has when the training begins, and is refused the rest as by a machine that is full."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.runs.plan import RunPlan
from core.runs.recorder import Recorder


def install(folder: Path) -> Path:
    """Make the kind known to every process that has `folder` on its PYTHONPATH; returns `folder`."""
    package = folder / "tight_training-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: tight-training\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[tarmac.trainings]\ntight = tests.tight_training:train_tight\n")
    return folder


def train_tight(plan: RunPlan, recorder: Recorder, **others: Any) -> Any:
    """As `train_image`, whose options these are; `room` is an option too."""
    from core.ml.training.image.run import train_image

    options = dict(plan.options)
    room = int(str(options.pop("room"))) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (_taken() + room, resource.RLIM_INFINITY))
    return train_image(replace(plan, kind="image", options=options), recorder, **others)


def _taken() -> int:
    """Bytes of private memory that are promised to this process: what RLIMIT_DATA counts."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
