"""What a generator of the first StyleGAN is made of: every tensor's name and shape, and the settings behind the shapes.

There are no published names that foreign files would agree on, so those of `core.ml.networks.stylegan1` are the ones
that each format is turned into; here they are checked as a whole, and nothing is believed that the shapes do not bear
out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from core.ml.checkpoints.generator import (
    MAX_FEATURES,
    MAX_RESOLUTION,
    Found,
    check_total,
    numbers_of,
    size_in,
    width_settings,
)
from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown
from core.ml.checkpoints.tensors import Tensor

FILTER = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
"""The low-pass filter of every published network of this kind, [3, 3]."""
CONSTANT = "synthesis.b4.layer0.const"
"""The tensor that tells a generator of this kind."""
GROWTH = "synthesis.growth.state"

_BLOCK = re.compile(r"synthesis\.b(\d{1,5})\.")
_DENSE = re.compile(r"mapping\.fc(\d{1,3})\.weight$")


def complete(found: Found) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The whole state dict and the settings that build the network.

    Filters that are missing are the usual one, a missing stage of growth is the last one; missing noise maps are drawn,
    the same ones for the same resolution, and silent if their strength is missing too; a missing average of w stays
    missing.

    Returns:
        Tensors by name as float32, and the `[architecture]` table of the manifest.

    Raises:
        Unreadable: A tensor is missing, has another shape, is left over or is not finite.
    """
    weights = found.weights
    if len(weights) > MAX_ENTRIES:
        raise Unreadable("it has more tensors than a generator")
    resolutions = _resolutions(weights)
    layers = len({match[1] for match in map(_DENSE.match, weights) if match})
    if not layers:
        raise Unreadable("it has no mapping network")
    widths = {res: size_in(weights, f"synthesis.b{res}.layer1.weight", 0) for res in resolutions}
    if any(res * res * width > MAX_FEATURES for res, width in widths.items()):
        raise Unreadable("its layers are wider than any StyleGAN generator's")
    w_dim = size_in(weights, "synthesis.b4.layer1.affine.weight", 1)
    c_dim = size_in(weights, "mapping.embed.weight", 1) if "mapping.embed.weight" in weights else 0
    z_dim = size_in(weights, "mapping.fc0.weight", 1) - (w_dim if c_dim else 0)
    channels = size_in(weights, f"synthesis.b{resolutions[-1]}.torgb.weight", 0)
    if z_dim < 1:
        raise Unreadable("it takes no latent vector")
    if channels not in (1, 3, 4):
        raise Unreadable(f"its pictures have {channels} channels", "Pictures of 1, 3 or 4 channels are supported")
    base, largest = width_settings(widths)
    expected = _tensors(z_dim, c_dim, w_dim, channels, layers, widths)
    extra = [name for name in weights if name not in expected]
    if extra:
        raise Unreadable(f"it has a tensor {shown(extra[0])} that a StyleGAN generator has not")
    check_total(weights.values())
    ready: dict[str, np.ndarray] = {}
    for name, size in expected.items():
        tensor = weights.get(name)
        if tensor is not None:
            ready[name] = numbers_of(name, size, tensor, FILTER)
        elif name != "mapping.w_avg":
            ready[name] = _substitute(name, size, resolutions[-1], weights)
    _check_growth(ready[GROWTH], resolutions)
    architecture: dict[str, object] = {
        "name": "stylegan1",
        "z_dim": z_dim,
        "c_dim": c_dim,
        "w_dim": w_dim,
        "img_resolution": resolutions[-1],
        "img_channels": channels,
        "mapping_layers": layers,
        "channel_base": base,
        "channel_max": largest,
    }
    return ready, architecture | _checked(found.settings)


def _resolutions(weights: Mapping[str, Tensor]) -> list[int]:
    found = sorted({int(match[1]) for match in map(_BLOCK.match, weights) if match})
    if not found or CONSTANT not in weights:
        raise Unreadable("it holds no StyleGAN generator")
    if found[-1] > MAX_RESOLUTION or found != [2**power for power in range(2, found[-1].bit_length())]:
        raise Unreadable("its blocks are not those of a StyleGAN generator")
    return found


def _tensors(
    z_dim: int, c_dim: int, w_dim: int, img_channels: int, layers: int, widths: Mapping[int, int]
) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor by name."""
    found: dict[str, tuple[int, ...]] = {"mapping.w_avg": (w_dim,), GROWTH: (2,)}
    if c_dim:
        found |= {"mapping.embed.weight": (w_dim, c_dim), "mapping.embed.bias": (w_dim,)}
    for index in range(layers):
        width = w_dim if index else z_dim + (w_dim if c_dim else 0)
        found |= {f"mapping.fc{index}.weight": (w_dim, width), f"mapping.fc{index}.bias": (w_dim,)}
    previous = widths[4]
    for res, width in widths.items():
        for layer in ("layer0", "layer1"):
            name = f"synthesis.b{res}.{layer}"
            if name + ".const" == CONSTANT:
                found[CONSTANT] = (width, 4, 4)
            else:
                found[f"{name}.weight"] = (width, previous if layer == "layer0" else width, 3, 3)
                if layer == "layer0":
                    found[f"{name}.resample_filter"] = (3, 3)
            found |= {
                f"{name}.noise_const": (res, res),
                f"{name}.noise_strength": (width,),
                f"{name}.bias": (width,),
                f"{name}.affine.weight": (2 * width, w_dim),
                f"{name}.affine.bias": (2 * width,),
            }
        found[f"synthesis.b{res}.torgb.weight"] = (img_channels, width, 1, 1)
        found[f"synthesis.b{res}.torgb.bias"] = (img_channels,)
        previous = width
    return found


def _substitute(name: str, size: tuple[int, ...], resolution: int, weights: Mapping[str, Tensor]) -> np.ndarray:
    if name.endswith(".resample_filter"):
        return FILTER.copy()
    if name == GROWTH:
        return np.array([resolution, 1.0], np.float32)
    if name.endswith(".noise_const"):
        return np.random.default_rng(size[0]).standard_normal(size, dtype=np.float32)
    if name.endswith(".noise_strength") and name.replace("_strength", "_const") not in weights:
        return np.zeros(size, np.float32)
    raise Unreadable(f"the tensor {name} is missing")


def _check_growth(state: np.ndarray, resolutions: list[int]) -> None:
    if state[0] not in resolutions or not 0 <= state[1] <= 1:
        raise Unreadable("its stage of growth is none that its layers have")


def _checked(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings that are not in the shapes, where they are not the usual ones."""
    found: dict[str, object] = {}
    epsilon, blurred = settings.get("norm_epsilon"), settings.get("blurred_bias", False)
    if epsilon is not None:
        if type(epsilon) not in (int, float) or not 0 < epsilon < 1:  # type: ignore[operator]
            raise Unreadable("its norm_epsilon is no number between 0 and 1")
        found["norm_epsilon"] = float(epsilon)  # type: ignore[arg-type]
    if type(blurred) is not bool:
        raise Unreadable("its blurred_bias is neither true nor false")
    if blurred:
        found["blurred_bias"] = True
    return found
