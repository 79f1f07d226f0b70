"""What a worker says of a request: a part, the whole or the end of its answer, in words that its asker understands."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from core.errors import Cancelled, InvalidInput, OutOfMemory, TarmacError, out_of_memory
from core.interface import Command
from core.workers.adapter import Answer
from core.workers.mailbox import Job
from core.workers.wire import Message, WireError

Send = Callable[[Message], None]

_SIGN_OF_LIFE = 1.0
"""Seconds between the parts of an answer whose asker wants none: they prove that it is worked on."""


def checked(command: Command, answer: Answer) -> Answer:
    """The answer with outputs that its command may have.

    Raises:
        TarmacError: It has others. No `InvalidInput`: whoever asked did nothing wrong, and over HTTP this is no 400.
    """
    try:
        outputs = command.check_outputs(answer.outputs, partial=not answer.final)
    except InvalidInput as error:
        raise TarmacError(f"the model's answer to {command.name} is not what it declares", str(error)) from error
    progress = None if answer.progress is None else min(1.0, max(0.0, float(answer.progress)))
    return Answer(answer.index, outputs, progress, answer.final)


def wanted(job: Job, final: bool) -> bool:
    """Whether an answer is to be sent at all."""
    if job.cancelled.is_set():
        return False
    if final or job.parts:
        return True
    now = time.monotonic()
    if now - job.told < _SIGN_OF_LIFE:
        return False
    job.told = now
    return True


def send_answers(answers: Sequence[tuple[Job, Answer]], send: Send) -> None:
    """Send checked answers in one message.

    Raises:
        TarmacError: They cannot be sent; none was.
    """
    items: list[object] = [
        {"id": job.id, "outputs": answer.outputs, "progress": answer.progress, "final": answer.final}
        for job, answer in answers
        if wanted(job, answer.final)
    ]
    if not items:
        return
    try:
        send({"kind": "answers", "items": items})
    except WireError as error:
        raise TarmacError(f"the model's answer to {answers[0][0].command} cannot be sent", str(error)) from error


def fail(jobs: Sequence[Job], error: TarmacError, send: Send) -> None:
    """Tell the askers of `jobs` why there is no answer."""
    for job in jobs:
        if not job.cancelled.is_set():
            send({"kind": "error", "id": job.id, "error": error.to_json()})


def told(problem: BaseException, what: str) -> TarmacError:
    """`problem` as an error that its asker can understand; the log gets the whole story.

    The error keeps no traceback, whose frames would hold the very memory that is to be freed.
    """
    if isinstance(problem, TarmacError):
        if not isinstance(problem, Cancelled):
            log(f"{type(problem).__name__}: {problem}")
        return TarmacError.from_json(problem.to_json())
    log("".join(traceback.format_exception(problem)))
    text = " ".join(_words(problem).split())[:300]
    if out_of_memory(problem):
        return OutOfMemory(what, "there was not enough memory", "Try a smaller picture, batch or text, or free memory")
    if isinstance(problem, SystemExit | KeyboardInterrupt):
        return TarmacError(what, f"its code tried to end the program ({type(problem).__name__})")
    return TarmacError(what, f"{type(problem).__name__}: {text}" if text else type(problem).__name__)


def _words(problem: BaseException) -> str:
    try:
        return str(problem)
    except Exception:
        return ""


def log(text: str) -> None:
    """Write to the worker's log."""
    # A log on a full disk, or closed by the model's code, must not cost anybody an answer.
    with contextlib.suppress(Exception):
        print(text.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
