"""What a training sees of its run: it tells events, asks whether to go on, and publishes files. No process, no torch.

The real one writes the run folder (folder.py); tests give a training one that remembers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from core.runs.events import Event


class Recorder(Protocol):
    """The run, from inside."""

    @property
    def samples(self) -> Path:
        """Folder of sample sheets; files appear in it by rename."""

    def tell(self, event: Event) -> None:
        """Append to the journal. Never raises: what a full disk refuses is written when there is room again."""

    def wish(self) -> str:
        """ "run", "stop" (save and end) or "fenced" (a newer attempt has begun: end and publish nothing). Cheap enough
        for every step."""

    def steps(self) -> int:
        """How far to train, extensions included. Cheap."""

    def checkpoint(self, step: int) -> AbstractContextManager[Path]:
        """A new, empty folder for the checkpoint of `step`, published by one rename when the block ends well.

        Raises:
            Fenced: A newer attempt has begun; nothing was published.
            StorageError: The disk said no; nothing was published.
        """

    def last(self) -> tuple[int, Path] | None:
        """The newest complete checkpoint: its step and folder."""

    def checkpoints(self) -> list[tuple[int, Path]]:
        """All complete checkpoints by step."""

    def drop(self, step: int) -> None:
        """Delete the checkpoint of `step`."""


class Fenced(Exception):
    """A newer attempt of the same run has begun; this one must end and leave everything as it is."""
