"""`python -m core.ml.checkpoints.gguf_files MODEL_FOLDER FILE NAME`: write a GPT-2 as GGUF, in a process of its own.

The layout is that of llama.cpp for the architecture "gpt2": matrices have their outputs first, so those that GPT-2
keeps the other way round are transposed; norms, biases and positions are float32, everything else stays in the format
that it is stored in (bfloat16 becomes float32). Tokens are the tokenizer's own, with its merges. It answers in the way
of `core.jobs.child`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import OutOfMemory, Refused
from core.jobs.child import Reporter, answer, be_humble, leave

_NAMES = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "lm_head": "output",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_TURNED = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
_NORMAL, _CONTROL, _UNUSED = 1, 3, 5
"""Kinds of tokens, by gguf's numbers."""


def main(arguments: list[str]) -> int:
    """Write; exit code 0 with a result, 2 with an error."""
    be_humble()
    folder, out, name = Path(arguments[0]), Path(arguments[1]), arguments[2]

    def work(report: Reporter) -> dict[str, object]:
        return {"tensors": write_gguf(folder, out, name, report)}

    return answer(work, OutOfMemory("it cannot be written as GGUF", "not enough memory", "Close other programs"))


def write_gguf(folder: Path, out: Path, name: str, report: Any = lambda text, share: None) -> int:
    """Write the model in `folder` as the file `out`; returns the number of tensors.

    Raises:
        Refused: It is no GPT-2, or one that llama.cpp would compute otherwise.
    """
    import gguf

    from core.ml.generation.gpt2 import supports
    from core.ml.generation.loading import read_config, read_weights

    config = read_config(folder)
    if config["model_type"] != "gpt2" or not supports(config):
        raise _unfit(f"it is a {config['model_type']} model, and only GPT-2 is written so")
    if config.get("activation_function", "gelu_new") not in _GELU:
        raise _unfit(f"its activation function is {config['activation_function']}, llama.cpp's is another")
    tokenizer = _tokenizer(folder)
    weights = read_weights(folder)
    width, layers, heads = (int(config[key]) for key in ("n_embd", "n_layer", "n_head"))
    writer = gguf.GGUFWriter(out, "gpt2")
    writer.add_name(name)
    writer.add_context_length(int(config.get("n_positions", 1024)))
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(int(config.get("n_inner") or 4 * width))
    writer.add_head_count(heads)
    writer.add_layer_norm_eps(float(config.get("layer_norm_epsilon", 1e-5)))
    report("reading", None)
    count, matrices = 0, np.dtype(np.float32)
    tied = config.get("tie_word_embeddings", True)
    rows = 0
    for key, array in _arrays(weights, tied):
        if key == "token_embd.weight":
            rows, matrices = len(array), array.dtype
        writer.add_tensor(key, array)
        count += 1
    half = matrices == np.float16
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    _add_tokens(writer, tokenizer, config, rows)
    report("writing", None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return count


def _arrays(weights: Mapping[str, Any], tied: bool) -> Iterator[tuple[str, NDArray[Any]]]:
    """The tensors by llama.cpp's names."""
    import torch

    for name, tensor in weights.items():
        plain = name.removeprefix("transformer.")
        if plain.endswith((".attn.bias", ".attn.masked_bias")) or (plain == "lm_head.weight" and tied):
            continue
        found = re.fullmatch(r"(?:h\.(\d+)\.)?(.+)\.(weight|bias)", plain)
        if found is None or found[2] not in _NAMES:
            raise _unfit(f"it has a tensor that GPT-2 has not: {name[:80]}")
        block = f"blk.{found[1]}." if found[1] is not None else ""
        turned = tensor.t() if found[2] in _TURNED and found[3] == "weight" else tensor
        single = tensor.dim() == 1 or found[2] == "wpe" or tensor.dtype == torch.bfloat16
        array = (turned.float() if single else turned).contiguous().numpy()
        yield f"{block}{_NAMES[found[2]]}.{found[3]}", array


def _tokenizer(folder: Path) -> dict[str, Any]:
    """The state of a byte-level tokenizer of GPT-2's kind."""
    from core.ml.generation.loading import read_config
    from core.ml.generation.tokens import load_tokens

    state: dict[str, Any] = json.loads(load_tokens(folder, read_config(folder)).state())
    before = state.get("pre_tokenizer") or {}
    kind, model = before.get("type"), state.get("model") or {}
    if kind != "ByteLevel" or model.get("type") != "BPE" or before.get("add_prefix_space"):
        raise _unfit("its tokenizer is not of GPT-2's kind")
    return state


def _add_tokens(writer: Any, state: Mapping[str, Any], config: Mapping[str, Any], rows: int) -> None:
    known: dict[int, str] = {number: text for text, number in state["model"]["vocab"].items()}
    added = {token["id"]: token for token in state.get("added_tokens") or ()}
    known |= {number: token["content"] for number, token in added.items()}
    if max(known, default=0) >= rows:
        raise _unfit(f"its tokenizer has the id {max(known):,}, its network {rows:,} rows")
    tokens = [known.get(number, f"[PAD{number}]") for number in range(rows)]
    control = {number for number, token in added.items() if token.get("special")}
    types = [_CONTROL if n in control else _NORMAL if n in known else _UNUSED for n in range(rows)]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in state["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    for name, add in (("bos_token_id", writer.add_bos_token_id), ("eos_token_id", writer.add_eos_token_id)):
        number = config.get(name)
        if isinstance(number, int) and 0 <= number < rows:
            add(number)
    # Where a text begins after the mark that ends one, llama.cpp is told to put it there.
    post = state.get("post_processor") or {}
    begins = post.get("type") == "TemplateProcessing" and "SpecialToken" in (post.get("single") or [{}])[0]
    writer.add_add_bos_token(bool(begins))


def _unfit(why: str) -> Refused:
    return Refused("it cannot be written as GGUF", why, "Export it without --format gguf")


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
