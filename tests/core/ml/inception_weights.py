"""Weights of the FID network's layout, drawn by the recipe that the golden data was made with: seconds, not 95 MB."""

from __future__ import annotations

import functools
import math
from typing import cast

import numpy as np
import torch
from torch import Tensor

from tests.core.ml.golden import Golden


@functools.cache
def random_state() -> dict[str, Tensor]:
    """Names of the published file, random numbers of sensible sizes."""
    shapes = cast(dict[str, list[int]], Golden("inception").json("shapes"))
    draw = np.random.default_rng(20260101)
    state: dict[str, Tensor] = {}
    for name in sorted(shapes):
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        x = draw.standard_normal(shapes[name]).astype(np.float32)
        if name.endswith("running_var"):
            x = np.abs(x) * 0.1 + 0.9
        elif name.endswith("running_mean"):
            x = x * 0.1
        elif name.endswith(".bn.weight"):
            x = 1 + 0.1 * x
        elif name.endswith(".bias"):
            x = x * 0.1
        else:
            x = x * math.sqrt(2 / math.prod(shapes[name][1:]))
        state[name] = torch.from_numpy(np.asarray(x, np.float32))
    return state
