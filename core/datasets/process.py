"""A job of `python -m core.datasets` in a process of its own.

Pictures are decoded there and not here: hostile ones can take time, memory or the whole process with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.jobs.parent import SILENCE, Progress, run

__all__ = ["Progress", "run_job"]


async def run_job(
    job: Mapping[str, object], what: str, progress: Progress | None = None, silence: float = SILENCE
) -> Mapping[str, object]:
    """Do a job; its process has ended when this returns or raises. Cancelling kills it.

    Args:
        job: Plain data; `job["job"]` is one of `core.datasets.jobs.JOBS`.
        what: Which cannot be done when it fails: "sneakers cannot be added".
        progress: Told how far it is.
        silence: Seconds without a word after which it is given up; opening a very large archive is silent.

    Raises:
        TarmacError: What the job raised, or a `Refused` that says how the process ended.
    """
    return await run("core.datasets", [], what, job=job, progress=progress, silence=silence)
