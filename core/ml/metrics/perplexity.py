"""Perplexity and bits per byte of a causal language model on a text, by a sliding window, with the published protocols.

The window is that of Hugging Face's documentation of perplexity of fixed-length models; at stride 1 it is the exact
definition for a bounded context: exp of the mean of -log p(token | the context before it).

Protocol A (token level) is that documentation's own: one text without a beginning mark, windows that do not look back
at the end. Protocol B (word level) is that of the language model evaluation harness for WikiText: every document by
itself after the end-of-text mark, and the loss shared out over the words of the text as it was published.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import InvalidInput
from core.library.text_facts import positions
from core.ml.generation.completion import Engine
from core.ml.generation.tokens import Tokens

Ids = Sequence[int] | NDArray[np.integer[Any]]
Read = Callable[[Tensor, int], Tensor]
"""(ids int64 [b, n], k) to the logits of the last k places, floating [b, k, V]."""

LOGITS_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}
"""Bytes of float32 logits that a batch may have: a processor gains nothing from more, a GPU wants to be busy."""


@dataclass(frozen=True)
class Perplexity:
    """A score with its protocol: without context and stride it could not be compared.

    Attributes:
        perplexity: exp of the mean negative log likelihood (nats) of the scored tokens; with protocol B of the words.
        bits_per_byte: The same in bits, over the bytes of the text: comparable between tokenizers.
        tokens: How many tokens were scored.
        context: Tokens seen at once, the scored ones included.
        stride: Tokens scored in one window after the first.
        loss: Mean negative log likelihood in nats per token.
        protocol: "A" or "B" where it is one of these.
        words: Of the text, with protocol B.
    """

    perplexity: float
    bits_per_byte: float
    tokens: int
    context: int
    stride: int
    loss: float
    protocol: str = ""
    words: int = 0

    def about(self) -> dict[str, object]:
        """What the figure cannot be read without, for journals and manifests."""
        told: dict[str, object] = {"context": self.context, "stride": self.stride, "tokens": self.tokens}
        told |= {"bits_per_byte": self.bits_per_byte, "loss": self.loss}
        told |= {"protocol": self.protocol} if self.protocol else {}
        return told | ({"words": self.words} if self.words else {})


def perplexity(
    model: Engine | nn.Module | Read,
    ids: Ids,
    text_bytes: float,
    *,
    stride: int,
    context: int | None = None,
    batch: int = 0,
    autocast: bool = False,
    tell: Callable[[float], None] = lambda share: None,
) -> Perplexity:
    """Score `ids`; every token but the first, after as much context as there is.

    Args:
        model: An engine, or a causal language model of transformers, which is read in batches and put back into the
            mode (training or not) that it was in.
        ids: Tokens of the text, at least two; an array may be mapped from disk.
        text_bytes: Length of the text in UTF-8 bytes.
        stride: 1 to `context` - 1. Small is exact and slow: every window is read from its start.
        context: Tokens a window holds; the model's by default. No logit is asked for the last of them.
        batch: Windows that are read at once; 0 for as many as their logits leave room for.
        autocast: Compute in bfloat16 where that is safe.
        tell: Told the share that is done.

    Raises:
        InvalidInput: Too few tokens, or a stride that the context does not allow.
    """
    longest = context_of(model)
    context = context or longest
    if not 1 <= stride < context <= longest:
        raise InvalidInput("this stride is not possible", f"{stride} with a context of {context}")
    with _reading(model, autocast) as read:
        total, tokens = _sum(read, ids, windows(len(ids), context, stride), batch, tell)
    return _score(total, tokens, text_bytes, context, stride)


def protocol_a(
    model: Engine | nn.Module | Read,
    tokens: Tokens,
    text: str,
    *,
    context: int | None = None,
    stride: int | None = None,
    batch: int = 0,
    autocast: bool = False,
    tell: Callable[[float], None] = lambda share: None,
) -> Perplexity:
    """Token-level perplexity as published for WikiText-2: gpt2 has 29.94 with context and stride 1024.

    The text is read as one, without a mark before it. With a stride as long as the context each window stands for
    itself and its first token is not scored.

    Args:
        text: For WikiText the rows joined by blank lines (`wikitext`).
        context: The model's by default.
        stride: The context by default.

    Raises:
        InvalidInput: Too little text, or a stride that the context does not allow.
    """
    ids = tokens.encode_many([text])[0]
    context = context or context_of(model)
    stride = stride or context
    if not 1 <= stride <= context <= context_of(model):
        raise InvalidInput("this stride is not possible", f"{stride} with a context of {context}")
    with _reading(model, autocast) as read:
        total, count = _sum(read, ids, windows(len(ids), context, stride, look_back=False), batch, tell)
    return _score(total, count, len(text.encode()), context, stride, protocol="A")


def protocol_b(
    model: Engine | nn.Module | Read,
    tokens: Tokens,
    documents: Iterable[str],
    end: int,
    *,
    context: int | None = None,
    mend: bool = True,
    batch: int = 0,
    autocast: bool = False,
    tell: Callable[[float], None] = lambda share: None,
) -> Perplexity:
    """Word-level perplexity as the language model evaluation harness takes it: gpt2 has 37.37 on WikiText-2.

    Each document begins after the end-of-text mark; windows do not overlap but by that one token that the first
    prediction needs, and the last one of a document looks back as far as the context goes.

    Args:
        documents: As published, with WikiText's spaces.
        end: The id of the end of a text.
        context: Tokens that are read at once; the model's by default.
        mend: Mend WikiText's spaces before reading. Words and bytes are those of the text before that.

    Raises:
        InvalidInput: There is no text.
    """
    context = context or context_of(model)
    if context > context_of(model):
        raise InvalidInput("this context is not possible", f"{context}, the model has {context_of(model)}")
    texts = list(documents)
    total, count, words, size = 0.0, 0, 0, 0
    with _reading(model, autocast) as read:
        for number, text in enumerate(texts):
            ids = np.concatenate([[end], tokens.encode_many([mended(text) if mend else text])[0]])
            if len(ids) > 1:
                loss, scored = _sum(read, ids, windows(len(ids), context + 1, context), batch, lambda share: None)
                total, count = total + loss, count + scored
            words += len(re.split(r"\s+", text))
            size += len(text.encode())
            tell((number + 1) / len(texts))
    return _score(total, count, size, context, context, protocol="B", words=words)


def windows(length: int, context: int, stride: int, *, look_back: bool = True) -> Iterator[tuple[int, int, int]]:
    """(start, stop, first scored) of every window over `length` tokens; each token but the first is scored once.

    Args:
        look_back: The last window reaches back as far as the context goes. Else it begins where its turn is, and with a
            stride of `context` the first token of no window is scored.
    """
    scored, start = 1, 0
    while True:
        stop = min(start + context, length)
        begin = max(0, stop - context) if look_back else start
        if stop > max(scored, begin + 1):
            yield begin, stop, max(scored, begin + 1)
        if stop == length:
            return
        scored, start = stop, start + stride


def context_of(model: Engine | nn.Module | Read) -> int:
    """Most tokens that a model sees at once."""
    if isinstance(model, nn.Module):
        config: Any = model.config
        return positions(config.get_text_config().to_dict())
    known: int = getattr(model, "context", 2**31)
    return known


def wikitext(raw: str) -> str:
    """The text of protocol A from the content of WikiText's raw file: its lines, the empty ones bare, with blank lines
    between them."""
    return "\n\n".join(line if line.strip() else "" for line in raw.splitlines(keepends=True))


def wikitext_documents(raw: str) -> list[str]:
    """The articles in WikiText's raw file, for protocol B: each begins with a heading of the first level."""
    starts = [found.start() for found in re.finditer(r"^ = [^=\n][^\n]* = $", raw, re.MULTILINE)]
    bounds = [*([0] if not starts or raw[: starts[0]].strip() else []), *starts, len(raw)]
    return [raw[start:stop] for start, stop in itertools.pairwise(bounds)]


