"""The folder of a StyleGAN or StyleGAN2: model.toml, whose [architecture] builds the network, and weights.safetensors.

The weights are under the published names. Both files are data; anything that does not fit is refused with the first
difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from core.errors import Refused
from core.library.manifest import FILE_NAME, Manifest
from core.ml.networks import stylegan1
from core.ml.networks.architectures import GENERATORS, StyleGenerator
from core.ml.networks.stylegan2 import channels_at

WEIGHTS = "weights.safetensors"

# What [architecture] may say: the smallest and largest whole number, and the default (None: it must be there).
_SIZES: dict[str, tuple[int, int, int | None]] = {
    "z_dim": (1, 8192, None),
    "c_dim": (0, 65536, 0),
    "w_dim": (1, 8192, None),
    "img_resolution": (4, 4096, None),
    "img_channels": (1, 4, 3),
    "mapping_layers": (1, 64, None),
    "channel_base": (4, 1 << 20, None),
    "channel_max": (1, 8192, None),
}

# What it may say besides: a number above 0, or true or false.
_NUMBERS = {"stylegan1": ("norm_epsilon",), "stylegan2": ("conv_clamp",)}
_SWITCHES = {"stylegan1": ("blurred_bias",), "stylegan2": ()}


def read_architecture(settings: Mapping[str, object], network: str = "stylegan2") -> dict[str, int | float]:
    """The keyword arguments of `Generator` from a manifest's [architecture].

    Args:
        settings: The table.
        network: Which of `GENERATORS` it must be of.

    Raises:
        Refused: It is another network's, or a setting is missing, unknown or impossible.
    """

    def refuse(why: str) -> Refused:
        return Refused(f"{FILE_NAME} cannot be used", f"[architecture] {why}", "Import the model again")

    found = dict(settings)
    name = found.pop("name", network)
    if name != network:
        raise refuse(f"is of {name!r}, not {network}")
    arguments: dict[str, int | float] = {}
    for key, (least, most, default) in _SIZES.items():
        value = found.pop(key, default)
        if value is None:
            raise refuse(f"lacks {key}")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise refuse(f"has {key} = {value!r}, not a whole number from {least} to {most}")
        arguments[key] = value
    for key in _NUMBERS[network]:
        number = found.pop(key, None)
        if number is not None:
            if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
                raise refuse(f"has {key} = {number!r}, not a number above 0")
            arguments[key] = float(number)
    for key in _SWITCHES[network]:
        switch = found.pop(key, False)
        if not isinstance(switch, bool):
            raise refuse(f"has {key} = {switch!r}, neither true nor false")
        arguments[key] = switch
    found.pop("num_ws", None)  # follows from the resolution
    if found:
        raise refuse(f"has the unknown setting {next(iter(found))!r}")
    resolution = int(arguments["img_resolution"])
    if resolution & (resolution - 1):
        raise refuse(f"has img_resolution = {resolution}, not a power of two")
    if channels_at(resolution, int(arguments["channel_base"]), int(arguments["channel_max"])) < 1:
        raise refuse(f"leaves no feature maps at {resolution} pixels")
    return arguments


def read_generator(path: Path) -> StyleGenerator:
    """The generator in folder `path`, float32 on the CPU, ready for inference.

    Raises:
        Refused: A file is missing, broken or does not fit the other.
    """
    manifest = Manifest.read(path)
    network = manifest.adapter if manifest.adapter in GENERATORS else "stylegan2"
    arguments = read_architecture(manifest.architecture, network)

    def refuse(why: str) -> Refused:
        return Refused(f"{WEIGHTS} cannot be used", why, "Import the model again")

    # On the meta device a network costs nothing, so a wrong file is refused before memory is asked for.
    with torch.device("meta"):
        generator: StyleGenerator = GENERATORS[network](**arguments)  # type: ignore[arg-type]
    expected = {name: list(tensor.shape) for name, tensor in generator.state_dict().items()}
    try:
        with safe_open(path / WEIGHTS, framework="pt", device="cpu") as weights:
            names = set(weights.keys())
            for name, shape in expected.items():
                if name not in names:
                    raise refuse(f"it lacks {name}")
                there = list(weights.get_slice(name).get_shape())
                if there != shape:
                    raise refuse(f"{name} has the shape {there}, the manifest asks for {shape}")
            if extra := sorted(names - expected.keys()):
                raise refuse(f"it holds {extra[0]!r}, which the network does not have")
            state = {name: weights.get_tensor(name).float() for name in expected}
    except FileNotFoundError:
        raise refuse("it is missing") from None
    except SafetensorError as error:
        raise refuse(f"it is not a whole safetensors file ({error})") from error
    except OSError as error:
        raise refuse(error.strerror or str(error)) from error
    generator.load_state_dict(state, assign=True)
    if isinstance(generator, stylegan1.Generator):
        try:
            _ = generator.stage
        except ValueError as error:
            raise refuse(f"its stage of growth is none: {error}") from None
    return generator.eval().requires_grad_(False)
