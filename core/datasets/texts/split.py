"""Which documents are held out: by a seeded hash of their content, and where that would be none or too many, by hand.

There is always held-out text: of one long document the end is, and of a few documents those that come nearest to the
share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEW = 500
"""Up to so many documents, chance may miss the share by far, and the choice is looked at."""
_NEAR = 3.0

UNSAID, TRAIN, HELD = 0, 1, 2
"""What a document's source says about it."""

_MASK = 2**64 - 1
_CODE_SEARCH_NET = re.compile(r"(?:^|/)jsonl/(train|valid|test)/[^/]+\.jsonl(?:\.gz)?$")
_SPLIT = re.compile(r"(?:^|[_.-])(train|valid|validation|test|dev|eval)(?:[_.-]|$)")
_RECORDS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Split:
    """The answer.

    Attributes:
        held: bool [n].
        cut: A document whose end becomes one more document, held out, that follows it; -1 for none.
    """

    held: NDArray[np.bool_]
    cut: int = -1


def is_code_search_net(path: str) -> bool:
    """Whether a file lies where those of CodeSearchNet do: language/final/jsonl/train/*.jsonl.gz."""
    return _CODE_SEARCH_NET.search(path.lower()) is not None


def told_by_name(path: str) -> int:
    """What the path of a file of records says about its documents; other files say nothing."""
    path = path.lower()
    laid_out = _CODE_SEARCH_NET.search(path)
    if laid_out:
        return TRAIN if laid_out.group(1) == "train" else HELD
    name = path.rsplit("/", 1)[-1].removesuffix(".gz")
    told = _SPLIT.search(name.rsplit(".", 1)[0]) if name.endswith(_RECORDS) else None
    if told is None:
        return UNSAID
    return TRAIN if told.group(1) == "train" else HELD


def rank(digest: int, seed: int) -> int:
    """A number below 2^32 for a document's 64-bit digest: as good as random, always the same (splitmix64)."""
    mixed = (digest + (seed + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) >> 32


def split(sizes: NDArray[np.int64], ranks: NDArray[np.uint32], told: NDArray[np.uint8], share: float) -> Split:
    """Choose the held-out documents.

    Args:
        sizes: [n] bytes of each document, n > 0.
        ranks: [n] what `rank` gave.
        told: [n] `UNSAID`, `TRAIN` or `HELD`. Where both sides are said, what is not said is for training.
        share: Of the bytes, between 0 and 1.
    """
    said = told == HELD
    if said.any() and (told == TRAIN).any():
        return Split(said)
    held = ranks < np.uint64(share * 2**32)
    total = int(sizes.sum())
    aim = share * total

    def near(chosen: NDArray[np.bool_]) -> bool:
        return aim / _NEAR <= int(sizes[chosen].sum()) <= min(_NEAR * aim, 0.9 * total) and not chosen.all()

    if near(held) or (len(sizes) > FEW and held.any() and not held.all()):
        return Split(held)
    held = np.zeros(len(sizes), np.bool_)
    taken = 0
    for row in np.argsort(ranks, kind="stable").tolist():
        if taken + int(sizes[row]) <= max(aim * 1.5, 1) and taken < aim:
            held[row] = True
            taken += int(sizes[row])
    if near(held):
        return Split(held)
    return Split(np.zeros(len(sizes), np.bool_), int(sizes.argmax()))
