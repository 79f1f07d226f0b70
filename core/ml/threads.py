"""How many threads a worker should compute with, so that it does not fight for cores that others use.

Two threads on one free core are several times slower than one, since they wait for each other at every operation.
"""

from __future__ import annotations

import os
from pathlib import Path


def allowed_cores(root: Path = Path("/")) -> float:
    """Cores this process may use: its affinity, and the processor-time quota of its control groups (v1 or v2).

    Args:
        root: Where /proc and /sys are, for tests.
    """
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for folder in _control_groups(root):
        cores = min(cores, _quota(folder))
    return cores


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


def _control_groups(root: Path) -> list[Path]:
    """Folders whose quotas bind this process: its own group and all above it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders: list[Path] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / controllers
        folder = base / group.lstrip("/")
        while folder != base and base in folder.parents:
            folders.append(folder)
            folder = folder.parent
        folders.append(base)
    return folders


def _quota(folder: Path) -> float:
    """Cores' worth of time per period that a control group grants, infinity without a limit."""
    try:
        if (folder / "cpu.max").exists():
            granted, period = (folder / "cpu.max").read_text().split()
        else:
            granted = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return float("inf") if granted in ("max", "-1") else int(granted) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return float("inf")
