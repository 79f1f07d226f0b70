"""The workers of one deployment and the requests that wait for them: admission, order, time limits, sleep, deaths.

Belongs to one event loop. A request is a `Call` (`core.workers.call`): awaited, iterated for its parts, cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.errors import Cancelled, TarmacError, WorkerDied
from core.hosting.crew import Crew, Job
from core.hosting.deployment import Deployment
from core.hosting.errors import RETRY_AFTER, TimedOut, Unavailable, again
from core.hosting.fairness import FairQueue
from core.hosting.replica import Replica
from core.hosting.served import Served
from core.hosting.status import State
from core.workers.call import Call

HOLD = 600.0
"""Seconds that a request is held while its model wakes."""

_TRY_AGAIN_AFTER = 15.0
"""Seconds after which a model that could not be started is tried again, at the next request."""

_MEASURED = 60.0
"""Seconds of answers that Retry-After is measured over."""


class Pool:
    """Serves one deployment.

    Args:
        deployment: Its settings.
        served: Its model.
        folder: Where the workers' logs go.
    """

    def __init__(self, deployment: Deployment, served: Served, folder: Path) -> None:
        self.deployment = deployment
        self.served = served
        self.problem: TarmacError | None = None
        """Why the model could not be started; None while it can."""
        self.deaths = 0
        """Workers that died since the pool was made."""
        self.heartbeat = 0.0
        """When a worker last gave anything, on the monotonic clock; 0 if none has."""
        self._queue: FairQueue[Job] = FairQueue(deployment.limits.max_queue)
        self._crew = Crew(served, folder, self)
        self._jobs: dict[Call, Job] = {}
        self._answered: deque[float] = deque(maxlen=4096)
        """When answers were complete."""
        self._problem_since = 0.0
        self._last_use = time.monotonic()
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._awake = asyncio.Event()

    # -- what it is doing

    @property
    def state(self) -> State:
        """Where it stands."""
        if not self.deployment.active or self._closed:
            return "inactive"
        if self.ready:
            return "awake"
        if self._crew:
            return "waking"
        return "failed" if self.problem is not None else "asleep"

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Requests that workers have."""
        return self._crew.running

    @property
    def ready(self) -> int:
        """Workers that take requests."""
        return self._crew.ready

    def workers(self) -> list[int]:
        """Process ids of the workers that run."""
        return self._crew.pids()

    def retry_after(self) -> int:
        """Seconds until what waits now is done, as measured; 5 where there was nothing to measure."""
        now = time.monotonic()
        recent = [moment for moment in self._answered if now - moment < _MEASURED]
        if not recent:
            return RETRY_AFTER
        rate = len(recent) / max(1.0, now - recent[0])
        return min(120, max(1, math.ceil((self.queued + self.running) / rate)))

    # -- requests

    def submit(
        self,
        client: str,
        command: str | None,
        inputs: Mapping[str, object],
        *,
        hold: bool = False,
        parts: bool = False,
    ) -> Call:
        """Accept a request; it wakes the model if that sleeps.

        Args:
            client: Whose it is; clients take turns.
            command: Name of the command; None for the model's first.
            inputs: Checked values by name.
            hold: Let it wait where others would be told that one client has too many.
            parts: Give the parts of a streaming command's answer. Once one was given, the request is not run again
                when its worker dies.

        Raises:
            NotFound: There is no such command.
            TooMany, Unavailable: It cannot wait.
            TarmacError: The model could not be started a moment ago.
        """
        chosen = self.served.interface.command(command)
        if self._closed:
            raise Unavailable("the deployment is being stopped", "", "Ask again", 2)
        self.wake()
        if self.problem is not None and not self._crew:
            raise _again(self.problem)
        nbytes = sum(value.nbytes for value in inputs.values() if isinstance(value, np.ndarray))
        self._queue.check(client, nbytes, hold, self.retry_after())
        call = Call(chosen.name, self._cancelled)
        job = Job(call, inputs, client, nbytes, parts=parts)
        self._jobs[call] = job
        self._empty.clear()
        self._set_deadline(job)
        call.add_done_callback(self._done)
        self._queue.push(job)
        self._dispatch()
        return call

    def wake(self) -> None:
        """Start the workers, unless they run or could not be started a moment ago."""
        self._last_use = time.monotonic()
        if self._crew or self._closed or not self.deployment.active:
            return
        if self.problem is not None and time.monotonic() - self._problem_since < _TRY_AGAIN_AFTER:
            return
        self.problem = None
        self._crew.start(self.deployment.replicas)

    async def awake(self) -> None:
        """Wake it and wait until a worker is ready.

        Raises:
            TarmacError: It could not be started.
            TimedOut: It took longer than anybody is held.
        """
        self.wake()
        while not self.ready:
            if self.problem is not None and not self._crew:
                raise _again(self.problem)
            self._awake.clear()
            try:
                await asyncio.wait_for(self._awake.wait(), HOLD)
            except TimeoutError:
                raise TimedOut("the model did not wake", f"it has taken {HOLD:.0f} s") from None

    def resize_queue(self, bound: int) -> None:
        """Let more or fewer requests wait from now on."""
        self._queue.bound = bound

    def tick(self) -> None:
        """Once a second: let it sleep when nobody has asked for long enough."""
        patience = self.deployment.sleep_after
        if not patience or not self._crew or self._jobs:
            return
        if time.monotonic() - self._last_use >= patience and self.state == "awake":
            self._dismiss()

    async def close(self, patience: float) -> None:
        """Take no more requests, let accepted ones finish for `patience` seconds, end the workers."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), max(patience, 0.001))
        self._fail_all(Unavailable("the deployment was stopped", "", "Ask again", 5))
        await self._dismiss()

    # -- for replicas

    def replica_ready(self, replica: Replica) -> None:
        self.problem = None
        self._awake.set()
        for job in self._jobs.values():
            if job.inner is None:
                self._set_deadline(job)
        self._dispatch()

    def replica_died(self, replica: Replica, error: TarmacError) -> None:
        self.deaths += 1

    def replica_gave_up(self, replica: Replica, error: TarmacError) -> None:
        self._crew.remove(replica)
        if not self._crew:
            self.problem, self._problem_since = error, time.monotonic()
            self._awake.set()
            self._fail_all(error)

    # -- dispatch

    def _dispatch(self) -> None:
        """Give requests to workers, as many as each may have."""
        while (job := self._queue.peek()) is not None:
            replica = self._crew.choose(job)
            if replica is None:
                return
            self._queue.pop()
            job.waits = False
            self._start(job, replica)

    def _start(self, job: Job, replica: Replica) -> None:
        session = replica.session
        assert session is not None
        job.tries += 1
        try:
            inner = session.run(job.call.command, job.inputs, parts=job.parts)
        except TarmacError as error:
            if isinstance(error, WorkerDied) and job.tries < 2:
                self._push_again(job)
            else:
                job.call.fail(error)
            return
        job.inner = inner
        self._crew.take(replica, job)
        if self.served.interface.command(job.call.command).streaming:
            job.relay = asyncio.create_task(self._relay(job, inner))
        inner.add_done_callback(lambda done: self._inner_done(job, done))

    async def _relay(self, job: Job, inner: Call) -> None:
        """Pass the parts of an answer on."""
        try:
            async for part in inner:
                self.heartbeat = time.monotonic()
                if job.parts and inner.outputs is not part.outputs:
                    job.began = True
                    job.call.give(part.outputs, part.progress, final=False)
        except TarmacError:
            pass  # told where it is done
        except asyncio.CancelledError:
            if not job.call.done:
                raise

    def _inner_done(self, job: Job, inner: Call) -> None:
        if job.inner is not inner:
            return
        job.inner = None
        self._crew.done(job)
        if not job.call.done:
            error = inner.error
            if error is None:
                assert inner.outputs is not None
                self.heartbeat = time.monotonic()
                self._answered.append(self.heartbeat)
                self._deliver(job, inner.outputs)
            elif isinstance(error, WorkerDied) and not job.began and job.tries < 2 and not self._closed:
                self._push_again(job)
            else:
                job.call.fail(error)
        self._dispatch()

    def _push_again(self, job: Job) -> None:
        job.waits = True
        self._queue.push_again(job)

    def _deliver(self, job: Job, outputs: dict[str, object]) -> None:
        """The final answer, after every part that is still on its way through the relay."""
        relay = job.relay
        if relay is None or relay.done():
            job.call.give(outputs, 1.0, final=True)
        else:
            relay.add_done_callback(lambda _: job.call.give(outputs, 1.0, final=True))

    # -- ends

    def _set_deadline(self, job: Job) -> None:
        if job.deadline is not None:
            job.deadline.cancel()
        seconds = self.deployment.limits.timeout if self.ready else HOLD
        job.deadline = asyncio.get_running_loop().call_later(seconds, self._too_late, job, seconds)

    def _too_late(self, job: Job, seconds: float) -> None:
        waited = "for the model to wake" if not self.ready else "" if job.inner is not None else "in the queue"
        what = " ".join(filter(None, ("the request took too long", waited)))
        job.call.fail(TimedOut(what, f"{seconds:g} s are allowed", "Ask for less, or raise the deployment's limit"))

    def _cancelled(self, call: Call) -> None:
        """The client gave its request up; the rest follows when the call is done, which it is."""

    def _done(self, call: Call) -> None:
        """Whatever the end of a request was: nothing of it stays behind."""
        job = self._jobs.pop(call, None)
        if job is None:
            return
        if job.deadline is not None:
            job.deadline.cancel()
        if job.waits:
            self._queue.remove(job)
        if job.inner is not None:
            job.inner.cancel()
        if job.relay is not None:
            job.relay.cancel()
        self._last_use = time.monotonic()
        if not self._jobs:
            self._empty.set()
        self._dispatch()

    def _fail_all(self, error: TarmacError) -> None:
        for call in list(self._jobs):
            call.fail(_again(error))

    def _dismiss(self) -> asyncio.Future[list[None]]:
        """End the workers, in the background."""
        self._answered.clear()
        closing = self._crew.dismiss()
        self._closing = closing  # kept: a task that nobody holds may vanish
        return closing


def _again(error: TarmacError) -> TarmacError:
    """The same error for another asker; what concerns the model itself is told as "not available"."""
    if isinstance(error, Unavailable | TimedOut | WorkerDied | Cancelled):
        return again(error)
    return Unavailable(error.what, error.why, error.do, 30)
