"""What holds a training to pictures that latents stand for already: the contract of a guided start."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Anchor(Protocol):
    """What latents stand for."""

    def pictures(self, z: Tensor) -> Tensor:
        """The pictures that z [N, z_dim] stands for, float32 [N, C, S, S], -1 to 1."""

    def truncations(self, batch: int, source: torch.Generator) -> Tensor:
        """How far to truncate each latent of a batch, [N], 0 to 1."""

    def loss(self, z: Tensor, drawn: Tensor) -> Tensor:
        """How far the pictures drawn for z [N, z_dim] are from what z stands for, one number."""
