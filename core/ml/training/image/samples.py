"""The sample sheet of a run: the same latents every time, so that a picture can be followed through the training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.paths import replacing

TRUNCATION = 0.7
"""Of the samples; scores are taken without truncation."""


@dataclass(frozen=True)
class SheetPlan:
    """Which latents are drawn, and how the sheet is laid out. Tiles touch: a sheet is columns x S wide, rows x S high.

    Attributes:
        z: [columns x rows, z_dim].
        labels: One-hot, or None.
        columns, rows: Of tiles.
    """

    z: Tensor
    labels: Tensor | None
    columns: int
    rows: int


def plan_sheet(size: int, z_dim: int, classes: int, seed: int) -> SheetPlan:
    """The sheet of a run: at most 8 x 6 tiles and about a thousand pixels wide. With classes, they take turns."""
    columns, rows = min(8, max(2, 1024 // size)), min(6, max(2, 768 // size))
    source = torch.Generator().manual_seed(seed)
    z = torch.randn(columns * rows, z_dim, generator=source)
    labels = F.one_hot(torch.arange(len(z)) % classes, classes).float() if classes else None
    return SheetPlan(z, labels, columns, rows)


@torch.no_grad()
def draw(generator: Any, plan: SheetPlan, batch: int = 8, truncation: float = TRUNCATION) -> NDArray[np.uint8]:
    """The pictures of a plan's latents with the stored noise maps, uint8 [N, S, S, C]."""
    device = next(generator.parameters()).device
    drawn: list[Tensor] = []
    for start in range(0, len(plan.z), batch):
        labels = None if plan.labels is None else plan.labels[start : start + batch].to(device)
        z = plan.z[start : start + batch].to(device)
        drawn.append(generator(z, labels, truncation_psi=truncation, noise_mode="const").cpu())
    pixels = (torch.cat(drawn).float() * 127.5 + 128).nan_to_num(0.0).clamp(0, 255)
    return pixels.byte().permute(0, 2, 3, 1).contiguous().numpy()


def sheet(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Pictures [N, S, S, C] as one, uint8 [rows S, columns S, C]."""
    n, size, _, channels = images.shape
    rows = -(-n // columns)
    room = np.zeros((rows * columns, size, size, channels), np.uint8)
    room[:n] = images
    whole = room.reshape(rows, columns, size, size, channels).transpose(0, 2, 1, 3, 4)
    return whole.reshape(rows * size, columns * size, channels)


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture [H, W, 1, 3 or 4] whole or not at all.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """
    with replacing(path) as file:
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, format="PNG")
