"""What tests of sessions share: a running session, waiting without sleeping, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.workers.call import Call
from core.workers.session import Session
from tests.adapters import target

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
