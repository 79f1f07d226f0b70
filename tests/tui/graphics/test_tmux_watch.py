"""What tmux threw away is sent again: counted bytes, another terminal, another size; and no more than that."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tui.graphics.tmux_watch import resend_what_tmux_drops


class Tmux:
    """What the watch sees, and what it did."""

    def __init__(self) -> None:
        self.frames, self.size, self.told = 0, (80, 24), ("/dev/pts/1", 0)
        self.sent = self.asked = 0

    def discarded(self) -> tuple[str, int] | None:
        self.asked += 1
        return self.told

    def resend(self) -> None:
        self.sent += 1
        self.frames += 1


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def watched(after_size: tuple[float, ...] = ()) -> AsyncIterator[Tmux]:
    tmux = Tmux()
    watch = asyncio.create_task(
        resend_what_tmux_drops(lambda: tmux.frames, lambda: tmux.size, tmux.resend, tmux.discarded, 0.01, after_size)
    )
    await until(lambda: tmux.asked == 1)
    yield tmux
    watch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watch


async def test_nothing_is_sent_again_where_nothing_was_lost() -> None:
    async with watched() as tmux:
        for _ in range(3):
            asked = tmux.asked
            tmux.frames += 1
            await until(lambda asked=asked: tmux.asked > asked)  # type: ignore[misc]
        assert tmux.sent == 0


@pytest.mark.parametrize("told", [("/dev/pts/1", 4096), ("/dev/pts/7", 0)])
async def test_lost_bytes_and_another_terminal(told: tuple[str, int]) -> None:
    async with watched() as tmux:
        tmux.frames += 1
        await until(lambda: tmux.asked == 2)
        tmux.told = told
        tmux.frames += 1
        await until(lambda: tmux.sent == 1)
        await until(lambda: tmux.asked == 4)
        assert tmux.sent == 1, "nothing more was lost"


async def test_after_a_change_of_size_without_being_asked() -> None:
    async with watched((0.01, 0.02, 0.05)) as tmux:
        await until(lambda: tmux.sent >= 1)
        before = tmux.sent
        tmux.size = (100, 30)
        await until(lambda: tmux.sent > before)


async def test_a_tmux_that_says_nothing() -> None:
    async with watched() as tmux:
        tmux.told = None  # type: ignore[assignment]
        tmux.frames += 1
        await until(lambda: tmux.asked == 2)
        assert tmux.sent == 0
