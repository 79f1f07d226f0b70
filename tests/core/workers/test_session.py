"""Sessions with real workers: they start, answer, join, cancel, fail, stop and die as they say."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.errors import Cancelled, InvalidInput, NotFound, OutOfMemory, Refused, StorageError, TarmacError, WorkerDied
from core.workers.adapter import Target
from core.workers.call import Call
from core.workers.session import Session
from tests.adapters import picture, target
from tests.bench.workers import Holds, rounds

Z = np.linspace(-1, 1, 16, dtype=np.float32)


@asynccontextmanager
async def running(kind: str, /, *, log: Path | None = None, **options: object) -> AsyncIterator[Session]:
    session = Session(target(kind, **options), log=log)
    await session.start()
    try:
        yield session
    finally:
        await session.stop()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)


async def first_part(call: Call) -> None:
    async for _ in call:
        return


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """After every test: no task, no zombie, no thread, no open file more than before."""
    files = len(os.listdir("/proc/self/fd"))
    yield
    gc.collect()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await until(lambda: all(task.done() for task in tasks))
    await until(lambda: not any(thread.name == "worker keeper" for thread in threading.enumerate()))
    assert psutil.Process().children() == []
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)


async def test_a_session_starts_answers_and_stops() -> None:
    session = Session(target("Stub"))
    states: list[str] = []
    session.on_change.append(lambda changed: states.append(changed.state))
    assert session.state == "new"
    await session.start()
    pid = session.pid
    assert pid is not None
    assert session.interface is not None
    assert session.interface.default.name == "generate"
    assert session.info["native"] == {"z_dim": 16, "resolution": 64}
    outputs = await session.run("generate", {"z": Z})
    assert np.array_equal(outputs["image"], picture(Z, 0.7, 64))
    assert session.running == 0
    await session.start()  # already there
    assert session.pid == pid
    await session.stop()
    await session.stop()
    assert states == ["starting", "ready", "stopping", "stopped"]
    assert session.pid is None
    assert gone(pid)
    with pytest.raises(TarmacError, match="Stub is not running"):
        session.run(None, {"z": Z})


async def test_it_can_be_started_again_after_a_stop() -> None:
    session = Session(target("Stub"))
    await session.start()
    await session.stop()
    await session.start()
    assert session.state == "ready"
    await session.run(None, {"z": Z})
    await session.stop()


async def test_inputs_are_checked_before_they_are_sent() -> None:
    async with running("Stub") as session:
        with pytest.raises(InvalidInput, match="z cannot be"):
            session.run(None, {"z": [1, 2]})
        with pytest.raises(InvalidInput, match="has no input"):
            session.run(None, {"z": Z, "zz": 1})
        with pytest.raises(NotFound, match="Did you mean generate"):
            session.run("generat", {"z": Z})
        assert session.running == 0


async def test_many_requests_in_flight_each_get_their_own_answer() -> None:
    async with running("Stub", resolution=8) as session:
        vectors = np.random.default_rng(0).standard_normal((100, 16), np.float32)
        answers = await asyncio.gather(*(session.run(None, {"z": z}) for z in vectors))
        for z, outputs in zip(vectors, answers):
            assert np.array_equal(outputs["image"], picture(z, 0.7, 8))


async def test_waiting_requests_are_joined(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with running("Counter", gate=str(gate)) as session:
        commands = [("many", 0), ("many", 0), ("one", 0), ("other", 0), ("many", 99), ("many", 0), ("one", 0)]
        first = session.run("one", {})
        calls = [session.run(command, {"x": x}) for command, x in commands]
        # The worker holds the first while the others come to wait behind it.
        gate.touch()
        assert (await first)["size"] == 1
        answers = [await call for call in calls]
        assert [answer["size"] for answer in answers] == [3, 3, 1, 1, 1, 3, 1]
        order = [answer["batch"] for answer in answers]
        assert order == [2, 2, 3, 4, 5, 2, 6]


async def test_a_batch_is_never_larger_than_the_model_allows(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with running("Counter", gate=str(gate), batch=4) as session:
        calls = [session.run("many", {}) for _ in range(30)]
        gate.touch()
        sizes = [(await call)["size"] for call in calls]
        assert max(sizes) == 4  # type: ignore[type-var]


async def test_parts_stream_and_the_last_is_the_whole() -> None:
    async with running("Talker") as session:
        call = session.run("complete", {"prompt": "a", "max_tokens": 20, "seed": 5})
        parts = [part async for part in call]
        outputs = await call
        assert outputs["tokens"] == 20
        assert outputs["finish_reason"] == "length"
        assert parts[-1].outputs == outputs
        assert parts[-1].progress == 1
        assert len(parts) == 21
        texts = [str(part.outputs["completion"]) for part in parts]
        assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
        assert texts[0] == " wörd5"
        assert [part.progress for part in parts[:2]] == [0.05, 0.1]


async def test_a_slow_reader_sees_the_newest_parts() -> None:
    async with running("Talker") as session:
        call = session.run("complete", {"max_tokens": 600})
        await call
        parts = [part async for part in call]
        assert len(parts) == 256
        assert parts[-1].outputs["tokens"] == 600


async def test_cancel_ends_the_call_at_once_and_the_work_soon() -> None:
    async with running("Sleeper") as session:
        call = session.run("sleep", {"seconds": 60})
        await first_part(call)
        call.cancel()
        call.cancel()
        with pytest.raises(Cancelled):
            await call
        # The worker is free again well before the minute is over.
        async with asyncio.timeout(10):
            assert (await session.run("ran", {}))["value"] == 1


async def test_cancelling_a_request_that_waits_means_that_it_never_runs() -> None:
    async with running("Sleeper") as session:
        busy = session.run("sleep", {"seconds": 60})
        await first_part(busy)
        waiting = [session.run("sleep", {"seconds": 60}) for _ in range(3)]
        for call in waiting:
            call.cancel()
        busy.cancel()
        assert (await session.run("ran", {}))["value"] == 1
        for call in waiting:
            with pytest.raises(Cancelled):
                await call


async def test_a_cancelled_task_cancels_its_call() -> None:
    async with running("Sleeper") as session:
        call = session.run("sleep", {"seconds": 60})
        await first_part(call)

        async def wait() -> None:
            await call

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(call.error, Cancelled)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.run("sleep", {"seconds": 60}), 0.01)
        assert (await session.run("ran", {}))["value"] in (1, 2)


async def test_callbacks_tell_when_a_call_is_done() -> None:
    async with running("Stub") as session:
        done: list[Call] = []
        call = session.run(None, {"z": Z})
        call.add_done_callback(done.append)
        await until(lambda: done == [call])
        call.add_done_callback(done.append)
        await until(lambda: done == [call, call])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "the model failed on crash: ValueError: bad [31mthing in two lines"),
        ("exit", "the model failed on crash: its code tried to end the program (SystemExit)"),
        ("quiet", "the model gave no answer to crash"),
        ("refuse", "the weights are not weights: they begin with MZ. Import the model again"),
    ],
)
async def test_what_a_model_raises_is_one_requests_answer(how: str, message: str) -> None:
    async with running("Crasher") as session:
        with pytest.raises(TarmacError) as caught:
            await session.run(None, {"how": how})
        assert " ".join(str(caught.value).split()) == message
        assert isinstance(caught.value, Refused) == (how == "refuse")
        assert (await session.run(None, {"how": "fine"}))["how"] == "fine"
        assert session.state == "ready"


async def test_one_bad_request_of_a_batch_fails_alone() -> None:
    async with running("Crasher") as session:
        calls = [session.run(None, {"how": how}) for how in ("fine", "fine", "raise", "fine", "good", "quiet", "fine")]
        results = await asyncio.gather(*calls, return_exceptions=True)
        failed = [isinstance(result, TarmacError) for result in results]
        assert failed == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("how", ["type", "name", "index", "nan", "missing"])
async def test_an_answer_that_was_not_declared_is_an_error(how: str) -> None:
    async with running("Liar") as session:
        with pytest.raises(TarmacError):
            await session.run(None, {"how": how})
        assert (await session.run(None, {"how": "truth"}))["score"] == 0.5


@pytest.mark.parametrize("kind", ["ours", "torch", "python"])
async def test_out_of_memory_leaves_the_worker_usable(kind: str) -> None:
    async with running("Eater", kind=kind) as session:
        with pytest.raises(OutOfMemory):
            await session.run(None, {"bites": 5})
        assert (await session.run(None, {}))["together"] == 1
        # Too many together is found out and done in smaller parts.
        calls = [session.run(None, {}) for _ in range(16)]
        assert all(outputs["together"] in (1, 2) for outputs in await asyncio.gather(*calls))
        assert session.state == "ready"


async def test_prints_go_to_the_log_and_never_into_the_wire(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "printer.log"
    async with running("Printer", log=log) as session:
        assert (await session.run(None, {"lines": 50}))["value"] == 1
    text = log.read_bytes()
    for line in (b"loading", b"line 49", b"to stderr", b"\x00\xff raw bytes to fd 1", b"from a child"):
        assert line in text
    assert text.count(b"to stderr") == 50
    assert log.stat().st_mode & 0o777 == 0o600


async def test_a_log_begins_anew_when_it_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.workers.process.LOG_LIMIT", 100)
    log = tmp_path / "log"
    log.write_bytes(b"x" * 101)
    async with running("Printer", log=log):
        pass
    assert b"xxx" not in log.read_bytes()


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


async def test_a_worker_does_not_import_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "core", "msgpack"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    async with running("Stub") as session:
        await session.run(None, {"z": Z})


async def test_a_request_costs_little_and_never_holds_the_loop() -> None:
    async with running("Stub", flat=1, length=512) as session:
        holds = Holds()
        await rounds(session, 48, 2)
        holds.longest = 0
        before = time.thread_time()
        await rounds(session, 48, 10)
        # Processor time of this thread, not the clock: others may be using the machine.
        each = (time.thread_time() - before) / 480
        assert holds.stop() < 0.050
        assert each < 0.001


async def together(*waiting: Awaitable[None]) -> None:
    await asyncio.gather(*waiting)


async def test_start_during_stop_waits_for_it() -> None:
    session = Session(target("Stub"))
    await session.start()
    await together(session.stop(), session.start())
    assert session.state == "ready"
    await together(session.stop(), session.stop())
    assert session.state == "stopped"
