"""What the generators of both StyleGANs share: z to w, how w reaches the pictures, and the widths of what draws them.

Parameter and buffer names are the published ones. Source: Karras, Laine and Aila 2019 (arXiv 1812.04948), section 2
and appendix B (truncation).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from core.ml.networks.ops import FullyConnected, normalize_2nd_moment

NoiseMode = Literal["const", "random", "none"]


def channels_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Width of the feature maps at one resolution."""
    return min(channel_base // resolution, channel_max)


def num_ws_of(resolution: int) -> int:
    """How many w vectors a generator of that resolution takes: 2 log2(R) - 2."""
    return 2 * (resolution.bit_length() - 1) - 2


def resolutions_to(resolution: int) -> list[int]:
    """4, 8, ... up to `resolution`; a ValueError when that is not a power of two from 4 upwards."""
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"resolution {resolution} is not a power of two of at least 4")
    return [4 << i for i in range(resolution.bit_length() - 2)]


class MappingNetwork(nn.Module):
    """z (and a class label) to w.

    Args:
        z_dim: Width of z.
        c_dim: Number of classes, 0 for none.
        w_dim: Width of w and of all layers in between.
        num_ws: How often w is repeated.
        num_layers: Dense layers.
        lr_multiplier: Of all dense layers.
        w_avg_beta: Decay of the running mean of w.
    """

    w_avg: Tensor

    def __init__(
        self,
        *,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 8,
        lr_multiplier: float = 0.01,
        w_avg_beta: float = 0.995,
    ) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim, self.num_ws, self.num_layers = z_dim, c_dim, w_dim, num_ws, num_layers
        self.w_avg_beta = w_avg_beta
        if c_dim:
            self.embed = FullyConnected(c_dim, w_dim, linear=True)
        width = z_dim + (w_dim if c_dim else 0)
        for index in range(num_layers):
            setattr(self, f"fc{index}", FullyConnected(width, w_dim, lr_multiplier=lr_multiplier))
            width = w_dim
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        *,
        truncation_psi: float | Tensor = 1.0,
        truncation_cutoff: int | None = None,
        update_w_avg: bool = False,
    ) -> Tensor:
        """Map latents.

        Args:
            z: Float [N, z_dim], not normalised.
            c: One-hot labels [N, c_dim]; unused without classes.
            truncation_psi: Towards the mean w: w_avg + psi (w - w_avg). A number, or a tensor [N].
            truncation_cutoff: Truncate only the first so many layers.
            update_w_avg: Move the running mean towards the mean of this batch (training).

        Returns:
            [N, num_ws, w_dim].
        """
        w = normalize_2nd_moment(z)
        if self.c_dim:
            if c is None:
                raise ValueError("a conditional generator needs labels")
            w = torch.cat([w, normalize_2nd_moment(self.embed(c))], dim=1)
        for index in range(self.num_layers):
            layer: FullyConnected = getattr(self, f"fc{index}")
            w = layer(w)
        if update_w_avg:
            self.w_avg.copy_(w.detach().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        ws = w[:, None].expand(-1, self.num_ws, -1)
        if isinstance(truncation_psi, Tensor):
            truncation_psi = truncation_psi.to(ws).reshape(-1, 1, 1)
        elif truncation_psi == 1.0:
            return ws
        near = self.w_avg + (ws - self.w_avg) * truncation_psi
        if truncation_cutoff is None:
            return near
        return torch.cat([near[:, :truncation_cutoff], ws[:, truncation_cutoff:]], dim=1)


class StyleGenerator(nn.Module):
    """A mapping network and a synthesis network.

    Args:
        synthesis: Has w_dim, num_ws, img_resolution and img_channels; draws [N, num_ws, w_dim].
        z_dim, c_dim, mapping_layers, w_avg_beta: See `MappingNetwork`.
    """

    synthesis: Any

    def __init__(self, synthesis: Any, *, z_dim: int, c_dim: int, mapping_layers: int, w_avg_beta: float) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, synthesis.w_dim
        self.img_resolution, self.img_channels = synthesis.img_resolution, synthesis.img_channels
        self.num_ws = synthesis.num_ws
        self.synthesis = synthesis
        self.mapping = MappingNetwork(
            z_dim=z_dim,
            c_dim=c_dim,
            w_dim=self.w_dim,
            num_ws=self.num_ws,
            num_layers=mapping_layers,
            w_avg_beta=w_avg_beta,
        )

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        *,
        truncation_psi: float | Tensor = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "random",
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """z [N, z_dim] (and one-hot labels [N, c_dim]) to pictures [N, C, R, R]; see the two networks."""
        ws = self.mapping(z, c, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff)
        img: Tensor = self.synthesis(ws, noise_mode=noise_mode, dtype=dtype)
        return img
