"""Which number formats this processor computes with at full speed."""

from __future__ import annotations

import torch


def has_fast_bfloat16(device: str | torch.device) -> bool:
    """Whether bfloat16 matrix products are carried out by the hardware of `device` rather than emulated."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return False
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None) or getattr(torch.cpu, "_is_avx512_bf16", None)
    return bool(probe()) if probe else False
