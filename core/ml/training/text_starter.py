"""The text starter: a small GPT-2 that writes Python, trained from nothing on the standard library.

Everything it is made of comes with Python itself, so anyone can make it again (`make starters`).
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import shutil
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.datasets.code import condense, definitions, is_held_out, standard_library
from core.library.interfaces import text_interface
from core.library.manifest import Manifest
from core.ml.generation.completion import Settings, complete
from core.ml.generation.loading import load_engine
from core.ml.hardware import fast_bfloat16
from core.ml.metrics.perplexity import perplexity
from core.ml.metrics.python_syntax import share_of_python
from core.ml.training.text import Recipe, train
from core.ml.training.text_corpus import END_OF_TEXT, encode, train_tokenizer

log = logging.getLogger(__name__)

VOCABULARY, CONTEXT, LAYERS, WIDTH, HEADS = 3072, 512, 4, 256, 4
RECIPE = Recipe(steps=1450, batch=4, context=CONTEXT, rate=3e-3, warmup=50, decay=0.44, optimizer="muon")
"""First on whole files."""
SECOND = Recipe(steps=1200, batch=4, context=CONTEXT, rate=2e-3, warmup=20, decay=0.7, seed=1, optimizer="muon")
"""Then on files and on every definition by itself, so that a text may begin with one."""
STRIDE = CONTEXT // 2
PROMPT, SAMPLES = "def ", 200
CARD = """\
A small GPT-2 that writes Python. It learned from nothing but the standard library of Python itself, so it knows the
look of code (indentation, definitions, self, loops, exceptions) and the habits of that library, and little else: what
it writes reads like Python and seldom does anything useful; {parses:.0%} of its completions of "def " parse.

Good for seeing what temperature, top-p and seed do, and as the base of a fine-tuning. Begin with "def ", "class " or
"import ", or with the start of a function.
"""


def make_gpt2_python(out: Path, *, work: Path | None = None, recipes: tuple[Recipe, Recipe] = (RECIPE, SECOND)) -> Path:
    """Train, measure and write the model folder `out`: Hugging Face layout and model.toml.

    About an hour on one core. A run that was broken off goes on from its last checkpoint in `work`.

    Args:
        out: The folder to write; files of an earlier starter in it are replaced.
        work: Where the corpus, the checkpoint and the journal are kept; `out` with ".run" added by default.
        recipes: Other numbers than the starter's own, for a quick try.

    Returns:
        `out`.
    """
    work = work or out.with_name(f"{out.name}.run")
    work.mkdir(parents=True, exist_ok=True)
    corpus = _prepare(work)
    model = _network()
    with (work / "journal.jsonl").open("a") as journal:
        for part, recipe in zip(("files", "pieces"), recipes, strict=True):
            tokens = np.load(work / f"{part}.npy", mmap_mode="r")
            saved = work / f"{part}.checkpoint"
            autocast = fast_bfloat16(torch.device("cpu"))
            for step in train(model, tokens, recipe, checkpoint=saved, save_every=100, autocast=autocast):
                journal.write(json.dumps({"part": part, **asdict(step)}) + "\n")
                if step.number % 10 == 0:
                    journal.flush()
                    log.info("%s: step %d of %d, loss %.3f", part, step.number, recipe.steps, step.loss)
    _write_weights(model, work, out)
    scores = _scores(out, np.load(work / "held.npy").tolist(), corpus["held_bytes"])
    log.info("%s", scores)
    _write_manifest(out, recipes, corpus, scores)
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
        pieces = [*train_texts, *(piece for text in train_texts for piece in definitions(text))]
        for part, part_texts in (("files", train_texts), ("pieces", pieces), ("held", held_texts)):
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


def _write_weights(model: Any, work: Path, out: Path) -> None:
    """The Hugging Face layout, weights as float16: half the bytes, and the scores are taken from what is stored."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    out.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(out)
    shutil.copyfile(work / "tokenizer.json", out / "tokenizer.json")
    described = {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": CONTEXT,
        **dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT),
    }
    (out / "tokenizer_config.json").write_text(json.dumps(described, indent=2) + "\n")


def _scores(folder: Path, held: list[int], held_bytes: int) -> dict[str, object]:
    """What model.toml tells of the stored model, each number with how it was taken."""
    engine, tokens = load_engine(folder, "float32")
    score = perplexity(engine, held, held_bytes, stride=STRIDE)
    settings = Settings()
    texts = []
    for seed in range(SAMPLES):
        *_, last = complete(engine, tokens, PROMPT, replace(settings, seed=seed))
        texts.append(last.text)
    return {
        "perplexity": round(score.perplexity, 2),
        "bits_per_byte": round(score.bits_per_byte, 4),
        "perplexity_protocol": f"held-out files, {score.tokens} tokens scored in {held_bytes} bytes, "
        f"context {score.context}, stride {score.stride}, float32",
        "parses": round(share_of_python(texts, PROMPT), 3),
        "parses_protocol": f"{SAMPLES} completions of {PROMPT!r}, seeds 0 to {SAMPLES - 1}, "
        f"{settings.max_tokens} tokens, temperature {settings.temperature}, top-p {settings.top_p}; "
        "cut at the last complete statement, accepted by ast.parse; what was cut off must be a possible beginning",
    }


def _write_manifest(
    out: Path, recipes: tuple[Recipe, Recipe], corpus: dict[str, Any], scores: dict[str, object]
) -> None:
    Manifest(
        name="GPT-2 Python",
        kind="text",
        adapter="causal-lm",
        interface=text_interface(CONTEXT).spec(),
        author="tarmac",
        licence="PSF-2.0",
        source="starter",
        created=datetime.now(UTC).replace(microsecond=0),
        description=CARD.format(parses=scores["parses"]),
        architecture={
            "name": "gpt2",
            "layers": LAYERS,
            "width": WIDTH,
            "heads": HEADS,
            "context": CONTEXT,
            "vocabulary": VOCABULARY,
        },
        scores=scores,
        recipe={
            "made_by": "python -m core.ml.starters gpt2-python",
            "corpus": "the standard library of Python without its tests; docstrings cut to one line; "
            "1 file in 20 held out",
            **{f"corpus_{key}": value for key, value in corpus.items()},
            "files": asdict(recipes[0]),
            "pieces": asdict(recipes[1]),
        },
    ).write(out)