def mended(text: str) -> str:
    """WikiText without the spaces that its makers put around marks, so that it reads as text does elsewhere."""
    for pattern, instead in _MENDING:
        text = re.sub(pattern, instead, text)
    return text


def _enclosed(opening: str, closing: str) -> tuple[str, str]:
    left, right = re.escape(opening), re.escape(closing)
    return rf"{left}\s*([^{right}]*?)\s*{right}", rf"{opening}\1{closing}"


_MENDING: tuple[tuple[str, str], ...] = (
    ("s '", "s'"),
    (" @([-,.])@ ", r"\1"),
    *((rf" ({re.escape(mark)}) ", r"\1 ") for mark in ":;.!?,"),
    *(_enclosed(*pair) for pair in ("()", "[]", "{}", '""', "''")),
    ("(?<==) (?==)", ""),  # headings
    (" ° ", "°"),
    (" \n", "\n"),
    ("\n ", "\n"),
    (" N ", " 1 "),
    (" 's", "'s"),
)


def _score(
    total: float, tokens: int, size: float, context: int, stride: int, protocol: str = "", words: int = 0
) -> Perplexity:
    if not tokens:
        raise InvalidInput("there is nothing to score", "it needs two tokens at least", "Give more text")
    mean = total / tokens
    bits = total / math.log(2) / max(size, 1)
    value = _exp(total / words if words else mean)
    return Perplexity(value, bits, tokens, context, stride, mean, protocol, words)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _sum(
    read: Read, ids: Ids, found: Iterator[tuple[int, int, int]], batch: int, tell: Callable[[float], None]
) -> tuple[float, int]:
    """The negative log likelihood in nats, and of how many tokens."""
    total, count = 0.0, 0
    budget = batch
    if len(ids) < 2:
        return 0.0, 0
    waiting: list[tuple[int, int, int]] = []
    for window in itertools.chain(found, [None]):
        # Only windows alike are read together: all but the first and the last are.
        full = waiting and (len(waiting) >= max(1, budget) or window is None or _form(window) != _form(waiting[0]))
        if full:
            rows = torch.from_numpy(np.stack([np.asarray(ids[begin:stop], np.int64) for begin, stop, _ in waiting]))
            kept = waiting[0][1] - waiting[0][2]
            logits = read(rows[:, :-1], kept)
            targets = rows[:, -kept:].to(logits.device)
            losses = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
            total += float(losses.double().sum())
            count += losses.numel()
            tell(min(1.0, waiting[-1][1] / len(ids)))
            if not batch:
                room = LOGITS_BYTES.get(logits.device.type, LOGITS_BYTES["cpu"])
                following = window[1] - window[2] if window is not None else kept
                budget = room // (4 * max(1, following) * logits.shape[-1])
            waiting = []
        if window is not None:
            waiting.append(window)
    return total, count


def _form(window: tuple[int, int, int]) -> tuple[int, int]:
    begin, stop, first = window
    return stop - begin, stop - first


@contextlib.contextmanager
def _reading(model: Engine | nn.Module | Read, autocast: bool) -> Iterator[Read]:
    """How to read logits from a model, for as long as it is scored."""
    if isinstance(model, nn.Module):
        network: Any = model
        training = network.training
        device = next(network.parameters()).device
        short = "logits_to_keep" in inspect.signature(network.forward).parameters

        def read(rows: Tensor, kept: int) -> Tensor:
            wanted = {"logits_to_keep": kept} if short else {}
            with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
                logits: Tensor = network(rows.to(device), use_cache=False, **wanted).logits
            return logits[:, -kept:]

        network.eval()
        try:
            with torch.inference_mode():
                yield read
        finally:
            network.train(training)
    elif hasattr(model, "read"):
        engine: Any = model

        def read_one_by_one(rows: Tensor, kept: int) -> Tensor:
            return torch.stack([engine.read(row, engine.start(), every=True)[-kept:] for row in rows.tolist()])

        yield read_one_by_one
    else:
        function: Any = model
        yield function
