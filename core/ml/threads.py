"""How many threads a worker should compute with, so that it does not fight for cores that others use.

Two threads on one free core are several times slower than one, since they wait for each other at every operation.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.devices import allowed_cores


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
