"""Requests that wait in a worker: in order of arrival, joined into batches, and given up when nobody asks any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Condition, Event


@dataclass(eq=False)
class Job:
    """One request as it waits and runs."""

    id: int
    command: str
    inputs: dict[str, object]
    key: Hashable = None
    """Jobs with equal commands and keys may run together."""
    together: bool = False
    """Whether it was asked for together with others, to run with them and nobody else."""
    parts: bool = True
    """Whether its asker wants every part of the answer; otherwise one a second is enough."""
    cancelled: Event = field(default_factory=Event)
    told: float = 0.0
    """When it was last told anything, on the monotonic clock, if it wants no parts."""


class Mailbox:
    """The queue between the thread that reads the wire and the one that runs the model."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._known: dict[int, Job] = {}
        self._changed = Condition()
        self._closed = False

    def put(self, *jobs: Job) -> None:
        """Let jobs wait for their turn; several become visible together."""
        with self._changed:
            if not self._closed:
                self._known.update((job.id, job) for job in jobs)
                self._waiting.extend(jobs)
                self._changed.notify_all()

    def cancel(self, number: int) -> None:
        """Give a request up, waiting or running; one that is done is none of ours any more."""
        with self._changed:
            job = self._known.get(number)
            if job is not None:
                job.cancelled.set()

    def close(self) -> None:
        """Give everything up and let `take` return None."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            for job in self._known.values():
                job.cancelled.set()
            self._changed.notify_all()

    def take(self, most: Callable[[Job], int], wait: bool = True) -> list[Job] | None:
        """The next batch: the job that waits longest and, up to `most(it)` in all, those that fit to it.

        A job for which `most` is 0 has to wait, and lets others pass. Since the longest waiting goes first otherwise,
        none is passed over for ever.

        Args:
            most: How many may run together with a job, itself included.
            wait: Wait for one. Without it, and with nothing to do, the batch is empty.

        Returns:
            The batch; None when closed.
        """
        with self._changed:
            while True:
                self._drop_cancelled()
                if self._closed:
                    return None
                first, limit = next(((job, number) for job in self._waiting if (number := most(job)) > 0), (None, 0))
                if first is not None or not wait:
                    break
                self._changed.wait()
            batch: list[Job] = []
            rest: deque[Job] = deque()
            for job in self._waiting:
                fits = first is not None and job.command == first.command and job.key == first.key
                (batch if fits and len(batch) < limit else rest).append(job)
            self._waiting = rest
            return batch

    def done(self, jobs: list[Job]) -> None:
        """Forget jobs that have run."""
        with self._changed:
            for job in jobs:
                self._known.pop(job.id, None)

    def _drop_cancelled(self) -> None:
        for job in [job for job in self._waiting if job.cancelled.is_set()]:
            self._waiting.remove(job)
            self._known.pop(job.id, None)
