"""The worker's work: take a batch, run it, send the answers; whatever goes wrong is one request's answer."""

from __future__ import annotations

import contextlib
import gc
import sys
import traceback
from collections.abc import Callable

from core.errors import Cancelled, InvalidInput, OutOfMemory, TarmacError
from core.interface import Command
from core.interface.base import shorten
from core.workers.adapter import Adapter, Answer, Request
from core.workers.mailbox import Job, Mailbox
from core.workers.wire import Message, WireError

Send = Callable[[Message], None]

_RECOVERY = 32
"""Batches at a lowered limit without trouble before a larger one is tried again."""


def serve(adapter: Adapter, mailbox: Mailbox, send: Send) -> None:
    """Run what comes into `mailbox` until it closes."""
    limits = _Limits(adapter)
    while (batch := mailbox.take(limits.most)) is not None:
        try:
            _run(adapter, batch, send, limits)
        finally:
            mailbox.done(batch)


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
            _log(traceback.format_exc())
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
        return _fail(jobs, TarmacError(f"the model has no command {shorten(name)}"), send)
    left, error = _attempt(adapter, command, jobs, send)
    left = [job for job in left if not job.cancelled.is_set()]
    if error is None:
        limits.went_well(name, len(jobs))
        return _fail(left, TarmacError(f"the model gave no answer to {name}"), send)
    if isinstance(error, OutOfMemory):
        release_memory()
        if len(jobs) > 1:
            limits.too_large(name, len(jobs))
    if len(jobs) == 1 or not left:
        return _fail(left, error, send)
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
                _send_answer(command, answer, left, send)
                if all(job.cancelled.is_set() for job in left.values()):
                    break
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                close()
    except (Exception, SystemExit, KeyboardInterrupt) as problem:
        return list(left.values()), told(problem, f"the model failed on {command.name}")
    return list(left.values()), None


def _send_answer(command: Command, answer: Answer, left: dict[int, Job], send: Send) -> None:
    job = left.get(answer.index)
    if job is None:
        raise TarmacError("the model answered a request that it was not asked", f"index {answer.index}")
    try:
        outputs = command.check_outputs(answer.outputs, partial=not answer.final)
    except InvalidInput as error:
        # Whoever asked did nothing wrong: over HTTP this is no 400.
        raise TarmacError(f"the model's answer to {command.name} is not what it declares", str(error)) from error
    progress = None if answer.progress is None else min(1.0, max(0.0, float(answer.progress)))
    if not job.cancelled.is_set():
        try:
            send({"kind": "answer", "id": job.id, "outputs": outputs, "progress": progress, "final": answer.final})
        except WireError as error:
            raise TarmacError(f"the model's answer to {command.name} cannot be sent", str(error)) from error
    if answer.final:
        del left[answer.index]


def _fail(jobs: list[Job], error: TarmacError, send: Send) -> None:
    for job in jobs:
        if not job.cancelled.is_set():
            send({"kind": "error", "id": job.id, "error": error.to_json()})


def told(problem: BaseException, what: str) -> TarmacError:
    """`problem` as an error that its asker can understand; the log gets the whole story.

    The error keeps no traceback, whose frames would hold the very memory that is to be freed.
    """
    if isinstance(problem, TarmacError):
        if not isinstance(problem, Cancelled):
            _log(f"{type(problem).__name__}: {problem}")
        return TarmacError.from_json(problem.to_json())
    _log("".join(traceback.format_exception(problem)))
    text = " ".join(_words(problem).split())[:300]
    if _is_out_of_memory(problem):
        return OutOfMemory(what, "there was not enough memory", "Try a smaller picture, batch or text, or free memory")
    if isinstance(problem, SystemExit | KeyboardInterrupt):
        return TarmacError(what, f"its code tried to end the program ({type(problem).__name__})")
    return TarmacError(what, f"{type(problem).__name__}: {text}" if text else type(problem).__name__)


def release_memory() -> None:
    """Give back what can be: garbage, and the blocks that a GPU framework keeps for later."""
    gc.collect()
    # Only if the adapter brought torch: this room itself stays without frameworks.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _is_out_of_memory(problem: BaseException) -> bool:
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
        return True
    text = _words(problem).lower()
    return isinstance(problem, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _words(problem: BaseException) -> str:
    try:
        return str(problem)
    except Exception:
        return ""


def _log(text: str) -> None:
    # A log on a full disk, or closed by the model's code, must not cost anybody an answer.
    with contextlib.suppress(Exception):
        print(text.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)


def _halves(jobs: list[Job]) -> list[list[Job]]:
    middle = max(1, len(jobs) // 2)
    return [jobs[:middle], jobs[middle:]]
