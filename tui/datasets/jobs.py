"""Work on datasets that goes on while one looks at something else: what is added, prepared and drawn, and how far.

Held by the studio and not by a screen: a page may be left and come back to. Each job decodes in a process of its own,
which ends with the studio; what is not whole is never listed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.signal import Signal
from textual.worker import Worker, WorkerError

from core.errors import TarmacError
from tui import words
from tui.datasets.services import Progress
from tui.troubles import told, write_log

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from tui.studio import TarmacApp


@dataclass
class Job:
    """One piece of work.

    Attributes:
        key: The dataset's id; of one that is being added, "+" and a number.
        name: Of the dataset.
        verb: "adding", "preparing", "drawing" or "gathering".
        doing: What is being done right now.
        share: How much is done, 0 to 1; None where nobody can say.
        failure: Why it ended early; "" while it did not.
        stopped: Somebody stopped it.
        result: What came of it.
    """

    key: str
    name: str
    verb: str
    doing: str = ""
    share: float | None = None
    failure: str = ""
    stopped: bool = False
    result: Dataset | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def line(self) -> str:
        """How far it is, in a line."""
        lasted = words.duration(seconds) if (seconds := time.monotonic() - self.begun) >= 1 else ""
        return " · ".join(filter(None, (self.doing or self.verb, lasted)))

    @property
    def short(self) -> str:
        """The same in a word."""
        return self.verb if self.share is None else f"{self.share:.0%}"


class DatasetJobs:
    """The jobs of this studio.

    Attributes:
        running: By key.
        failures: The sentence with which the last job of a dataset ended, by key; forgotten when another begins.
        changed: Published with a job whenever it began, went on or ended.
    """

    def __init__(self, app: TarmacApp) -> None:
        self._app = app
        self._workers: dict[str, Worker[None]] = {}
        self._number = 0
        self.running: dict[str, Job] = {}
        self.failures: dict[str, str] = {}
        self.changed: Signal[Job] = Signal(app, "dataset-jobs")

    def new_key(self) -> str:
        """A key for something that has no id yet."""
        self._number += 1
        return f"+{self._number}"

    def start(self, job: Job, lost: str, work: Callable[[Progress], Awaitable[Dataset]]) -> None:
        """Begin a job, unless one of this key is running.

        Args:
            job: What it is.
            lost: What leaving the studio now would cost, a sentence.
            work: Does it.
        """
        if job.key in self.running:
            return
        self.failures.pop(job.key, None)
        self.running[job.key] = job
        self._app.losses[f"dataset {job.key}"] = lost
        self._app.dataset_jobs_running = len(self.running)
        self._workers[job.key] = self._app.run_worker(
            self._do(job, work), group=f"dataset {job.key}", exit_on_error=False, description=f"{job.verb} {job.name}"
        )
        self.changed.publish(job)

    def stop(self, key: str) -> None:
        """End a job; what was there before stays."""
        if key in self._workers:
            self._workers[key].cancel()

    async def close(self) -> None:
        """End all jobs and wait until their processes are gone."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        for worker in workers:
            with suppress(WorkerError):
                await worker.wait()

    async def _do(self, job: Job, work: Callable[[Progress], Awaitable[Dataset]]) -> None:
        def progress(what: str, share: float | None) -> None:
            job.doing, job.share = what, share
            self.changed.publish(job)

        try:
            job.result = await work(progress)
        except asyncio.CancelledError:
            job.stopped = True
            raise
        except TarmacError as error:
            job.failure = str(error)
        except Exception as error:
            job.failure = told(error, f"{job.verb} {job.name}")[0]
            write_log(error)
        finally:
            del self.running[job.key]
            del self._workers[job.key]
            self._app.losses.pop(f"dataset {job.key}", None)
            self._app.dataset_jobs_running = len(self.running)
            if job.failure:
                self.failures[job.key] = job.failure
            self.changed.publish(job)
        self._tell(job)

    def _tell(self, job: Job) -> None:
        """As a toast, where nobody is looking."""
        if self._app.current_mode == "datasets" and len(self._app.screen_stack) == 1:
            return
        if job.failure and job.verb != "adding":
            self._app.notify(job.failure, severity="error", timeout=12, markup=False)
        elif job.result is not None and job.verb != "adding":
            done = {"preparing": "is prepared", "drawing": "is drawn", "gathering": "is gathered"}[job.verb]
            took = words.duration(time.monotonic() - job.begun)
            self._app.notify(f"{job.name} {done} ({took}). 4 shows it.", timeout=6, markup=False)
