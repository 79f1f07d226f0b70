"""The first StyleGAN's generator among the variables of a TensorFlow-era pickle (version 3).

Compared with our layout: kernels are stored [y, x, in, out]; doubling layers of 128 pixels and more were computed by a
transposed convolution with the kernel as it is, which is the usual one with the kernel turned by 180 degrees; the scale
of a style lacks its constant 1; biases of the mapping come after the gain √2, ours before it; and the stage of growth
is told as the number of doublings that are still to come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from core.ml.checkpoints.generator import Found, check_total, same
from core.ml.checkpoints.problems import Unreadable, shown
from core.ml.checkpoints.stylegan1 import GROWTH
from core.ml.checkpoints.tensors import Tensor, from_array

FORMAT = "StyleGAN pickle (TensorFlow)"

FUSED = 128
"""Resolution from which on doubling layers were computed in one go, unless the network says otherwise."""

_USUAL: dict[str, object] = {
    "mapping_lrmul": 0.01,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "normalize_latents": True,
    "use_wscale": True,
    "use_styles": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    "const_input_layer": True,
    "blur_filter": [1, 2, 1],
}


def known(variables: Mapping[str, Tensor]) -> bool:
    """Whether these are variables of a network of this time: StyleGAN or its forerunner."""
    return any("ToRGB_lod" in name or "/StyleMod/" in name for name in variables)


def convert(variables: Mapping[str, Tensor], settings: Mapping[str, object]) -> Found:
    """The generator.

    Args:
        variables: By path, those of components under "mapping/" and "synthesis/" (or with "G_" before them).
        settings: What the network was made with.

    Raises:
        Unreadable: A network of another kind, or with parts or settings that are not supported.
    """
    found = {name.removeprefix("G_"): tensor for name, tensor in variables.items()}
    if not any("/StyleMod/" in name for name in found):
        raise Unreadable("it is a progressive GAN without styles, which is not supported", "Import a StyleGAN network")
    if "mapping/LabelConcat/weight" in found:
        raise Unreadable("it is a conditional network of the first StyleGAN code, which is not supported")
    for setting, usual in _USUAL.items():
        same(settings.get(setting), usual, setting.replace("_", " "))
    fused = settings.get("fused_scale", "auto")
    if type(fused) is not bool and fused != "auto":
        raise Unreadable(f"its fused scale is {shown(fused, 30)}, which is none that there is")
    check_total(found.values())
    lods = [int(match[1]) for match in map(_LOD.fullmatch, found) if match]
    if not lods or max(lods) > 12:
        raise Unreadable("it has no steps to RGB")
    top = 4 << max(lods)
    fused_from = FUSED if fused == "auto" else 4 if fused else top + 1
    weights: dict[str, Tensor] = {}
    for name, tensor in found.items():
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with the rest
                ours, array = _renamed(name, tensor.array(), top, fused_from)
                weights[ours] = from_array(np.asarray(array, np.float32))
        except (IndexError, ValueError, OverflowError):
            raise Unreadable(f"the variable {shown(name, 40)} has an impossible shape or value") from None
    return Found(weights, FORMAT, network="stylegan1")


def _renamed(name: str, array: np.ndarray, top: int, fused_from: int) -> tuple[str, np.ndarray]:
    """Our name, and the numbers in our layout."""
    if name in ("lod", "synthesis/lod"):
        return GROWTH, _growth(float(array.reshape(())), top)
    if name == "dlatent_avg":
        return "mapping.w_avg", array
    if match := re.fullmatch(r"mapping/Dense(\d{1,2})/(weight|bias)", name):
        return f"mapping.fc{match[1]}.{match[2]}", array.transpose(1, 0) if match[2] == "weight" else array / 2**0.5
    if match := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
        index = int(match[1])
        return f"synthesis.b{4 << index // 2}.layer{index % 2}.noise_const", array[0, 0]
    if match := re.fullmatch(r"synthesis/ToRGB_lod(\d{1,2})/(weight|bias)", name):
        kernel = array.transpose(3, 2, 0, 1) if match[2] == "weight" else array
        return f"synthesis.b{top >> int(match[1])}.torgb.{match[2]}", kernel
    if match := re.fullmatch(r"synthesis/(\d{1,4})x\1/(Const|Conv|Conv0_up|Conv1)/(.+)", name):
        resolution, layer, part = int(match[1]), match[2], match[3]
        if (layer in ("Const", "Conv")) == (resolution == 4) and part in _PARTS:
            ours, change = _PARTS[part]
            array = change(array)
            if part == "weight" and layer == "Conv0_up" and resolution >= fused_from:
                array = array[:, :, ::-1, ::-1]
            return f"synthesis.b{resolution}.layer{int(layer in ('Conv', 'Conv1'))}.{ours}", array
    raise Unreadable(f"it has a variable {shown(name, 40)} that a StyleGAN generator has not")


def _growth(lod: float, top: int) -> np.ndarray:
    """(resolution, fade) where `lod` doublings are still to come, the last of them begun."""
    whole = int(np.floor(lod))
    if not 0 <= whole <= top.bit_length() - 3:
        raise ValueError
    return np.array([top >> whole, 1.0 - (lod - whole)])


def _scales_with_one(bias: np.ndarray) -> np.ndarray:
    """Scales come first, then shifts."""
    return np.concatenate([bias[: len(bias) // 2] + 1.0, bias[len(bias) // 2 :]])


def _as_it_is(array: np.ndarray) -> np.ndarray:
    return array


_LOD = re.compile(r"synthesis/ToRGB_lod(\d{1,2})/weight")
_PARTS: Mapping[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "const": ("const", lambda array: array[0]),
    "weight": ("weight", lambda array: array.transpose(3, 2, 0, 1)),
    "bias": ("bias", _as_it_is),
    "Noise/weight": ("noise_strength", _as_it_is),
    "StyleMod/weight": ("affine.weight", lambda array: array.transpose(1, 0)),
    "StyleMod/bias": ("affine.bias", _scales_with_one),
}
