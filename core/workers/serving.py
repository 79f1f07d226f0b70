"""The worker's work: take a batch, run it, send the answers; whatever goes wrong is one request's answer."""

from __future__ import annotations

import gc
import sys
import traceback

from core.errors import OutOfMemory, TarmacError
from core.interface import Command
from core.interface.base import shorten
from core.workers.adapter import Adapter, Answer, Request
from core.workers.answers import Send, checked, fail, log, send_answers, told
from core.workers.joined import Joined
from core.workers.mailbox import Job, Mailbox

_RECOVERY = 32
"""Batches at a lowered limit without trouble before a larger one is tried again."""


def serve(adapter: Adapter, mailbox: Mailbox, send: Send) -> None:
    """Run what comes into `mailbox` until it closes."""
    limits = _Limits(adapter)
    joined = Joined(adapter, mailbox.done, send)

    def most(job: Job) -> int:
        room = joined.room(job)
        return limits.most(job.command) if room is None else room

    while (batch := mailbox.take(most, wait=not joined)) is not None:
        if batch and joined.room(batch[0]) is not None:
            joined.join(batch)
        elif batch:
            try:
                _run(adapter, batch, send, limits)
            finally:
                mailbox.done(batch)
        joined.step()


class _Limits:
    """How large a batch may be: what the adapter says, less after the memory was not enough."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._lowered: dict[str, int] = {}
        self._good: dict[str, int] = {}

    def most(self, name: str) -> int:
        command = self._adapter.interface.commands.get(name)
        if command is None or not command.batchable:
            return 1
        try:
            allowed = max(1, int(self._adapter.max_batch(name)))
        except Exception:
            log(traceback.format_exc())
            return 1
        return min(allowed, self._lowered.get(name, allowed))

    def went_well(self, name: str, size: int) -> None:
        if size < self._lowered.get(name, size + 1):
            return
        self._good[name] = self._good.get(name, 0) + 1
        if self._good[name] >= _RECOVERY:
            self._good[name] = 0
            self._lowered[name] *= 2

    def too_large(self, name: str, size: int) -> None:
        self._good[name] = 0
        self._lowered[name] = max(1, size // 2)


def _run(adapter: Adapter, jobs: list[Job], send: Send, limits: _Limits) -> None:
    """Run `jobs` together; where that fails, in halves (memory) or one by one (anything else)."""
    name = jobs[0].command
    command = adapter.interface.commands.get(name)
    if command is None:
        return fail(jobs, TarmacError(f"the model has no command {shorten(name)}"), send)
    left, error = _attempt(adapter, command, jobs, send)
    left = [job for job in left if not job.cancelled.is_set()]
    if error is None:
        limits.went_well(name, len(jobs))
        return fail(left, TarmacError(f"the model gave no answer to {name}"), send)
    if isinstance(error, OutOfMemory):
        release_memory()
        if len(jobs) > 1:
            limits.too_large(name, len(jobs))
    if len(jobs) == 1 or not left:
        return fail(left, error, send)
    parts = _halves(left) if isinstance(error, OutOfMemory) else [[job] for job in left]
    for part in parts:
        waiting = [job for job in part if not job.cancelled.is_set()]
        if waiting:
            _run(adapter, waiting, send, limits)


def _attempt(adapter: Adapter, command: Command, jobs: list[Job], send: Send) -> tuple[list[Job], TarmacError | None]:
    """Run `jobs` once; returns those without a final answer and what stopped the run, if anything did."""
    left = dict(enumerate(jobs))
    try:
        answers = iter(adapter.run(command.name, [Request(job.inputs, job.cancelled.is_set) for job in jobs]))
        try:
            for answer in answers:
                _take_answer(command, answer, left, send)
                if all(job.cancelled.is_set() for job in left.values()):
                    break
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                close()
    except (Exception, SystemExit, KeyboardInterrupt) as problem:
        return list(left.values()), told(problem, f"the model failed on {command.name}")
    return list(left.values()), None


def _take_answer(command: Command, answer: Answer, left: dict[int, Job], send: Send) -> None:
    job = left.get(answer.index)
    if job is None:
        raise TarmacError("the model answered a request that it was not asked", f"index {answer.index}")
    send_answers([(job, checked(command, answer))], send)
    if answer.final:
        del left[answer.index]


def release_memory() -> None:
    """Give back what can be: garbage, and the blocks that a GPU framework keeps for later."""
    gc.collect()
    # Only if the adapter brought torch: this room itself stays without frameworks.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _halves(jobs: list[Job]) -> list[list[Job]]:
    middle = max(1, len(jobs) // 2)
    return [jobs[:middle], jobs[middle:]]
