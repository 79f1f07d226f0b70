"""Continuous batching: texts of many askers, written side by side, each joining and leaving between two tokens."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.errors import OutOfMemory, TarmacError, out_of_memory
from core.ml.generation.completion import PIECE, Completion, Engine, Row, Settings, read_on
from core.ml.generation.row import take_together
from core.ml.generation.tokens import Tokens

PIECES = 2
"""Pieces of prompts that are read between two tokens of those who write: what a newcomer costs the others."""


@dataclass(frozen=True)
class _Read:
    """A prompt that was read whole: what was remembered then, and the logits [vocabulary] after it."""

    memory: Any
    logits: Tensor


@dataclass(eq=False)
class _Text:
    """
    Attributes:
        row: What is written.
        cancelled: Whether nobody waits for it any more.
        place: Which of the memories it has.
        prompt: The ids that it begins with; empty once its memory begins with others.
        read: Those, as soon as they were read.
    """

    row: Row
    cancelled: Callable[[], bool]
    place: int
    prompt: tuple[int, ...]
    read: _Read | None = None


class Flow:
    """Texts in the making.

    A text comes out as if it were alone: to the last bit where the engine computes rows alike (`Engine.rows_alike`),
    elsewhere but for rounding, which only decides where two tokens lie within it.

    One that begins with the prompt of another that is still in does not read it again: it takes over what that one
    remembers of it. So several samples of one prompt cost one reading, though they join one after the other.

    Args:
        engine: The model.
        tokens: Its tokenizer.
        most: How many texts are written at once.
    """

    def __init__(self, engine: Engine, tokens: Tokens, most: int) -> None:
        self._engine, self._tokens = engine, tokens
        self._most = most
        self._memories: list[Any] | None = None
        self._free = list(range(most))
        self._texts: dict[int, _Text] = {}
        self._next = 0

    @property
    def room(self) -> int:
        """How many more may join."""
        return self._most - len(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def join(self, prompt: str | Sequence[int], settings: Settings, cancelled: Callable[[], bool]) -> int:
        """Take in a text; returns the number that its steps are told by.

        Raises:
            InvalidInput: It does not fit the context and was not to be cut.
            OutOfMemory: There is no memory for any.
        """
        row = Row(prompt, settings, self._tokens, self._engine.context)
        if self._memories is None:
            self._memories = self._engine.places(self._most)
        place = heapq.heappop(self._free)
        row.cache, row.fresh = self._memories[place], True
        number, self._next = self._next, self._next + 1
        self._texts[number] = _Text(row, cancelled, place, tuple(row.unread))
        return number

    def step(self) -> list[tuple[int, Completion | TarmacError]]:
        """Write the next token of every text, and read on in those that joined last.

        Returns:
            What each text has now, the last time with a reason; or why it came to nothing. Those that are still being
            read are missing. A text that was given up ends "cancelled".
        """
        told: list[tuple[int, Completion | TarmacError]] = []
        for number, text in list(self._texts.items()):
            if text.cancelled():
                told.append((number, text.row.end("cancelled")))
                self._leave(number)
        chosen, waiting = self._chosen()
        while chosen:
            try:
                drawn, logits = self._read(chosen, waiting)
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            # The newest makes room; what the others have read may be in disorder.
            newest = chosen.pop()
            told.append(
                (newest, OutOfMemory("completing a text", "there is not enough memory", "Ask for fewer tokens"))
            )
            self._leave(newest)
            for number in (*chosen, *waiting):
                text = self._texts[number]
                text.row.read_again()
                if text.read is not None:
                    text.prompt, text.read = text.prompt if number in waiting else (), None
            waiting = {}
        else:
            return told
        if not drawn:
            return told
        steps = take_together([self._texts[number].row for number in drawn], logits)
        for number, step in zip(drawn, steps, strict=True):
            told.append((number, step))
            if isinstance(step, TarmacError) or step.reason:
                self._leave(number)
        return told

    def _chosen(self) -> tuple[list[int], dict[int, _Text]]:
        """Who is read now: all that write, and the oldest of those whose prompts are long; and who waits for whose
        prompt instead of reading the same."""
        chosen, waiting, pieces = list[int](), dict[int, _Text](), PIECES * PIECE
        readers: dict[tuple[int, ...], _Text] = {}
        for number, text in self._texts.items():
            if text.row.fresh and text.read is not None:
                text.prompt, text.read = (), None
            if text.row.fresh and text.prompt in readers:
                waiting[number] = readers[text.prompt]
                continue
            if text.prompt:
                readers.setdefault(text.prompt, text)
            size = min(PIECE, len(text.row.unread))
            if size == 1:
                chosen.append(number)
            elif size <= pieces:
                chosen.append(number)
                pieces -= size
        return chosen, waiting

    def _read(self, chosen: Sequence[int], waiting: dict[int, _Text]) -> tuple[list[int], Tensor]:
        """Read the next piece of those that were chosen, and hand prompts to those that wait for them.

        Returns:
            Whose next token can be drawn, and the logits [rows, vocabulary] to draw it from.
        """
        logits = read_on(self._engine, [self._texts[number].row for number in chosen])
        drawn, parts = list[int](), list[Tensor]()
        for number, mine in zip(chosen, logits):
            text = self._texts[number]
            if text.row.unread:
                continue
            if text.prompt and text.read is None:
                # Where a memory can be cut it serves for as long as the text is in.
                memory = text.row.cache if self._engine.cuts else self._engine.fork(text.row.cache)
                text.read = _Read(memory, mine.clone())
            drawn.append(number)
            parts.append(mine)
        if len(drawn) == len(chosen) and not waiting:
            return drawn, logits
        for number, reader in waiting.items():
            if reader.read is None:
                continue
            text = self._texts[number]
            length = len(text.prompt) if self._engine.cuts else None
            text.row.cache = self._engine.fork(reader.read.memory, text.row.cache, length)
            text.row.unread, text.row.fresh = [], False
            memory = text.row.cache if self._engine.cuts else reader.read.memory
            text.read = _Read(memory, reader.read.logits)
            drawn.append(number)
            parts.append(reader.read.logits)
        return drawn, torch.stack(parts) if parts else logits[:0]

    def _leave(self, number: int) -> None:
        heapq.heappush(self._free, self._texts.pop(number).place)
