"""A text training on disk: checkpoints, and the model that is made of one.

A checkpoint is itself a model folder (Hugging Face layout and model.toml) with what training needs besides: training.pt
with optimiser and counters, which are tensors and plain data only. Where LoRA is trained, model.safetensors has it
merged in; learned.safetensors has its matrices, and frozen.safetensors what stays as it was, which all checkpoints of a
run share on a disk that can do that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from core.library.interfaces import text_interface
from core.library.manifest import FILE_NAME, Manifest
from core.ml.checkpoints.text_models import TOKENIZER_FILES
from core.ml.generation.tokens import Tokens
from core.ml.training.checkpoint_files import TRAINING, flush, read_rest, reading, take, write_rest
from core.ml.training.text.loop import TextTraining, own_tensors
from core.ml.training.text.network import LORA, plain_weights, positions_of
from core.paths import storage_errors
from core.runs.adoption import link

WEIGHTS, LEARNED, FROZEN = "model.safetensors", "learned.safetensors", "frozen.safetensors"
TOKENIZER = (*TOKENIZER_FILES, "tokenizer_config.json")


def manifest_of(
    training: TextTraining,
    *,
    name: str,
    licence: str = "",
    lineage: tuple[str, ...] = (),
    scores: Mapping[str, object] | None = None,
    about: Mapping[str, object] | None = None,
) -> Manifest:
    """What a model made of this training says about itself.

    Args:
        training: Where it stands now.
        name: For people.
        licence: Of the dataset, if it has one: the model's texts derive from it.
        lineage: Ids of the models it was made from, the nearest last.
        scores: By the names of their metrics.
        about: More for the recipe: dataset, hardware, options.
    """
    model: Any = training.model
    config = model.config.get_text_config()
    recipe = {**asdict(training.recipe), "steps": training.step, "tokens_seen": training.tokens_seen}
    recipe |= {"seconds": round(training.seconds, 1), **(about or {})}
    sizes = {
        "layers": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "vocabulary": "vocab_size",
    }
    numbers = {ours: value for ours, theirs in sizes.items() if type(value := getattr(config, theirs, None)) is int}
    context = positions_of(model.config)
    parameters = sum(tensor.numel() for name, tensor in own_tensors(model).items() if LORA not in name)
    architecture = {"name": str(model.config.model_type), "parameters": parameters, "context": context, **numbers}
    return Manifest(
        name=name,
        kind="text",
        adapter="causal-lm",
        interface=text_interface(context).spec(),
        author="you",
        licence=licence,
        description=f"Trained for {training.step:,} steps on {training.tokens_seen:,} tokens.",
        lineage=lineage,
        architecture=architecture,
        scores=dict(scores or {}),
        recipe=recipe,
    )


def write_checkpoint(
    folder: Path,
    training: TextTraining,
    manifest: Manifest,
    run: dict[str, Any],
    *,
    tokenizer: Mapping[str, bytes],
    before: Path | None = None,
) -> int:
    """Write everything that training goes on from into an empty folder.

    Args:
        folder: To be published by its owner when this returns.
        training: As it stands.
        manifest: From `manifest_of`.
        run: Plain data that the run keeps with it.
        tokenizer: From `tokenizer_of`.
        before: An earlier checkpoint of the run, for what has not changed since.

    Returns:
        Bytes written.

    Raises:
        StorageError: The disk is full, read-only or gone.
    """
    state = training.state()
    with storage_errors(folder):
        _save(folder / WEIGHTS, plain_weights(training.model))
        learned = {name: tensor for name, tensor in state["model"].items() if LORA in name}
        if learned:
            _save(folder / LEARNED, learned)
            if before is not None and (before / FROZEN).exists():
                link(before / FROZEN, folder / FROZEN)
            else:
                _save(folder / FROZEN, {n: tensor for n, tensor in state["model"].items() if LORA not in n})
        _write_config(folder, training.model)
        for name, content in tokenizer.items():
            (folder / name).write_bytes(content)
            flush(folder / name)
        write_rest(folder, {"numbers": state["numbers"], "optimiser": state["optimiser"]}, run)
    manifest.write(folder)
    return sum(path.stat().st_size for path in folder.iterdir())


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of a training (for `TextTraining.restore`) and what the run kept with it.

    Raises:
        Damaged: It is not whole.
        Refused: It is of a format this program does not know, or the disk did not let it be read.
    """
    state, run = read_rest(folder)
    with reading(folder):
        if (folder / LEARNED).exists():
            state["model"] = load_file(folder / FROZEN) | load_file(folder / LEARNED)
        else:
            state["model"] = load_file(folder / WEIGHTS)
    return state, run


def export_model(checkpoint: Path, out: Path) -> Manifest:
    """Make a model folder of a checkpoint: Hugging Face layout and model.toml.

    Raises:
        Refused: The checkpoint is not whole.
        StorageError: The disk is full, read-only or gone.
    """
    manifest = Manifest.read(checkpoint)
    left_out = (TRAINING, LEARNED, FROZEN, FILE_NAME)
    others = [path.name for path in sorted(checkpoint.iterdir()) if path.name not in left_out and path.is_file()]
    take(checkpoint, out, (WEIGHTS, "config.json"), others)
    manifest.write(out)
    return manifest


def tokenizer_of(folder: Path, tokens: Tokens) -> dict[str, bytes]:
    """The files of a model's tokenizer by their names; of a kind that only transformers reads, what it became."""
    found = {name: (folder / name).read_bytes() for name in TOKENIZER if (folder / name).is_file()}
    if "tokenizer.json" not in found and "merges.txt" not in found:
        found["tokenizer.json"] = tokens.state().encode()
    return found


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
    flush(path)


def _write_config(folder: Path, model: Any) -> None:
    """config.json (and generation_config.json) of the network; its weights are written as float32."""
    config = model.config.to_dict() | {"architectures": [type(model).__name__], "dtype": "float32", "use_cache": True}
    config.pop("_name_or_path", None)
    files = {"config.json": config}
    if getattr(model, "generation_config", None) is not None:
        files["generation_config.json"] = model.generation_config.to_diff_dict()
    for name, data in files.items():
        (folder / name).write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        flush(folder / name)
