"""Writers of real-format foreign files: what NVIDIA's, TensorFlow's and rosinality's programs would have saved.

torch and NumPy pickle their own tensors here, so that the nested bytes are the real ones; only the names of classes
that are not installed are written by hand. Used by tests of every level; nothing here is part of the program.
"""

from __future__ import annotations

import argparse
import io
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

State = Mapping[str, np.ndarray]


class _Named:
    """A class or function that a pickle names but that is not installed."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *arguments: object) -> object:
        raise AssertionError("only its name is pickled")


RECONSTRUCT = _Named("torch_utils.persistence", "_reconstruct_persistent_obj")


class EasyDict(dict):  # type: ignore[type-arg]
    """dnnlib.util.EasyDict."""


class Network:
    """dnnlib.tflib.network.Network."""

    def __init__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)


_NAMES: dict[Any, tuple[str, str]] = {
    EasyDict: ("dnnlib.util", "EasyDict"),
    Network: ("dnnlib.tflib.network", "Network"),
}


class _Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """The standard pickler, except that some globals get names of our choice."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]
    old_numpy = True

    def save_global(self, obj: Any, name: str | None = None) -> None:
        chosen = (obj.module, obj.name) if isinstance(obj, _Named) else _NAMES.get(obj)
        if chosen is None and self.old_numpy and getattr(obj, "__module__", "") == "numpy._core.multiarray":
            chosen = ("numpy.core.multiarray", obj.__name__)
        if chosen is None:
            super().save_global(obj, name)
            return
        if self.proto >= 4:
            self.save(chosen[0])
            self.save(chosen[1])
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{chosen[0]}\n{chosen[1]}\n".encode())
        self.memoize(obj)

    dispatch[_Named] = save_global
    dispatch[type(lambda: None)] = save_global
    dispatch[type(np.array)] = save_global


class _Module:
    """A module of NVIDIA's code: a class by name, and its attributes."""

    def __init__(self, class_name: str, state: dict[str, object]) -> None:
        self.class_name, self.state = class_name, state

    def __reduce__(self) -> tuple[object, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": self.class_name,
            "state": self.state,
        }
        return RECONSTRUCT, (meta,)


def module(children: Mapping[str, object], class_name: str = "Generator") -> _Module:
    """A module with children and nothing else."""
    return _Module(class_name, {"_parameters": {}, "_buffers": {}, "_modules": dict(children)})


SOURCE = "import os\nos.system('touch CANARY')\nraise SystemExit('the source text of a module was run')\n"
"""What stands where the source text of NVIDIA's modules stands in real files."""


def dump(path: Path, content: object, protocol: int = 4, old_numpy: bool = True) -> Path:
    """Pickle `content` into a file as the original programs do."""
    with open(path, "wb") as file:
        pickler = _Pickler(file, protocol)
        pickler.old_numpy = old_numpy
        pickler.dump(content)
    return path


def nvidia_network(state: State, config: Mapping[str, Any], flat_settings: bool = False) -> _Module:
    """A generator as stylegan2-ada-pytorch (or, with `flat_settings`, stylegan3) holds it."""
    tree: dict[str, Any] = {}
    for name, array in state.items():
        node = tree
        *path, leaf = name.split(".")
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = torch.from_numpy(np.array(array, np.float32))
    shape = {"channel_base": config["channel_base"], "channel_max": config["channel_max"], "num_fp16_res": 4}
    synthesis = {**shape, "conv_clamp": config["conv_clamp"]}
    settings = EasyDict(
        z_dim=config["z_dim"],
        c_dim=config["c_dim"],
        w_dim=config["w_dim"],
        img_resolution=config["img_resolution"],
        img_channels=config["img_channels"],
        mapping_kwargs=EasyDict(num_layers=config["mapping_layers"]),
        **(synthesis if flat_settings else {"synthesis_kwargs": EasyDict(synthesis)}),
    )
    return _module("Generator", tree, settings, config)


def _module(name: str, tree: Mapping[str, Any], settings: object, config: Mapping[str, Any]) -> _Module:
    tensors = {key: value for key, value in tree.items() if not isinstance(value, dict)}
    buffers = {key: tensors.pop(key) for key in list(tensors) if key in _BUFFERS}
    children = {key: value for key, value in tree.items() if isinstance(value, dict)}
    state: dict[str, object] = {
        "training": False,
        "_parameters": OrderedDict((key, torch.nn.Parameter(value)) for key, value in tensors.items()),
        "_buffers": OrderedDict(buffers),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_forward_hooks": OrderedDict(),
        "_modules": OrderedDict((key, _module(_class(key), value, None, config)) for key, value in children.items()),
        "_init_args": (),
        "_init_kwargs": settings if settings is not None else EasyDict(),
        "weight_gain": np.float64(0.044),
    }
    if name in ("SynthesisLayer", "ToRGBLayer"):
        state |= {"conv_clamp": config["conv_clamp"], "activation": "lrelu", "padding": 1}
    if name == "SynthesisBlock":
        state |= {"architecture": "skip", "resolution": 4, "use_fp16": False}
    if re.fullmatch(r"FullyConnectedLayer", name):
        state |= {"bias_gain": 0.01, "activation": "lrelu"}
    return _Module(name, state)


