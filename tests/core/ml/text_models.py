"""Small text models made on the spot, in the Hugging Face layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from core.ml.training.text.tokenizer import train_tokenizer

VOCABULARY, CONTEXT = 300, 32
TEXT = "def add(a, b):\n    return a + b\n\n\nfor name in names:\n    print(name, 'grüße', '🙂')\n" * 8


def gpt2_config(**changes: object) -> dict[str, object]:
    """The fields of a tiny GPT-2's config.json."""
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": VOCABULARY,
        "n_positions": CONTEXT,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    } | changes


def gpt2_weights(scale: float = 0.3, seed: int = 0) -> dict[str, Tensor]:
    """Its tensors, large enough that logits differ clearly."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    weights = {"wte.weight": draw(VOCABULARY, 32), "wpe.weight": draw(CONTEXT, 32)}
    shapes = {"attn.c_attn": (32, 96), "attn.c_proj": (32, 32), "mlp.c_fc": (32, 128), "mlp.c_proj": (128, 32)}
    norms = ["ln_f"]
    for layer in range(2):
        norms += [f"h.{layer}.ln_1", f"h.{layer}.ln_2"]
        for name, shape in shapes.items():
            weights[f"h.{layer}.{name}.weight"] = draw(*shape)
            weights[f"h.{layer}.{name}.bias"] = draw(shape[1])
    for name in norms:
        weights[f"{name}.weight"] = 1 + draw(32)
        weights[f"{name}.bias"] = draw(32)
    return {f"transformer.{name}": tensor for name, tensor in weights.items()}


def write_gpt2(folder: Path, **changes: object) -> Path:
    """A whole model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(gpt2_config(**changes)))
    save_file(gpt2_weights(), folder / "model.safetensors", {"format": "pt"})
    train_tokenizer([TEXT], VOCABULARY).save(str(folder / "tokenizer.json"))
    return folder


def write_llama(folder: Path) -> Path:
    """A model of another architecture, with the same tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    train_tokenizer([TEXT], VOCABULARY).save(str(folder / "tokenizer.json"))
    return folder
