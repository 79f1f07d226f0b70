"""Generators in the .model files of rosinality's style-based-gan-pytorch (MIT licence): the first StyleGAN.

{generator, discriminator, g_running, ...} or a state dict by itself. Compared with our network: every weight, also that
of a style and of a step to RGB, has the gain √(2 / fan-in), and so has the strength of noise; the mapping has no
learning-rate multiplier and its biases come after the gain; doubling layers low-pass their bias too; those called fused
lay the kernel down as it is, a quarter as strong; variances get 1e-5. Noise is never stored, and both layers of a
resolution share it. Files hold all layers up to 1024 pixels, trained or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from core.ml.checkpoints.generator import Found, check_total
from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown
from core.ml.checkpoints.stylegan1 import CONSTANT, FILTER
from core.ml.checkpoints.tensors import Tensor, from_array

FORMAT = "rosinality StyleGAN checkpoint"
RATE = 0.01
"""The multiplier of our mapping network, which stored parameters are divided by."""

_CONSTANT = "generator.progression.0.conv1.input"


def find(content: object) -> Found | None:
    """The generator in a torch file's content (the average one if it has one); None if this is another kind of file.

    Raises:
        Unreadable: A generator of this kind with parts that do not belong to it, or of an early version.
    """
    if type(content) is not dict:
        return None
    state = content
    for key in ("g_running", "generator"):
        if type(content.get(key)) is dict:
            state = content[key]
            break
    tensors: dict[str, Tensor] = {}
    if len(state) > MAX_ENTRIES or not any(name in state for name in (_CONSTANT, f"module.{_CONSTANT}")):
        return None
    for name, tensor in state.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise Unreadable("its generator holds something other than numbers")
        tensors[name.removeprefix("module.")] = tensor
    if "generator.progression.1.conv1.conv.weight_orig" in tensors:
        raise Unreadable(
            "it was made by an early version of that program, whose network is another one",
            "Import a file of a version from 2019 or later",
        )
    check_total(tensors.values())
    top = _trained(tensors)
    weights: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with the rest
                renamed = _renamed(name, tensor.array(), top)
                if renamed is not None:
                    weights[renamed[0]] = from_array(np.asarray(renamed[1], np.float32))
        except (IndexError, ValueError):
            raise Unreadable(f"the tensor {shown(name)} has an impossible shape") from None
    width = weights[CONSTANT].shape[0] if weights[CONSTANT].shape else 0
    weights["synthesis.b4.layer0.bias"] = from_array(np.zeros(width, np.float32))
    return Found(weights, FORMAT, network="stylegan1", settings={"norm_epsilon": 1e-5, "blurred_bias": True})


def _trained(tensors: Mapping[str, Tensor]) -> int:
    """The highest level (0 is 4 pixels) whose step to RGB or noise is no longer what it began with, zero."""
    levels = [
        int(match[1])
        for name, tensor in tensors.items()
        if (match := _TELLING.fullmatch(name)) and np.any(tensor.array())
    ]
    if not levels:
        raise Unreadable("its generator is not trained yet")
    return max(levels)


def _renamed(name: str, array: np.ndarray, top: int) -> tuple[str, np.ndarray] | None:
    """Our name and the numbers in our layout; None for low-pass filters and for what lies above level `top`."""
    if match := re.fullmatch(r"style\.(\d{1,3})\.linear\.(weight_orig|bias)", name):
        if int(match[1]) % 2 == 0:
            raise Unreadable(f"it has a tensor {shown(name)} that a StyleGAN generator has not")
        ours = f"mapping.fc{int(match[1]) // 2}"
        if match[2] == "bias":
            return f"{ours}.bias", array / (RATE * 2**0.5)
        return f"{ours}.weight", array / RATE
    if match := re.fullmatch(r"generator\.to_rgb\.(\d{1,2})\.conv\.(weight_orig|bias)", name):
        if int(match[1]) > top:
            return None
        ours = f"synthesis.b{4 << int(match[1])}.torgb"
        return (f"{ours}.bias", array) if match[2] == "bias" else (f"{ours}.weight", array * 2**0.5)
    match = re.fullmatch(r"generator\.progression\.(\d{1,2})\.(.+)", name)
    if match is None:
        raise Unreadable(f"it has a tensor {shown(name)} that a StyleGAN generator has not")
    level, part = int(match[1]), match[2]
    if level > top:
        return None
    if re.fullmatch(r"conv1\.[12]\.weight(_flip)?", part):
        if array.ndim != 4 or not np.allclose(array, FILTER, atol=1e-5):
            raise Unreadable("it uses another low-pass filter than the usual one, which is not supported")
        return None
    return _layer_part(f"synthesis.b{4 << level}", part, array, name)


def _layer_part(block: str, part: str, array: np.ndarray, name: str) -> tuple[str, np.ndarray]:
    if part == "conv1.input":
        return f"{block}.layer0.const", array[0]
    if part == "conv1.0.weight":
        return f"{block}.layer0.weight", array.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1] / 4
    if part in ("conv1.0.bias", "conv1.1.conv.bias"):
        return f"{block}.layer0.bias", array
    if part == "conv1.1.conv.weight_orig":
        return f"{block}.layer0.weight", array
    if part in ("conv2.conv.weight_orig", "conv2.conv.bias"):
        return f"{block}.layer1.{'bias' if part.endswith('bias') else 'weight'}", array
    if match := re.fullmatch(r"noise([12])\.weight_orig", part):
        strength = array.reshape(-1)
        return f"{block}.layer{int(match[1]) - 1}.noise_strength", strength * (2 / max(1, len(strength))) ** 0.5
    if match := re.fullmatch(r"adain([12])\.style\.linear\.(weight_orig|bias)", part):
        ours = f"{block}.layer{int(match[1]) - 1}.affine"
        return (f"{ours}.bias", array) if match[2] == "bias" else (f"{ours}.weight", array * 2**0.5)
    raise Unreadable(f"it has a tensor {shown(name)} that a StyleGAN generator has not")


_TELLING = re.compile(r"generator\.(?:to_rgb|progression)\.(\d{1,2})\.(?:conv\.bias|noise[12]\.weight_orig)")
