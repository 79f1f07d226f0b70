"""What a worker costs besides its model: time to start, messages a second, and how long the event loop is held.

The model draws nothing (one grey), so what is measured is the checking, the wire, the joining and the waking.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence

import numpy as np

from core.workers.session import Session
from tests.adapters import target

ROUNDS = 100
TILES = 48


class Holds:
    """The longest processor time that anything held the event loop for, while it beats."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            # Processor time of this thread: how busy the machine is with others is not the session's doing.
            before = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - before)

    def stop(self) -> float:
        self._task.cancel()
        return self.longest


async def rounds(session: Session, tiles: int, count: int) -> list[float]:
    """Seconds of each of `count` rounds of `tiles` requests sent at once and all awaited."""
    vectors = np.random.default_rng(0).standard_normal((tiles, 512), np.float32)
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        calls = [session.run(None, {"z": z}) for z in vectors]
        await asyncio.gather(*calls)
        taken.append(time.perf_counter() - begun)
    return taken


async def measure() -> None:
    starts = []
    for _ in range(5):
        session = Session(target("Stub", flat=1, length=512))
        begun = time.perf_counter()
        await session.start()
        starts.append(time.perf_counter() - begun)
        await session.stop()
    print(f"start without a framework     {statistics.median(starts):7.3f} s")
    for resolution, tiles, count in ((64, 1, 300), (64, TILES, ROUNDS), (256, TILES, 20), (1024, 4, 20)):
        session = Session(target("Stub", flat=1, length=512, resolution=resolution))
        await session.start()
        await rounds(session, tiles, 3)
        processor = time.thread_time()
        taken = await rounds(session, tiles, count)
        processor = (time.thread_time() - processor) / (tiles * count)
        holds = Holds()
        await rounds(session, tiles, count)
        longest = holds.stop()
        each = statistics.median(taken) / tiles
        print(
            f"{tiles:2} tiles of {resolution:4} px  {1e3 * each:7.3f} ms each, {1 / each:6.0f} a second,"
            f" {1e3 * processor:6.3f} ms of this process; the loop was held {1e3 * longest:5.1f} ms at most"
        )
        await session.stop()


def main(arguments: Sequence[str]) -> None:
    """Print the measurements."""
    asyncio.run(measure())


if __name__ == "__main__":
    main([])
