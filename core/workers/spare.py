"""A worker that waits with its framework already imported, so that the next model starts at once.

Importing torch takes longer than loading most models. Whoever shows a list of models keeps one spare ready; the session
that starts takes it over. A spare holds a few hundred megabytes of memory, which is why there is one and not more.
"""

from __future__ import annotations

import asyncio

from core.errors import TarmacError
from core.workers.process import WorkerProcess
from core.workers.wire import Message


class Spare:
    """At most one waiting worker. Belongs to one event loop."""

    def __init__(self, warm: bool = True) -> None:
        """
        Args:
            warm: Import the framework ahead; without it a spare is only a started process.
        """
        self._warm = warm
        self._process: WorkerProcess | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id of the waiting worker, while there is one."""
        return self._process.pid if self._process is not None else None

    async def prepare(self) -> None:
        """Have a worker waiting. Returns when its process is there; the import goes on in it.

        Failing to have one is no error: the session then starts a worker of its own and tells what is wrong.
        """
        if self._process is not None or self._closed:
            return
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare())
        await asyncio.shield(self._preparing)

    def take(self) -> WorkerProcess | None:
        """Hand the waiting worker over, if there is one that lives; it is the taker's from then on."""
        process, self._process = self._process, None
        return process if process is not None and process.pid is not None else None

    async def close(self) -> None:
        """End the waiting worker; none is prepared any more."""
        self._closed = True
        if self._preparing is not None:
            await asyncio.shield(self._preparing)
        process, self._process = self._process, None
        if process is not None:
            await process.stop(0)  # it has nothing to lose

    async def _prepare(self) -> None:
        try:
            process = await WorkerProcess.spawn(None, _ignore, lambda code, lines: self._ended(process))
            if self._warm:
                process.send({"kind": "warm"})
            self._process = process
        except (TarmacError, OSError):
            return
        finally:
            self._preparing = None

    def _ended(self, process: WorkerProcess) -> None:
        if self._process is process:
            self._process = None


def _ignore(message: Message) -> None:
    """A spare has nothing to say."""
