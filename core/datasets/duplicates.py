"""Pictures that are there twice: the same pixels, or almost the same picture.

Almost the same: the signs of the lowest frequencies of the cosine transform agree in all but a few of 64 bits (the
perceptual hash, Zauner 2010), and the pictures agree when both are shrunk to 16 x 16. The first finds candidates
quickly, the second keeps pictures apart that differ in colour alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS_APART = 4
"""Bits in which the hashes of near duplicates may differ."""
LEVELS_APART = 6.0
"""Mean difference of their 16 x 16 thumbnails in levels of 255."""
THUMB = 16

_SIDE, _LOW = 32, 8
_WINDOW, _MOST_LEADERS = 1024, 16
# Five bands of bits, by first bit and size: of two hashes that differ in four bits at least one band is equal.
_BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """sha256 of a picture's shape and pixels, in hexadecimal."""
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def likeness(pixels: NDArray[np.uint8]) -> tuple[int, NDArray[np.uint8]]:
    """What `near_duplicates` compares: the 64-bit hash of an RGB picture and its thumbnail uint8 [16, 16, 3]."""
    # A quick whole-number shrink first: what is left is small, whatever the picture's size.
    small = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    thumb, grey = small.resize((THUMB, THUMB), Image.Resampling.BOX), small.convert("L")
    low = _DCT @ np.asarray(grey, np.float64) @ _DCT.T
    flat = low.ravel()
    flat[0] = 0.0  # the mean says nothing about the picture
    bits = flat > np.median(flat)
    bits[np.abs(flat) < 1e-6] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), np.asarray(thumb)


def near_duplicates(hashes: Sequence[int], thumbs: NDArray[np.uint8]) -> dict[int, int]:
    """Rows that are almost the same as an earlier row, each with that row (which is not in the answer itself).

    Takes time in proportion to the rows that share a band of bits, not to all pairs; where thousands share one, only
    those near each other in the order of their hashes are compared, so that no input makes it quadratic.

    Args:
        hashes: 64-bit numbers.
        thumbs: uint8 [n, 16, 16, 3].
    """
    every = np.asarray(hashes, np.uint64)
    found: dict[int, int] = {}
    leaders = _leaders(every, thumbs, found)
    pairs: set[tuple[int, int]] = set()
    for start, size in _BANDS:
        band = (every[leaders] >> np.uint64(start)) & np.uint64((1 << size) - 1)
        order = leaders[np.lexsort((every[leaders], band))]
        cuts = np.flatnonzero(np.diff(np.sort(band))) + 1
        for group in np.split(order, cuts):
            if len(group) > 1:
                pairs.update(_pairs_in(group, every, thumbs))
    for later, earlier in sorted(pairs):
        if later not in found and earlier not in found:
            found[later] = earlier
    for row, leader in found.items():
        found[row] = found.get(leader, leader)
    return found


def _leaders(hashes: NDArray[np.uint64], thumbs: NDArray[np.uint8], found: dict[int, int]) -> NDArray[np.int64]:
    """Match rows of equal hashes into `found`; returns those that were not matched, ascending."""
    order = np.argsort(hashes, kind="stable")
    cuts = np.flatnonzero(np.diff(hashes[order])) + 1
    leaders: list[int] = []
    for group in np.split(order, cuts):
        rest = group
        for _ in range(_MOST_LEADERS):  # pictures of one colour all have one hash
            if not len(rest):
                break
            leader = int(rest[0])
            leaders.append(leader)
            same = _alike(thumbs, np.full(len(rest) - 1, leader), rest[1:])
            found.update(dict.fromkeys(rest[1:][same].tolist(), leader))
            rest = rest[1:][~same]
    return np.sort(np.asarray(leaders, np.int64))


def _pairs_in(
    group: NDArray[np.int64], hashes: NDArray[np.uint64], thumbs: NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """(later, earlier) of the rows of one group that are near in both senses; the group is in order of hashes."""
    for start in range(0, len(group), _WINDOW):
        rows, others = group[start : start + _WINDOW], group[start : start + 2 * _WINDOW]
        apart = np.bitwise_count(hashes[rows][:, None] ^ hashes[others][None, :])
        one, other = np.nonzero((apart <= BITS_APART) & (np.arange(len(rows))[:, None] < np.arange(len(others))[None]))
        first, second = rows[one], others[other]
        same = _alike(thumbs, first, second)
        ends = np.sort(np.stack([first[same], second[same]], axis=1), axis=1)
        yield from ((later, earlier) for earlier, later in ends.tolist())


def _alike(thumbs: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs of rows look alike when shrunk."""
    found = np.zeros(len(first), np.bool_)
    for start in range(0, len(first), 4096):
        part = slice(start, start + 4096)
        levels = np.abs(thumbs[first[part]].astype(np.int16) - thumbs[second[part]]).mean(axis=(1, 2, 3))
        found[part] = levels <= LEVELS_APART
    return found


def _cosines() -> NDArray[np.float64]:
    """The first 8 rows of the 32-point cosine transform."""
    place, frequency = np.arange(_SIDE), np.arange(_LOW)
    waves: NDArray[np.float64] = np.cos(np.pi * (2 * place[None] + 1) * frequency[:, None] / (2 * _SIDE))
    return waves


_DCT = _cosines()
