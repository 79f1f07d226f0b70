"""Generators in the .pt files of rosinality's stylegan2-pytorch (MIT licence), training files and converted ones.

{g, d, g_ema, g_optim, d_optim, args, ada_aug_p}, {g_ema, latent_avg}, or a state dict by itself. The weights have the
orientation of the published ones; only the names differ, and some singleton axes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from core.ml.checkpoints.generator import FILTER, Found, check_total
from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown
from core.ml.checkpoints.tensors import Tensor, from_array

FORMAT = "rosinality StyleGAN2 checkpoint"


def find(content: object) -> Found | None:
    """The generator in a torch file's content (the average one if it has one); None if this is another kind of file.

    Raises:
        Unreadable: A generator of this kind with parts that do not belong to it.
    """
    if type(content) is not dict:
        return None
    state = content
    for name in ("g_ema", "g"):
        if type(content.get(name)) is dict:
            state = content[name]
            break
    if "input.input" not in state or len(state) > MAX_ENTRIES:
        return None
    check_total(tensor for tensor in state.values() if isinstance(tensor, Tensor))
    weights: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise Unreadable("its generator holds something other than numbers")
        renamed = rename(name.removeprefix("module."))
        if renamed is None:
            _check_filter(tensor)
        elif renamed.endswith((".affine.weight", ".affine.bias")) or renamed.startswith("mapping."):
            weights[renamed] = tensor
        else:
            weights[renamed] = _squeezed(renamed, tensor)
    average = content.get("latent_avg")
    if isinstance(average, Tensor):
        weights["mapping.w_avg"] = from_array(average.array().reshape(-1))
    return Found(weights, FORMAT)


def rename(name: str) -> str | None:
    """The published name of a tensor; None for the low-pass filters.

    Raises:
        Unreadable: No generator of this kind has such a tensor.
    """
    if re.fullmatch(r"(convs\.\d+\.conv\.blur|to_rgbs\.\d+\.upsample)\.kernel", name):
        return None
    if name == "input.input":
        return "synthesis.b4.const"
    match = re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name)
    if match and int(match[1]) >= 1:
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"
    match = re.fullmatch(r"noises\.noise_(\d{1,2})", name)
    if match:
        return f"synthesis.{_conv(int(match[1]))}.noise_const"
    match = re.fullmatch(r"(conv1|convs\.(\d{1,2}))\.(.+)", name)
    if match and match[3] in _LAYER:
        return f"synthesis.{_conv(int(match[2]) + 1 if match[2] else 0)}.{_LAYER[match[3]]}"
    match = re.fullmatch(r"(to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name)
    if match and match[3] in _RGB:
        return f"synthesis.b{8 * 2 ** int(match[2]) if match[2] else 4}.torgb.{_RGB[match[3]]}"
    raise Unreadable(f"it has a tensor {shown(name)} that a StyleGAN2 generator has not")


_LAYER = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}
_RGB = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "bias": "bias",
}


def _conv(index: int) -> str:
    """The block and layer of the index-th convolution: one at 4 pixels, then two at every resolution."""
    return "b4.conv1" if index == 0 else f"b{8 * 2 ** ((index - 1) // 2)}.conv{(index - 1) % 2}"


def _squeezed(name: str, tensor: Tensor) -> Tensor:
    """Without the axes of one that the published layout lacks."""
    rank = _RANKS[name.rsplit(".", 1)[1]]
    array = tensor.array()
    if name.endswith(("torgb.bias", "noise_strength")) or name.endswith((".const", ".weight", ".noise_const")):
        while array.ndim > rank and array.shape[0] == 1:
            array = array[0]
        while array.ndim > rank and array.shape[-1] == 1:
            array = array[..., 0]
    return from_array(array.astype(np.float32))


_RANKS: Mapping[str, int] = {"const": 3, "weight": 4, "bias": 1, "noise_strength": 0, "noise_const": 2}


def _check_filter(tensor: Tensor) -> None:
    if tensor.shape != (4, 4) or not np.allclose(tensor.array(), FILTER * 4, atol=1e-5):
        raise Unreadable("it uses another low-pass filter than StyleGAN2's usual one, which is not supported")
