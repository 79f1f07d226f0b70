"""Processes known by more than their number: host, boot, pid and start time, so that a reused pid is never mistaken.

A record of one is a small JSON file that outlives it; whoever reads the record later can tell whether it still lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process, for ever.

    Attributes:
        host: Name of its machine.
        boot: The machine's boot, so that nothing is mistaken after it was started anew; empty where none is told.
        pid: Its number there.
        started: When it began, in the unit of that system; 0 if it was gone already.
        job: Of the engine that runs it ("4711" of Slurm); empty if none.
    """

    host: str
    boot: str
    pid: int
    started: float
    job: str = ""

    @property
    def here(self) -> bool:
        """Whether it is of this machine and this boot, so that we can look."""
        return self.host == socket.gethostname() and (not self.boot or self.boot == _boot())

    @staticmethod
    def here_name() -> str:
        """What `host` is for a process of this machine."""
        return socket.gethostname()

    @property
    def gone(self) -> bool:
        """Whether it certainly does not run any more. Of another machine nobody here can say: False."""
        if self.host != socket.gethostname():
            return False
        return not self.here or not self.started or _start_time(self.pid) != self.started

    def signal(self, number: signal.Signals, group: bool = False) -> bool:
        """Send a signal to it (or to its process group), if it is here and alive; whether it was sent."""
        if not self.here or self.gone:
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            (os.killpg if group else os.kill)(self.pid, number)
            return True
        return False

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, object]) -> Process:
        """The process that `to_json` described.

        Raises:
            ValueError: It is not one.
        """
        try:
            host, boot, job = (data.get(key, "") for key in ("host", "boot", "job"))
            if not isinstance(host, str) or not isinstance(boot, str) or not isinstance(job, str):
                raise ValueError("host, boot and job are texts")
            return Process(host, boot, int(str(data["pid"])), float(str(data["started"])), job)
        except KeyError as error:
            raise ValueError(f"{error} is missing") from None


def me(job: str = "") -> Process:
    """This process."""
    return process(os.getpid(), job)


def process(pid: int, job: str = "") -> Process:
    """The process that has the number `pid` on this machine now."""
    return Process(socket.gethostname(), _boot(), pid, _start_time(pid), job)


def read_process(path: Path) -> Process | None:
    """The process that a record tells of; None where there is none that can be read."""
    try:
        data = json.loads(path.read_bytes())
        return Process.from_json(data) if isinstance(data, dict) else None
    except (OSError, ValueError):
        return None


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _start_time(pid: int) -> float:
    """When the process began, 0 if there is none. One that has ended and waits to be reaped is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return 0.0 if Path("/proc/self/stat").exists() else _start_time_elsewhere(pid)
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()  # the name in brackets may hold spaces and brackets
    return 0.0 if fields[0] in "ZX" else float(fields[19])  # state, starttime: proc(5) fields 3 and 22


def _start_time_elsewhere(pid: int) -> float:
    """For systems without /proc."""
    import psutil

    try:
        found = psutil.Process(pid)
        return 0.0 if found.status() == psutil.STATUS_ZOMBIE else float(found.create_time())
    except psutil.Error:
        return 0.0
