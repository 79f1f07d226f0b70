"""The first StyleGAN's synthesis once more in NumPy float64, step by step as the papers draw it, for comparisons.

Nothing is fused here: pixels are repeated, padded and summed one shift at a time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def correlated(x: Array, weight: Array) -> Array:
    """[N, I, H, W] with [O, I, k, k] to [N, O, H, W], zeros beyond the edges."""
    kernel = weight.shape[-1]
    height, width = x.shape[2:]
    pad = kernel // 2
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    total = np.zeros((len(x), len(weight), height, width))
    for row in range(kernel):
        for column in range(kernel):
            part = padded[:, :, row : row + height, column : column + width]
            total += np.einsum("oi,nihw->nohw", weight[:, :, row, column], part)
    return total


def doubled(x: Array) -> Array:
    """Every pixel as a 2 x 2 square."""
    return x.repeat(2, axis=2).repeat(2, axis=3)


def halved(x: Array) -> Array:
    """Every 2 x 2 square as its mean."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))


def blurred(x: Array) -> Array:
    """Filtered with 1 2 1 along both axes, zeros beyond the edges."""
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    rows = (padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]) / 4
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4


def leaky(x: Array) -> Array:
    """Leaky ReLU of slope 0.2."""
    return np.where(x < 0, 0.2 * x, x)


def normalised(x: Array, epsilon: float) -> Array:
    """Every map at mean 0 and deviation 1."""
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=(2, 3), keepdims=True) + epsilon)


def synthesis(
    state: Mapping[str, Array],
    ws: Array,
    resolution: int,
    *,
    noise: bool = True,
    fade: float = 1.0,
    epsilon: float = 1e-8,
    blurred_bias: bool = False,
) -> Array:
    """[N, num_ws, w_dim] to pictures [N, C, resolution, resolution] with the stored noise; names as in our network."""
    x: Array = np.empty(0)
    pictures: dict[int, Array] = {}
    size = 4
    while size <= resolution:
        for layer in (0, 1):
            name = f"synthesis.b{size}.layer{layer}"
            bias = state[f"{name}.bias"][:, None, None]
            if size == 4 and layer == 0:
                x = np.repeat(state[f"{name}.const"][None], len(ws), axis=0)
            else:
                weight = state[f"{name}.weight"]
                weight = weight * np.sqrt(2 / weight[0].size)
                if layer == 0:
                    x = correlated(doubled(x), weight)
                    x = blurred(x + bias) - bias if blurred_bias else blurred(x)
                else:
                    x = correlated(x, weight)
            if noise:
                x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"][:, None, None]
            x = normalised(leaky(x + bias), epsilon)
            w = ws[:, 2 * (size.bit_length() - 3) + layer]
            affine = state[f"{name}.affine.weight"]
            style = w @ affine.T / np.sqrt(affine.shape[1]) + state[f"{name}.affine.bias"]
            scale, shift = np.split(style, 2, axis=1)
            x = x * scale[:, :, None, None] + shift[:, :, None, None]
        weight = state[f"synthesis.b{size}.torgb.weight"]
        bias = state[f"synthesis.b{size}.torgb.bias"][:, None, None]
        pictures[size] = correlated(x, weight / np.sqrt(weight.shape[1])) + bias
        size *= 2
    if fade == 1.0:
        return pictures[resolution]
    return fade * pictures[resolution] + (1 - fade) * doubled(pictures[resolution // 2])


def mapping(state: Mapping[str, Array], z: Array, layers: int, rate: float = 0.01) -> Array:
    """[N, z_dim] to [N, w_dim], the stored parameters being 1 / rate of those in effect."""
    x = z / np.sqrt((z**2).mean(axis=1, keepdims=True) + 1e-8)
    for index in range(layers):
        weight, bias = state[f"mapping.fc{index}.weight"], state[f"mapping.fc{index}.bias"]
        x = leaky(x @ weight.T * (rate / np.sqrt(weight.shape[1])) + bias * rate) * np.sqrt(2)
    return x


def scores(state: Mapping[str, Array], pictures: Array, resolution: int, *, fade: float = 1.0, group: int = 4) -> Array:
    """What the discriminator makes of pictures [N, C, R, R] at a stage: [N, scores]."""

    def layer(x: Array, name: str) -> Array:
        weight = state[f"{name}.weight"]
        y = correlated(x, weight * np.sqrt(2 / weight[0].size))
        return (halved(y) if name.endswith("conv1") else y) + state[f"{name}.bias"][:, None, None]

    while pictures.shape[-1] > resolution:
        pictures = halved(pictures)
    x = leaky(layer(pictures, f"b{resolution}.fromrgb"))
    size = resolution
    while size > 4:
        x = leaky(layer(blurred(leaky(layer(x, f"b{size}.conv0"))), f"b{size}.conv1"))
        size //= 2
        if size == resolution // 2 and fade < 1:
            x = fade * x + (1 - fade) * leaky(layer(halved(pictures), f"b{size}.fromrgb"))
    count = min(group, len(x))
    spread = np.empty((len(x), 1, 4, 4))
    for member in range(len(x) // count):
        one = x[member :: len(x) // count]
        spread[member :: len(x) // count] = np.sqrt(one.var(axis=0) + 1e-8).mean()
    x = leaky(layer(np.concatenate([x, spread], axis=1), "b4.conv")).reshape(len(x), -1)
    x = np.sqrt(2) * leaky(x @ state["b4.fc.weight"].T / np.sqrt(x.shape[1]) + state["b4.fc.bias"])
    return x @ state["b4.out.weight"].T / np.sqrt(x.shape[1]) + state["b4.out.bias"]
