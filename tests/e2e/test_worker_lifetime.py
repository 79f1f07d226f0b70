"""No worker outlives its studio, whatever ends the studio and whatever the worker is doing just then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

STUDIO = """
import asyncio, os, signal, sys
from core.workers.session import Session
from tests.adapters import target

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests under nohup has it ignored, and that is inherited

async def main(what):
    session = Session(target("Stub", load=600) if what == "loading" else target("Sleeper"))
    start = asyncio.create_task(session.start())
    if what == "loading":
        while session.pid is None:
            await asyncio.sleep(0.005)
    else:
        await start
    if what in ("sleep", "hang", "hold"):
        async for _ in session.run(what, {}):
            break
    if what == "queue":
        calls = [session.run("sleep", {}) for _ in range(5)]
    print(session.pid, flush=True)
    end = await asyncio.to_thread(sys.stdin.readline)
    if end == "raise\\n":
        raise ValueError("the studio fails")
    if end == "exit\\n":
        os._exit(0)

asyncio.run(main(sys.argv[1]))
"""

DOINGS = ["idle", "loading", "sleep", "hang", "hold", "queue", "stopped"]
"""What the worker does: `hang` runs Python for ever, `hold` sits in C code with the interpreter's lock."""


class Studio:
    """A process that holds a worker, as the studio does."""

    def __init__(self, doing: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STUDIO, "idle" if doing == "stopped" else doing],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.worker = psutil.Process(int(self.process.stdout.readline()))
        if doing == "stopped":
            self.worker.suspend()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def studio(request: pytest.FixtureRequest) -> Iterator[Studio]:
    studio = Studio(request.param)
    yield studio
    studio.close()


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@pytest.mark.parametrize("studio", DOINGS, indirect=True)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP], ids=["SIGKILL", "SIGHUP"])
def test_a_worker_ends_within_two_seconds_of_its_studio(studio: Studio, number: signal.Signals) -> None:
    assert not ended(studio.worker)
    os.kill(studio.process.pid, number)
    assert within(2, lambda: ended(studio.worker))
    studio.process.wait(10)


@pytest.mark.parametrize("studio", ["idle", "hang"], indirect=True)
@pytest.mark.parametrize("line", ["raise\n", "exit\n", "return\n"])
def test_a_worker_ends_when_its_studio_leaves_without_a_word(studio: Studio, line: str) -> None:
    studio.say(line)
    assert within(10, lambda: studio.process.poll() is not None)
    assert within(2, lambda: ended(studio.worker))


WITHOUT_THE_KERNEL = """
import socket, subprocess, sys
from core.workers.wire import Channel

ours, theirs = socket.socketpair()
code = (
    "import sys; from core.workers import child; child.end_with_parent = lambda parent: None;"
    "child.main(sys.argv[1:])"
)
worker = subprocess.Popen(
    [sys.executable, "-c", code, str(theirs.fileno()), "0"], pass_fds=[theirs.fileno()], start_new_session=True
)
theirs.close()
channel = Channel(ours)
load = {"kind": "load", "adapter": "test", "path": "/", "options": {}, "device": "cpu"}
channel.send({**load, "trusted_factory": "tests.adapters:Sleeper"})
assert channel.receive()["kind"] == "ready"
items = [{"id": 0, "inputs": {"seconds": 600}}]
channel.send({"kind": "run", "command": sys.argv[1], "items": items})
channel.receive()
channel.close()
print(worker.wait(2))
"""


@pytest.mark.parametrize("command", ["sleep", "hang"])
def test_the_closed_wire_is_enough_without_the_kernels_help(command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_KERNEL, command], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout.strip() == str(-signal.SIGKILL), result.stderr


def test_a_worker_whose_parent_is_not_there_leaves() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "core.workers.child", "0", "1"], stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert process.returncode in (1, -signal.SIGKILL)
