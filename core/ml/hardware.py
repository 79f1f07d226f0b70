"""Which device and which number format a network should run with here."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from core.errors import Refused


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes the first of CUDA, Apple's GPU and the CPU.

    Raises:
        Refused: There is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", name):
        raise Refused(f"device {name!r} cannot be used", "it is none of auto, cpu, mps, cuda, cuda:0, cuda:1 ...")
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise Refused(f"device {name} cannot be used", f"this machine has {count} CUDA devices", "Choose auto or cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise Refused("device mps cannot be used", "this machine has no Apple GPU", "Choose auto or cpu")
    return device


def fast_bfloat16(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether `device` computes in bfloat16 itself. Where it is emulated it is slower than float32.

    Args:
        device: Where the network will run.
        cpuinfo: The kernel's list of the processor's abilities, for tests.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return flags is not None and not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags.group(1).split())


def device_name(device: torch.device) -> str:
    """What the device calls itself, for people: "NVIDIA H200", "CPU, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
