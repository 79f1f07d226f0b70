"""Generators in the pickles of the TensorFlow era: (G, D, Gs) of StyleGAN2 (stylegan2, stylegan2-ada) and StyleGAN.

StyleGAN2's names and layouts differ from the published PyTorch ones: kernels are stored [y, x, in, out], those of
up-sampling layers turned by 180 degrees, and the bias of a style lacks its constant 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from core.ml.checkpoints import tensorflow_stylegan1
from core.ml.checkpoints.generator import Found, check_total, clamp_of, same
from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown
from core.ml.checkpoints.tensors import Tensor, from_array
from core.ml.checkpoints.vocabulary import NumPyArray, TensorFlowNetwork

FORMAT = "StyleGAN2 pickle (TensorFlow)"
_MAX_NESTING = 8


def find(content: object) -> Found | None:
    """The average generator in a pickle's content; None if this is another kind of file.

    Raises:
        Unreadable: TensorFlow networks, but no StyleGAN2 generator.
    """
    network = content
    if isinstance(content, tuple | list) and len(content) == 3:
        network = content[2]
    if not isinstance(network, TensorFlowNetwork):
        return None
    variables = _variables(network)
    settings = network.state.get("static_kwargs")
    settings = settings if type(settings) is dict else {}
    if tensorflow_stylegan1.known(variables):
        return tensorflow_stylegan1.convert(variables, settings)
    if "mapping/LabelConcat/weight" in variables:
        raise Unreadable("it is a conditional network of the first StyleGAN2 code, which is not supported")
    if not any(name.startswith("synthesis/") for name in variables):
        raise Unreadable("it holds no StyleGAN2 generator")
    same(settings.get("architecture"), "skip", "generator architecture")
    same(settings.get("mapping_lrmul"), 0.01, "learning-rate multiplier of the mapping")
    same(settings.get("resample_kernel"), [1, 3, 3, 1], "low-pass filter")
    for setting in ("nonlinearity", "act", "mapping_nonlinearity"):
        same(settings.get(setting), "lrelu", "activation")
    check_total(variables.values())
    weights: dict[str, Tensor] = {}
    for name, tensor in variables.items():
        renamed = _rename(name, tensor)
        if renamed is not None:
            weights[renamed[0]] = renamed[1]
    return Found(weights, FORMAT, clamp_of(settings.get("conv_clamp")))


def _variables(network: TensorFlowNetwork) -> dict[str, Tensor]:
    """All variables by path, those of components under the component's name."""
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, TensorFlowNetwork, int]] = [("", network, 0)]
    while waiting:
        prefix, part, depth = waiting.pop()
        if depth > _MAX_NESTING or len(waiting) > 100 or len(found) > MAX_ENTRIES:
            raise Unreadable("its networks hold each other without end")
        variables, components = part.state.get("variables"), part.state.get("components")
        for item in variables if type(variables) is list else []:
            if type(item) not in (tuple, list) or len(item) != 2 or type(item[0]) is not str:
                raise Unreadable("it is a damaged pickle")
            name, value = item
            if isinstance(value, NumPyArray) and value.tensor is not None:
                found[prefix + name] = value.tensor
            elif type(value) in (int, float):
                found[prefix + name] = from_array(np.asarray(value, np.float32))
            else:
                raise Unreadable(f"the variable {shown(name, 40)} holds no numbers")
        for name, component in components.items() if type(components) is dict else []:
            if type(name) is not str or not isinstance(component, TensorFlowNetwork):
                raise Unreadable("it is a damaged pickle")
            waiting.append((f"{prefix}{name}/", component, depth + 1))
    return found


def _rename(name: str, tensor: Tensor) -> tuple[str, Tensor] | None:
    """The published name and the tensor in published layout; None for what generators do not need."""
    for pattern, target, change in _RULES:
        match = pattern.fullmatch(name)
        if match:
            array = tensor.array()
            try:
                array = change(array)
            except (IndexError, ValueError):
                raise Unreadable(f"the variable {shown(name, 40)} has an impossible shape") from None
            renamed = target(match) if callable(target) else match.expand(target)
            return renamed, from_array(array.astype(np.float32))
    if name in _NEEDLESS:
        return None
    raise Unreadable(f"it has a variable {shown(name, 40)} that a StyleGAN2 generator has not")


def _noise_name(match: re.Match[str]) -> str:
    """noise0 belongs to the 4-pixel block; then two for every block, the smaller first."""
    index = int(match[1])
    if index == 0:
        return "synthesis.b4.conv1.noise_const"
    return f"synthesis.b{8 * 2 ** ((index - 1) // 2)}.conv{(index - 1) % 2}.noise_const"


def _same_layout(array: np.ndarray) -> np.ndarray:
    return array


def _kernel(array: np.ndarray) -> np.ndarray:
    return array.transpose(3, 2, 0, 1)


def _turned_kernel(array: np.ndarray) -> np.ndarray:
    return array[::-1, ::-1].transpose(3, 2, 0, 1)


def _matrix(array: np.ndarray) -> np.ndarray:
    return array.transpose(1, 0)


def _scalar(array: np.ndarray) -> np.ndarray:
    return array.reshape(())


_Target = str | Callable[[re.Match[str]], str]
_Change = Callable[[np.ndarray], np.ndarray]


def _rules() -> list[tuple[re.Pattern[str], _Target, _Change]]:
    rules: list[tuple[str, _Target, _Change]] = [
        (r"dlatent_avg", "mapping.w_avg", _same_layout),
        (r"mapping/Dense(\d+)/weight", r"mapping.fc\1.weight", _matrix),
        (r"mapping/Dense(\d+)/bias", r"mapping.fc\1.bias", _same_layout),
        (r"mapping/LabelEmbed/weight", "mapping.embed.weight", _matrix),
        (r"mapping/LabelEmbed/bias", "mapping.embed.bias", _same_layout),
        (r"synthesis/4x4/Const/const", "synthesis.b4.const", lambda array: array[0]),
        (r"synthesis/noise(\d{1,2})", _noise_name, lambda array: array[0, 0]),
    ]
    layers: Mapping[str, tuple[str, _Change]] = {
        r"(\d+)x\1/Conv0_up": (r"b\1.conv0", _turned_kernel),
        r"(\d+)x\1/Conv1": (r"b\1.conv1", _kernel),
        r"(4)x\1/Conv": (r"b\1.conv1", _kernel),
        r"(\d+)x\1/ToRGB": (r"b\1.torgb", _kernel),
    }
    for theirs, (ours, kernel) in layers.items():
        rules += [
            (rf"synthesis/{theirs}/weight", rf"synthesis.{ours}.weight", kernel),
            (rf"synthesis/{theirs}/bias", rf"synthesis.{ours}.bias", _same_layout),
            (rf"synthesis/{theirs}/mod_weight", rf"synthesis.{ours}.affine.weight", _matrix),
            (rf"synthesis/{theirs}/mod_bias", rf"synthesis.{ours}.affine.bias", lambda array: array + 1),
            (rf"synthesis/{theirs}/noise_strength", rf"synthesis.{ours}.noise_strength", _scalar),
        ]
    return [(re.compile(pattern), target, change) for pattern, target, change in rules]


_RULES = _rules()
_NEEDLESS = frozenset({"lod", "synthesis/lod"})
