"""The supervisor: `python -m core.runs.supervise FOLDER`. It looks after one run until that has ended.

It is alone with its run (a kernel lock), begins attempts, ends them when somebody wishes it, begins again after deaths
and takes the finished model into the library. With --detach it goes on in a session of its own after saying on stdout
that it has the run, or why not; without, it is the job of a cluster.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NoReturn

from core import notify
from core.errors import Refused, StorageError, TarmacError
from core.paths import storage_errors
from core.runs.adoption import adopt
from core.runs.deaths import Death, describe, memory_kills
from core.runs.events import Attempt, Ended, Event, Warned
from core.runs.folder import RunFolder, write_json
from core.runs.journal import Journal
from core.runs.launchers.slurm import requeue
from core.runs.log import attempt_line
from core.runs.plan import RunPlan
from core.runs.plan_file import read_plan
from core.runs.processes import me
from core.runs.reading import HEARTBEAT
from core.runs.trainers import Trainers, end_predecessor

LOOK_EVERY = 0.1
"""Seconds between two looks at the trainer and the wish."""

LOG_LIMIT = 8 * 2**20
"""Bytes after which the log begins anew with the next supervisor."""

RESTARTS = 5
"""Beginnings in a row that may end in a death."""

FUTILE = 20
"""Deaths without a new checkpoint after which nobody waits for better luck, however long each attempt lived."""

GOOD_START = 30.0
"""Seconds that an attempt must live to count as a good start."""

STOP_PATIENCE = (120.0, 30.0)
"""Seconds for a trainer to end by itself once a stop is wished, then after SIGTERM; then it is killed."""

LOCK_PATIENCE = 3.0
"""Seconds that a supervisor which has told the end of the run may take to leave."""

TERM_PATIENCE = 45.0
"""Seconds for a trainer to save when this supervisor is told to end: what a shutdown or a cluster leaves us."""


def main(arguments: list[str]) -> int:
    """Supervise; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m core.runs.supervise")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detach", action="store_true", help="go on in the background once the run is ours")
    options = parser.parse_args(arguments)
    folder = RunFolder(options.folder.resolve())
    if not options.detach:
        plan = read_plan(folder.path)
        with _locked(folder, _job(plan)), _log(folder) as log:
            supervisor = Supervisor(folder, plan, log)
            supervisor.run()
        supervisor.notify()
        return 0
    return _detach(folder)


def _detach(folder: RunFolder) -> int:
    """Fork: the child supervises, the parent tells what the child says first, so that it has no child to wait for."""
    hear, say = os.pipe()
    if os.fork():
        os.close(say)
        with os.fdopen(hear, "rb") as pipe:
            answer = pipe.read()
        sys.stdout.write(answer.decode() or json.dumps(TarmacError("the run could not be started").to_json()))
        sys.stdout.flush()
        return 0
    os.close(hear)
    os.setsid()
    _supervise_detached(folder, say)


def _supervise_detached(folder: RunFolder, say: int) -> NoReturn:
    try:
        with _locked(folder), _log(folder) as log:
            supervisor = Supervisor(folder, read_plan(folder.path), log)
            for number, stream in ((0, os.devnull), (1, None), (2, None)):
                handle = os.open(stream, os.O_RDONLY) if stream else log.fileno()
                os.dup2(handle, number)
            os.write(say, b"{}")
            os.close(say)
            say = -1
            supervisor.run()
        supervisor.notify()
    except TarmacError as error:
        if say < 0:  # whoever started us has gone on: the log must do
            traceback.print_exc()
            os._exit(1)
        os.write(say, json.dumps(error.to_json()).encode())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


