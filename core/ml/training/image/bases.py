"""The networks that a run starts with: new ones, or those of a base fitted to the dataset.

A base of another resolution is grown (its new layers add nothing to the picture at first) or cut; one without classes
learns them from where it is. Whatever does not fit is said, and a discriminator that is new in part or in whole learns
alone first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import Refused
from core.library.manifest import Manifest
from core.ml.adapters.stylegan_files import WEIGHTS, read_architecture
from core.ml.networks import stylegan1, stylegan1_discriminator
from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.options import GROUP, Widths
from core.runs.plan import ImageOptions

DISCRIMINATOR = "discriminator.safetensors"
_SHARED = ("c_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "conv_clamp")
"""Settings of the generator that hold for its discriminator."""
NAMES = {"stylegan2": "stylegan2", "stylegan": "stylegan1"}
"""What an option of a plan is called in a model's [architecture]."""


@dataclass
class Networks:
    """What training starts with.

    Attributes:
        architecture: [architecture] of the models that come of it.
        generator, discriminator: On the CPU.
        said: A sentence for each thing that the user should know.
        warm_up: The discriminator should learn alone first.
    """

    architecture: dict[str, Any]
    generator: Generator
    discriminator: Discriminator
    said: list[str] = field(default_factory=list)
    warm_up: bool = False


def new_networks(options: ImageOptions, widths: Widths, channels: int, classes: int, seed: int) -> Networks:
    """Random weights."""
    architecture: dict[str, Any] = {
        "name": NAMES.get(options.architecture, options.architecture),
        "z_dim": widths.z_dim,
        "c_dim": classes,
        "w_dim": widths.w_dim,
        "img_resolution": options.size,
        "img_channels": channels,
        "mapping_layers": widths.mapping_layers,
        "channel_base": widths.channel_base,
        "channel_max": widths.channel_max,
    }
    if options.precision == "float16" and options.architecture == "stylegan2":
        architecture["conv_clamp"] = 256.0
    torch.manual_seed(seed)
    return Networks(architecture, *build(architecture))


def build(architecture: Mapping[str, Any]) -> tuple[Generator, Discriminator]:
    """Both networks of an [architecture], random weights, float32 on the CPU.

    Raises:
        Refused: It is none that can be trained.
    """
    settings = dict(architecture)
    name = settings.pop("name", "stylegan2")
    settings.pop("num_ws", None)
    judged = {key: settings[key] for key in _SHARED if key in settings}
    if name == "stylegan2":
        return Generator(**settings), Discriminator(**judged, mbstd_group_size=GROUP)
    if name != "stylegan1":
        raise Refused(f"{name!r} cannot be trained", "it is another architecture", "Choose stylegan2")
    # Both kinds of networks are trained by the same loop, which asks the same of them.
    ours: Any = stylegan1.Generator(**settings)
    theirs: Any = stylegan1_discriminator.Discriminator(**judged, mbstd_group_size=GROUP)
    return ours, theirs


def from_base(base: Path, options: ImageOptions, channels: int, classes: int, seed: int) -> Networks:
    """The networks of a model folder, fitted to the dataset.

    Args:
        base: A model's folder: model.toml, weights.safetensors and perhaps discriminator.safetensors.
        options: Resolved.
        channels: Of the dataset's pictures.
        classes: To be learned; 0 for none.
        seed: Of what is new.

    Raises:
        Refused: It cannot be fitted; says why.
    """
    was: dict[str, Any] = dict(Manifest.read(base).architecture)
    if was.get("name", "stylegan2") == "stylegan2":
        was = {"name": "stylegan2", **read_architecture(was)}
    if was.get("img_channels", 3) != channels:
        why = f"it draws {was.get('img_channels', 3)} channels, the dataset has {channels}"
        raise Refused(
            "the base does not fit the dataset", why, "Prepare the pictures on a ground, or choose another base"
        )
    if options.channels and options.channels != was["channel_base"]:
        why = f"its layers are {was['channel_base']} / size wide, not {options.channels} / size"
        raise Refused("the base does not fit the options", why, "Leave channels open, or train from nothing")
    if was.get("c_dim", 0) and not classes:
        why = f"it draws {was['c_dim']} classes"
        raise Refused(
            "the base does not fit the dataset", why, "Train with classes (conditional), or choose another base"
        )
    architecture = was | {"img_resolution": options.size, "c_dim": classes}
    torch.manual_seed(seed)
    networks = Networks(architecture, *build(architecture))
    _say_size(networks, int(was["img_resolution"]), options.size)
    missing = fit(networks.generator, _read(base / WEIGHTS), int(was["z_dim"]))
    _quiet(networks.generator, missing)
    if any(name.startswith("mapping.embed") for name in missing):
        networks.said.append(f"The base knows none of the {classes} classes; it learns them from where it is")
    if (base / DISCRIMINATOR).exists():
        weights = _read(base / DISCRIMINATOR)
        new = fit(networks.discriminator, weights)
        # Labels and the layers of new resolutions aside, what is missing was there in another shape.
        networks.warm_up = bool(new)
        if new:
            networks.said.append(f"{len(new)} of the weights of the discriminator are new; it learns alone first")
    else:
        networks.warm_up = True
        networks.said.append("The base has no discriminator; a new one learns alone first")
    players: tuple[Any, ...] = (networks.generator, networks.discriminator)
    for network in players:
        if hasattr(network, "grow_to"):
            # The stage came with the weights, and may be that of a smaller network.
            network.grow_to(options.size)
    return networks


def fit(network: nn.Module, weights: Mapping[str, Tensor], z_dim: int = 0) -> list[str]:
    """Copy weights into a network by name, where the shapes agree. Returns the names that kept what they had.

    Args:
        network: Whose weights are replaced.
        weights: By their names.
        z_dim: If the first mapping layer has got inputs for a label, those of z are the first so many.
    """
    own = network.state_dict()
    missing: list[str] = []
    for name, value in own.items():
        there = weights.get(name)
        if there is not None and there.shape == value.shape:
            value.copy_(there)
        elif there is not None and name == "mapping.fc0.weight" and there.shape[1] == z_dim < value.shape[1]:
            # Weights count for 1 / sqrt(inputs): with more inputs the old ones must be larger to do the same.
            value.zero_()[:, :z_dim] = there * (value.shape[1] / z_dim) ** 0.5
        elif name.split(".")[-1] not in ("resample_filter", "noise_const"):
            missing.append(name)
    return missing


def _quiet(generator: nn.Module, missing: list[str]) -> None:
    """Let new layers add nothing to the picture at first: a grown generator draws what its base drew, enlarged."""
    parameters = dict(generator.named_parameters())
    with torch.no_grad():
        for name in missing:
            if ".torgb.weight" in name or ".torgb.bias" in name:
                parameters[name].zero_()


def _say_size(networks: Networks, before: int, after: int) -> None:
    if after > before:
        networks.said.append(f"The base draws {before} pixels; it is grown to {after} by new layers")
    elif after < before:
        networks.said.append(f"The base draws {before} pixels; its layers above {after} are left out")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise Refused(f"{path.name} cannot be used", str(error), "Import the model again") from error