_BUFFERS = ("resample_filter", "noise_const", "w_avg")


def _class(name: str) -> str:
    kinds = {"synthesis": "SynthesisNetwork", "mapping": "MappingNetwork", "torgb": "ToRGBLayer"}
    if name.startswith("conv"):
        return "SynthesisLayer"
    if re.fullmatch(r"b\d+", name):
        return "SynthesisBlock"
    return kinds.get(name, "FullyConnectedLayer")


def write_nvidia(
    path: Path, state: State, config: Mapping[str, Any], *, protocol: int = 4, stylegan3: bool = False
) -> Path:
    """A network-snapshot.pkl. G holds other numbers than G_ema, so that a test sees which one was taken."""
    other = {name: array * 0.5 if name.endswith("weight") else array for name, array in state.items()}
    content: dict[str, object] = {
        "G": nvidia_network(other, config, stylegan3),
        "D": _Module("Discriminator", {"_parameters": {}, "_buffers": {}, "_modules": {}}),
        "G_ema": nvidia_network(state, config, stylegan3),
        "augment_pipe": None,
    }
    training_set = EasyDict(class_name="training.dataset.ImageFolderDataset", path="/data/pictures.zip", xflip=True)
    if stylegan3:
        content["training_set_kwargs"] = dict(training_set)
    else:
        content = {"training_set_kwargs": training_set, **content}
    return dump(path, content, protocol, old_numpy=not stylegan3)


def write_tensorflow(path: Path, state: State, config: Mapping[str, Any], *, protocol: int = 4) -> Path:
    """A pickle (G, D, Gs) of the TensorFlow era: the inverse of the import's mapping, written independently."""
    parts: dict[str, list[tuple[str, object]]] = {"": [], "mapping": [], "synthesis": []}

    def put(part: str, name: str, array: np.ndarray) -> None:
        parts[part].append((name, np.ascontiguousarray(array, np.float32)))

    for name, array in state.items():
        if name.endswith("resample_filter"):
            continue
        if name == "mapping.w_avg":
            put("", "dlatent_avg", array)
        elif name.startswith("mapping."):
            _, layer, kind = name.split(".")
            theirs = "LabelEmbed" if layer == "embed" else f"Dense{layer[2:]}"
            put("mapping", f"{theirs}/{kind}", array.T if kind == "weight" else array)
        elif name == "synthesis.b4.const":
            put("synthesis", "4x4/Const/const", array[None])
        else:
            _, block, layer, kind = name.split(".", 3)
            res = int(block[1:])
            theirs = {"conv0": "Conv0_up", "conv1": "Conv1" if res > 4 else "Conv", "torgb": "ToRGB"}[layer]
            place = f"{res}x{res}/{theirs}"
            if kind == "weight":
                turned = array.transpose(2, 3, 1, 0)
                put("synthesis", f"{place}/weight", turned[::-1, ::-1] if layer == "conv0" else turned)
            elif kind == "affine.weight":
                put("synthesis", f"{place}/mod_weight", array.T)
            elif kind == "affine.bias":
                put("synthesis", f"{place}/mod_bias", array - 1)
            elif kind == "noise_const":
                index = 0 if res == 4 else 2 * (res.bit_length() - 1) - (5 if layer == "conv0" else 4)
                put("synthesis", f"noise{index}", array[None, None])
            else:
                put("synthesis", f"{place}/{kind}", array)
    settings = EasyDict(
        num_channels=config["img_channels"],
        resolution=config["img_resolution"],
        label_size=config["c_dim"],
        fmap_base=config["channel_base"] // 2,
        fmap_max=config["channel_max"],
        mapping_layers=config["mapping_layers"],
        conv_clamp=config["conv_clamp"],
    )

    def network(name: str, variables: list[tuple[str, object]], components: EasyDict) -> Network:
        return Network(
            {
                "version": 4,
                "name": name,
                "static_kwargs": settings,
                "components": components,
                "build_module_src": SOURCE,
                "build_func_name": "G_main",
                "variables": variables,
            }
        )

    inner = EasyDict(
        synthesis=network("G_synthesis", parts["synthesis"], EasyDict()),
        mapping=network("G_mapping", parts["mapping"], EasyDict()),
    )
    empty = network("D", [], EasyDict())
    return dump(path, (empty, empty, network("Gs", parts[""], inner)), protocol)