@contextlib.contextmanager
def _locked(folder: RunFolder, job: str = "") -> Iterator[None]:
    """Hold the run's lock.

    A cluster may begin a job anew while the old one still runs on a machine that it has lost sight of: then the lock is
    left to that one, which our new attempt fences off.

    Raises:
        Refused: Another supervisor has it.
    """
    if not folder.path.is_dir():
        raise Refused("the run cannot be started", f"there is no folder {folder.path}")
    with storage_errors(folder.lock):
        handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                other = folder.supervisor()
                if job and other is not None and other.job == job:
                    break
                if time.monotonic() > end:
                    raise Refused("the run is running already", "another supervisor looks after it") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _log(folder: RunFolder) -> BinaryIO:
    with storage_errors(folder.log):
        handle = os.open(folder.log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(handle).st_size > LOG_LIMIT:
        os.ftruncate(handle, 0)
    return os.fdopen(handle, "r+b", buffering=0)


class Supervisor:
    """Looks after one run, whose lock is held.

    Args:
        folder: The run.
        plan: What to do.
        log: Where trainers print to.
    """

    def __init__(self, folder: RunFolder, plan: RunPlan, log: BinaryIO) -> None:
        self._folder = folder
        self._plan = plan
        self._log = log
        self._journal = Journal(folder.path)
        self._job = _job(plan)
        self._told_to_end = False
        self._beat = -HEARTBEAT
        self._in_a_row = 0
        self._futile = 0
        self._ended: Ended | None = None
        write_json(folder.path / "supervisor.json", me(self._job).to_json())

    def run(self) -> None:
        """Until the run has ended, or we are told to end."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._term)
        reason = "start" if not self._folder.newest_attempt() else "requeue" if self._requeued() else "resume"
        while True:
            if self._folder.desired().wish == "stop":
                return self._end(Ended("stopped", self._step()))
            end = self._already_finished()
            if end is not None:
                return self._end(end)
            try:
                end = self._attempt(reason)
            except StorageError as error:
                end = Ended("failed", self._step(), error.what, error.why, error.do)
            if end is not None:
                return self._end(end)
            reason = "restart"

    def _requeued(self) -> bool:
        return os.environ.get("SLURM_RESTART_COUNT", "0") != "0"

    def _term(self, number: int, frame: object) -> None:
        self._told_to_end = True

    # -- one attempt

    def _attempt(self, reason: str) -> Ended | None:
        """Begin an attempt and see it through; None to begin another."""
        predecessor = self._folder.owner(self._folder.newest_attempt())
        number = self._folder.claim_attempt()
        end_predecessor(predecessor)
        self._folder.sweep()
        self._begin_log(number)
        start = self._log.seek(0, os.SEEK_END)
        kills, newest, began = memory_kills(), self._newest_checkpoint(), time.monotonic()
        trainers = Trainers(self._folder, self._plan, number, self._log)
        try:
            self._tell(Attempt(number, me().host, trainers.pid, self._job, reason))
            code = self._watch(trainers, number)
        finally:
            trainers.kill()
        if code is None or self._folder.fenced(number):
            return Ended("fenced", self._step())
        told = self._folder.exit(number)
        state = told.get("state")
        if state == "finished":
            return self._finished(told)
        if state == "fenced":
            return Ended("fenced", self._step())
        wish = self._folder.desired().wish
        if wish == "stop":
            return Ended("stopped", _whole(told.get("step")) or self._step())
        if self._told_to_end or (state == "interrupted" and self._job):
            return Ended("interrupted", _whole(told.get("step")) or self._step(), "the run was interrupted")
        if state == "stopped":  # and the wish has changed back meanwhile
            return None
        if state == "failed":
            death = _told_death(told)
        elif state == "interrupted":
            death = Death("died", "the trainer was told to end by SIGTERM", "nobody had wished it", "")
        else:
            now = memory_kills()
            for_memory = None if kills is None or now is None else now > kills
            death = describe(code, self._log, start, for_memory, self._batch())
        progress = self._newest_checkpoint() > newest
        return self._after_death(death, progress, time.monotonic() - began, final=told.get("final") is True)

    def _after_death(self, death: Death, progress: bool, lived: float, *, final: bool) -> Ended | None:
        self._in_a_row = 1 if progress or lived >= GOOD_START else self._in_a_row + 1
        served = self._plan.kind == "serve" and lived >= GOOD_START  # its work leaves no checkpoint
        self._futile = 0 if progress or served else self._futile + 1
        if final or self._in_a_row > RESTARTS or self._futile > FUTILE:
            many = f" {max(self._in_a_row, self._futile)} times in a row" if not final else ""
            return Ended("failed", self._step(), death.what + many, death.why, death.do, death.offer)
        self._tell(Warned(death.code, death.what, death.why, death.do, self._step(), death.offer))
        self._pause(min(10.0, 0.25 * 4 ** (self._in_a_row - 1)) if self._in_a_row > 1 else 0.0)
        return Ended("interrupted", self._step(), "the run was interrupted") if self._told_to_end else None

    def _begin_log(self, number: int) -> None:
        """Whoever reads the log finds what this attempt prints."""
        with contextlib.suppress(OSError):  # a full disk is told where it matters
            self._log.write(f"{attempt_line(number, time.time())}\n".encode())

    def _watch(self, trainers: Trainers, number: int) -> int | None:
        """Wait for the end of the trainers; their exit code, or None if a newer attempt has taken over."""
        ladder = _Ladder(trainers)
        while True:
            code = trainers.poll()
            if code is not None:
                return code
            if self._folder.fenced(number):
                trainers.kill()
                return None
            if self._told_to_end:
                ladder.climb((0.0, TERM_PATIENCE))
            elif self._folder.desired().wish == "stop":
                ladder.climb(STOP_PATIENCE)
            self._pause(LOOK_EVERY, lambda: trainers.poll() is not None)

    # -- the end

    def _already_finished(self) -> Ended | None:
        """The end of a run whose trainer has finished while nobody saw it."""
        told = self._folder.exit(self._folder.newest_attempt())
        if told.get("state") != "finished":
            return None
        return self._finished(told)

    def _finished(self, told: Mapping[str, object]) -> Ended | None:
        """The trainer has reached what it was to reach; None if more has been wished since it looked."""
        step = _whole(told.get("step"))
        if self._folder.desired().steps > _whole(told.get("target")):
            return None
        try:
            model = adopt(self._folder, self._plan, step)
        except TarmacError as error:
            do = error.do or "Resume the run to try it again"
            return Ended("failed", step, f"the finished model is not in the library: {error.what}", error.why, do)
        return Ended("finished", step, model=model)

    def _end(self, end: Ended) -> None:
        if end.state == "fenced":
            return
        self._tell(end)
        self._ended = end
        if end.state == "interrupted" and self._job:
            requeue(self._job)

    def notify(self) -> None:
        """Tell those who want to know how it ended. Not under the lock: it may take long, and the run can go on."""
        end = self._ended
        if not self._plan.notify or end is None or end.state not in ("finished", "failed"):
            return
        problem = notify.send(
            self._plan.notify, *notify.words(self._plan.name, end.state, end.step, end.what, end.why, end.do)
        )
        if problem:
            self._tell(Warned("not-told", "the notification could not be sent", problem))

    # -- small things

    def _tell(self, event: Event) -> None:
        """Into the journal. A disk that says no is asked again for a while: how a run ended must not be lost."""
        for patience in (0.1, 0.5, 2.0, 5.0, 10.0, 0.0):
            try:
                return self._journal.tell(event)
            except StorageError as error:
                with contextlib.suppress(OSError):
                    print(f"the journal cannot be written: {error}", flush=True)
                self._pause(patience)

    def _pause(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Wait, giving signs of life; a wish to stop or a signal ends it early."""
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now - self._beat >= HEARTBEAT:
                self._beat = now
                with contextlib.suppress(OSError):
                    os.utime(self._folder.path / "supervisor.json")
            if now >= end or done() or self._told_to_end:
                return
            if seconds > 1 and self._folder.desired().wish == "stop":
                return
            time.sleep(min(0.05, max(0.0, end - now)))

    def _newest_checkpoint(self) -> int:
        return max((step for step, _ in self._folder.complete_checkpoints()), default=-1)

    def _step(self) -> int:
        return max(0, self._newest_checkpoint())

    def _batch(self) -> object:
        """The batch that was chosen, as the journal tells."""
        from core.runs.reading import Follower

        return Follower(self._folder.path).poll().chosen.get("batch")


class _Ladder:
    """Patience, SIGTERM, patience, SIGKILL."""

    def __init__(self, trainers: Trainers) -> None:
        self._trainers = trainers
        self._began = 0.0
        self._sent = 0

    def climb(self, patience: tuple[float, float]) -> None:
        """One look at the clock, from the first call on."""
        now = time.monotonic()
        self._began = self._began or now
        if self._sent == 0 and now - self._began >= patience[0]:
            self._trainers.signal(signal.SIGTERM)
            self._sent, self._began = 1, now
        elif self._sent == 1 and now - self._began >= patience[1]:
            self._trainers.signal(signal.SIGKILL)
            self._sent = 2


def _told_death(told: Mapping[str, object]) -> Death:
    what, why, do, code = (str(told.get(key, "")) for key in ("what", "why", "do", "code"))
    offer = told.get("offer")
    return Death(code or "died", what, why, do, offer if isinstance(offer, dict) else {})


def _job(plan: RunPlan) -> str:
    """The job that we are, if a cluster carries the run; a shell inside some other job does not count."""
    return os.environ.get("SLURM_JOB_ID", "") if plan.resources.launcher == "slurm" else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
