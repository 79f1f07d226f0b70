"""Continuous batching: texts of many askers, written side by side, each joining and leaving between two tokens."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import OutOfMemory, TarmacError, out_of_memory
from core.ml.generation.completion import PIECE, Completion, Engine, Row, Settings, advance
from core.ml.generation.tokens import Tokens

PIECES = 2
"""Pieces of prompts that are read between two tokens of those who write: what a newcomer costs the others."""


@dataclass(eq=False)
class _Text:
    row: Row
    cancelled: Callable[[], bool]
    place: int


class Flow:
    """Texts in the making.

    A text comes out as if it were alone: to the last bit where the engine computes rows alike (`Engine.rows_alike`),
    elsewhere but for rounding, which only decides where two tokens lie within it.

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
        self._texts[number] = _Text(row, cancelled, place)
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
        chosen = self._chosen()
        while chosen:
            try:
                steps = advance(self._engine, [self._texts[number].row for number in chosen])
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
            for number in chosen:
                self._texts[number].row.read_again()
        else:
            return told
        for number, step in zip(chosen, steps, strict=True):
            if step is None:
                continue
            told.append((number, step))
            if isinstance(step, TarmacError) or step.reason:
                self._leave(number)
        return told

    def _chosen(self) -> list[int]:
        """Who is read now: all that write, and the oldest of those whose prompts are long."""
        chosen, pieces = [], PIECES * PIECE
        for number, text in self._texts.items():
            size = min(PIECE, len(text.row.unread))
            if size == 1:
                chosen.append(number)
            elif size <= pieces:
                chosen.append(number)
                pieces -= size
        return chosen

    def _leave(self, number: int) -> None:
        heapq.heappush(self._free, self._texts.pop(number).place)
