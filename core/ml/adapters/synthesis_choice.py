"""Chooses the fastest way here from w to a picture that draws the published pictures.

For a StyleGAN2 on a CPU that is `FastSynthesis`: in bfloat16 if the processor computes in it and the pictures stay the
same, first with minimal filtering, then, more exact, without; else in float32. With such a processor bfloat16 was the
faster format for all networks measured, 64 to 512 pixels, 16 to 512 feature maps, one picture or more. Networks so
small that they are computed in float32 anyway are the exception.

Other devices, and the first StyleGAN on any, run the network as it is, in bfloat16 if that is close. For the first
StyleGAN it was not where it was measured (random weights: 1.5 % off at 64 pixels, 2.6 % at 256), since it normalises
whatever bfloat16 has rounded.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.ml.hardware import fast_bfloat16
from core.ml.networks.architectures import StyleGenerator
from core.ml.networks.fast_synthesis import EXACT, FastSynthesis
from core.ml.networks.stylegan2 import Generator

Synthesis = Callable[[Tensor], Tensor]
"""w [N, num_ws, w_dim] to pictures [N, C, R, R], nominally -1 to 1, with the stored noise."""

BF16_ERROR = 0.01
"""bfloat16 is used only if its pictures are closer than this to float32's, root mean square relative to the picture."""


def choose_synthesis(generator: StyleGenerator, device: torch.device) -> tuple[Synthesis, torch.dtype]:
    """The way to draw with `generator`, which is on `device`, and the number format of its products.

    The layout of the generator's weights is changed; the weights themselves must not change afterwards.
    """

    def plain(dtype: torch.dtype) -> Synthesis:
        return lambda ws: generator.synthesis(ws, noise_mode="const", dtype=dtype)

    for parameter in generator.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    rounded = torch.bfloat16
    if device.type == "cpu" and isinstance(generator, Generator):
        if fast_bfloat16(device) and generator.img_resolution > EXACT:
            for filtering in (True, False):
                fast = FastSynthesis(generator.synthesis, rounded, filtering)
                if error_of(fast, plain(torch.float32), generator, device) < BF16_ERROR:
                    return fast, rounded
        return FastSynthesis(generator.synthesis), torch.float32
    if fast_bfloat16(device) and error_of(plain(rounded), plain(torch.float32), generator, device) < BF16_ERROR:
        return plain(rounded), rounded
    return plain(torch.float32), torch.float32


@torch.inference_mode()
def error_of(tried: Synthesis, exact: Synthesis, generator: StyleGenerator, device: torch.device) -> float:
    """How far `tried` is from `exact`: root mean square relative to the picture, one sample at the usual truncation."""
    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(device)
    c = torch.eye(generator.c_dim, device=device)[:1] if generator.c_dim else None
    ws = generator.mapping(z, c, truncation_psi=0.7)
    expected = exact(ws)
    return float((tried(ws) - expected).square().mean().sqrt() / expected.square().mean().sqrt())
