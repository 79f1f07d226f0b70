"""How the memory of a training is kept between its steps, and given back after a step that did not fit."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

import torch

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # malloc.h of the GNU C library


def keep_freed_memory() -> bool:
    """Let freed memory stay with this process instead of going back to the kernel and coming anew with every step.

    A step frees and takes gigabytes in large pieces, each of which the C library maps anew, and the kernel fills every
    page of it with zeros: with a GPT-2 of 124 million weights a sixth of a step's time. The peak stays what it was.

    Returns:
        Whether it could be done: this is the GNU C library on Linux.
    """
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
    return False


def forget(device: torch.device) -> None:
    """Give back what a try left on a GPU that did not fit, and let the peak be that of the next one."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
