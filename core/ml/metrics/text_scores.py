"""Perplexity of a model folder on a text file or on the held-out part of a text dataset: folders in, plain data out.

`python -m core.ml.metrics perplexity MODEL_FOLDER TEXT_FILE` takes the published protocols; with --dataset a dataset's
held-out documents are scored instead, as a training scores them. With --json it answers in JSON lines as the scores of
image models do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import InvalidInput, Refused
from core.ml.generation.tokens import Tokens
from core.ml.hardware import choose_device, device_name
from core.ml.metrics.perplexity import (
    Perplexity,
    context_of,
    perplexity,
    protocol_a,
    protocol_b,
    wikitext,
    wikitext_documents,
)
from core.ml.training.text.bases import load_base
from core.ml.training.text.corpus import end_of, open_corpus

Progress = Callable[[str, float], None]
MAX_FILE = 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("text", type=Path, nargs="?", help="a text file")
    parser.add_argument("--dataset", type=Path, metavar="FOLDER", help="score its held-out documents instead of a file")
    parser.add_argument("--protocol", choices=("A", "B"), default="A", help="of a file: token level or word level")
    parser.add_argument("--wikitext", action="store_true", help="the file is WikiText's raw file: its rows or articles")
    parser.add_argument("--context", type=int, help="tokens that are seen at once (default: the model's)")
    parser.add_argument(
        "--stride", type=int, help="tokens scored a window (default: A the context, held-out documents half of it)"
    )
    parser.add_argument("--tokens", type=int, default=0, help="most tokens of held-out documents (default: all)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")


def score(chosen: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Score as the arguments say; plain data with all that the figure cannot be read without.

    Raises:
        InvalidInput: An argument that is not allowed.
        Refused: The model, the file or the dataset cannot be used.
    """
    if (chosen.text is None) == (chosen.dataset is None):
        raise InvalidInput("there is nothing to score", "it takes a text file or --dataset", "Give one of them")
    began = time.monotonic()
    device = choose_device(chosen.device)
    progress("reading the model", 0.0)
    base = load_base(chosen.model)
    model, tokens = base.model.to(device).eval(), base.tokens
    half = chosen.precision == "bfloat16"

    def tell(share: float) -> None:
        progress("scoring", share)

    if chosen.dataset is not None:
        found = _held_out(chosen, model, tokens, half, tell)
    elif chosen.protocol == "B":
        raw = _text(chosen.text)
        if chosen.stride is not None:
            raise InvalidInput("protocol B has no stride", "its windows do not overlap", "Leave --stride out")
        documents = wikitext_documents(raw) if chosen.wikitext else [raw]
        end = end_of(model.config.to_dict(), tokens)
        found = protocol_b(
            *(model, tokens, documents, end),
            context=chosen.context,
            mend=chosen.wikitext,
            autocast=half,
            tell=tell,
        )
    else:
        raw = _text(chosen.text)
        text = wikitext(raw) if chosen.wikitext else raw
        found = protocol_a(model, tokens, text, context=chosen.context, stride=chosen.stride, autocast=half, tell=tell)
    told: dict[str, object] = {"metric": "word perplexity" if found.protocol == "B" else "perplexity"}
    told |= {"value": found.perplexity, **found.about(), "precision": chosen.precision}
    return told | {"device": device_name(device), "seconds": round(time.monotonic() - began, 2)}


def sentence(told: dict[str, object]) -> str:
    """The score for people."""
    protocol = f"protocol {told['protocol']}" if told.get("protocol") else "held-out documents"
    words = f", {told['words']:,} words" if told.get("words") else ""
    line = "{metric} {value:.4f} ({how}, context {context}, stride {stride}, {tokens:,} tokens{words}; "
    line += "{bits_per_byte:.4f} bits per byte, loss {loss:.4f}; {precision})"
    return line.format(how=protocol, **{**told, "words": words})


def _held_out(
    chosen: argparse.Namespace, model: Any, tokens: Tokens, half: bool, tell: Callable[[float], None]
) -> Perplexity:
    corpus = open_corpus(chosen.dataset, chosen.model)
    if len(corpus.held) < 2:
        raise Refused(f"{chosen.dataset.name} has no held-out documents", "", "Add it again with a held-out share")
    ids, size = corpus.some_held(chosen.tokens, tokens)
    context = chosen.context or context_of(model)
    stride = chosen.stride or max(1, context // 2)
    return perplexity(model, ids, size, stride=stride, context=context, autocast=half, tell=tell)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise Refused(f"{path.name} cannot be scored", f"it is larger than {MAX_FILE:,} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path.name} cannot be read", error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} cannot be scored", "it is not UTF-8 text", "Convert it") from error
