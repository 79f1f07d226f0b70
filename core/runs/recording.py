"""The recorder of a real training: it writes the run folder, and knows when a newer attempt has taken over.

See recorder.py for what a training may expect of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.errors import StorageError
from core.runs.events import Event, Metrics, Started
from core.runs.folder import RunFolder, published
from core.runs.journal import Journal
from core.runs.plan import RunPlan
from core.runs.recorder import Fenced

_LOOK_EVERY = 0.2
"""Seconds between two looks at the disk for a wish; a look may cost a millisecond on a network disk."""

_HELD = 2000
"""Events that wait for a disk that is full; the oldest go first."""


class FolderRecorder:
    """One attempt at a run, from inside.

    Args:
        folder: The run.
        attempt: Number of this attempt.
        plan: What to do.
        leading: Whether this rank writes; the others see everything and tell nothing.
    """

    def __init__(self, folder: RunFolder, attempt: int, plan: RunPlan, *, leading: bool = True) -> None:
        self._folder = folder
        self._attempt = attempt
        self._plan = plan
        self._leading = leading
        self._journal = Journal(folder.path)
        self._held: deque[tuple[float, Event]] = deque(maxlen=_HELD)
        self._lock = threading.Lock()
        self._looked = -_LOOK_EVERY
        self._wish = "run"
        self._steps = plan.steps
        self.step = 0
        """The last step that was told."""
        self.chosen: Mapping[str, object] = {}
        """What the training chose."""
        self.began_at: int | None = None
        """The step that training began from; None while it has not."""

    @property
    def samples(self) -> Path:
        """Folder of sample sheets."""
        return self._folder.samples

    def tell(self, event: Event) -> None:
        """Append to the journal."""
        if isinstance(event, Started):
            self.began_at, self.chosen = event.step, event.chosen
        if isinstance(event, Started | Metrics):
            self.step = event.step
        if not self._leading or self._folder.fenced(self._attempt):
            return
        with self._lock:
            self._held.append((time.time(), event))
            with contextlib.suppress(StorageError):
                while self._held:
                    at, first = self._held[0]
                    self._journal.tell(first, at)
                    self._held.popleft()

    def wish(self) -> str:
        """ "run", "stop" or "fenced"."""
        self._look()
        return self._wish

    def steps(self) -> int:
        """How far to train, extensions included."""
        self._look()
        return self._steps

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        desired = self._folder.desired()
        self._steps = desired.steps or self._plan.steps
        self._wish = "fenced" if self._folder.fenced(self._attempt) else desired.wish

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """A new folder, published as the checkpoint of `step`."""
        self._check_fence()
        # Bringing it to the disk may take long: the fence is looked at once more just before the rename.
        with published(self._folder.checkpoints / str(step), lambda: self._folder.fenced(self._attempt)) as folder:
            yield folder
            self._check_fence()

    def _check_fence(self) -> None:
        if self._folder.fenced(self._attempt):
            raise Fenced(f"attempt {self._attempt} is not the newest any more")

    def last(self) -> tuple[int, Path] | None:
        """The newest complete checkpoint."""
        return next(reversed(self.checkpoints()), None)

    def checkpoints(self) -> list[tuple[int, Path]]:
        """All complete checkpoints by step."""
        return self._folder.complete_checkpoints()

    def drop(self, step: int) -> None:
        """Delete the checkpoint of `step`."""
        self._check_fence()
        self._folder.drop_checkpoint(step)
