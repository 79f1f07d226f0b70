"""`python -m core.datasets`: look at, prepare, draw and show datasets in a process of its own.

Standard input carries one line, the job as JSON, and is then only watched: the process leaves when it closes. Standard
output carries JSON lines: {"progress": text, "share": number or null} any number of times, then either {"result": ...}
or {"error": ...} (the error's JSON form). Whatever else is printed goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
import warnings
from contextlib import suppress
from typing import TextIO

from core.errors import InvalidInput, OutOfMemory, TarmacError


def main() -> int:
    """Do the job; exit code 0 with a result, 2 with an error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what libraries print must not get between the lines
        warnings.simplefilter("ignore")  # Pillow's, of large and odd files: those are judged by us
        line = sys.stdin.buffer.readline()
        _be_humble()
        try:
            from core.datasets.jobs import JOBS

            job = json.loads(line)
            if not isinstance(job, dict) or job.get("job") not in JOBS:
                raise InvalidInput("unknown job", str(job)[:200])
            result = JOBS[job["job"]](job, _Reporter(out))
            _say(out, {"result": result})
        except TarmacError as error:
            _say(out, {"error": error.to_json()})
        except MemoryError:
            advice = "Close other programs, or choose a smaller size"
            _say(out, {"error": OutOfMemory("the pictures cannot be read", "not enough memory", advice).to_json()})
        else:
            return 0
    return 2


def _be_humble() -> None:
    """End with the parent, give way to the screen, and be the first to go when memory runs out."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(5)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    with suppress(OSError, ValueError):
        # A hostile archive asks for any amount of memory: beyond half of what there is that is an error we can tell.
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        most = max(memory // 2, 2 << 30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _end_with_parent() -> None:
    """Standard input is a pipe that the parent holds: its end is the parent's end."""
    while os.read(0, 4096):
        pass
    os._exit(3)


class _Reporter:
    """Progress lines, at most ten a second."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._time = 0.0

    def __call__(self, text: str, share: float | None) -> None:
        now = time.monotonic()
        if now - self._time < 0.1 and share != 1.0:
            return
        self._time = now
        _say(self._out, {"progress": text, "share": share})


def _say(out: TextIO, message: dict[str, object]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # nothing is left to do
