"""The text starter: a small GPT-2 that writes Python, trained from nothing on the standard library.

Everything it is made of comes with Python itself, so anyone can make it again (`make starters`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.datasets.code import condense, is_held_out, standard_library
from core.library.interfaces import text_interface
from core.library.manifest import Manifest
from core.ml.generation.precision import has_fast_bfloat16
from core.ml.training.text import Recipe, train
from core.ml.training.text_corpus import END_OF_TEXT, encode, train_tokenizer

log = logging.getLogger(__name__)

VOCABULARY, CONTEXT, LAYERS, WIDTH, HEADS = 3072, 512, 4, 256, 4
RECIPE = Recipe(steps=3000, batch=4, context=CONTEXT, rate=3e-3, warmup=50, decay=0.3, optimizer="muon")


def make_gpt2_python(
    out: Path, *, work: Path | None = None, steps: int = RECIPE.steps, rate: float = RECIPE.rate
) -> Path:
    """Train, measure and write the model folder `out`: Hugging Face layout and model.toml.

    About an hour on one core. A run that was broken off goes on from its last checkpoint in `work`.

    Args:
        out: The folder to write; what is in it already is replaced file by file at the end.
        work: Where the corpus, the checkpoint and the journal are kept; beside `out` by default.
        steps: Optimizer steps.
        rate: Highest learning rate.

    Returns:
        `out`.
    """
    work = work or out.with_name(out.name + ".run")
    work.mkdir(parents=True, exist_ok=True)
    corpus = _prepare(work)
    recipe = Recipe(**{**asdict(RECIPE), "steps": steps, "rate": rate})
    tokens, held = np.load(work / "train.npy"), np.load(work / "held.npy")
    model = _network()
    started, journal = time.time(), (work / "journal.jsonl").open("a")
    with journal:
        for step in train(
            model, tokens, recipe, checkpoint=work / "checkpoint.pt", save_every=100, autocast=has_fast_bfloat16("cpu")
        ):
            journal.write(json.dumps(asdict(step)) + "\n")
            if step.number % 10 == 0:
                journal.flush()
    log.info("trained in %.0f s", time.time() - started)
    _write(model, work, out)
    return out


def _prepare(work: Path) -> dict[str, Any]:
    """Tokenizer and token files in `work`, made once; returns what is known about the corpus."""
    facts = work / "corpus.json"
    if not facts.exists():
        texts = [(source.name, condense(source.text)) for source in standard_library()]
        train_texts = [text for name, text in texts if not is_held_out(name)]
        held_texts = [text for name, text in texts if is_held_out(name)]
        tokenizer = train_tokenizer(train_texts, VOCABULARY)
        tokenizer.save(str(work / "tokenizer.json"))
        known: dict[str, Any] = {
            "python": sys.version.split()[0],
            "files": len(train_texts),
            "held_out": len(held_texts),
        }
        digest = hashlib.sha256()
        for name, text in texts:
            digest.update(name.encode() + b"\0" + text.encode() + b"\0")
        known["sha256"] = digest.hexdigest()
        for part, part_texts in (("train", train_texts), ("held", held_texts)):
            tokens = encode(tokenizer, part_texts)
            np.save(work / f"{part}.npy", tokens)
            known[f"{part}_tokens"] = len(tokens)
            known[f"{part}_bytes"] = sum(len(text.encode()) for text in part_texts)
        facts.write_text(json.dumps(known))
    result: dict[str, Any] = json.loads(facts.read_text())
    return result


def _network() -> torch.nn.Module:
    """An untrained GPT-2; residual projections start smaller with depth (Radford et al. 2019, section 2.3)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(RECIPE.seed)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model: torch.nn.Module = GPT2LMHeadModel(config)
    return model
