"""How much text is enough, said in numbers and one sentence."""

from __future__ import annotations

from core.datasets.advice import Advice

LEAST = 10_000
FEW = 1_000_000
RIGHT = 200_000_000
LARGE = 2_000_000_000


def advise(size: int, documents: int) -> Advice:
    """Judge an amount of text.

    Args:
        size: Bytes of UTF-8 without duplicates.
        documents: How many they are.
    """
    amount = f"{told(size)} in {documents:,} {'document' if documents == 1 else 'documents'}"
    if size < LEAST:
        what = amount if size else "no text"
        return Advice("refused", f"{what}: at least {told(LEAST)} are needed, a model learns less by heart")
    if size < FEW:
        return Advice("few", f"{amount}: little, a base is soon overtrained on it; {told(FEW)} and more are right")
    if size > LARGE:
        return Advice("large", f"{amount}: fine; a run sees a part of it")
    return Advice("plenty" if size > RIGHT else "right", f"{amount}: {'plenty' if size > RIGHT else 'right'}")


def told(size: int) -> str:
    """Bytes for people: "2.4 MB"."""
    number, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" or number >= 99.5 else f"{number:.1f} {unit}".replace(".0 ", " ")
