"""What is thought of the crops of a dataset's pictures, and what was decided: words and tones; no widget, no disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.datasets.review import Look

Told = tuple[str, str]
"""Words and their tone."""


@dataclass(frozen=True)
class Counts:
    """Of the pictures of a dataset: those that nobody is sure of, those decided by hand, and of these the excluded."""

    unsure: int = 0
    decided: int = 0
    excluded: int = 0


def counted(looks: Sequence[Look]) -> Counts:
    """Counts of all pictures."""
    decided = [look for look in looks if look.decided is not None]
    return Counts(sum(look.unsure for look in looks), len(decided), sum(look.excluded for look in decided))


def heading(name: str, pictures: int, counts: Counts) -> list[Told]:
    """The dataset, and how far its review has come."""
    told = [(f" {name}", "bold $text"), (f" · {pictures:,} pictures · ", "$muted")]
    told.append((f"{counts.unsure:,} unsure", "$warning") if counts.unsure else ("none unsure", "$success"))
    if counts.decided:
        excluded = f", {counts.excluded:,} excluded" if counts.excluded else ""
        told.append((f" · {counts.decided:,} decided{excluded}", "$text"))
    return told


def about(look: Look) -> list[Told]:
    """One picture."""
    return [verdict(look), (f"  {look.name}", "$text"), (f"  {look.width}×{look.height}", "$muted")]


def verdict(look: Look) -> Told:
    """What is thought of a picture's crop."""
    sure = f"{look.subject.confidence:.2f}" if look.subject is not None else ""
    if look.decided is not None:
        told = {"accept": "● accepted", "box": "● adjusted", "exclude": "✕ excluded"}[look.decided.action]
        return told, "$error" if look.excluded else "$success"
    if look.subject is None:
        return "– not looked at", "$muted"
    return (f"? unsure {sure}", "$warning") if look.unsure else (f"● found {sure}", "$success")
