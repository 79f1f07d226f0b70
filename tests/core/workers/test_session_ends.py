"""Sessions with real workers: starts that fail, deaths that are told, and the ladder that stops everyone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from pathlib import Path

import psutil
import pytest

from core.errors import Cancelled, InvalidInput, Refused, StorageError, TarmacError, WorkerDied
from core.workers.adapter import Target
from core.workers.session import Session
from tests.adapters import target
from tests.core.workers.sessions import Z, first_part, gone, nothing_is_left, running, until

__all__ = ["nothing_is_left"]


# -- starts that fail


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("raise", TarmacError, "the model could not be loaded: ValueError: bad"),
        ("refuse", Refused, "the weights are not weights: they begin with MZ. Import the model again"),
        ("exit", TarmacError, "its code tried to end the program"),
        ("kill", WorkerDied, "the worker of Crasher died: killed by SIGKILL (probably the kernel's out-of-memory"),
        ("_exit", WorkerDied, "the worker of Crasher died: it left with exit code 3; its last lines: giving up"),
    ],
)
async def test_a_start_that_fails_says_why(how: str, kind: type[TarmacError], message: str) -> None:
    session = Session(target("Crasher", at_start=how))
    with pytest.raises(TarmacError) as caught:
        await session.start()
    assert type(caught.value) is kind
    assert message in str(caught.value)
    assert session.state == "dead"
    assert session.death is caught.value
    assert session.pid is None
    with pytest.raises(kind):
        session.run(None, {})


@pytest.mark.parametrize("factory", ["tests.nowhere:Stub", "tests.adapters:Nobody", "sys:exit"])
async def test_an_adapter_that_is_not_there(factory: str) -> None:
    session = Session(Target("test", Path("/"), trusted_factory=factory))
    with pytest.raises(TarmacError, match=r"could not be loaded|there is no"):
        await session.start()
    assert session.state == "dead"


async def test_options_that_cannot_travel() -> None:
    session = Session(target("Stub", bad=object()))
    with pytest.raises(InvalidInput, match="options of Stub"):
        await session.start()
    assert session.state == "dead"


async def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    session = Session(target("Stub"), log=tmp_path / "file" / "log")
    with pytest.raises(StorageError):
        await session.start()
    session.log = tmp_path
    with pytest.raises(StorageError):
        await session.start()
    assert session.state == "dead"
    session.log = None
    await session.start()
    await session.stop()


async def test_a_python_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    session = Session(target("Stub"))
    with pytest.raises(WorkerDied, match="could not be started"):
        await session.start()


async def test_stop_while_it_starts() -> None:
    for turns in (0, 1, 5, 100):
        session = Session(target("Stub", load=60))
        start = asyncio.create_task(session.start())
        for _ in range(turns):
            await asyncio.sleep(0.001)
        if turns == 0:
            await asyncio.sleep(0)
        assert session.state == "starting"
        await session.stop()
        with pytest.raises(Cancelled):
            await start
        assert session.state == "stopped"


async def test_giving_up_the_start_stops_it() -> None:
    for turns in (1, 30):
        session = Session(target("Stub", load=60))
        start = asyncio.create_task(session.start())
        for _ in range(turns):
            await asyncio.sleep(0.005)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert session.state == "stopped"


async def test_two_who_start_wait_for_one_worker() -> None:
    session = Session(target("Stub", load=0.05))
    first, second = asyncio.create_task(session.start()), asyncio.create_task(session.start())
    await asyncio.sleep(0.01)
    first.cancel()  # the other still wants it
    await second
    assert session.state == "ready"
    with pytest.raises(TarmacError, match="not running"):
        Session(target("Stub")).run(None, {})
    await session.stop()


async def test_asking_while_it_loads() -> None:
    session = Session(target("Stub", load=60))
    start = asyncio.create_task(session.start())
    await until(lambda: session.pid is not None)
    with pytest.raises(TarmacError, match="still loading"):
        session.run(None, {"z": Z})
    await session.stop()
    with pytest.raises(Cancelled):
        await start


# -- death


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kill", ["killed by SIGKILL", "out-of-memory killer", "the last words", "start it again"]),
        ("segv", ["killed by SIGSEGV", "Fatal Python error: Segmentation fault", "Start it again"]),
        ("_exit", ["it left with exit code 3", "giving up"]),
    ],
)
async def test_a_death_is_told_and_the_session_starts_again(how: str, words: list[str]) -> None:
    session = Session(target("Crasher"))
    states: list[str] = []
    session.on_change.append(lambda changed: states.append(changed.state))
    await session.start()
    calls = [session.run(None, {"how": text}) for text in (how, "fine", "fine")]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, WorkerDied) for result in results)
    assert all(word in str(results[0]) for word in words)
    assert session.state == "dead"
    assert isinstance(session.death, WorkerDied)
    with pytest.raises(WorkerDied):
        session.run(None, {"how": "fine"})
    await session.stop()  # nothing to stop
    assert session.state == "dead"
    await session.start()
    assert session.death is None
    assert (await session.run(None, {"how": "fine"}))["how"] == "fine"
    await session.stop()
    assert states == ["starting", "ready", "dead", "starting", "ready", "stopping", "stopped"]


async def test_a_worker_killed_from_outside_while_idle() -> None:
    session = Session(target("Stub"))
    await session.start()
    assert session.pid is not None
    os.kill(session.pid, signal.SIGKILL)
    await until(lambda: session.state == "dead")
    assert session.running == 0


async def test_a_listener_that_fails_does_no_harm() -> None:
    heard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    session = Session(target("Stub"))

    def fail(session: Session) -> None:
        raise ValueError("no")

    session.on_change.append(fail)
    await session.start()
    assert (await session.run(None, {"z": Z}))["image"] is not None
    await session.stop()
    assert len(heard) == 4


# -- the stop ladder


async def stopped_in_the_middle(kind: str, command: str) -> None:
    session = Session(target(kind), grace=0.2)
    await session.start()
    pid = session.pid
    assert pid is not None
    call = session.run(command, {})
    await first_part(call)
    await session.stop()
    assert session.state == "stopped"
    assert gone(pid)
    with pytest.raises(Cancelled):
        await call


@pytest.mark.parametrize(
    ("kind", "command"),
    [("Sleeper", "sleep"), ("Sleeper", "hang"), ("Sleeper", "hold"), ("Stubborn", "work")],
    ids=["listens", "needs SIGTERM", "holds the interpreter", "needs SIGKILL"],
)
async def test_every_worker_can_be_stopped(kind: str, command: str) -> None:
    await stopped_in_the_middle(kind, command)


async def test_a_stopped_process_can_be_stopped() -> None:
    session = Session(target("Stub"), grace=0.1)
    await session.start()
    assert session.pid is not None
    os.kill(session.pid, signal.SIGSTOP)
    await session.stop()
    assert session.state == "stopped"


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_what_a_model_started_ends_with_it(end: str) -> None:
    session = Session(target("Parent"))
    await session.start()
    child = (await session.run(None, {}))["value"]
    assert isinstance(child, int)
    assert psutil.pid_exists(child)
    if end == "stop":
        await session.stop()
    else:
        assert session.pid is not None
        os.kill(session.pid, signal.SIGKILL)
        await until(lambda: session.state == "dead")
    await until(lambda: gone(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


async def test_the_worker_leads_a_group_and_a_session_of_its_own() -> None:
    async with running("Stub") as session:
        assert session.pid is not None
        assert os.getpgid(session.pid) == session.pid
        assert os.getsid(session.pid) == session.pid != os.getsid(0)


async def together(*waiting: Awaitable[None]) -> None:
    await asyncio.gather(*waiting)


async def test_start_during_stop_waits_for_it() -> None:
    session = Session(target("Stub"))
    await session.start()
    await together(session.stop(), session.start())
    assert session.state == "ready"
    await together(session.stop(), session.stop())
    assert session.state == "stopped"
