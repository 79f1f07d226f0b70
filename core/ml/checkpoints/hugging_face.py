"""What all models in Hugging Face layout have in common: a config.json, weights in one file or several, nothing run.

A pytorch_model.bin is read by the same safe reader as every other torch file.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.ml.checkpoints import safetensors_files, sniff, torch_files
from core.ml.checkpoints.convert import Progress
from core.ml.checkpoints.generator import check_repeats
from core.ml.checkpoints.interpreter import Budget
from core.ml.checkpoints.problems import MAX_ENTRIES, MAX_HEADER, Unreadable, shown
from core.ml.checkpoints.source import digest, map_file
from core.ml.checkpoints.tensors import Tensor
from core.paths import write_atomic

MAX_LAYERS = 512
MAX_SETTING = 2**31
WEIGHTS = "model.safetensors"
LEFT_OUT = frozenset(  # what would fetch or choose code, or says where the folder was before
    {
        *("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code", "kernel_config", "use_kernels"),
        *("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"),
        *("_name_or_path", "_commit_hash"),
    }
)


def name_of(path: Path) -> str:
    """The folder's name; in the cache of Hugging Face's tools the model's (models--OWNER--NAME/snapshots/HASH)."""
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.split("--")[-1]
    return path.name


def settings(path: Path) -> dict[str, object]:
    """A JSON object from a small file.

    Raises:
        Unreadable: It is none.
    """
    value = safetensors_files.read_json(bytes(map_file(path, MAX_HEADER)))
    if not isinstance(value, dict):
        raise Unreadable(f"its {path.name} is damaged")
    return value


def check_kind(config: Mapping[str, object]) -> str:
    """The model type of a config.json, which transformers knows by itself.

    Raises:
        Unreadable: It does not, or the model wants Python code of its own to be run.
    """
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    if isinstance(kind, str) and kind in CONFIG_MAPPING:
        return kind
    if "auto_map" in config:
        raise Unreadable(
            "it needs Python code from its own repository (auto_map), which is not run",
            "Look for a version of it that transformers knows by itself",
        )
    raise Unreadable(f"its config.json names the model type {shown(kind)}, which is unknown")


def check_settings(config: dict[str, object]) -> None:
    """Take out of a config.json, in place, what could lead to code.

    Raises:
        Unreadable: The weights are quantised, or a number is impossible.
    """
    if config.get("quantization_config") is not None:
        raise Unreadable("its weights are quantised, which is not supported", "Import the model it was made from")
    for name in LEFT_OUT & config.keys():
        del config[name]
    for name, value in config.items():
        if isinstance(value, int) and abs(value) > MAX_SETTING:
            raise Unreadable(f"its config.json has an impossible {shown(name)}")
        if re.search(r"layers?$", name) and isinstance(value, int) and value > MAX_LAYERS:
            raise Unreadable(f"its config.json asks for {value} layers")


def weights(path: Path, progress: Progress) -> tuple[dict[str, Tensor], str, str]:
    """All tensors of a folder, the checksum of the first file of weights, and the format in words.

    Raises:
        Unreadable: There are none, or a file is damaged or holds something else.
    """
    for name, form in ((WEIGHTS, "Hugging Face safetensors"), ("pytorch_model.bin", "Hugging Face PyTorch")):
        index = path / f"{name}.index.json"
        if (path / name).exists():
            files = [name]
        elif index.exists():
            files = _shards(index)
        else:
            continue
        tensors: dict[str, Tensor] = {}
        sha256 = ""
        for number, file in enumerate(files):
            data = map_file(path / file)
            for key, tensor in _state(data, file).items():
                if key in tensors:
                    raise Unreadable(f"two of its files hold the tensor {shown(key)}")
                tensors[key] = tensor
            sha256 = sha256 or digest(data, lambda share: progress("checksum", share))
            progress("reading", (number + 1) / len(files))
        if not tensors:
            raise Unreadable("its weights are empty")
        check_repeats(tensors.values())
        return tensors, sha256, form
    raise Unreadable("it has no model.safetensors and no pytorch_model.bin")


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write settings, without what could lead to code."""
    kept = {name: value for name, value in content.items() if name not in LEFT_OUT}
    write_atomic(path, json.dumps(kept, indent=2) + "\n")


def first_line(error: Exception) -> str:
    """What an error of a library says, in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Libraries' advice is of no use to somebody who imports a file."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)


def _shards(index: Path) -> list[str]:
    places = settings(index).get("weight_map")
    if not isinstance(places, dict) or not 0 < len(places) <= MAX_ENTRIES:
        raise Unreadable(f"its {index.name} is damaged")
    files = sorted({name for name in places.values() if isinstance(name, str)})
    if any(not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}", name) for name in files) or not files:
        raise Unreadable(f"its {index.name} names files outside the folder")
    return files


def _state(data: memoryview, file: str) -> dict[str, Tensor]:
    kind = sniff.sniff(data)
    if kind == "safetensors":
        return safetensors_files.read(data)[0]
    if kind == "pickle":
        raise Unreadable(f"its {shown(file)} is a pickle of something other than weights")
    reader = torch_files.read_archive if kind == "archive" else torch_files.read_stream
    content = reader(data, Budget())
    if type(content) is not dict or not all(
        type(name) is str and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise Unreadable(f"its {shown(file)} holds something other than tensors")
    return content
