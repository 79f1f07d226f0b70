"""Sessions with real workers: they start, answer, join, stream, cancel and fail as they say."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, InvalidInput, NotFound, OutOfMemory, Refused, TarmacError
from core.workers.call import Call
from core.workers.session import Session
from tests.adapters import picture, target
from tests.bench.workers import Holds, rounds
from tests.core.workers.sessions import Z, first_part, gone, nothing_is_left, running, until

__all__ = ["nothing_is_left"]


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
    assert session.info["native"] == {"z_dim": 16, "resolution": 64, "num_ws": 10}
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


async def test_what_cannot_travel_is_refused() -> None:
    async with running("Echo") as session:
        with pytest.raises(InvalidInput, match="cannot be sent"):
            session.run("echo", {"value": 2**70})
        assert session.running == 0
        value = {"a": [1, 2.5, None, True, "ä"], "b": {}}
        assert (await session.run("echo", {"value": value}))["value"] == value


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


async def test_requests_that_run_together_always_make_the_same_batches() -> None:
    async with running("Counter", batch=4) as session:
        others = [session.run("many", {}) for _ in range(3)]
        sizes = []
        for _ in range(5):
            calls = session.run_together("many", [{}] * 10)
            others.append(session.run("many", {}))
            sizes.append([(await call)["size"] for call in calls])
        assert sizes == [[4] * 8 + [2] * 2] * 5
        await asyncio.gather(*others)
        # What does not fit by the adapter's word is not joined even so.
        apart = session.run_together("many", [{"x": 99}, {}, {"x": 99}])
        assert [(await call)["size"] for call in apart] == [2, 1, 2]
        alone = session.run_together("one", [{}] * 3)
        assert [(await call)["size"] for call in alone] == [1, 1, 1]
        with pytest.raises(InvalidInput):
            session.run_together("many", [{}, {"x": "no"}])
        assert session.running == 0
        calls = session.run_together("many", [{}] * 3)
        calls[1].cancel()
        await asyncio.gather(calls[0], calls[2])
