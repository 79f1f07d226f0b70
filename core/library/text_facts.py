"""What a text model's folder says about the model without loading it: sizes, and the memory that training it takes.

Reads config.json and the headers of the weights, nothing else; imports no framework.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Refused

CONTEXT_KEYS = ("n_positions", "max_position_embeddings", "max_sequence_length", "n_ctx", "seq_length")
DEFAULT_CONTEXT = 2048
"""Of networks that state none."""

MAX_CONFIG, MAX_HEADER, MAX_TOKENIZER = 2**20, 2**26, 2**26
_BUFFERS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
"""Ends of the names of tensors that old files hold and no training changes."""

PROCESS = 400 << 20
"""Bytes that a training process has before its network: Python, torch and transformers."""


@dataclass(frozen=True)
class TextFacts:
    """A causal language model's sizes.

    Attributes:
        architecture: transformers' name of it: "gpt2".
        parameters: How many numbers its weights have.
        bytes: Of the weights on disk.
        context: Most tokens that it sees at once.
        vocabulary: Rows of its embedding.
        layers, width: Blocks and numbers in a state between them; 0 where config.json does not tell.
    """

    architecture: str
    parameters: int
    bytes: int
    context: int
    vocabulary: int
    layers: int = 0
    width: int = 0


def read_facts(folder: Path) -> TextFacts:
    """The sizes of the model in a folder of Hugging Face layout.

    Raises:
        Refused: It is none, it is damaged, or it is of a kind that cannot be trained; says why.
    """
    config = read_config(folder)

    def number(*keys: str) -> int:
        for table in _tables(config):
            for key in keys:
                value = table.get(key)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
        return 0

    layers, width = number("n_layer", "num_hidden_layers", "num_layers"), number("n_embd", "hidden_size", "d_model")
    vocabulary = number("vocab_size")
    if not vocabulary:
        raise Refused("config.json cannot be used", "it names no vocab_size")
    shapes, size = _weights(folder)
    parameters = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(_BUFFERS))
    if not shapes:  # a pickle has no header: what such a network has is counted from its sizes
        parameters = vocabulary * width + number(*CONTEXT_KEYS) * width + layers * block_parameters(width)
    context = positions(config)
    return TextFacts(str(config["model_type"]), parameters, size, context, vocabulary, layers, width)


def positions(config: Mapping[str, object]) -> int:
    """Most tokens that a network sees at once, as its configuration tells; `DEFAULT_CONTEXT` where it does not."""
    found = (table.get(key) for table in _tables(config) for key in CONTEXT_KEYS)
    return next((value for value in found if type(value) is int and value > 0), DEFAULT_CONTEXT)


def _tables(config: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Where settings may stand: networks that see more than text have those of their text in a table of their own."""
    inner = config.get("text_config")
    return [config, inner] if isinstance(inner, Mapping) else [config]


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of config.json.

    Raises:
        Refused: There is none, it is not JSON, it wants code of its own to be run, or its weights are quantised.
    """
    path = folder / "config.json"
    try:
        if path.stat().st_size > MAX_CONFIG:
            raise Refused("config.json cannot be read", f"it is larger than {MAX_CONFIG:,} bytes")
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused("this is no text model", f"there is no config.json in {folder.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Refused("config.json cannot be read", str(error), "Copy the model again") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise Refused("config.json cannot be used", "it names no model_type")
    if "auto_map" in config or "trust_remote_code" in config:
        raise Refused(
            "this model brings its own code",
            "its config.json names Python files of its own (auto_map), which are not run",
            "Look for a version of it that transformers knows by itself",
        )
    if config.get("quantization_config") is not None:
        raise Refused("its weights are quantised", "those cannot be trained", "Use the model that it was made from")
    return config


def tokenizer_size(folder: Path) -> int:
    """Ids of the tokenizer, added ones included; 0 where only a library can tell."""
    try:
        if (folder / "tokenizer.json").is_file():
            data = _json(folder / "tokenizer.json")
            known = data["model"]["vocab"]
            ids = set(known.values()) if isinstance(known, dict) else set(range(len(known)))
            ids |= {token["id"] for token in data.get("added_tokens") or ()}
            return len(ids)
        if (folder / "vocab.json").is_file():
            return len(set(_json(folder / "vocab.json").values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 0
    return 0


def block_parameters(width: int) -> int:
    """Weights of a block of GPT-2's kind."""
    return 12 * width**2 + 13 * width


