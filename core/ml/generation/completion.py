"""The loop that completes texts, for every engine: prompts in, growing texts out, one row or many at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from core.ml.generation.row import Chance, Completion, Row, Settings
from core.ml.generation.tokens import Tokens

__all__ = ["Chance", "Completion", "Engine", "Settings", "Wanted", "advance", "complete", "complete_together"]


class Engine(Protocol):
    """A causal language model that reads tokens one after the other.

    Attributes:
        context: Most tokens that it sees at once.
        vocabulary: Number of logits.
        precision: float32, bfloat16 or int8.
        parameters: Number of weights.
        bytes_per_token: Bytes of weights that one token has to read; the speed limit is bandwidth over this.
        rows_alike: Whether a row that is read with others gets the very bits that it gets alone.
    """

    context: int
    vocabulary: int
    precision: str
    parameters: int
    bytes_per_token: int
    rows_alike: bool

    def start(self) -> Any:
        """An empty memory of what was read."""
        ...

    def fork(self, cache: Any) -> Any:
        """A second memory of what `cache` remembers; each may go on by itself."""
        ...

    def read(self, ids: Sequence[int], cache: Any, *, every: bool = False) -> Tensor:
        """Read `ids` after what `cache` remembers; float32 logits [vocabulary], or [len(ids), vocabulary]."""
        ...

    def read_rows(self, rows: Sequence[Sequence[int]], caches: Sequence[Any]) -> Tensor:
        """Read several rows of ids, of any lengths, each after its own cache; float32 logits [rows, vocabulary]."""
        ...


@dataclass(frozen=True)
class Wanted:
    """One text that somebody wants; `cancelled` is asked before every token."""

    prompt: str
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
    first: dict[tuple[int, ...], tuple[Any, Tensor]] = {}
    for index, row in enumerate(rows):
        if wanted[index].cancelled():
            yield index, row.end("cancelled")
            continue
        key = tuple(row.unread)
        if key in first:
            cache, logits = first[key]
            row.cache = engine.fork(cache)
        else:
            row.cache = engine.start()
            logits = engine.read(row.unread, row.cache)
            if any(tuple(other.unread) == key for other in rows[index + 1 :]):
                first[key] = engine.fork(row.cache), logits
        yield index, row.take(logits)
    first.clear()
    while going := [index for index, row in enumerate(rows) if not row.ended]:
        together = [index for index in going if not wanted[index].cancelled()]
        for index in going:
            if index not in together:
                yield index, rows[index].end("cancelled")
        if engine.rows_alike or not exact:
            batch = [rows[index] for index in together]
            yield from zip(together, advance(engine, batch), strict=True)
            continue
        for index in together:
            yield index, advance(engine, [rows[index]])[0]


def advance(engine: Engine, rows: Sequence[Row]) -> list[Completion]:
    """Read what is unread of every row, all of them in one go, and draw the next token of each.

    Rows may have been asked for by different people at different times; whoever calls decides who is in.
    """
    if not rows:
        return []
    for row in rows:
        if row.cache is None:
            row.cache = engine.start()
    if len(rows) == 1:
        return [rows[0].take(engine.read(rows[0].unread, rows[0].cache))]
    logits = engine.read_rows([row.unread for row in rows], [row.cache for row in rows])
    return [row.take(logits[index]) for index, row in enumerate(rows)]
