"""One attempt at a run, seen from its supervisor: the processes of all ranks, started together and ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from core.runs.folder import RunFolder
from core.runs.launchers import slurm
from core.runs.launchers.local import environment
from core.runs.plan import RunPlan
from core.runs.processes import Process

_PATIENCE_WITH_THE_OTHERS = 20.0
"""Seconds that the other ranks get to end after the first has ended well."""


class Trainers:
    """The trainer processes of attempt `number`.

    Args:
        folder: The run.
        plan: What to do.
        number: The attempt, claimed already.
        log: Where they print to.
    """

    def __init__(self, folder: RunFolder, plan: RunPlan, number: int, log: BinaryIO) -> None:
        self._members: list[subprocess.Popen[bytes]] = []
        self._job = os.environ.get("SLURM_JOB_ID", "") if plan.resources.launcher == "slurm" else ""
        self._first_end = 0.0
        self._fenced: Callable[[], bool] = lambda: folder.fenced(number)
        try:
            for command, extra in _commands(folder, plan, number):
                self._members.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        env={**environment(), **extra},
                    )
                )
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Of the first rank, or of the program that starts all."""
        return self._members[0].pid

    def poll(self) -> int | None:
        """None while they run. At the end the exit code of the first that ended badly, else 0.

        When one has ended badly the others wait for it for ever: they are killed. They may well end before the first,
        which writes the model; when that has ended they get a while.
        """
        codes = [member.poll() for member in self._members]
        bad = next((code for code in codes if code), None)
        if bad is None and None in codes:
            if codes[0] is None:
                return None
            self._first_end = self._first_end or time.monotonic()
            if time.monotonic() - self._first_end < _PATIENCE_WITH_THE_OTHERS:
                return None
        self.kill()
        return bad or 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every rank and what it has started."""
        if self._job and self._fenced():
            return  # a job that was begun anew has the number that we know: its steps are those of the newer attempt
        if self._job:
            slurm.signal_steps(self._job, number)
            return
        for member in self._members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(member.pid, number)

    def kill(self) -> None:
        """End all that is left of them, and reap it. Ranks of a fenced attempt on other nodes end by themselves."""
        if self._job and not self._fenced() and any(member.poll() is None for member in self._members):
            slurm.signal_steps(self._job, signal.SIGKILL)
        for member in self._members:
            # Not after it was reaped: the number may be someone else's by then.
            if member.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(member.pid, signal.SIGKILL)
        for member in self._members:
            member.wait()
            if member.stdin is not None:
                with contextlib.suppress(OSError):
                    member.stdin.close()


def end_predecessor(trainer: Process | None, patience: float = 10.0) -> None:
    """Kill a trainer of an older attempt that is still on this machine, and wait until it is gone.

    It is fenced already and could publish nothing; it would only hold memory and time that the new one needs.
    """
    if trainer is None or not trainer.signal(signal.SIGKILL, group=True):
        return
    end = time.monotonic() + patience
    while not trainer.gone and time.monotonic() < end:
        time.sleep(0.05)


def _commands(folder: RunFolder, plan: RunPlan, number: int) -> Sequence[tuple[list[str], dict[str, str]]]:
    """What to start, each with its own variables."""
    train = [sys.executable, "-P", "-u", "-X", "utf8", "-X", "faulthandler"]
    train += ["-m", "core.runs.train", str(folder.path), "--attempt", str(number)]
    if plan.resources.launcher == "slurm":
        return [slurm.step_command(train, plan, number)]
    train += ["--parent", str(os.getpid())]
    count = plan.resources.processes or visible_gpus() or 1
    return [([*train, "--rank", str(rank), "--world", str(count)], {}) for rank in range(count)]


def visible_gpus() -> int:
    """GPUs that a process of ours may use; 0 where that is not known."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([each for each in named.split(",") if each.strip() and each.strip() != "-1"])
    return len([each for each in _devices() if each.name.removeprefix("nvidia").isdigit()])


def _devices() -> list[Path]:
    try:
        return list(Path("/dev").glob("nvidia[0-9]*"))
    except OSError:
        return []
