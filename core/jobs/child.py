"""A job as the process sees it that does it: humble, heard in JSON lines, and gone when its parent is.

Standard output carries {"progress": text, "share": number or null} any number of times, then either {"result": ...} or
{"error": ...} (the error's JSON form). Whatever else is printed goes to standard error. Standard input is watched: its
end is the parent's end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO

from core.errors import OutOfMemory, TarmacError, out_of_memory


class Reporter:
    """Progress lines, at most ten a second for the same text; the last one, of share 1, always."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._text, self._time = "", 0.0

    def __call__(self, text: str, share: float | None) -> None:
        now = time.monotonic()
        if text == self._text and now - self._time < 0.1 and share != 1.0:
            return
        self._text, self._time = text, now
        self.say({"progress": text, "share": share})

    def say(self, message: Mapping[str, object]) -> None:
        """One line."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()


def answer(work: Callable[[Reporter], Mapping[str, object]], short: OutOfMemory) -> int:
    """Do `work` and tell its result or error; exit code 0 with a result, 2 with an error.

    Args:
        work: Given what to tell progress to.
        short: What to say when the memory does not suffice.
    """
    with _alone_on_stdout() as out:
        report = Reporter(out)
        try:
            report.say({"result": work(report)})
        except TarmacError as error:
            report.say({"error": error.to_json()})
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            report.say({"error": short.to_json()})
        else:
            return 0
    return 2


@contextmanager
def _alone_on_stdout() -> Iterator[TextIO]:
    """Standard output as a file of our own: what libraries print meanwhile, which must not get between the lines, goes
    to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            yield out
        finally:
            sys.stdout.flush()
            os.dup2(out.fileno(), 1)


def end_with_parent() -> None:
    """From now on end when the parent does. Standard input is a pipe that it holds, whose end is its end."""

    def wait() -> NoReturn:
        while os.read(0, 4096):
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()


def be_humble() -> None:
    """End with the parent, give way to the screen, and be the first to go when memory runs out."""
    end_with_parent()
    os.nice(5)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def leave(code: int) -> NoReturn:
    """End now: nothing is left to do, and taking down a large heap of foreign objects is slow."""
    sys.stderr.flush()
    os._exit(code)
