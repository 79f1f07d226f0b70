"""Text models in Hugging Face layout: known files are copied, weights become safetensors, code is never taken.

A pytorch_model.bin is read by the same safe reader as every other torch file.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from core.errors import Refused
from core.interface.command import Interface
from core.ml import threads
from core.ml.checkpoints import safetensors_files, sniff, torch_files
from core.ml.checkpoints.convert import Converted, Progress
from core.ml.checkpoints.generator import check_repeats
from core.ml.checkpoints.interpreter import Budget
from core.ml.checkpoints.problems import MAX_ENTRIES, MAX_HEADER, Unreadable, shown
from core.ml.checkpoints.source import digest, map_file
from core.ml.checkpoints.tensors import FLOATS, Tensor
from core.paths import write_atomic
from core.workers.adapter import Request

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "added_tokens.json",
    "special_tokens_map.json",
)
MAX_VOCABULARY = 64 * 2**20
"""Bytes of one file of a tokenizer. The largest published ones have 33 MB."""
MAX_LAYERS = 512
MAX_SETTING = 2**31
_WEIGHTS = "model.safetensors"
_LEFT_OUT = frozenset(  # what would fetch or choose code, or says where the folder was before
    {
        *("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code", "kernel_config", "use_kernels"),
        *("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"),
        *("_name_or_path", "_commit_hash"),
    }
)


def convert(path: Path, staging: Path, progress: Progress) -> Converted:
    """Convert the folder of a causal language model; see `core.ml.checkpoints.convert.convert`."""
    progress("reading", None)
    config = _settings(path / "config.json")
    tensors, sha256, form = _weights(path, progress)
    _check_config(config)
    _write_json(staging / "config.json", config)
    if (path / "generation_config.json").is_file():
        generation = _settings(path / "generation_config.json")
        _write_json(staging / "generation_config.json", {k: v for k, v in generation.items() if _plain(v)})
    _copy_tokenizer(path, staging)
    threads.size_thread_pools()
    with _quiet():
        architecture = _check_size(staging, tensors)
        safetensors_files.write(staging / _WEIGHTS, tensors, {"format": "pt"}, lambda share: progress("writing", share))
        progress("checking", None)
        _check_model(staging)
        interface = _check_adapter(staging)
    return Converted(
        name=_name(path),
        kind="text",
        adapter="causal-lm",
        architecture=architecture,
        interface=interface,
        origin={"file": shown(path.name, 200), "sha256": sha256, "format": form},
    )


def _name(path: Path) -> str:
    """The folder's name; in the cache of Hugging Face's tools the model's (models--OWNER--NAME/snapshots/HASH)."""
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.split("--")[-1]
    return path.name


def _settings(path: Path) -> dict[str, object]:
    """A JSON object from a small file, without what could lead to code."""
    value = safetensors_files.read_json(bytes(map_file(path, MAX_HEADER)))
    if not isinstance(value, dict):
        raise Unreadable(f"its {path.name} is damaged")
    return value


def _check_config(config: dict[str, object]) -> None:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = config.get("model_type")
    known = isinstance(kind, str) and kind in CONFIG_MAPPING
    if not known and "auto_map" in config:
        raise Unreadable(
            "it needs Python code from its own repository (auto_map), which is not run",
            "Look for a version of it that transformers knows by itself",
        )
    if not known:
        raise Unreadable(f"its config.json names the model type {shown(kind)}, which is unknown")
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise Unreadable(f"it is a {shown(kind)} model, which does not complete text")
    if config.get("quantization_config") is not None:
        raise Unreadable("its weights are quantised, which is not supported", "Import the model it was made from")
    for name in _LEFT_OUT & config.keys():
        del config[name]
    for name, value in config.items():
        if isinstance(value, int) and abs(value) > MAX_SETTING:
            raise Unreadable(f"its config.json has an impossible {shown(name)}")
        if re.search(r"layers?$", name) and isinstance(value, int) and value > MAX_LAYERS:
            raise Unreadable(f"its config.json asks for {value} layers")


