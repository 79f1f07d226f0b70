"""How likely a model finds each token of a text that is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.ml.generation.completion import Engine
from core.ml.generation.row import Chance, chance
from core.ml.generation.stream import TextStream
from core.ml.generation.tokens import Tokens


@dataclass(frozen=True)
class Scored:
    """A text's tokens with their probabilities; `dropped` tokens were cut from its left to fit the context."""

    chances: tuple[Chance, ...]
    dropped: int


def score(engine: Engine, tokens: Tokens, text: str | Sequence[int], alternatives: int = 0) -> Scored:
    """Read `text`, or its token ids, once. The first token that is read has no probability: nothing stands before it.

    `Chance.start` counts characters of `text`, those of the dropped tokens included.
    """
    every = tokens.encode(text) if isinstance(text, str) else list(text)
    ids = every[-engine.context :]
    dropped = len(every) - len(ids)
    if not ids:
        return Scored((), 0)
    # The last token is given a probability, but nothing is asked about what follows it.
    logits = engine.read(ids[:-1], engine.start(), every=True) if len(ids) > 1 else torch.empty(0)
    stream = TextStream(tokens, [])
    for number in every[:dropped]:
        stream.push(number)
    chances = [Chance(tokens.text_of(ids[0]), len(stream.text), None)]
    stream.push(ids[0])
    for row, number in zip(logits.cpu(), ids[1:], strict=True):
        chances.append(chance(row, number, alternatives, len(stream.text), tokens))
        stream.push(number)
    return Scored(tuple(chances), dropped)
