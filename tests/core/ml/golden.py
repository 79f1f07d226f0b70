"""Reading the golden data: outputs of the published networks for seeded random weights (tests/data/golden)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

torch.set_num_threads(1)

FOLDER = Path(__file__).parents[2] / "data" / "golden"
TOLERANCE = 1e-4
"""Largest absolute difference over the largest magnitude of the array."""


class Golden:
    """One archive, its arrays as tensors."""

    def __init__(self, name: str, dtype: torch.dtype = torch.float32) -> None:
        self.arrays = np.load(FOLDER / f"{name}.npz")
        self.dtype = dtype

    def __contains__(self, name: str) -> bool:
        return name in self.arrays.files

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[name])).to(self.dtype)

    def get(self, name: str) -> Tensor | None:
        return None if name not in self.arrays.files else self[name]

    def json(self, name: str = "config") -> Any:
        return json.loads(str(self.arrays[name]))

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self.arrays.files if name.startswith(prefix)]

    def state(self, prefix: str = "sd/") -> dict[str, Tensor]:
        return {name[len(prefix) :]: self[name] for name in self.names(prefix)}


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = TOLERANCE, what: str = "") -> None:
    """Equal within the golden data's own tolerance."""
    assert actual.shape == expected.shape, f"{what}: {list(actual.shape)} instead of {list(expected.shape)}"
    actual, expected = actual.detach(), expected.detach()
    scale = float(expected.abs().max())
    error = float((actual - expected).abs().max())
    assert error <= tolerance * scale, f"{what}: off by {error / scale:.2e} of the largest magnitude"
