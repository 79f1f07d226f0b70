"""One screen a file, its style sheet beside it. This file only lists the places that the number keys lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Place:
    """A screen with a number key: its mode's name, its key and its title."""

    mode: str
    key: str
    title: str


PLACES: Final = (
    Place("directory", "1", "Directory"),
    Place("workspace", "2", "Workspace"),
    Place("training", "3", "Training"),
    Place("datasets", "4", "Datasets"),
    Place("settings", "6", "Settings"),
)
