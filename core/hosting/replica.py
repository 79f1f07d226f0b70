"""One worker of a deployment, kept alive: started, watched, started again with growing pauses when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from core.errors import TarmacError, WorkerDied
from core.workers.adapter import Target
from core.workers.session import Session

MOST_DEATHS = 5
"""Deaths in a row after which a worker is given up; one that lived for `GOOD_LIFE` begins to count anew."""

GOOD_LIFE = 30.0
"""Seconds."""

_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each new start."""


class Owner(Protocol):
    """Who is told what becomes of a worker."""

    def replica_ready(self, replica: Replica) -> None:
        """It takes requests."""

    def replica_died(self, replica: Replica, error: TarmacError) -> None:
        """It had been ready and is gone; whatever it had is failed already."""

    def replica_gave_up(self, replica: Replica, error: TarmacError) -> None:
        """It is not started again by itself."""


class Replica:
    """A worker that there should be.

    Args:
        number: Which one of its deployment, from 0.
        target: Asked at each start for what to run.
        log: File that gets what the model prints.
        owner: Who is told.
    """

    def __init__(self, number: int, target: Callable[[int], Target], log: Path, owner: Owner) -> None:
        self.number = number
        self.session: Session | None = None
        self.deaths = 0
        self._target = target
        self._log = log
        self._owner = owner
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name=f"replica {number}")

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self.session is not None and self.session.state == "ready"

    async def close(self) -> None:
        """End it."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([self._task])
        if self.session is not None:
            await self.session.stop()

    async def _keep(self) -> None:
        try:
            await self._live()
        except Exception as problem:
            # A mistake of ours must not let requests wait for a worker that nobody starts.
            traceback.print_exc()
            self._owner.replica_gave_up(self, TarmacError("the worker could not be started", repr(problem)[:200]))

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(_PAUSES[min(self.deaths, len(_PAUSES) - 1)])
            began = time.monotonic()
            try:
                target = await asyncio.to_thread(self._target, self.number)
                session = self.session = Session(target, log=self._log)
                session.on_change.append(lambda _: self._changed.set())
                await session.start()
            except WorkerDied as error:
                if self._died(error, ready=False):
                    return
                continue
            except TarmacError as error:
                return self._owner.replica_gave_up(self, error)
            self._owner.replica_ready(self)
            while session.state == "ready":
                self._changed.clear()
                await self._changed.wait()
            if time.monotonic() - began > GOOD_LIFE:
                self.deaths = 0
            if self._died(session.death or WorkerDied(f"the worker of {target.title} ended"), ready=True):
                return

    def _died(self, error: TarmacError, ready: bool) -> bool:
        """Count a death; whether that was the last."""
        self.deaths += 1
        if ready:
            self._owner.replica_died(self, error)
        if self.deaths < MOST_DEATHS:
            return False
        why = f"its worker died {self.deaths} times in a row, last: {error.what}: {error.why}"
        self._owner.replica_gave_up(self, WorkerDied("the model cannot be kept running", why, error.do))
        return True
