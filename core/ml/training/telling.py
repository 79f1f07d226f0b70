"""What an experiment tells of its steps: their means, and the memory they took."""

from __future__ import annotations

import psutil
import torch


class Means:
    """Means of what steps told since the last time."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.amount, self.seconds = 0, 0.0

    def add(self, told: dict[str, float], amount: int, seconds: float) -> None:
        """A step of so many pictures or tokens, and seconds."""
        for name, value in told.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.amount, self.seconds = self.amount + amount, self.seconds + seconds

    def taken(self) -> tuple[dict[str, float], float]:
        """Means by name, and pictures or tokens a second; begins anew."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        speed = self.amount / self.seconds if self.seconds else 0.0
        self.sums, self.counts, self.amount, self.seconds = {}, {}, 0, 0.0
        return means, speed


def memory_used(device: torch.device) -> int:
    """Bytes: of the GPU at most so far, else the process's resident set."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)
