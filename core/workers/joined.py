"""Requests that run side by side in a worker, each joining and leaving while the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from core.errors import TarmacError
from core.workers.adapter import Adapter, Answer, Failure, Flow, Request
from core.workers.answers import Send, checked, fail, log, send_answers, told
from core.workers.mailbox import Job


class Joined:
    """The requests that are in the flows of an adapter.

    Args:
        adapter: The model.
        done: Told of jobs that have ended.
        send: Sends to the session.
    """

    def __init__(self, adapter: Adapter, done: Callable[[list[Job]], None], send: Send) -> None:
        self._adapter, self._done, self._send = adapter, done, send
        self._make: Callable[[str], Flow | None] | None = getattr(adapter, "flow", None)
        self._jobs: dict[Flow, dict[int, Job]] = {}

    def __bool__(self) -> bool:
        return any(self._jobs.values())

    def room(self, job: Job) -> int | None:
        """How many like `job` may join now; None if it is none that joins."""
        flow = self._flow(job)
        return None if flow is None else flow.room

    def join(self, jobs: list[Job]) -> None:
        """Take jobs in; what cannot be is told to its asker."""
        for job in jobs:
            flow = self._flow(job)
            assert flow is not None
            try:
                index = flow.join(job.command, Request(job.inputs, job.cancelled.is_set))
            except (Exception, SystemExit, KeyboardInterrupt) as problem:
                fail([job], told(problem, f"the model failed on {job.command}"), self._send)
                self._done([job])
            else:
                self._jobs.setdefault(flow, {})[index] = job

    def step(self) -> None:
        """Do a little for everybody and send what came of it."""
        for flow, jobs in list(self._jobs.items()):
            if not jobs:
                continue
            try:
                self._tell(jobs, list(flow.step()))
            except (Exception, SystemExit, KeyboardInterrupt) as problem:
                left = list(jobs.values())
                del self._jobs[flow]
                fail(left, told(problem, f"the model failed on {left[0].command}"), self._send)
                self._done(left)

    def _tell(self, jobs: dict[int, Job], steps: list[Answer | Failure]) -> None:
        answers: list[tuple[Job, Answer]] = []
        ended: list[Job] = []
        for step in steps:
            job = jobs[step.index]
            failure = step.error if isinstance(step, Failure) else None
            if isinstance(step, Answer) and not job.cancelled.is_set():
                try:
                    answers.append((job, checked(self._adapter.interface.command(job.command), step)))
                except TarmacError as error:
                    failure = error
            if failure is not None:
                fail([job], told(failure, ""), self._send)
            if failure is not None or (isinstance(step, Answer) and step.final):
                ended.append(jobs.pop(step.index))
        try:
            send_answers(answers, self._send)
        except TarmacError:
            self._send_singly(answers)
        if ended:
            self._done(ended)

    def _send_singly(self, answers: list[tuple[Job, Answer]]) -> None:
        """Together they were too large."""
        for job, answer in answers:
            try:
                send_answers([(job, answer)], self._send)
            except TarmacError as error:
                if answer.final:
                    fail([job], error, self._send)

    def _flow(self, job: Job) -> Flow | None:
        if self._make is None or job.together:
            return None
        try:
            return self._make(job.command)
        except Exception:
            log(traceback.format_exc())
            return None
