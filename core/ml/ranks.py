"""Processes that train together: where they meet, and which GPU is whose.

A training then asks torch.distributed: it is initialised exactly when there is more than one rank.
"""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from torch import distributed

_PATIENCE = timedelta(minutes=10)
"""For a rank that does not come, or that others wait for: a first compilation may take minutes."""


def join() -> None:
    """Meet the other ranks at $TARMAC_RENDEZVOUS; RANK, LOCAL_RANK and WORLD_SIZE say who we are.

    The URL is a file on one machine, since torch's TCP stores listen on every address without asking who speaks, and
    tcp://HOST:PORT on several.

    Raises:
        RuntimeError: Somebody did not come.
    """
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    distributed.init_process_group(
        "nccl" if gpu else "gloo",
        init_method=os.environ["TARMAC_RENDEZVOUS"],
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=_PATIENCE,
    )
