"""Writers of foreign files of the first StyleGAN: what its TensorFlow program and rosinality's would have saved.

Each is the inverse of the import's mapping, written independently from what those programs compute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.foreign import SOURCE, EasyDict, Network, dump

State = Mapping[str, np.ndarray]


def random_state(resolution: int = 16, width: int = 4, *, latent: int = 6, layers: int = 3) -> dict[str, np.ndarray]:
    """Random weights by the names of our network; all feature maps `width` wide."""
    from core.ml.networks.stylegan1 import Generator

    torch.manual_seed(8)
    generator = Generator(
        z_dim=latent,
        w_dim=latent,
        img_resolution=resolution,
        mapping_layers=layers,
        channel_base=width * resolution,
        channel_max=width,
    )
    draw = np.random.default_rng(2)
    state = {name: tensor.numpy() for name, tensor in generator.state_dict().items()}
    for name, array in state.items():
        if "filter" not in name and "growth" not in name:
            spread = 20 if name.startswith("mapping.fc") and name.endswith("bias") else 0.3
            state[name] = (array + spread * draw.standard_normal(array.shape)).astype(np.float32)
    return state


def tensorflow_variables(state: State, *, lod: float = 0.0, fused_from: int = 128) -> dict[str, np.ndarray]:
    """The variables of G_mapping and G_synthesis, under their components' names, and dlatent_avg."""
    resolutions = sorted({int(name.split(".")[1][1:]) for name in state if name.startswith("synthesis.b")})
    found: dict[str, np.ndarray] = {"dlatent_avg": state["mapping.w_avg"], "synthesis/lod": np.float32(lod)}
    for name, array in state.items():
        match name.split("."):
            case ["mapping", layer, "weight"]:
                found[f"mapping/Dense{layer[2:]}/weight"] = array.T
            case ["mapping", layer, "bias"]:
                found[f"mapping/Dense{layer[2:]}/bias"] = array * np.sqrt(2)
            case ["synthesis", block, "torgb", part]:
                place = f"synthesis/ToRGB_lod{len(resolutions) - 1 - resolutions.index(int(block[1:]))}/{part}"
                found[place] = array.transpose(2, 3, 1, 0) if part == "weight" else array
            case ["synthesis", block, layer, *parts] if block != "growth":
                size, second, part = int(block[1:]), layer == "layer1", ".".join(parts)
                kind = ("Conv" if second else "Const") if size == 4 else ("Conv1" if second else "Conv0_up")
                place = f"synthesis/{size}x{size}/{kind}"
                if part == "weight":
                    kernel = array.transpose(2, 3, 1, 0)
                    found[f"{place}/weight"] = kernel[::-1, ::-1] if not second and size >= fused_from else kernel
                elif part == "noise_const":
                    found[f"synthesis/noise{2 * resolutions.index(size) + second}"] = array[None, None]
                elif part == "affine.bias":
                    found[f"{place}/StyleMod/bias"] = array - (np.arange(len(array)) < len(array) // 2)
                elif part == "affine.weight":
                    found[f"{place}/StyleMod/weight"] = array.T
                elif part in ("const", "bias", "noise_strength"):
                    theirs = {"const": "const", "bias": "bias", "noise_strength": "Noise/weight"}[part]
                    found[f"{place}/{theirs}"] = array[None] if part == "const" else array
    return found


def write_tensorflow(path: Path, variables: State, **settings: Any) -> Path:
    """A pickle (G, D, Gs) of version 3; `settings` are among those that the networks were made with."""
    parts: dict[str, list[tuple[str, object]]] = {"": [], "mapping": [], "synthesis": []}
    for name, array in variables.items():
        part, rest = name.split("/", 1) if "/" in name else ("", name)
        parts[part].append((rest, np.ascontiguousarray(array, np.float32)))
    made_with = EasyDict(num_channels=3, truncation_psi=0.7, truncation_cutoff=8, use_noise=True, **settings)

    def network(name: str, variables: list[tuple[str, object]], components: EasyDict) -> Network:
        return Network(
            {
                "version": 3,
                "name": name,
                "static_kwargs": made_with,
                "components": components,
                "build_module_src": SOURCE,
                "build_func_name": "G_style",
                "variables": variables,
            }
        )

    inner = EasyDict(
        synthesis=network("G_synthesis", parts["synthesis"], EasyDict()),
        mapping=network("G_mapping", parts["mapping"], EasyDict()),
    )
    empty = network("D", [], EasyDict())
    return dump(path, (empty, empty, network("Gs", parts[""], inner)), 3)


def rosinality_state(seed: int = 0, *, levels: int = 4, fused: int = 3, trained: int = 2) -> dict[str, torch.Tensor]:
    """A StyledGenerator of rosinality's program with random numbers, 5 wide with 4 latents.

    Args:
        seed: Of the numbers.
        levels: Resolutions from 4 pixels up that it has.
        fused: Level from which on doubling is done in one go.
        trained: Highest level that was trained; higher ones are as they begin.
    """
    source = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source)

    width, latent = 5, 4
    found: OrderedDict[str, torch.Tensor] = OrderedDict()
    taps = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    for level in range(levels):
        block = f"generator.progression.{level}"
        begun = float(level <= trained)
        if level == 0:
            found[f"{block}.conv1.input"] = some(1, width, 4, 4)
        elif level >= fused:
            found[f"{block}.conv1.0.weight"] = some(width, width, 3, 3)
            found[f"{block}.conv1.0.bias"] = some(width) * 0.3 * begun
        else:
            found[f"{block}.conv1.1.conv.weight_orig"] = some(width, width, 3, 3)
            found[f"{block}.conv1.1.conv.bias"] = some(width) * 0.3 * begun
        if level:
            for name in ("weight", "weight_flip"):
                found[f"{block}.conv1.{1 if level >= fused else 2}.{name}"] = taps.repeat(width, 1, 1, 1)
        found[f"{block}.conv2.conv.weight_orig"] = some(width, width, 3, 3)
        found[f"{block}.conv2.conv.bias"] = some(width) * 0.3 * begun
        for number in (1, 2):
            found[f"{block}.noise{number}.weight_orig"] = some(1, width, 1, 1) * 0.3 * begun
            ones = (torch.arange(2 * width) < width).float()
            found[f"{block}.adain{number}.style.linear.weight_orig"] = some(2 * width, latent)
            found[f"{block}.adain{number}.style.linear.bias"] = ones + some(2 * width) * 0.3 * begun
        found[f"generator.to_rgb.{level}.conv.weight_orig"] = some(3, width, 1, 1)
        found[f"generator.to_rgb.{level}.conv.bias"] = some(3) * 0.3 * begun
    for index in (1, 3, 5):
        found[f"style.{index}.linear.weight_orig"] = some(latent, latent)
        found[f"style.{index}.linear.bias"] = some(latent) * 0.3
    return found
