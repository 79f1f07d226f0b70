"""A text model's folder (Hugging Face layout) to an engine and a tokenizer. Nothing in the folder is ever executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.errors import Refused
from core.library.interfaces import PRECISIONS
from core.ml.generation.completion import Engine
from core.ml.generation.gpt2 import GPT2, supports
from core.ml.generation.precision import int8_engine, streams_bfloat16
from core.ml.generation.tokens import Tokens, load_tokens
from core.ml.hardware import fast_bfloat16

LARGE = 50_000_000
"""Parameters from which on reading the weights, not the work around it, decides the speed."""

MAX_CONFIG_BYTES = 2**20


def load_engine(folder: Path, precision: str = "auto", device: torch.device | None = None) -> tuple[Engine, Tokens]:
    """Load a causal language model.

    Args:
        folder: Holds config.json, the weights (safetensors, or a pytorch_model.bin of plain tensors) and a tokenizer.
        precision: auto, float32, bfloat16 or int8. "auto" is float32, or bfloat16 for models of more than 50 million
            parameters where that is faster on this device (asked of the hardware, or timed).
        device: Where to compute; the CPU by default.

    Raises:
        Refused: Something is missing, broken or of an unknown kind, or int8 is asked for where there is none.
    """
    if precision not in PRECISIONS:
        raise Refused("unknown precision", repr(precision), f"Choose one of {', '.join(PRECISIONS)}")
    config = read_config(folder)
    place = device or torch.device("cpu")
    tokens = load_tokens(folder, config)
    if precision == "int8" and (place.type != "cpu" or int8_engine() is None):
        raise Refused("int8 is not possible", "it needs a CPU and a PyTorch build with int8 products", "Use bfloat16")
    if not supports(config):
        from core.ml.generation.transformers_engine import TransformersEngine

        _check_only_tensors(folder)
        chosen = "float32" if precision == "auto" else precision
        if precision == "auto" and place.type == "cuda" and fast_bfloat16(place):
            chosen = "bfloat16"
        engine: Engine = TransformersEngine(folder, config, chosen, place)
    else:
        weights = read_weights(folder)
        if precision == "auto":
            precision = _choose(sum(tensor.numel() for tensor in weights.values()), place)
        engine = GPT2(config, weights, precision, place)
    if tokens.vocabulary > engine.vocabulary:
        raise Refused("the tokenizer does not fit the model", f"{tokens.vocabulary} ids for {engine.vocabulary} logits")
    return engine, tokens


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of config.json.

    Raises:
        Refused: There is none, or it is not JSON, or it wants code of its own to be run.
    """
    path = folder / "config.json"
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise Refused("config.json cannot be read", f"it is larger than {MAX_CONFIG_BYTES:,} bytes")
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused("this is no text model", f"there is no config.json in {folder.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Refused("config.json cannot be read", str(error), "Copy the model again") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise Refused("config.json cannot be used", "it names no model_type")
    if "auto_map" in config:
        raise Refused("this model brings its own code", "Tarmac does not run code from model folders")
    return config


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder by name, memory-mapped where the format allows it.

    Raises:
        Refused: No weights, or a broken file; a pickle that holds anything but tensors.
    """
    weights: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, "pt") as file:
                    weights.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no mapping)
            else:
                weights.update(_tensors_of_pickle(path))
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            raise Refused(f"{path.name} cannot be read", str(error).split("\n")[0], "Copy the model again") from error
    return weights


def _weight_files(folder: Path) -> list[Path]:
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        if index.is_file():
            try:
                names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise Refused(f"{index.name} cannot be read", str(error)) from error
            if not all(isinstance(item, str) and Path(item).name == item for item in names):
                raise Refused(f"{index.name} cannot be used", "it names files outside the folder")
            files = [folder / item for item in sorted(names)]
        else:
            files = [folder / name]
        if all(path.is_file() for path in files):
            return files
    raise Refused("there are no weights", f"neither model.safetensors nor pytorch_model.bin in {folder.name}")


def _tensors_of_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a pytorch_model.bin, read by PyTorch's restricted unpickler, which runs no code."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fed with foreign bytes raises nearly anything
        raise Refused(f"{path.name} cannot be read", "it is not a file of plain tensors", "Use safetensors") from error
    if not isinstance(content, dict) or not all(isinstance(item, Tensor) for item in content.values()):
        raise Refused(f"{path.name} cannot be used", "it is not a file of plain tensors", "Use safetensors")
    return content


def _check_only_tensors(folder: Path) -> None:
    """Refuse what transformers would unpickle unless it is plain tensors."""
    for path in _weight_files(folder):
        if path.suffix != ".safetensors":
            _tensors_of_pickle(path)


def _choose(parameters: int, device: torch.device) -> str:
    if parameters < LARGE or not (fast_bfloat16(device) or (device.type == "cpu" and streams_bfloat16())):
        return "float32"
    return "bfloat16"
