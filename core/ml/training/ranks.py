"""Several processes that train one model together: what they share, and how they agree.

Each rank computes with its share of every batch; gradients are averaged by one reduction of all of them laid end to end
after each backward pass (simpler than hooks where regularisers differentiate twice), so that all ranks take the same
step. Rank 0 alone talks to the world. `Ranks()` is a process by itself, for which everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

PATIENCE = timedelta(hours=2)
"""How long a rank waits for the others: rank 0 scores and saves alone."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: Its number, 0 to world - 1.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that tells and writes."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors (the same ones everywhere, one device) by their means over the ranks."""
        parts = list(tensors)
        if self.world == 1 or not parts:
            return
        flat = torch.cat([part.detach().reshape(-1).float() for part in parts])
        dist.all_reduce(flat)
        flat /= self.world
        for part, mean in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
            part.detach().copy_(mean.reshape(part.shape))

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their means over the ranks; the losses reach the same parameters on each."""
        if self.world > 1:
            self.average([parameter.grad for parameter in parameters if parameter.grad is not None])

    def told(self, numbers: Sequence[int]) -> list[int]:
        """The whole numbers that rank 0 gives; each rank passes as many."""
        if self.world == 1:
            return list(numbers)
        shared = torch.tensor(list(numbers), dtype=torch.int64)
        dist.broadcast(shared, src=0)
        return [int(number) for number in shared]

    def same(self, network: nn.Module) -> None:
        """Give every rank the weights of rank 0."""
        if self.world > 1:
            for tensor in network.state_dict().values():
                dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def joined(rank: int, world: int, store: Path | None = None) -> Iterator[Ranks]:
    """Meet the other ranks.

    Args:
        rank, world: See Ranks.
        store: A file that all of them can reach and that is not there yet: ranks on one machine meet over it and listen
            on the loopback interface only. Without it they meet as torchrun arranged (environment).
    """
    if world == 1:
        yield Ranks()
        return
    if store is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    method = f"file://{store.resolve()}" if store is not None else "env://"
    dist.init_process_group(backend, init_method=method, rank=rank, world_size=world, timeout=PATIENCE)
    try:
        yield Ranks(rank, world)
    finally:
        dist.destroy_process_group()
