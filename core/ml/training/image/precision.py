"""Which number format a training should compute in, on one device."""

from __future__ import annotations

import torch

from core.ml.hardware import fast_bfloat16


def choose_precision(device: torch.device, wanted: str = "auto", architecture: str = "stylegan2") -> str:
    """The format to train in: "auto" is bfloat16 where the device computes in it by itself, else float32.

    That is of feature maps and products; weights, losses, optimisers and pictures stay float32. bfloat16 has float32's
    range, so that losses need no scaling; float16 would, and is never chosen. The first StyleGAN normalises each
    feature map by its own deviation, which bfloat16 makes up to 5 % of a picture's range wrong, so it is trained in
    float32 unless asked for otherwise.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if architecture == "stylegan2" and fast_bfloat16(device) else "float32"
