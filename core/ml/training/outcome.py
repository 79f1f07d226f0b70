"""How an attempt at an experiment ended, and what to offer where memory was the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: what `events.Ended` needs, and where the model lies.

    Attributes:
        state: "finished", "stopped", "interrupted", "failed" or "fenced".
        step: Steps done.
        what, why, do, offer: See Ended.
        model: Folder of the model that was made, not yet in the library; None if none was.
    """

    state: str
    step: int
    what: str = ""
    why: str = ""
    do: str = ""
    offer: dict[str, object] = field(default_factory=dict)
    model: Path | None = None


def too_large(error: BaseException, batch: int, step: int, offer: dict[str, object], do: str) -> Outcome:
    """Out of memory.

    Args:
        error: What was raised.
        batch: Pictures or rows a step that did not fit; 0 if that is not known.
        step: Steps done.
        offer: Options that take less.
        do: A sentence about them.
    """
    what = f"not enough memory for a batch of {batch}" if batch else "not enough memory"
    return Outcome("failed", step, what, _asked(str(error)) or type(error).__name__, do, offer)


def _asked(said: str) -> str:
    """What an allocator said, in words: how much it could not get. Anything else stays as it was said."""
    found = re.search(r"tried to allocate ([\d.]+) ?(bytes|[KMG]iB)", said, re.IGNORECASE)
    if found is None:
        return said.splitlines()[0][:200] if said else ""
    unit = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30}[found[2][0].lower()]
    size = float(found[1]) * unit
    told = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return f"{told} more could not be had"
