"""Perplexity and bits per byte of a causal language model on a text, by a sliding window.

Source of the protocol: the fixed-length evaluation with a stride in Hugging Face's documentation of perplexity; at
stride 1 it is the exact definition for a bounded context: exp of the mean of -log p(token | the context before it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.errors import InvalidInput
from core.ml.generation.completion import Engine


@dataclass(frozen=True)
class Perplexity:
    """A score with its protocol: without context and stride it could not be compared.

    Attributes:
        perplexity: exp of the mean negative log likelihood (nats) of the scored tokens.
        bits_per_byte: The same in bits, over the bytes of the text: comparable between tokenizers.
        tokens: How many tokens were scored (all but the first).
        context: Tokens seen at once, the scored ones included.
        stride: Tokens scored in one window after the first.
    """

    perplexity: float
    bits_per_byte: float
    tokens: int
    context: int
    stride: int


def perplexity(
    engine: Engine, ids: Sequence[int], text_bytes: int, *, stride: int, context: int | None = None
) -> Perplexity:
    """Score `ids`.

    Args:
        engine: The model.
        ids: Tokens of the text, at least two.
        text_bytes: Length of the text in UTF-8 bytes.
        stride: 1 to `context` - 1. Small is exact and slow: every window is read from its start.
        context: Tokens a window holds; the engine's by default. No logit is asked for the last of them.

    Raises:
        InvalidInput: Too few tokens, or a stride that the context does not allow.
    """
    context = context or engine.context
    if len(ids) < 2:
        raise InvalidInput("there is nothing to score", f"{len(ids)} tokens", "Give more text")
    if not 1 <= stride < context <= engine.context:
        raise InvalidInput("this stride is not possible", f"{stride} with a context of {context}")
    total, scored = 0.0, 1
    while scored < len(ids):
        stop = min(context if scored == 1 else scored + stride, len(ids))
        start = max(0, stop - context)
        logits = engine.read(ids[start : stop - 1], engine.start(), every=True)[scored - 1 - start :]
        targets = torch.tensor(ids[scored:stop], dtype=torch.int64, device=logits.device)
        total += float(torch.nn.functional.cross_entropy(logits.double(), targets, reduction="sum"))
        scored = stop
    mean = total / (len(ids) - 1)
    return Perplexity(math.exp(mean), total / math.log(2) / text_bytes, len(ids) - 1, context, stride)
