"""How much of what a model writes stands word for word in what it was trained on.

The share of sampled n-grams of generated tokens (n = 50) that occur in the training tokens, exactly; in the manner of
Lee et al. 2022 ("Deduplicating training data makes language models better"). A model that has learned by heart writes
long pieces of its training text; one that has learned to write seldom writes fifty tokens in a row that stand there.

The corpus is streamed once for each check: rolling hashes of all its n-grams, a piece at a time, are looked up in
a table of those that are asked for, and every hit is compared token by token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENGTH = 50
"""Tokens: no fifty in a row come about by chance, and no quotation of a line is as long."""
CHUNK = 1 << 17
"""Tokens of the corpus that are hashed at once: what a processor's cache holds."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BITS = 20
_SHIFT = np.uint64(64 - _BITS)

Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Memorised:
    """The share with its protocol.

    Attributes:
        share: 0 to 1 of the n-grams that were looked for and found; 0 where no text was long enough.
        sampled: N-grams that were looked for.
        found: Of those, in the training tokens.
        length: Tokens of an n-gram.
    """

    share: float
    sampled: int
    found: int
    length: int

    def about(self) -> dict[str, object]:
        """What the figure cannot be read without, for journals and manifests."""
        return {"sampled": self.sampled, "found": self.found, "length": self.length}


def memorised(
    texts: Sequence[Sequence[int] | Ids],
    corpus: Ids,
    *,
    length: int = LENGTH,
    most: int = 4096,
    seed: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> Memorised:
    """Look for pieces of generated texts in a corpus.

    Args:
        texts: Tokens that the model wrote, without the prompts.
        corpus: The training tokens [n]; mapped from disk, it is streamed once.
        length: Tokens of a piece.
        most: Pieces that are looked for; more are sampled.
        seed: Of that sample.
        stop: Asked between parts of the corpus; when true, what was found so far is told.
    """
    sought = _sampled(texts, length, most, seed)
    if not len(sought) or len(corpus) < length:
        return Memorised(0.0, len(sought), 0, length)
    hit = _occurring(sought, corpus, stop)
    return Memorised(float(hit.mean()), len(sought), int(hit.sum()), length)


def _sampled(texts: Sequence[Sequence[int] | Ids], length: int, most: int, seed: int) -> NDArray[np.int64]:
    """int64 [k, length], k at most `most`: all pieces, or as many of them drawn without repetition."""
    arrays = [np.asarray(text, np.int64) for text in texts]
    counts = np.array([max(0, len(array) - length + 1) for array in arrays], np.int64)
    whole = int(counts.sum())
    if not whole:
        return np.zeros((0, length), np.int64)
    chosen = np.arange(whole)
    if whole > most:
        chosen = np.sort(np.random.default_rng(seed).choice(whole, most, replace=False))
    ends = np.cumsum(counts)
    which = np.searchsorted(ends, chosen, side="right")
    places = chosen - (ends - counts)[which]
    return np.stack([arrays[text][place : place + length] for text, place in zip(which, places)])


def _occurring(sought: NDArray[np.int64], corpus: Ids, stop: Callable[[], bool]) -> NDArray[np.bool_]:
    """bool [k], which of the pieces [k, n] occur."""
    count, length = sought.shape
    keys = np.array([_hashes(piece, length)[0] for piece in sought], np.uint64)
    order = np.argsort(keys)
    ordered = keys[order]
    # A table of a bit for each of 2^20 ends of a key leaves few places of the corpus to search for.
    likely = np.zeros(1 << _BITS, np.bool_)
    likely[_slot(keys)] = True
    hit = np.zeros(count, np.bool_)
    for start in range(0, len(corpus) - length + 1, CHUNK):
        if stop() or hit.all():
            break
        part = np.asarray(corpus[start : start + CHUNK + length - 1])
        hashes = _hashes(part, length)
        places = np.flatnonzero(likely[_slot(hashes)])
        at = np.searchsorted(ordered, hashes[places])
        inside = at < count
        places, at = places[inside], at[inside]
        equal = ordered[at] == hashes[places]
        places, at = places[equal], at[equal]
        for first in np.unique(at).tolist():
            numbers = order[first : int(np.searchsorted(ordered, ordered[first], "right"))]
            for place in places[at == first].tolist():
                if hit[numbers].all():
                    break  # at the first place, unless two pieces have one hash
                hit[numbers] |= (sought[numbers] == part[place : place + length]).all(axis=1)
    return hit


def _slot(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (hashes >> _SHIFT).astype(np.int64)


def _hashes(ids: Ids, length: int) -> NDArray[np.uint64]:
    """uint64 [n - length + 1], polynomial hashes modulo 2^64 of every window, by doubling: log2(length) passes.

    The hash of 2k tokens is that of the first k times F^k plus that of the next k; windows of other lengths are put
    together from the powers of two in them.
    """
    # Mixed first, so that windows that differ in one small number differ in the high bits.
    single = (ids.astype(np.uint64) + np.uint64(1)) * _FACTOR
    single ^= single >> np.uint64(29)
    result: NDArray[np.uint64] | None = None
    taken, size, power = 0, 1, _FACTOR
    current = single
    final = len(ids) - length + 1
    with np.errstate(over="ignore"):
        while True:
            if length & size:
                part = current[taken : taken + final]
                result = part.copy() if result is None else result * power + part
                taken += size
            if size * 2 > length:
                break
            current = current[:-size] * power + current[size:]
            power, size = power * power, size * 2
    assert result is not None
    return result
