"""The one loop that completes text, for every engine: prompt in, growing text out, always within the context."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from core.ml.generation.sampling import Sampler
from core.ml.generation.stream import TextStream
from core.ml.generation.tokens import Tokens


class Engine(Protocol):
    """A causal language model that reads tokens one after the other.

    Attributes:
        context: Most tokens that it sees at once.
        vocabulary: Number of logits.
        precision: float32, bfloat16 or int8.
        parameters: Number of weights.
        bytes_per_token: Bytes of weights that one token has to read; the speed limit is bandwidth over this.
    """

    context: int
    vocabulary: int
    precision: str
    parameters: int
    bytes_per_token: int

    def start(self) -> Any:
        """An empty memory of what was read."""
        ...

    def read(self, ids: Sequence[int], cache: Any, *, every: bool = False) -> Tensor:
        """Read `ids` after what `cache` remembers; float32 logits [vocabulary], or [len(ids), vocabulary]."""
        ...


@dataclass(frozen=True)
class Settings:
    """How to complete: most tokens to write, temperature (0: greedy), nucleus share 0–1, seed."""

    max_tokens: int = 128
    temperature: float = 0.8
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Completion:
    """The state of a completion: all text so far, tokens written, seconds since the first was asked for.

    `reason` is "" until the last one: then "stop" (the model ended the text), "length" or "cancelled".
    """

    text: str
    tokens: int
    seconds: float
    reason: str = ""

    @property
    def tokens_per_second(self) -> float:
        """Speed of writing, the reading of the prompt included."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


def complete(
    engine: Engine,
    tokens: Tokens,
    prompt: str,
    settings: Settings,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[Completion, None, None]:
    """Complete `prompt`; yields after every token, at last with a reason.

    A prompt longer than the context is read from its end backwards as far as fits. When the context is full, its
    newer half is read again and the text goes on, so any number of tokens can be written.

    White space at the end of a prompt is offered to the model as part of the next word ("def " and not "def" plus a
    lone space), as it saw it when it was trained; what comes out still begins after the prompt.
    """
    started = time.perf_counter()
    sampler = Sampler(settings.temperature, settings.top_p, settings.seed)
    ids = tokens.encode(prompt)
    ids, owed = _without_trailing_space(ids, tokens)
    ids = ids or [tokens.begin]
    room = engine.context - min(settings.max_tokens, engine.context // 2)
    ids = ids[-max(1, room) :]
    stream = TextStream(tokens, ids)
    skip = len(owed.decode())
    cache = engine.start()
    unread = ids
    for written in range(1, settings.max_tokens + 1):
        if cancelled():
            yield Completion(stream.text[skip:], written - 1, time.perf_counter() - started, "cancelled")
            return
        if len(ids) > engine.context:
            # Learned positions cannot slide: start again from the newer half.
            ids = ids[-max(1, engine.context // 2) :]
            unread, cache = ids, engine.start()
        logits = engine.read(unread, cache)
        if owed and tokens.pieces is not None:
            logits = _only_continuing(logits, owed, tokens.pieces)
        number = sampler(logits)
        if number in tokens.ends:
            yield Completion(stream.text[skip:], written - 1, time.perf_counter() - started, "stop")
            return
        if owed and tokens.pieces is not None:
            owed = owed[len(tokens.pieces[number]) :]
        ids = [*ids, number]
        unread = [number]
        stream.push(number)
        reason = "length" if written == settings.max_tokens else ""
        yield Completion(stream.text[skip:], written, time.perf_counter() - started, reason)


def _without_trailing_space(ids: list[int], tokens: Tokens) -> tuple[list[int], bytes]:
    """The ids before the white space that ends a prompt, and that white space."""
    pieces = tokens.pieces if ids else None
    if pieces is None:
        return ids, b""
    stop = len(ids)
    while stop > 0 and pieces[ids[stop - 1]] and not pieces[ids[stop - 1]].strip(b" \n\t\r"):
        stop -= 1
    return ids[:stop], b"".join(pieces[number] for number in ids[stop:])


def _only_continuing(logits: Tensor, owed: bytes, pieces: list[bytes]) -> Tensor:
    """Logits of the ids whose bytes agree with `owed`; minus infinity for the others."""
    allowed = [n for n, piece in enumerate(pieces) if piece and (owed.startswith(piece) or piece.startswith(owed))]
    result = torch.full_like(logits, -torch.inf)
    index = torch.tensor(allowed, dtype=torch.int64, device=logits.device)
    result[index] = logits[index]
    return result