def _weights(path: Path, progress: Progress) -> tuple[dict[str, Tensor], str, str]:
    """All tensors, the checksum of the first file of weights, and the format in words."""
    for name, form in ((_WEIGHTS, "Hugging Face safetensors"), ("pytorch_model.bin", "Hugging Face PyTorch")):
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


def _shards(index: Path) -> list[str]:
    places = _settings(index).get("weight_map")
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


def _copy_tokenizer(path: Path, staging: Path) -> None:
    """The tokenizer's files, never more than a vocabulary needs; code that the settings name is left behind."""
    found = [name for name in TOKENIZER_FILES if (path / name).is_file()]
    if not {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"} & set(found):
        raise Unreadable("it has no tokenizer (tokenizer.json)")
    for name in found:
        write_atomic(staging / name, bytes(map_file(path / name, MAX_VOCABULARY)))
    if (path / "tokenizer_config.json").is_file():
        _write_json(staging / "tokenizer_config.json", _settings(path / "tokenizer_config.json"))


def _write_json(path: Path, settings: Mapping[str, object]) -> None:
    kept = {name: value for name, value in settings.items() if name not in _LEFT_OUT}
    write_atomic(path, json.dumps(kept, indent=2) + "\n")


def _plain(value: object) -> bool:
    if isinstance(value, list):
        return len(value) < 10_000 and all(isinstance(item, int | float) for item in value)
    return value is None or isinstance(value, int | float | str)


def _check_size(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, object]:
    """The network's sizes, counted without memory; the settings must not ask for much more than there is."""
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # whatever a crafted configuration makes a model's constructor do
        raise Unreadable(f"its config.json builds no model ({shown(_first_line(error), 80)})") from None
    wanted = int(sum(parameter.numel() for parameter in model.parameters()))
    given = sum(tensor.size for tensor in tensors.values() if tensor.tag in FLOATS)
    if wanted > given * 1.01 + 1000:
        raise Unreadable(f"its config.json asks for {wanted:,} numbers, its weights hold {given:,}")
    sizes = {
        "layers": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "context": "max_position_embeddings",
        "vocabulary": "vocab_size",
    }
    found = {ours: getattr(config, theirs, None) for ours, theirs in sizes.items()}
    numbers = {name: value for name, value in found.items() if type(value) is int}
    return {"name": str(config.model_type), "parameters": wanted, **numbers}


def _check_model(folder: Path) -> None:
    """Every parameter has its weights, the tokenizer fits, and what comes out is finite."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        ids = tokenizer("The", return_tensors="pt")["input_ids"]
    except Exception as error:
        raise Unreadable(f"its tokenizer cannot be used ({shown(_first_line(error), 80)})") from None
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto",
            output_loading_info=True,
        )
    except Exception as error:
        raise Unreadable(f"its weights do not fit its config.json ({shown(_first_line(error), 80)})") from None
    missing = sorted(report["missing_keys"])
    if missing:
        raise Unreadable(f"the tensor {shown(missing[0])} is missing", "Download or copy it again")
    vocabulary = model.get_input_embeddings().weight.shape[0]
    if ids.numel() == 0:
        ids = torch.zeros((1, 1), dtype=torch.long)
    if int(ids.max()) >= vocabulary:
        raise Unreadable("its tokenizer has more tokens than its network")
    with torch.inference_mode():
        try:
            logits = model.eval()(ids).logits
        except Exception as error:
            raise Unreadable(f"its network does not run ({shown(_first_line(error), 80)})") from None
    if not bool(torch.isfinite(logits).all()):
        raise Unreadable("its network gives numbers that are not finite")


def _check_adapter(folder: Path) -> Interface:
    """Load it as a worker will, and complete one token; returns the interface that it then has."""
    from core.ml.adapters import causal_lm

    try:
        adapter = causal_lm.load(folder, {}, "cpu")
        inputs = adapter.interface.commands["complete"].check_inputs({"prompt": "The", "max_tokens": 1})
        for _ in adapter.run("complete", [Request(inputs, lambda: False)]):
            pass
    except Refused as error:
        raise Unreadable(f"{error.what}: {error.why}" if error.why else error.what, error.do) from None
    return adapter.interface


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _quiet() -> Iterator[None]:
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
