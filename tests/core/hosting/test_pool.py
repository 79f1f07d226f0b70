"""The requests of a deployment: joined, fair, limited in number and time, run again when a worker dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.errors import Cancelled, OutOfMemory, TarmacError, WorkerDied
from core.hosting import pool as pools
from core.hosting import replica
from core.hosting.deployment import Deployment, Limits
from core.hosting.errors import TimedOut, TooMany, Unavailable
from core.hosting.pool import Pool
from core.workers.call import Call
from tests.core.hosting.serving import resolve, until


@asynccontextmanager
async def pool(home: Path, model: str, /, limits: Limits | None = None, **settings: object) -> AsyncIterator[Pool]:
    fields = {key: settings.pop(key) for key in ("replicas", "sleep_after") if key in settings}
    deployment = Deployment("pool", model, options=settings, limits=limits or Limits(), **fields)  # type: ignore[arg-type]
    made = Pool(deployment, resolve(deployment), home)
    try:
        yield made
    finally:
        await made.close(0)


async def settled(calls: list[Call]) -> list[dict[str, object] | BaseException]:
    return await asyncio.gather(*(_outcome(call) for call in calls))


async def _outcome(call: Call) -> dict[str, object] | BaseException:
    try:
        return await call
    except TarmacError as error:
        return error


async def test_requests_that_wait_are_joined(home: Path) -> None:
    gate = home / "gate"
    async with pool(home, "Counter", batch=4, gate=str(gate)) as served:
        calls = [served.submit("me", "many", {"x": 1}) for _ in range(9)]
        await until(lambda: served.running == 9)
        gate.touch()
        sizes = [int(each["size"]) for each in await asyncio.gather(*calls)]  # type: ignore[call-overload]
    assert sizes.count(4) >= 4


async def test_clients_take_turns(home: Path) -> None:
    gate = home / "gate"
    async with pool(home, "Counter", gate=str(gate)) as served:
        await served.awake()
        flood = [served.submit("flood", "one", {}) for _ in range(10)]
        await until(lambda: served.running == 2)
        other = [served.submit("other", "one", {}) for _ in range(2)]
        gate.touch()
        batches = [int((await call)["batch"]) for call in other]  # type: ignore[call-overload]
        assert batches == [4, 6]
        await asyncio.gather(*flood)


async def test_a_full_queue_is_told_with_a_time(home: Path) -> None:
    gate = home / "gate"
    limits = Limits(max_queue=4)
    async with pool(home, "Counter", limits, gate=str(gate)) as served:
        await served.awake()
        calls = [served.submit("first", "one", {}) for _ in range(2)]
        await until(lambda: served.running == 2)
        calls += [served.submit("first", "one", {}) for _ in range(2)]
        with pytest.raises(TooMany) as many:
            served.submit("first", "one", {})
        assert many.value.status == 429
        calls += [served.submit("second", "one", {}) for _ in range(2)]
        with pytest.raises(Unavailable) as full:
            served.submit("third", "one", {})
        assert (full.value.status, type(full.value)) == (503, Unavailable)
        assert full.value.retry_after >= 1
        held = [served.submit("first", "one", {}, hold=True) for _ in range(12)]
        with pytest.raises(Unavailable):
            served.submit("first", "one", {}, hold=True)
        gate.touch()
        assert all(isinstance(each, dict) for each in await settled(calls + held))


async def test_a_worker_killed_in_mid_load_loses_nothing(home: Path) -> None:
    async with pool(home, "Stub", delay=0.05, batch=4, plain=1) as served:
        await served.awake()
        before = served.workers()
        inputs = served.served.interface.command("generate").check_inputs({"z": [0.1] * 16})
        calls = [served.submit(f"client {number % 5}", "generate", inputs) for number in range(60)]
        await calls[0]
        os.kill(before[0], signal.SIGKILL)
        outcomes = await settled(calls)
        assert all(isinstance(each, dict) for each in outcomes)
        assert served.deaths == 1
        assert served.workers() != before


async def test_what_kills_workers_kills_nobody_elses_request(home: Path) -> None:
    async with pool(home, "Crasher") as served:
        await served.awake()
        calls = [served.submit("me", "crash", {"how": how}) for how in ("a", "b", "kill", "c", "d", "e")]
        outcomes = await settled(calls)
        assert isinstance(outcomes[2], WorkerDied)
        assert outcomes[2].status == 503
        assert [each["how"] for each in outcomes if isinstance(each, dict)] == ["a", "b", "c", "d", "e"]
        assert served.deaths == 2


async def test_an_answer_that_had_begun_ends_with_the_worker(home: Path) -> None:
    async with pool(home, "Sleeper") as served:
        await served.awake()
        begun = served.submit("me", "sleep", {"seconds": 60}, parts=True)
        async for part in begun:
            assert "slept" in part.outputs
            break
        os.kill(served.workers()[0], signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await begun
        assert (await served.submit("me", "sleep", {"seconds": 0}))["slept"] is not None


async def test_parts_come_before_the_whole(home: Path) -> None:
    async with pool(home, "Talker") as served:
        call = served.submit("me", "complete", {"prompt": "a", "max_tokens": 20}, parts=True)
        texts = [str(part.outputs["completion"]) async for part in call]
        assert texts[-1] == (await call)["completion"]
        assert sorted(texts, key=len) == texts
        assert len(texts) > 5
        assert served.heartbeat > 0


async def test_a_request_has_a_time_limit_wherever_it_is(home: Path) -> None:
    async with pool(home, "Sleeper", Limits(timeout=1)) as served:
        await served.awake()
        calls = [served.submit("me", "sleep", {"seconds": 60}) for _ in range(4)]
        outcomes = await settled(calls)
        assert [type(each) for each in outcomes] == [TimedOut] * 4
        assert "in the queue" in str(outcomes[3])
        assert (await served.submit("me", "sleep", {"seconds": 0}))["slept"] is not None


async def test_cancelling_frees_the_worker(home: Path) -> None:
    async with pool(home, "Sleeper") as served:
        calls = [served.submit("me", "sleep", {"seconds": 60}) for _ in range(3)]
        await until(lambda: served.running == 2)
        for call in calls:
            call.cancel()
        assert [type(each) for each in await settled(calls)] == [Cancelled] * 3
        assert (served.running, served.queued) == (0, 0)
        assert (await served.submit("me", "sleep", {"seconds": 0}))["slept"] is not None


async def test_it_sleeps_when_nobody_asks_and_wakes_for_the_next(home: Path) -> None:
    async with pool(home, "Echo", sleep_after=0.01) as served:
        assert served.state == "asleep"
        first = served.submit("me", None, {"value": 1})
        assert served.state == "waking"
        await first
        assert served.state == "awake"
        pid = served.workers()[0]
        await asyncio.sleep(0.02)
        served.tick()
        assert served.state == "asleep"
        assert (await served.submit("me", None, {"value": 2}))["value"] == 2
        assert served.workers()[0] != pid


async def test_a_model_that_cannot_start_is_told_at_once_and_tried_again_later(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool(home, "Crasher", at_start="refuse") as served:
        with pytest.raises(Unavailable, match="the weights are not weights"):
            await served.submit("me", "crash", {"how": ""})
        assert served.state == "failed"
        with pytest.raises(Unavailable, match="the weights are not weights"):
            served.submit("me", "crash", {"how": ""})
        monkeypatch.setattr(pools, "_TRY_AGAIN_AFTER", 0.0)
        call = served.submit("me", "crash", {"how": ""})
        assert served.state == "waking"
        with pytest.raises(Unavailable):
            await call


async def test_a_worker_that_dies_again_and_again_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "_PAUSES", (0.0,))
    monkeypatch.setattr(replica, "MOST_DEATHS", 2)
    async with pool(home, "Crasher", at_start="_exit") as served:
        with pytest.raises(WorkerDied, match="died 2 times in a row"):
            await served.submit("me", "crash", {"how": ""})
        assert served.state == "failed"


async def test_replicas_share_the_load(home: Path) -> None:
    async with pool(home, "Sleeper", replicas=2) as served:
        await served.awake()
        await until(lambda: served.ready == 2)
        calls = [served.submit("me", "sleep", {"seconds": 60}) for _ in range(6)]
        assert (served.running, served.queued) == (4, 2)
        for call in calls:
            call.cancel()
        await settled(calls)


async def test_errors_of_the_model_are_one_requests_own(home: Path) -> None:
    async with pool(home, "Eater", room=1) as served:
        outcomes = await settled([served.submit("me", "eat", {"bites": bites}) for bites in (1, 5, 1)])
        assert isinstance(outcomes[1], OutOfMemory)
        assert isinstance(outcomes[0], dict)
        assert isinstance(outcomes[2], dict)


async def test_closing_lets_accepted_requests_finish(home: Path) -> None:
    gate = home / "gate"
    async with pool(home, "Counter", gate=str(gate)) as served:
        await served.awake()
        calls = [served.submit("me", "one", {}) for _ in range(5)]
        closing = asyncio.create_task(served.close(30))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            served.submit("me", "one", {})
        gate.touch()
        await closing
        assert all(isinstance(each, dict) for each in await settled(calls))


async def test_closing_tells_those_who_would_wait_too_long(home: Path) -> None:
    async with pool(home, "Sleeper") as served:
        calls = [served.submit("me", "sleep", {"seconds": 60}) for _ in range(3)]
        await until(lambda: served.running == 2)
        await served.close(0)
        assert [type(each) for each in await settled(calls)] == [Unavailable] * 3
