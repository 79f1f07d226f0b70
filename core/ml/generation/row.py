"""One text that is being written: what it was asked for, what it has so far, and what a new token makes of it.

A row knows nothing of when and with whom it is read; `completion` does that for one row or for many.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.errors import InvalidInput, Refused
from core.ml.generation.sampling import Sampler, draw
from core.ml.generation.stopping import Stops
from core.ml.generation.stream import TextStream
from core.ml.generation.tokens import Tokens


@dataclass(frozen=True)
class Settings:
    """How to complete.

    Attributes:
        max_tokens: Most tokens to write.
        temperature: 0 takes the likeliest token; above, logits are divided by it.
        top_p: Share of the probability that tokens are drawn from, 0–1.
        seed: Of the drawing.
        top_k: Only this many of the likeliest tokens are drawn from; 0: all.
        repetition_penalty: Above 1, tokens that the text has already become less likely; 1: as they are.
        stop: The text ends before the first of these strings.
        max_characters: Length in characters in place of `max_tokens`; 0: tokens count.
        logprobs: Keep the log-probability of each token with this many likeliest ones; -1: none.
        presence_penalty: Taken off the logits of tokens that were written before.
        frequency_penalty: The same, once for each time that they were.
        bias: Added to the logits of ids: (id, number) pairs.
        whole: Refuse a prompt that does not fit the context together with `max_tokens`, rather than cut it.
    """

    max_tokens: int = 128
    temperature: float = 0.8
    top_p: float = 0.95
    seed: int = 0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    max_characters: int = 0
    logprobs: int = -1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    bias: tuple[tuple[int, float], ...] = ()
    whole: bool = False

    @property
    def most_tokens(self) -> int:
        """Tokens after which the text ends in any case: a character is at most four of them."""
        return 4 * self.max_characters or self.max_tokens


@dataclass(frozen=True)
class Chance:
    """How likely the model itself held one token, before temperature and penalties.

    Attributes:
        text: What it adds to the text; U+FFFD for half a character.
        start: Where in the completion that begins, in characters.
        logprob: Natural logarithm of its probability; None for a first token, which nothing stands before.
        top: The likeliest tokens (text, logprob), the likeliest first.
    """

    text: str
    start: int
    logprob: float | None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Completion:
    """The state of a completion.

    Attributes:
        text: All text so far that is certain to stay.
        tokens: Tokens written.
        seconds: Since it was asked for.
        reason: "" until the last one: then "stop" (the model ended the text, or a stop string), "length" or
            "cancelled".
        prompt_tokens: Tokens of the prompt that were read.
        dropped: Tokens of the prompt that were cut from its left because the context is shorter.
        chances: Of the tokens written, where they were asked for.
        progress: Share of the length that is written, 0–1.
    """

    text: str
    tokens: int
    seconds: float
    reason: str = ""
    prompt_tokens: int = 0
    dropped: int = 0
    chances: tuple[Chance, ...] = ()
    progress: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Speed of writing, the reading of the prompt included."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


class Row:
    """One text in the making. Read `unread` into `cache`, hand the logits to `take_together`, and so on until `ended`.

    A prompt longer than the context is read from its end backwards as far as fits. When the context is full, its
    newer half is read again and the text goes on, so any number of tokens can be written.

    White space at the end of a prompt is offered to the model as part of the next word ("def " and not "def" plus a
    lone space), as it saw it when it was trained; what comes out still begins after the prompt.

    Args:
        prompt: Text to go on from, or its token ids, which are read as they are.
        settings: How.
        tokens: The model's tokenizer.
        context: Most tokens that the model sees at once.

    Attributes:
        unread: Ids to read next, at least one.
        cache: The engine's memory of what was read; None: there is none yet.
        fresh: Whether that memory is to be emptied before `unread` is read.
        ended: Whether nothing more comes.

    Raises:
        InvalidInput: It was to be read whole and does not fit.
    """

    def __init__(self, prompt: str | Sequence[int], settings: Settings, tokens: Tokens, context: int) -> None:
        self._started = time.perf_counter()
        self.settings = settings
        self._tokens, self._context = tokens, context
        self._sampler = Sampler(
            settings.temperature,
            settings.top_p,
            settings.seed,
            settings.top_k,
            settings.repetition_penalty,
            presence=settings.presence_penalty,
            frequency=settings.frequency_penalty,
            bias=dict(settings.bias),
        )
        ids, self._owed = list(prompt) if not isinstance(prompt, str) else [], b""
        if isinstance(prompt, str):
            ids, self._owed = _without_trailing_space(tokens.encode(prompt), tokens)
        ids = ids or [tokens.begin]
        if settings.whole and len(ids) + settings.max_tokens > context:
            raise InvalidInput(
                f"the model's context is {context} tokens",
                f"{len(ids)} in the prompt and {settings.max_tokens} to write are {len(ids) + settings.max_tokens}",
                "Shorten the prompt or ask for fewer",
            )
        room = max(1, context - min(settings.max_characters or settings.max_tokens, context // 2))
        self._dropped = max(0, len(ids) - room)
        self._ids = ids[-room:]
        self._prompt_tokens = len(self._ids)
        self._stream = TextStream(tokens, self._ids)
        self._skip = len(self._owed.decode())
        self._stops = Stops(settings.stop)
        self._chances: list[Chance] = []
        self._written = 0
        self.unread = list(self._ids)
        self.cache: Any = None
        self.fresh = False
        self.ended = False

    def read_again(self) -> None:
        """Forget what was read and begin from the first id that the model should see."""
        self.unread, self.fresh = list(self._ids), True

    def allowed(self, logits: Tensor) -> Tensor:
        """Float32 logits [vocabulary] with minus infinity where a token would not go on from the prompt."""
        pieces = self._tokens.pieces
        return _only(logits, self._tokens.continuing(self._owed)) if self._owed and pieces is not None else logits

    def put(self, number: int, plain: Tensor) -> Completion:
        """Add the id that was drawn; the text with it.

        Args:
            number: The id.
            plain: Float32 logits [vocabulary] as the model gave them.
        """
        pieces = self._tokens.pieces
        if number in self._tokens.ends:
            return self.end("stop")
        if self.settings.logprobs >= 0:
            start = max(0, len(self._stream.text) - self._skip)
            told = chance(plain, number, self.settings.logprobs, start, self._tokens)
            if self._owed and pieces is not None:  # the white space is the prompt's
                told = replace(told, text=pieces[number][len(self._owed) :].decode("utf-8", "replace"))
            self._chances.append(told)
        if self._owed and pieces is not None:
            self._owed = self._owed[len(pieces[number]) :]
        self._stream.push(number)
        self._written += 1
        self._ids.append(number)
        self.unread = [number]
        if len(self._ids) > self._context:
            # Learned positions cannot slide: start again from the newer half.
            self._ids = self._ids[-max(1, self._context // 2) :]
            self.read_again()
        text, settings = self._stream.text[self._skip :], self.settings
        if (found := self._stops.find(text)) is not None:
            return self.end("stop", found)
        if settings.max_characters and len(text) >= settings.max_characters:
            return self.end("length", settings.max_characters)
        # A token may add no character at all: the bound on tokens holds for a length in characters too.
        if self._written >= settings.most_tokens:
            return self.end("length")
        return self._state(text[: len(text) - self._stops.held(text)])

    def end(self, reason: str, length: int | None = None) -> Completion:
        """End the text here; `length` characters of it stay, or all of them."""
        self.ended = True
        text = self._stream.text[self._skip :]
        return self._state(text if length is None else text[:length], reason)

    def _state(self, text: str, reason: str = "") -> Completion:
        most = self.settings.max_characters
        share = len(text) / most if most else self._written / max(1, self.settings.max_tokens)
        return Completion(
            text,
            self._written,
            time.perf_counter() - self._started,
            reason,
            self._prompt_tokens,
            self._dropped,
            # A token that begins at or after the end of the text was cut away with what follows it.
            tuple(each for each in self._chances if each.start < len(text) or not reason),
            1.0 if reason else min(1.0, share),
        )


def take_together(rows: Sequence[Row], logits: Tensor) -> list[Completion | Refused]:
    """Draw the next token of each row from float32 logits [rows, vocabulary] of what it had unread.

    Returns:
        Their texts; an error where a row's logits are no numbers.
    """
    logits = logits.cpu()
    allowed = [row.allowed(plain) for row, plain in zip(rows, logits, strict=True)]
    kept = all(new.data_ptr() == old.data_ptr() for new, old in zip(allowed, logits))
    numbers = draw([row._sampler for row in rows], logits if kept else torch.stack(allowed), [row._ids for row in rows])
    return [
        number if isinstance(number, Refused) else row.put(number, plain)
        for row, number, plain in zip(rows, numbers, logits)
    ]


def chance(logits: Tensor, number: int, alternatives: int, start: int, tokens: Tokens) -> Chance:
    """How likely id `number` was by float32 logits [vocabulary], and the likeliest `alternatives`."""
    logs = logits.double().log_softmax(0)
    top: list[tuple[str, float]] = []
    if alternatives > 0:
        values, ids = logs.topk(min(alternatives, len(logs)))
        top = [(tokens.text_of(int(at)), round(float(value), 4)) for value, at in zip(values, ids, strict=True)]
    return Chance(tokens.text_of(number), start, round(float(logs[number]), 4), tuple(top))


def _without_trailing_space(ids: list[int], tokens: Tokens) -> tuple[list[int], bytes]:
    """The ids before the white space that ends a prompt, and that white space."""
    pieces = tokens.pieces if ids else None
    if pieces is None:
        return ids, b""
    stop = len(ids)
    while stop > 0 and pieces[ids[stop - 1]] and not pieces[ids[stop - 1]].strip(b" \n\t\r"):
        stop -= 1
    return ids[:stop], b"".join(pieces[number] for number in ids[stop:])


def _only(logits: Tensor, allowed: Sequence[int]) -> Tensor:
    """Logits of the ids that are allowed; minus infinity for the others."""
    result = torch.full_like(logits, -torch.inf)
    index = torch.tensor(allowed, dtype=torch.int64, device=logits.device)
    result[index] = logits[index]
    return result
