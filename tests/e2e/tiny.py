"""Models of a few kilobytes with random weights, written as other programs write them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

CONTEXT = 48


def write_gan(path: Path, resolution: int = 16) -> Path:
    """A StyleGAN2 network-snapshot.pkl as NVIDIA's program writes it; z has 4 numbers."""
    from tests import foreign

    state, config = foreign.tiny_generator(seed=1, resolution=resolution)
    return foreign.write_nvidia(path, state, config)


def write_text_model(folder: Path, width: int = 16, layers: int = 2) -> Path:
    """A GPT-2 in the Hugging Face layout, with a tokenizer of single letters."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2TokenizerFast"}))
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": len(alphabet),
        "n_positions": CONTEXT,
        "n_embd": width,
        "n_layer": layers,
        "n_head": 2,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    draw = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return (draw.standard_normal(shape) * 0.3).astype(np.float32)

    def ones() -> np.ndarray:
        return np.ones(width, np.float32)

    state = {
        "transformer.wte.weight": weights(len(alphabet), width),
        "transformer.wpe.weight": weights(CONTEXT, width),
        "transformer.ln_f.weight": ones(),
        "transformer.ln_f.bias": weights(width),
    }
    for layer in range(layers):
        block = f"transformer.h.{layer}"
        for norm in ("ln_1", "ln_2"):
            state |= {f"{block}.{norm}.weight": ones(), f"{block}.{norm}.bias": weights(width)}
        for name, inputs, outputs in (
            ("attn.c_attn", width, 3 * width),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", width, 4 * width),
            ("mlp.c_proj", 4 * width, width),
        ):
            state |= {f"{block}.{name}.weight": weights(inputs, outputs), f"{block}.{name}.bias": weights(outputs)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write_weights(folder: Path, resolution: int) -> dict[str, object]:
    """weights.safetensors of a random StyleGAN2 generator; returns the manifest's [architecture]."""
    from safetensors.numpy import save_file

    from tests import foreign

    state, config = foreign.tiny_generator(seed=1, resolution=resolution)
    for name, array in state.items():
        # The mapping's learning-rate multiplier is 0.01; with weights of 1 every vector would be the same style.
        scale = 100.0 if re.fullmatch(r"mapping\.fc\d+\.weight", name) else 0.1 if ".torgb.weight" in name else 1.0
        state[name] = np.array(array * np.float32(scale), np.float32, order="C")
    save_file(state, folder / "weights.safetensors")
    return {"name": "stylegan2", **{name: value for name, value in config.items() if value is not None}}
