"""What a StyleGAN2 generator is made of: every tensor's published name and shape, and the settings behind the shapes.

Each foreign format is turned into these names first; here they are checked as a whole. Nothing is believed that the
shapes do not bear out. Names and layout: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020)
and its PyTorch state dicts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown
from core.ml.checkpoints.tensors import FLOATS, Tensor

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
"""The low-pass filter of every published StyleGAN2, [4, 4]."""
MAX_RESOLUTION = 2048
MAX_FEATURES = 2**27
"""Numbers in the feature maps of one layer: four times what published settings have (32 channels at 1024 pixels
are 2**25), so that a small file cannot ask for a picture that fills the memory."""
MAX_WIDTH = 8192
MAX_BYTES = 8 * 2**30
"""Bytes of all numbers of a generator as float32."""


@dataclass
class Found:
    """A generator as it was in the file, under the published names.

    Attributes:
        weights: Tensors by name. Filters, noise maps and the average of w may be missing.
        format: What kind of file it was, in words.
        clamp: Largest magnitude that the convolutions give out, if the file says.
        network: The architecture's name, "stylegan1" or "stylegan2".
        settings: What else the architecture's table must say of it.
    """

    weights: dict[str, Tensor]
    format: str
    clamp: float | None = None
    network: str = "stylegan2"
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """The sizes of a generator, read off its tensors."""

    z_dim: int
    c_dim: int
    w_dim: int
    img_resolution: int
    img_channels: int
    mapping_layers: int
    widths: Mapping[int, int]
    """Channels of the feature maps by resolution."""

    def channels(self) -> tuple[int, int]:
        """(channel_base, channel_max) with widths = min(base // resolution, max).

        Raises:
            Unreadable: No such pair gives these widths.
        """
        return width_settings(self.widths)

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor by published name."""
        w = self.w_dim
        found: dict[str, tuple[int, ...]] = {"mapping.w_avg": (w,)}
        if self.c_dim:
            found |= {"mapping.embed.weight": (w, self.c_dim), "mapping.embed.bias": (w,)}
        for index in range(self.mapping_layers):
            width = w if index else self.z_dim + (w if self.c_dim else 0)
            found |= {f"mapping.fc{index}.weight": (w, width), f"mapping.fc{index}.bias": (w,)}
        previous = self.widths[4]
        for res, width in self.widths.items():
            block = f"synthesis.b{res}"
            found[f"{block}.resample_filter"] = (4, 4)
            if res == 4:
                found[f"{block}.const"] = (width, 4, 4)
            else:
                found |= _layer(f"{block}.conv0", previous, width, res, w)
            found |= _layer(f"{block}.conv1", width, width, res, w)
            found[f"{block}.torgb.weight"] = (self.img_channels, width, 1, 1)
            found[f"{block}.torgb.bias"] = (self.img_channels,)
            found[f"{block}.torgb.affine.weight"] = (width, w)
            found[f"{block}.torgb.affine.bias"] = (width,)
            previous = width
        return found


def width_settings(widths: Mapping[int, int]) -> tuple[int, int]:
    """(channel_base, channel_max) with widths = min(base // resolution, max).

    Raises:
        Unreadable: No such pair gives these widths.
    """
    largest = max(widths.values())
    narrow = [(res, width) for res, width in widths.items() if width < largest]
    base = max((res * width for res, width in narrow), default=0)
    base = max([base, *(res * largest for res, width in widths.items() if width == largest)])
    if any(min(base // res, largest) != width for res, width in widths.items()):
        raise Unreadable("its layers have widths that no StyleGAN setting gives")
    return base, largest


def measure(weights: Mapping[str, Tensor]) -> Shape:
    """The sizes of the generator with these tensors.

    Raises:
        Unreadable: They are those of something else.
    """
    names = list(weights)
    if any(name.startswith("synthesis.input.") for name in names):
        raise Unreadable("it is a StyleGAN3 network, which is not supported yet", "Import a StyleGAN2 network")
    resolutions = sorted({int(m[1]) for m in map(_BLOCK.match, names) if m})
    if not resolutions or "synthesis.b4.const" not in weights:
        raise Unreadable("it holds no StyleGAN2 generator")
    top = resolutions[-1]
    if top > MAX_RESOLUTION or resolutions != [2**power for power in range(2, top.bit_length())]:
        raise Unreadable("its blocks are not those of a StyleGAN2 generator")
    if any(re.fullmatch(r"synthesis\.b\d+\.skip\.weight", name) for name in names):
        raise Unreadable("its generator has residual blocks, which are not supported")
    layers = len({m[1] for m in map(_DENSE.match, names) if m})
    if not layers:
        raise Unreadable("it has no mapping network")
    widths = {res: size_in(weights, f"synthesis.b{res}.conv1.weight", 0) for res in resolutions}
    if any(res * res * width > MAX_FEATURES for res, width in widths.items()):
        raise Unreadable("its layers are wider than any StyleGAN2 generator's")
    w_dim = size_in(weights, "synthesis.b4.conv1.affine.weight", 1)
    c_dim = size_in(weights, "mapping.embed.weight", 1) if "mapping.embed.weight" in weights else 0
    z_dim = size_in(weights, "mapping.fc0.weight", 1) - (w_dim if c_dim else 0)
    channels = size_in(weights, "synthesis.b4.torgb.weight", 0)
    if z_dim < 1:
        raise Unreadable("it takes no latent vector")
    if channels not in (1, 3, 4):
        raise Unreadable(f"its pictures have {channels} channels", "Pictures of 1, 3 or 4 channels are supported")
    return Shape(z_dim, c_dim, w_dim, top, channels, layers, widths)


def complete(found: Found) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The whole state dict and the settings that build the network.

    Filters that are missing are the published one; noise maps that are missing are silent; a missing average of w
    stays missing.

    Returns:
        Tensors by published name as float32, and the `[architecture]` table of the manifest.

    Raises:
        Unreadable: A tensor is missing, has another shape, is left over or is not finite.
    """
    weights = found.weights
    if len(weights) > MAX_ENTRIES:
        raise Unreadable("it has more tensors than a generator")
    shape = measure(weights)
    base, largest = shape.channels()
    expected = shape.tensors()
    extra = [name for name in weights if name not in expected]
    if extra:
        raise Unreadable(f"it has a tensor {shown(extra[0])} that a StyleGAN2 generator has not")
    check_total(weights.values())
    ready: dict[str, np.ndarray] = {}
    for name, size in expected.items():
        tensor = weights.get(name)
        if tensor is None:
            ready |= _substitute(name, size, weights)
            continue
        ready[name] = numbers_of(name, size, tensor)
    architecture: dict[str, object] = {
        "name": "stylegan2",
        "z_dim": shape.z_dim,
        "c_dim": shape.c_dim,
        "w_dim": shape.w_dim,
        "img_resolution": shape.img_resolution,
        "img_channels": shape.img_channels,
        "mapping_layers": shape.mapping_layers,
        "channel_base": base,
        "channel_max": largest,
    }
    if found.clamp is not None:
        architecture["conv_clamp"] = found.clamp
    return ready, architecture


def check_total(tensors: Iterable[Tensor]) -> None:
    """Nothing if the tensors may be read into memory as a generator.

    Raises:
        Unreadable: Together they are larger than the file, or than any generator.
    """
    if 4 * check_repeats(tensors) > MAX_BYTES:
        raise Unreadable("it is larger than any StyleGAN2 generator")


def check_repeats(tensors: Iterable[Tensor]) -> int:
    """The number of elements, if the tensors are about as large as what they are views of.

    Raises:
        Unreadable: Many tensors show the same numbers, so that they would take far more memory than the file.
    """
    storages: dict[int, int] = {}
    total = 0
    for tensor in tensors:
        storages[id(tensor.storage)] = tensor.storage.count
        total += tensor.size
    if total > 2 * sum(storages.values()):
        raise Unreadable("its tensors repeat the same numbers again and again")
    return total


def clamp_of(value: object) -> float | None:
    """A clamp setting from a file.

    Raises:
        Unreadable: Not a positive number.
    """
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < 1e9:  # type: ignore[operator]
        raise Unreadable("its clamp is not a number")
    return float(value)  # type: ignore[arg-type]


def same(value: object, usual: object, what: str) -> None:
    """Nothing if a setting has its usual value or none.

    Raises:
        Unreadable: It has another one, so the network would draw something else.
    """
    if value is None or value == usual:
        return
    if isinstance(value, int | float) and isinstance(usual, float) and abs(value - usual) <= 1e-6 * abs(usual):
        return
    raise Unreadable(f"its {what} is {shown(value, 30)}, and only {usual} is supported")


_BLOCK = re.compile(r"synthesis\.b(\d{1,5})\.")
_DENSE = re.compile(r"mapping\.fc(\d{1,3})\.weight$")


def _layer(name: str, inputs: int, outputs: int, resolution: int, w_dim: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.weight": (outputs, inputs, 3, 3),
        f"{name}.noise_strength": (),
        f"{name}.bias": (outputs,),
        f"{name}.resample_filter": (4, 4),
        f"{name}.noise_const": (resolution, resolution),
        f"{name}.affine.weight": (inputs, w_dim),
        f"{name}.affine.bias": (inputs,),
    }


def size_in(weights: Mapping[str, Tensor], name: str, axis: int) -> int:
    """A length of the tensor called `name`.

    Raises:
        Unreadable: It is missing, or has no such axis, or an impossible one.
    """
    tensor = weights.get(name)
    if tensor is None:
        raise Unreadable(f"the tensor {name} is missing")
    if len(tensor.shape) <= axis or not 1 <= tensor.shape[axis] <= MAX_WIDTH:
        raise Unreadable(f"the tensor {name} has an impossible shape")
    return tensor.shape[axis]


def numbers_of(name: str, size: tuple[int, ...], tensor: Tensor, low_pass: np.ndarray = FILTER) -> np.ndarray:
    """The tensor called `name` as float32.

    Args:
        size: The shape that it must have.
        low_pass: What it must be if it is a filter.

    Raises:
        Unreadable: It has another shape, no fractions, or numbers that are not finite; or it is another filter.
    """
    if tensor.shape != size:
        sizes = " x ".join(map(str, tensor.shape)), " x ".join(map(str, size))
        raise Unreadable(
            f"the tensor {name} has the shape {sizes[0] or 'of one number'}, not {sizes[1] or 'one number'}"
        )
    if tensor.tag not in FLOATS:
        raise Unreadable(f"the tensor {name} holds no fractions")
    with np.errstate(over="ignore", invalid="ignore"):
        array = tensor.array().astype(np.float32)
    if not np.isfinite(array).all():
        raise Unreadable(f"the tensor {name} holds numbers that are not finite")
    if name.endswith("resample_filter") and not np.allclose(array, low_pass, atol=1e-6):
        raise Unreadable("it uses another low-pass filter than the usual one, which is not supported")
    return array


def _substitute(name: str, size: tuple[int, ...], weights: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    if name == "mapping.w_avg":
        return {}
    if name.endswith(".resample_filter"):
        return {name: FILTER.copy()}
    layer = name.rsplit(".", 1)[0]
    if name.endswith(".noise_const") or (name.endswith(".noise_strength") and f"{layer}.noise_const" not in weights):
        return {name: np.zeros(size, np.float32)}
    raise Unreadable(f"the tensor {name} is missing")
