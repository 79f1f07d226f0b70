"""The workers of one deployment and the requests that each of them has: who takes the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.hosting.replica import Owner, Replica
from core.hosting.served import Served
from core.workers.call import Call

WINDOW = 32
"""Requests of a batchable command that one worker has at a time: several batches, so that the next one is complete
when one ends. A model may tell another number for a command in `info["window"]`."""

_SINGLE = 2
"""The same for a command that is not batchable: the next one lies ready when one ends."""


@dataclass(eq=False)
class Job:
    """A request from its acceptance to its answer."""

    call: Call
    inputs: Mapping[str, object]
    client: str
    nbytes: int
    inner: Call | None = None
    replica: Replica | None = None
    deadline: asyncio.TimerHandle | None = None
    relay: asyncio.Task[None] | None = None
    parts: bool = False
    """Whether the client wants the parts of the answer."""
    began: bool = False
    """Whether it has some."""
    waits: bool = True
    """Whether it is in the queue."""
    tries: int = 0


class Crew:
    """The workers.

    Args:
        served: What they run.
        folder: Where their logs go.
        owner: Who is told what becomes of them.
    """

    def __init__(self, served: Served, folder: Path, owner: Owner) -> None:
        self._served, self._folder, self._owner = served, folder, owner
        self._jobs: dict[Replica, set[Job]] = {}

    def __len__(self) -> int:
        """Workers that there should be, whether they are ready or not."""
        return len(self._jobs)

    @property
    def ready(self) -> int:
        """Workers that take requests."""
        return sum(replica.ready for replica in self._jobs)

    @property
    def running(self) -> int:
        """Requests that workers have."""
        return sum(len(jobs) for jobs in self._jobs.values())

    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        found = (replica.session.pid for replica in self._jobs if replica.session is not None)
        return [pid for pid in found if pid is not None]

    def start(self, count: int) -> None:
        """Start so many workers."""
        for number in range(count):
            log = self._folder / f"worker-{number}.log"
            self._jobs[Replica(number, self._served.target, log, self._owner)] = set()

    def take(self, replica: Replica, job: Job) -> None:
        """A worker has got a request."""
        job.replica = replica
        self._jobs[replica].add(job)

    def done(self, job: Job) -> None:
        """Its worker has it no more."""
        replica, job.replica = job.replica, None
        if replica is not None:
            self._jobs.get(replica, set()).discard(job)

    def remove(self, replica: Replica) -> None:
        """A worker is not kept alive any more."""
        self._jobs.pop(replica, None)

    def dismiss(self) -> asyncio.Future[list[None]]:
        """End all of them, in the background."""
        replicas, self._jobs = list(self._jobs), {}
        return asyncio.gather(*(replica.close() for replica in replicas))

    def choose(self, job: Job) -> Replica | None:
        """The worker with the fewest requests that may have another; None if none may."""
        best: Replica | None = None
        for replica, jobs in self._jobs.items():
            if not replica.ready:
                continue
            # One that saw its worker die runs alone: if it is what kills workers, it kills nobody else's request.
            alone = bool(jobs) and (job.tries > 0 or any(each.tries > 1 for each in jobs))
            if alone or len(jobs) >= self._window(replica, job.call.command):
                continue
            if best is None or len(jobs) < len(self._jobs[best]):
                best = replica
        return best

    def _window(self, replica: Replica, command: str) -> int:
        session = replica.session
        told = session.info.get("window") if session is not None else None
        number = told.get(command) if isinstance(told, Mapping) else None
        if isinstance(number, int) and number > 0:
            return number
        chosen = self._served.interface.commands.get(command)
        return WINDOW if chosen is not None and chosen.batchable else _SINGLE
