"""Which number format a training of pictures should compute its feature maps in, on one device."""

from __future__ import annotations

from typing import Literal

import torch

from core.ml.hardware import fast_bfloat16

Precision = Literal["float32", "bfloat16"]


def choose_precision(device: torch.device, wanted: Precision | Literal["auto"] = "auto") -> Precision:
    """The format to train in: "auto" is bfloat16 where the device computes in it by itself, else float32.

    Weights, losses, optimisers and pictures stay float32. bfloat16 has float32's range, so that losses need no scaling;
    float16 would, and is never chosen.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if fast_bfloat16(device) else "float32"
