"""The loop that completes texts, for every engine: prompts in, growing texts out, one row or many at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from core.errors import Refused
from core.ml.generation.row import Chance, Completion, Row, Settings, take_together
from core.ml.generation.tokens import Tokens

__all__ = [
    "Chance",
    "Completion",
    "Engine",
    "Row",
    "Settings",
    "Wanted",
    "advance",
    "complete",
    "complete_together",
    "read_on",
]


class Engine(Protocol):
    """A causal language model that reads tokens one after the other.

    Attributes:
        context: Most tokens that it sees at once.
        vocabulary: Number of logits.
        precision: float32, bfloat16 or int8.
        parameters: Number of weights.
        bytes_per_token: Bytes of weights that one token has to read; the speed limit is bandwidth over this.
        rows_alike: Whether a row that is read with others gets the very bits that it gets alone.
        most_rows: How many rows it profits from reading together.
        row_bytes: Bytes of one row's memory at its fullest.
        cuts: Whether `fork` can leave out the end of what was read.
    """

    context: int
    vocabulary: int
    precision: str
    parameters: int
    bytes_per_token: int
    rows_alike: bool
    most_rows: int
    row_bytes: int
    cuts: bool

    def start(self) -> Any:
        """An empty memory of what was read."""
        ...

    def places(self, count: int) -> list[Any]:
        """`count` empty memories for rows that will be read together, which is fastest with the first of them."""
        ...

    def clear(self, cache: Any) -> None:
        """Empty a memory."""
        ...

    def fork(self, cache: Any, into: Any = None, length: int | None = None) -> Any:
        """A second memory of what `cache` remembers; each may go on by itself.

        Args:
            cache: The first.
            into: A memory to take for it, whatever it holds; None: a new one.
            length: Only so many of the first tokens, where the engine `cuts`; None: all.
        """
        ...

    def read(self, ids: Sequence[int], cache: Any, *, every: bool = False) -> Tensor:
        """Read `ids` after what `cache` remembers; float32 logits [vocabulary], or [len(ids), vocabulary]."""
        ...

    def read_rows(self, rows: Sequence[Sequence[int]], caches: Sequence[Any]) -> Tensor:
        """Read several rows of ids, of any lengths, each after its own cache; float32 logits [rows, vocabulary]."""
        ...


PIECE = 128
"""Ids of a prompt that are read at a time, by whomever and in whatever company: so the pieces are always the same."""


@dataclass(frozen=True)
class Wanted:
    """One text that somebody wants; `cancelled` is asked before every token."""

    prompt: str | Sequence[int]
    settings: Settings
    cancelled: Callable[[], bool] = lambda: False


def complete(
    engine: Engine,
    tokens: Tokens,
    prompt: str,
    settings: Settings,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[Completion, None, None]:
    """Complete `prompt`; yields after every token, at last with a reason. See `Row` for how prompts are read."""
    for _, completion in complete_together(engine, tokens, [Wanted(prompt, settings, cancelled)]):
        yield completion


def complete_together(
    engine: Engine, tokens: Tokens, wanted: Sequence[Wanted], *, exact: bool = True
) -> Generator[tuple[int, Completion], None, None]:
    """Complete several texts at once; yields (which, its state) after every token of each, at last with a reason.

    Texts with the same prompt read it once. One that is cancelled ends before its next token, the others go on.

    Args:
        engine: The model.
        tokens: Its tokenizer.
        wanted: The texts.
        exact: Each text comes out as if it were alone, to the last bit: rows are then read together only where the
            engine computes them alike, and take turns elsewhere. Without it they are always read together.
    """
    rows = [Row(each.prompt, each.settings, tokens, engine.context) for each in wanted]
    if len(rows) > 1:
        for row, cache in zip(rows, engine.places(len(rows)), strict=True):
            row.cache, row.fresh = cache, True
    first: dict[tuple[int, ...], tuple[Any, Tensor]] = {}
    for index, row in enumerate(rows):
        key = tuple(row.unread)
        if key in first and not wanted[index].cancelled():
            cache, logits = first[key]
            row.cache, row.unread, row.fresh = engine.fork(cache, row.cache), [], False
            yield index, _sure(take_together([row], logits[None])[0])
            continue
        step: Completion | None = None
        while step is None:
            if wanted[index].cancelled():
                step = row.end("cancelled")
                break
            logits = read_on(engine, [row])
            if not row.unread:
                if any(tuple(other.unread) == key for other in rows[index + 1 :]):
                    first[key] = row.cache, logits[0]  # where it stays until all prompts are read
                step = _sure(take_together([row], logits)[0])
        yield index, step
    first.clear()
    while going := [index for index, row in enumerate(rows) if not row.ended]:
        together = [index for index in going if not wanted[index].cancelled()]
        for index in going:
            if index not in together:
                yield index, rows[index].end("cancelled")
        batches = [together] if engine.rows_alike or not exact else [[index] for index in together]
        for batch in batches:
            for index, told in zip(batch, advance(engine, [rows[index] for index in batch]), strict=True):
                if told is not None:
                    yield index, _sure(told)


def advance(engine: Engine, rows: Sequence[Row]) -> list[Completion | Refused | None]:
    """Read the next piece of every row, all of them in one go, and draw the next token of those that were read whole.

    Rows may have been asked for by different people at different times; whoever calls decides who is in.

    Returns:
        For each row its text; None while some of it is unread; an error where the model computes no numbers.
    """
    if not rows:
        return []
    logits = read_on(engine, rows)
    whole = [index for index, row in enumerate(rows) if not row.unread]
    steps: list[Completion | Refused | None] = [None] * len(rows)
    if whole:
        drawn = take_together([rows[index] for index in whole], logits if len(whole) == len(rows) else logits[whole])
        for index, step in zip(whole, drawn, strict=True):
            steps[index] = step
    return steps


def read_on(engine: Engine, rows: Sequence[Row]) -> Tensor:
    """Read the next piece of each row; float32 logits [rows, vocabulary] after it."""
    for row in rows:
        if row.cache is None:
            row.cache = engine.start()
        elif row.fresh:
            engine.clear(row.cache)
        row.fresh = False
    if len(rows) == 1:
        logits = engine.read(rows[0].unread[:PIECE], rows[0].cache)[None]
    else:
        logits = engine.read_rows([row.unread[:PIECE] for row in rows], [row.cache for row in rows])
    for row in rows:
        row.unread = row.unread[PIECE:]
    return logits


def _sure(step: Completion | Refused | None) -> Completion:
    if isinstance(step, Refused):
        raise step
    assert step is not None
    return step
