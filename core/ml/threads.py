"""How many threads a worker should compute with, so that it does not fight for cores that others use.

Two threads on one free core are several times slower than one, since they wait for each other at every operation.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from core.devices import allowed_cores

if TYPE_CHECKING:
    import torch


def free_cores(load: float | None = None, root: Path = Path("/")) -> int:
    """Whole cores that are free now, at least 1.

    Args:
        load: Runnable processes on the machine; the last minute's average if None.
        root: Where /proc and /sys are, for tests.
    """
    if load is None:
        try:
            load = os.getloadavg()[0]
        except OSError:
            load = 0.0
    machine = os.cpu_count() or 1
    idle = max(machine - load, 0.0)
    return max(1, int(min(allowed_cores(root), idle + 0.5)))


def size_thread_pools() -> int:
    """Set PyTorch's threads to the free cores; call it once, before the first computation. Returns the number.

    A number that the user set (OMP_NUM_THREADS) stays.
    """
    import torch

    if not os.environ.get("OMP_NUM_THREADS", "").isdigit():
        torch.set_num_threads(free_cores())
    return torch.get_num_threads()


def set_threads(wanted: int, device: torch.device, world: int = 1) -> int:
    """Set the threads that a training on a processor computes with: as many as are wanted, or a rank's share.

    Another number of threads adds up in another order: what goes on to the bit goes on with the same.

    Args:
        wanted: How many; 0 for a share of the free cores.
        device: Where it is trained; nothing is set for a GPU.
        world: Ranks that share the cores.

    Returns:
        How many; 0 for a GPU.
    """
    import torch

    if device.type != "cpu":
        return 0
    torch.set_num_threads(wanted or max(1, size_thread_pools() // world))
    return torch.get_num_threads()