def new_facts(vocabulary: int, context: int, layers: int, width: int) -> TextFacts:
    """The sizes of a GPT-2 that is yet to be made."""
    parameters = (vocabulary + context) * width + layers * block_parameters(width) + 2 * width
    return TextFacts("gpt2", parameters, 4 * parameters, context, vocabulary, layers, width)


def training_memory(
    facts: TextFacts,
    method: str,
    *,
    rows: int,
    context: int,
    rank: int = 8,
    checkpointing: bool = False,
    precision: str = "auto",
) -> int:
    """Bytes that training takes at the peak, about.

    Args:
        facts: The model's sizes.
        method: "full": weights, gradients and both of AdamW's moments, 16 bytes a parameter. "lora": weights, and all
            of that only for the small matrices.
        rows: Computed at once: the batch over accumulation and ranks.
        context: Tokens of a row.
        rank: Width of the small matrices.
        checkpointing: Whether activations are computed twice instead of kept.
        precision: "float32", "bfloat16" (half the activations, but a copy of the weights), or "auto" for what takes
            more.
    """
    layers, width = facts.layers or 1, facts.width or 1
    # LoRA's are beside four projections a block, whose columns and rows are 3w + w, w + w, w + 4w and 4w + w.
    small = 4 * facts.parameters + 16 * rank * 16 * width * layers
    weights = small if method == "lora" else 16 * facts.parameters
    block = _BLOCK * width
    kept = 4 * width * layers + block if checkpointing else block * layers
    single = rows * context * (kept + _LOGITS * facts.vocabulary)
    if method == "lora":  # the small matrices keep what they read in float32, beside what the network keeps
        return PROCESS + weights + single * 5 // 4
    half = single // 2 + 2 * facts.parameters
    working = {"float32": single, "bfloat16": half}.get(precision, max(single, half))
    return PROCESS + weights + working


_BLOCK = 72
"""Bytes that a block keeps of each token and each number in its state, in float32."""
_LOGITS = 12
"""Bytes for each token and each entry of the vocabulary, in float32: the logits, their exponentials, their gradient."""


def _json(path: Path) -> Any:
    if path.stat().st_size > MAX_TOKENIZER:
        raise ValueError("too large")
    return json.loads(path.read_text(encoding="utf-8"))


def weight_files(folder: Path) -> list[Path]:
    """The files of weights, safetensors before pickles; empty where they are not whole.

    Raises:
        Refused: Their index cannot be read.
    """
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        names = {name}
        if not (folder / name).is_file() and index.is_file():
            try:
                names = set(_json(index)["weight_map"].values())
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise Refused(f"{index.name} cannot be read", str(error), "Copy the model again") from error
            if not all(isinstance(item, str) and Path(item).name == item for item in names):
                raise Refused(f"{index.name} cannot be used", "it names files outside the folder")
        files = [folder / item for item in sorted(names)]
        if all(path.is_file() for path in files):
            return files
    return []


def _weights(folder: Path) -> tuple[dict[str, tuple[int, ...]], int]:
    """Shapes of all tensors by name (none of a pickle, which has no header), and the files' bytes."""
    files = weight_files(folder)
    if not files:
        raise Refused("there are no weights", f"neither model.safetensors nor pytorch_model.bin in {folder.name}")
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        if path.suffix == ".safetensors":
            shapes |= header(path)
    return shapes, sum(path.stat().st_size for path in files)


def header(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a safetensors file by name.

    Raises:
        Refused: It is none, or it is cut off.
    """
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MAX_HEADER:
                raise ValueError("its header is too long")
            table: Mapping[str, Any] = json.loads(file.read(length))
        found, end = {}, 0
        for name, tensor in table.items():
            if name != "__metadata__":
                found[name] = tuple(int(side) for side in tensor["shape"])
                end = max(end, int(tensor["data_offsets"][1]))
        if path.stat().st_size < 8 + length + end:
            raise ValueError("it is cut off")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise Refused(f"{path.name} cannot be read", str(error), "Copy the model again") from error
    return found