def rosinality_state(state: State) -> OrderedDict[str, torch.Tensor]:
    """The state dict with rosinality's names: the inverse of the import's mapping, written independently."""
    found: OrderedDict[str, torch.Tensor] = OrderedDict()
    for name, array in state.items():
        tensor = torch.from_numpy(np.array(array, np.float32))
        if name.startswith("mapping.fc"):
            layer, kind = name.removeprefix("mapping.fc").split(".")
            found[f"style.{int(layer) + 1}.{kind}"] = tensor
        elif name == "synthesis.b4.const":
            found["input.input"] = tensor[None]
        elif name.startswith("synthesis.") and name.count(".") > 2:
            _, block, layer, kind = name.split(".", 3)
            level = int(block[1:]).bit_length() - 3  # 0 at 4 pixels
            if layer == "torgb":
                theirs = f"to_rgbs.{level - 1}" if level else "to_rgb1"
                bias = tensor.reshape(1, -1, 1, 1) if kind == "bias" else tensor
                names = {"weight": "conv.weight", "bias": "bias"}
                found[f"{theirs}.{names.get(kind, kind.replace('affine', 'conv.modulation'))}"] = (
                    tensor[None] if kind == "weight" else bias
                )
                if kind == "weight" and level:
                    found[f"{theirs}.upsample.kernel"] = _kernel()
                continue
            index = 0 if level == 0 else 2 * level - 1 + (layer == "conv1")
            theirs = f"convs.{index - 1}" if index else "conv1"
            if kind == "weight":
                found[f"{theirs}.conv.weight"] = tensor[None]
                if layer == "conv0":
                    found[f"{theirs}.conv.blur.kernel"] = _kernel()
            elif kind.startswith("affine"):
                found[f"{theirs}.{kind.replace('affine', 'conv.modulation')}"] = tensor
            elif kind == "noise_strength":
                found[f"{theirs}.noise.weight"] = tensor.reshape(1)
            elif kind == "bias":
                found[f"{theirs}.activate.bias"] = tensor
            elif kind == "noise_const":
                found[f"noises.noise_{index}"] = tensor[None, None]
    return found


def write_rosinality(path: Path, state: State, *, zipped: bool = True, training: bool = False) -> Path:
    """A .pt file: converted ({g_ema, latent_avg}) or from training (both generators, optimiser, arguments)."""
    ours = rosinality_state(state)
    content: dict[str, object] = {"g_ema": ours}
    if training:
        other = OrderedDict((name, tensor * 0.5 if "weight" in name else tensor) for name, tensor in ours.items())
        weight = torch.nn.Parameter(torch.ones(3))
        optimiser = torch.optim.Adam([weight], lr=0.002)
        weight.sum().backward()
        optimiser.step()
        content |= {
            "g": other,
            "d": OrderedDict(),
            "g_optim": optimiser.state_dict(),
            "d_optim": optimiser.state_dict(),
            "args": argparse.Namespace(size=64, latent=64, n_mlp=8, path="data", iter=800_000),
            "ada_aug_p": 0.25,
        }
    else:
        content["latent_avg"] = torch.from_numpy(np.array(state["mapping.w_avg"], np.float32))
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def tiny_generator(seed: int = 0, resolution: int = 8, width: int = 4) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Random weights of a generator of a few kilobytes, and its settings."""
    from core.ml.checkpoints.generator import FILTER, Shape

    levels = {2**power: width for power in range(2, resolution.bit_length())}
    shape = Shape(4, 0, 4, resolution, 3, 2, levels)
    draw = np.random.default_rng(seed)
    state = {name: draw.standard_normal(size).astype(np.float32) for name, size in shape.tensors().items()}
    state |= {name: FILTER.copy() for name in state if name.endswith("resample_filter")}
    config = {
        "z_dim": 4,
        "c_dim": 0,
        "w_dim": 4,
        "img_resolution": resolution,
        "img_channels": 3,
        "mapping_layers": 2,
        "channel_base": width * resolution,
        "channel_max": width,
        "conv_clamp": None,
    }
    return state, config


def _kernel() -> torch.Tensor:
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(row, row) / 64 * 4


def saved(content: object, zipped: bool = True) -> bytes:
    """The bytes that torch.save writes."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()
