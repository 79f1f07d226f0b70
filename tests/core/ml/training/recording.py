"""A run that remembers, for trainings under test: the recorder's contract in memory and a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from core.runs.events import Event
from core.runs.recorder import Fenced

Kind = TypeVar("Kind")


class Remembered:
    """A recorder.

    Args:
        folder: Of the run.
        goal: How far to train.
        wish: Asked before every step, told the number of the question.
        leading: Whether this is the first rank; others' events are nobody's.
    """

    def __init__(
        self, folder: Path, goal: int, wish: Callable[[int], str] = lambda asked: "run", *, leading: bool = True
    ) -> None:
        self.folder, self.goal, self._wish, self.leading = folder, goal, wish, leading
        self.events: list[Event] = []
        self.asked = 0
        self.fenced = False
        self.samples = folder / "samples"
        self.samples.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints").mkdir(exist_ok=True)

    def tell(self, event: Event) -> None:
        if self.leading:
            self.events.append(event)

    def wish(self) -> str:
        self.asked += 1
        return self._wish(self.asked)

    def steps(self) -> int:
        return self.goal

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        assert self.leading
        part = self.folder / f".part-{step}"
        part.mkdir()
        try:
            yield part
            if self.fenced:
                raise Fenced
            part.rename(self.folder / "checkpoints" / str(step))
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def last(self) -> tuple[int, Path] | None:
        found = self.checkpoints()
        return found[-1] if found else None

    def checkpoints(self) -> list[tuple[int, Path]]:
        return sorted((int(path.name), path) for path in (self.folder / "checkpoints").iterdir())

    def drop(self, step: int) -> None:
        shutil.rmtree(self.folder / "checkpoints" / str(step))

    def told(self, kind: type[Kind]) -> list[Kind]:
        """The events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]
