"""Follows a run from outside: reads what is new in its journal, and tells the truth about whether it still runs.

The truth, in this order: how the newest attempt ended; whether the supervisor lives; what the engine says that carries
it; and when nothing of it can be found, that it is lost.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import TarmacError
from core.runs import journal
from core.runs.changes import changed
from core.runs.events import Ended, Event
from core.runs.folder import RunFolder
from core.runs.plan import RunPlan
from core.runs.plan_file import read_plan
from core.runs.processes import Process
from core.runs.story import Story
from core.runs.view import RunView

HEARTBEAT = 10.0
"""Seconds between two signs of life of a supervisor (the time of its supervisor.json)."""

_SILENCE = 120.0
"""Seconds without a sign of life after which a run on another machine is lost. Clocks may differ by some."""

_LAUNCH_TIME = 20.0
"""Seconds that a supervisor may take from being wished for to its first sign of life."""

UNREAD = "unknown"
"""The kind of a run whose plan cannot be read."""

_PIECE = 4 * 2**20
"""Bytes that are read at once."""


class Follower:
    """One run, watched. Not for several threads at once.

    Args:
        folder: The run folder.
        on_event: Called with the time and each event as it is read; by default nobody is.
    """

    def __init__(self, folder: Path, on_event: Callable[[float, Event], None] | None = None) -> None:
        self._folder = RunFolder(folder)
        self._on_event = on_event
        self._journal = folder / journal.FILE_NAME
        self._engine = ("", "")
        self._start_over()

    def _start_over(self) -> None:
        self._story = Story()
        self._offset = 0
        self._inode = 0
        self._rest = b""
        self._plan: RunPlan | None = None
        self._known: tuple[object, ...] = ()
        self._view: RunView | None = None
        self._supervisor: tuple[float, Process | None] = (-1.0, None)
        self._checkpoints: tuple[float, frozenset[int]] = (-1.0, frozenset())

    def hear(self, job: str, state: str) -> None:
        """Take note of what an engine says of the job that carries the run: "queued", "running" or "gone"."""
        self._engine = (job, state)

    def poll(self) -> RunView:
        """The run now. The very same value as before when nothing has changed. Never raises: a folder that cannot be
        read is a failed run, and its `end` says why."""
        try:
            if self._plan is None:
                self._plan = read_plan(self._folder.path)
        except TarmacError as error:
            return self._broken(error)
        news = self._read()
        desired = self._folder.desired()
        state = self._state(desired.wish)
        present = self._present()
        known = (state, desired.steps, desired.options, present)
        if news or self._view is None or known != self._known:
            self._known = known
            plan = changed(self._plan, desired.steps, desired.options)
            self._view = self._story.view(self._folder.path.name, self._folder.path, plan, state, present)
        return self._view

    # -- the journal

    def _read(self) -> bool:
        """Take in what is new; whether there was anything."""
        try:
            with open(self._journal, "rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._offset or (self._inode and found.st_ino != self._inode):
                    plan = self._plan
                    self._start_over()
                    self._plan = plan
                self._inode = found.st_ino
                if found.st_size == self._offset:
                    return False
                file.seek(self._offset)
                news = False
                while piece := file.read(_PIECE):
                    self._offset += len(piece)
                    news |= self._take(piece)
                return news
        except OSError:
            return False  # gone, or the network disk sleeps: what we know holds

    def _take(self, piece: bytes) -> bool:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        news = False
        for line in lines:
            told = journal.decode(line)
            if told is not None:
                self._story.take(*told)
                news = True
                if self._on_event is not None:
                    self._on_event(*told)
        return news

    # -- the truth

    def _state(self, wish: str) -> str:
        story = self._story
        if story.end is not None and story.state != "interrupted":
            return story.state
        if story.state == "planned":
            return "queued"
        if self._alive():
            if wish == "stop":
                return "stopping"
            return "starting" if story.state == "interrupted" else story.state
        if wish == "stop":
            return "stopped"
        if self._waiting():
            return "queued"
        return "lost"

    def _alive(self) -> bool:
        """Whether somebody looks after the run."""
        at, supervisor = self._read_supervisor()
        if supervisor is None:
            return False
        job = self._job()
        if job and (job != supervisor.job or self._engine == (job, "gone")):
            return False  # of an earlier job, or ended with it
        if supervisor.host == Process.here_name():
            return not supervisor.gone
        return self._engine == (job, "running") or abs(time.time() - at) < _SILENCE

    def _job(self) -> str:
        """The job that carries the run; empty for a local one."""
        return str(self._folder.launch().get("id", ""))

    def _waiting(self) -> bool:
        """Whether it will begin by itself, as far as anybody knows."""
        job = self._job()
        if job:
            return self._engine != (job, "gone") and self._story.state in ("queued", "interrupted")
        # A clock that was set back since tells of a time to come: it must not keep anybody waiting.
        return self._story.state == "queued" and abs(time.time() - self._story.queued) < _LAUNCH_TIME

    def _read_supervisor(self) -> tuple[float, Process | None]:
        path = self._folder.path / "supervisor.json"
        try:
            at = path.stat().st_mtime
        except OSError:
            return (0.0, None)
        if at != self._supervisor[0]:
            self._supervisor = (at, self._folder.supervisor())
        return self._supervisor

    def _present(self) -> frozenset[int]:
        try:
            at = self._folder.checkpoints.stat().st_mtime_ns
        except OSError:
            return frozenset()
        if at != self._checkpoints[0]:
            self._checkpoints = (at, frozenset(step for step, _ in self._folder.complete_checkpoints()))
        return self._checkpoints[1]

    def _broken(self, error: TarmacError) -> RunView:
        end = Ended("failed", 0, error.what, error.why, error.do)
        if self._view is None or self._view.end != end:
            name = self._folder.path.name
            plan = RunPlan(name=name, kind=UNREAD, dataset="")
            self._view = RunView(id=name, folder=self._folder.path, plan=plan, state="failed", end=end)
        return self._view
