"""A spare worker becomes a session's worker as if the session had started it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from core.errors import Cancelled, StorageError, WorkerDied
from core.workers.session import Session
from core.workers.spare import Spare
from tests.adapters import target
from tests.core.workers.sessions import Z, until


@pytest.fixture
async def spare() -> AsyncIterator[Spare]:
    spare = Spare(warm=False)
    await spare.prepare()
    yield spare
    await spare.close()
    assert spare.pid is None
    await until(lambda: psutil.Process().children() == [])


async def test_a_session_takes_the_spare(spare: Spare) -> None:
    pid = spare.pid
    session = Session(target("Stub"), spare=spare)
    await session.start()
    assert session.pid == pid
    assert spare.pid is None
    assert (await session.run(None, {"z": Z}))["image"] is not None
    await session.stop()
    await session.start()  # there is no spare any more: a worker of its own
    assert session.pid not in (None, pid)
    await session.stop()


async def test_preparing_twice_is_one_worker(spare: Spare) -> None:
    pid = spare.pid
    await asyncio.gather(spare.prepare(), spare.prepare())
    assert spare.pid == pid
    assert len(psutil.Process().children()) == 1


async def test_it_writes_to_the_log_of_its_session(spare: Spare, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an older line\n")
    session = Session(target("Printer"), log=log, spare=spare)
    await session.start()
    await session.run(None, {"lines": 2})
    await session.stop()
    text = log.read_bytes()
    assert text.startswith(b"an older line\n")
    for line in (b"loading", b"line 1", b"to stderr", b"raw bytes to fd 1", b"from a child"):
        assert line in text


async def test_its_death_is_told_with_its_last_words(spare: Spare, tmp_path: Path) -> None:
    session = Session(target("Crasher"), log=tmp_path / "log", spare=spare)
    await session.start()
    with pytest.raises(WorkerDied, match=r"killed by SIGKILL.*the last words"):
        await session.run(None, {"how": "kill"})
    assert session.state == "dead"


async def test_a_spare_that_died_is_not_taken(spare: Spare) -> None:
    pid = spare.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: spare.pid is None)
    session = Session(target("Stub"), spare=spare)
    await session.start()
    assert session.pid != pid
    await session.stop()
    await spare.prepare()
    assert spare.pid not in (None, pid)


async def test_a_spare_that_dies_while_it_is_taken_over_is_told(spare: Spare, tmp_path: Path) -> None:
    assert spare.pid is not None
    os.kill(spare.pid, signal.SIGSTOP)
    session = Session(target("Stub"), spare=spare, log=tmp_path / "log")
    start = asyncio.create_task(session.start())
    await until(lambda: session.pid is not None)
    assert session.pid is not None
    os.kill(session.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        await start
    await session.start()
    await session.stop()


async def test_a_log_that_cannot_be_written(spare: Spare, tmp_path: Path) -> None:
    session = Session(target("Stub"), spare=spare, log=tmp_path)
    with pytest.raises(StorageError):
        await session.start()
    assert session.state == "dead"


async def test_stopping_while_it_is_taken_over(spare: Spare, tmp_path: Path) -> None:
    session = Session(target("Stub", load=60), spare=spare, log=tmp_path / "log")
    start = asyncio.create_task(session.start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await session.stop()
    with pytest.raises(Cancelled):
        await start
    assert session.state == "stopped"


async def test_closing_while_it_is_prepared() -> None:
    spare = Spare(warm=False)
    preparing = asyncio.create_task(spare.prepare())
    await asyncio.sleep(0)
    await spare.close()
    await preparing
    await spare.prepare()
    assert spare.pid is None
    await until(lambda: psutil.Process().children() == [])


async def test_one_that_cannot_be_started_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    spare = Spare(warm=False)
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "/nowhere/python")
        await spare.prepare()
        assert spare.take() is None
    await spare.prepare()
    assert spare.pid is not None
    await spare.close()


async def test_it_imports_the_framework_ahead() -> None:
    spare = Spare()
    await spare.prepare()
    maps = Path(f"/proc/{spare.pid}/maps")
    await until(lambda: "libtorch" in maps.read_text(), 60)
    await spare.close()
