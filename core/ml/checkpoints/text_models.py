"""Text models in Hugging Face layout: known files are copied, weights become safetensors, code is never taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from core.errors import Refused
from core.interface.command import Interface
from core.ml import threads
from core.ml.checkpoints import hugging_face, safetensors_files
from core.ml.checkpoints.convert import Converted, Progress
from core.ml.checkpoints.hugging_face import first_line
from core.ml.checkpoints.problems import Unreadable, shown
from core.ml.checkpoints.source import map_file
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


def convert(path: Path, staging: Path, progress: Progress) -> Converted:
    """Convert the folder of a causal language model; see `core.ml.checkpoints.convert.convert`."""
    progress("reading", None)
    config = hugging_face.settings(path / "config.json")
    tensors, sha256, form = hugging_face.weights(path, progress)
    _check_config(config)
    hugging_face.write_json(staging / "config.json", config)
    if (path / "generation_config.json").is_file():
        generation = hugging_face.settings(path / "generation_config.json")
        hugging_face.write_json(staging / "generation_config.json", {k: v for k, v in generation.items() if _plain(v)})
    _copy_tokenizer(path, staging)
    threads.size_thread_pools()
    with hugging_face.quiet():
        architecture = _check_size(staging, tensors)
        safetensors_files.write(
            staging / hugging_face.WEIGHTS, tensors, {"format": "pt"}, lambda share: progress("writing", share)
        )
        progress("checking", None)
        _check_model(staging)
        interface = _check_adapter(staging)
    return Converted(
        name=hugging_face.name_of(path),
        kind="text",
        adapter="causal-lm",
        architecture=architecture,
        interface=interface,
        origin={"file": shown(path.name, 200), "sha256": sha256, "format": form},
    )


def _check_config(config: dict[str, object]) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = hugging_face.check_kind(config)
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise Unreadable(f"it is a {shown(kind)} model, which does not complete text")
    hugging_face.check_settings(config)


def _copy_tokenizer(path: Path, staging: Path) -> None:
    """The tokenizer's files, never more than a vocabulary needs; code that the settings name is left behind."""
    found = [name for name in TOKENIZER_FILES if (path / name).is_file()]
    if not {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"} & set(found):
        raise Unreadable("it has no tokenizer (tokenizer.json)")
    for name in found:
        write_atomic(staging / name, bytes(map_file(path / name, MAX_VOCABULARY)))
    if (path / "tokenizer_config.json").is_file():
        hugging_face.write_json(
            staging / "tokenizer_config.json", hugging_face.settings(path / "tokenizer_config.json")
        )


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
        raise Unreadable(f"its config.json builds no model ({shown(first_line(error), 80)})") from None
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
        raise Unreadable(f"its tokenizer cannot be used ({shown(first_line(error), 80)})") from None
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
        raise Unreadable(f"its weights do not fit its config.json ({shown(first_line(error), 80)})") from None
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
            raise Unreadable(f"its network does not run ({shown(first_line(error), 80)})") from None
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
