"""How many pictures are enough, said in numbers and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 50
FEW = 500
RIGHT = 5_000
MANY = 25_000
LARGE_BYTES = 5_000_000_000


@dataclass(frozen=True)
class Advice:
    """What to expect of a dataset of this size.

    Attributes:
        level: "refused", "few", "right", "plenty" or "large".
        sentence: For people.
        seconds: How long preparing it is going to take; None where nothing was measured.
    """

    level: str
    sentence: str
    seconds: float | None = None


def advise(count: int, size_bytes: int = 0, rate: float | None = None) -> Advice:
    """Judge a number of pictures.

    Args:
        count: Pictures that can be used.
        size_bytes: What their files take.
        rate: Pictures that were read in a second, as measured while they were scanned.
    """
    seconds = count / rate if rate else None
    if count < LEAST:
        pictures = "no pictures" if not count else "1 picture" if count == 1 else f"{count} pictures"
        told = f"{pictures}: at least {LEAST} are needed, a network learns fewer by heart"
        return Advice("refused", told, seconds)
    if count < FEW:
        return Advice("few", f"{count} pictures: few, expect less variety; {FEW} to {RIGHT:,} are right", seconds)
    if count > MANY or size_bytes > LARGE_BYTES:
        taken = f", {size_bytes / 1e9:.1f} GB" if size_bytes > LARGE_BYTES else ""
        lasts = f"; preparing them takes about {_minutes(seconds)}" if seconds is not None else ""
        return Advice("large", f"{count:,} pictures{taken}: fine{lasts}", seconds)
    if count > RIGHT:
        return Advice("plenty", f"{count:,} pictures: plenty", seconds)
    return Advice("right", f"{count:,} pictures: right ({FEW} to {RIGHT:,})", seconds)


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
