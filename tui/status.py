"""The machine at a glance, for the header: who and where, which device, how full its memory is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """One look at the machine. Memory (of the device that models run on) in bytes."""

    user: str
    host: str
    device: str
    used: int
    total: int
    load: float | None = None
    """From 0 to 1; None where nobody can tell."""
    problem: str = ""
    """Why a GPU is not known, where there is a driver that does not answer."""
    temperature: int | None = None
    """Of the GPU in degrees Celsius; None where nobody can tell."""


def read_status() -> Status:
    """Look now. Takes some milliseconds, seconds where a driver is slow: call it in a thread."""
    from core.devices import machine

    found = machine()
    for gpu in found.gpus[:1]:
        name = gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")
        if len(found.gpus) > 1:
            name = f"{len(found.gpus)}× {name}"
        used, total = gpu.memory_used or 0, gpu.memory_total or 0
        return Status(found.user, found.host, name, used, total, gpu.load, found.gpu_problem, gpu.temperature)
    cores = f"{found.cores:.0f}" if found.cores >= 1 else f"{found.cores:.1f}"
    device = f"CPU ×{cores}"
    return Status(found.user, found.host, device, found.memory_used, found.memory_total, None, found.gpu_problem)
