"""The last word on an imported generator: it is built, and it must draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from core.ml.checkpoints.problems import Unreadable
from core.ml.networks.architectures import GENERATORS, StyleGenerator

AVERAGE_OVER = 10_000
"""How many mapped z make the average of w where a file has none; projectors use as many."""


def build(architecture: Mapping[str, object], weights: Mapping[str, np.ndarray]) -> StyleGenerator:
    """The network with these weights, for inference.

    Raises:
        Unreadable: The weights are not those of this architecture.
    """
    settings = {name: value for name, value in architecture.items() if name != "name"}
    try:
        with torch.device("meta"):
            generator: StyleGenerator = GENERATORS[str(architecture["name"])](**settings)  # type: ignore[arg-type]
        state = {name: torch.from_numpy(array) for name, array in weights.items()}
        if "mapping.w_avg" not in state:
            state["mapping.w_avg"] = torch.zeros(generator.w_dim)
        generator.load_state_dict(state, assign=True)
    except (RuntimeError, TypeError, ValueError):
        raise Unreadable("its tensors do not fit together") from None
    return generator.eval().requires_grad_(False)


def average_w(generator: StyleGenerator, seed: int = 0) -> np.ndarray:
    """The mean of w over `AVERAGE_OVER` latents (and random labels, if it has any) of `seed`; float32 [w_dim]."""
    draw = np.random.default_rng(seed)
    z = torch.from_numpy(draw.standard_normal((AVERAGE_OVER, generator.z_dim), dtype=np.float32))
    labels = torch.from_numpy(draw.integers(0, max(generator.c_dim, 1), AVERAGE_OVER))
    total = torch.zeros(generator.w_dim, dtype=torch.float64)
    with torch.inference_mode():
        for begin in range(0, AVERAGE_OVER, 1000):
            part = slice(begin, begin + 1000)
            ws = generator.mapping(z[part], _one_hot(generator, labels[part]))
            total += ws[:, 0].double().sum(dim=0)
    return (total / AVERAGE_OVER).float().numpy()


def check_picture(generator: StyleGenerator, seed: int = 0) -> None:
    """Draw one picture.

    Raises:
        Unreadable: It is not finite.
    """
    z = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, generator.z_dim), dtype=np.float32))
    with torch.inference_mode():
        labels = _one_hot(generator, torch.zeros(1, dtype=torch.long))
        picture = generator(z, labels, truncation_psi=0.7, noise_mode="const")
    if not bool(torch.isfinite(picture).all()):
        raise Unreadable("its network draws pictures that are not finite")


def _one_hot(generator: StyleGenerator, labels: torch.Tensor) -> torch.Tensor | None:
    if not generator.c_dim:
        return None
    return torch.nn.functional.one_hot(labels, generator.c_dim).float()
