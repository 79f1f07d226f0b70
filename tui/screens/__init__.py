"""One screen a file, its style sheet beside it. This file only lists the places that the number keys lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Place:
    """A screen with a number key: its mode's name, its key, its title, and that where room is short."""

    mode: str
    key: str
    title: str
    short: str


PLACES: Final = (
    Place("directory", "1", "Directory", "Dir"),
    Place("workspace", "2", "Workspace", "Work"),
    Place("training", "3", "Training", "Train"),
    Place("datasets", "4", "Datasets", "Data"),
    Place("hosting", "5", "Hosting", "Host"),
    Place("settings", "6", "Settings", "Set"),
)
