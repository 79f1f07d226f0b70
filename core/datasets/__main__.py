"""`python -m core.datasets`: look at, prepare, draw and show datasets in a process of its own.

Standard input carries one line, the job as JSON, and is then only watched; it answers in the way of `core.jobs.child`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from contextlib import suppress

from core.errors import InvalidInput, OutOfMemory
from core.jobs.child import Reporter, answer, be_humble, leave


def main() -> int:
    """Do the job; exit code 0 with a result, 2 with an error."""
    warnings.simplefilter("ignore")  # Pillow's, of large and odd files: those are judged by us
    line = sys.stdin.buffer.readline()
    be_humble()
    _be_frugal()

    def work(report: Reporter) -> dict[str, object]:
        from core.datasets.jobs import JOBS

        job = json.loads(line)
        if not isinstance(job, dict) or job.get("job") not in JOBS:
            raise InvalidInput("unknown job", str(job)[:200])
        return dict(JOBS[job["job"]](job, report))

    advice = "Close other programs, or choose a smaller size"
    return answer(work, OutOfMemory("the pictures cannot be read", "not enough memory", advice))


def _be_frugal() -> None:
    with suppress(OSError, ValueError):
        # A hostile archive asks for any amount of memory: beyond half of what there is that is an error we can tell.
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        most = max(memory // 2, 2 << 30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


if __name__ == "__main__":
    leave(main())
