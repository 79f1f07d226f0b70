"""What a GPT-2 remembers of the tokens it has read, and how new tokens attend to it: row by row, or many in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor


@dataclass(frozen=True)
class Shelf:
    """The memories of several rows side by side: for each layer float32 [2, rows, heads, tokens, size]."""

    layers: list[Tensor]


@dataclass
class Cache:
    """Keys and values of the tokens of one row: the first `length` of what stands at `place` of a shelf."""

    shelf: Shelf
    place: int = 0
    length: int = 0


@dataclass(frozen=True)
class Span:
    """Tokens that a row reads now: from `first` to `last` (excluded) of all that are read with them, after the
    `cache.length` that it has read before."""

    first: int
    last: int
    cache: Cache


class Group(Protocol):
    """Tokens whose attention is computed in one go."""

    @property
    def tokens(self) -> slice | Tensor:
        """Which of all tokens they are."""
        ...

    def attend(self, layer: int, parts: Tensor) -> Tensor:
        """Remember the keys and values of the tokens, and compute what they see.

        Args:
            layer: Which.
            parts: Queries, keys and values [tokens, 3, heads, size] of everybody.

        Returns:
            Float32 [its tokens, heads, size].
        """
        ...


def groups(spans: Sequence[Span], alike: bool, device: torch.device) -> list[Group]:
    """How to attend for these rows.

    Args:
        spans: What they read, in the order of the tokens.
        alike: A row is to get the very bits that it gets alone.
        device: Where to compute.
    """
    single = [span for span in spans if span.last == span.first + 1]
    runs = _runs(single)
    found: list[Group] = [_Piece(span) for span in spans if span.last > span.first + 1]
    if len(runs) > 1 and not alike and _crowds(single):
        return [*found, _Crowd(single, device)]
    return [*found, *(_Run(run) for run in runs)]


def attend(grouped: Sequence[Group], layer: int, parts: Tensor) -> Tensor:
    """Float32 [tokens, heads, size] of `parts` [tokens, 3, heads, size]; see `Group.attend`."""
    if len(grouped) == 1:
        return grouped[0].attend(layer, parts)
    y = torch.empty(parts.shape[0], *parts.shape[2:], device=parts.device)
    for group in grouped:
        y[group.tokens] = group.attend(layer, parts)
    return y


class _Piece:
    """Several tokens of one row."""

    def __init__(self, span: Span) -> None:
        self.tokens = slice(span.first, span.last)
        self._cache = span.cache
        self._start, self._stop = span.cache.length, span.cache.length + span.last - span.first

    def attend(self, layer: int, parts: Tensor) -> Tensor:
        """See `Group.attend`."""
        kept = self._cache.shelf.layers[layer][:, self._cache.place]
        part = parts[self.tokens].permute(1, 2, 0, 3)
        kept[:, :, self._start : self._stop] = part[1:]
        keys, values = kept[:, None, :, : self._stop]
        return _causal(part[:1], keys, values)[0].transpose(0, 1)


class _Run:
    """One token each of rows that stand beside each other and have read equally much.

    Each is computed as if it were alone: rows are to attention what heads are.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self.tokens = slice(spans[0].first, spans[-1].last)
        cache = spans[0].cache
        self._shelf, self._start = cache.shelf, cache.length
        self._places = slice(cache.place, cache.place + len(spans))

    def attend(self, layer: int, parts: Tensor) -> Tensor:
        """See `Group.attend`."""
        kept, mine = self._shelf.layers[layer][:, self._places], parts[self.tokens]
        kept[:, :, :, self._start] = mine[:, 1:].transpose(0, 1)
        keys, values = kept[:, :, :, : self._start + 1]
        return functional.scaled_dot_product_attention(mine[:, 0, :, None], keys, values)[:, :, 0]


class _Crowd:
    """One token each of any rows of one shelf, over which a mask is laid."""

    def __init__(self, spans: Sequence[Span], device: torch.device) -> None:
        self._shelf = spans[0].cache.shelf
        rows = [(span.first, span.cache.place, span.cache.length) for span in spans]
        tokens, self._places, self._lengths = torch.tensor(rows, device=device).T
        self._far = max(place for _, place, _ in rows) + 1
        self._long = max(length for *_, length in rows) + 1
        reach = torch.zeros(self._far, dtype=torch.int64, device=device)
        reach[self._places] = self._lengths
        self._mask = (torch.arange(self._long, device=device) <= reach[:, None])[:, None, None]
        self._all = [place for _, place, _ in rows] == list(range(self._far))
        near = [token for token, *_ in rows] == list(range(rows[0][0], rows[0][0] + len(rows)))
        self.tokens: slice | Tensor = slice(rows[0][0], rows[0][0] + len(rows)) if near else tokens

    def attend(self, layer: int, parts: Tensor) -> Tensor:
        """See `Group.attend`."""
        kept, mine = self._shelf.layers[layer], parts[self.tokens]
        kept[:, self._places, :, self._lengths] = mine[:, 1:]
        queries = mine[:, 0]
        if not self._all:
            queries = torch.zeros(self._far, *queries.shape[1:], device=parts.device)
            queries[self._places] = mine[:, 0]
        keys, values = kept[:, : self._far, :, : self._long]
        seen = functional.scaled_dot_product_attention(queries[:, :, None], keys, values, attn_mask=self._mask)[:, :, 0]
        return seen if self._all else seen[self._places]


def _crowds(single: Sequence[Span]) -> bool:
    """Whether it pays to attend for all of them in one go."""
    shelf, far = single[0].cache.shelf, max(span.cache.place for span in single)
    # Places between them that are empty are computed for nothing.
    return all(span.cache.shelf is shelf for span in single) and far <= 2 * len(single)


def _runs(single: Sequence[Span]) -> list[list[Span]]:
    runs: list[list[Span]] = []
    for span in single:
        before = runs[-1][-1] if runs else None
        if (
            before is not None
            and before.last == span.first
            and before.cache.shelf is span.cache.shelf
            and before.cache.place + 1 == span.cache.place
            and before.cache.length == span.cache.length
        ):
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def _causal(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of the newest tokens: queries [1, heads, new, size], keys and values [1, heads, all, size]."""
    new, old = queries.shape[2], keys.shape[2] - queries.shape[2]
    if old == 0:
        return functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    mask = torch.ones(new, old + new, dtype=torch.bool, device=queries.device).tril(old)
    return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
