"""Work on many files in threads, results in order, with a bound on what is held at once.

Threads are enough: Pillow decodes and resizes, and hashlib hashes, without holding Python's lock.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

MOST = 16
_HELD_BYTES = 256 << 20
_HELD_EACH = 4


def free_cores() -> int:
    """Threads worth starting: the cores this process may use, less those that others keep busy, 1 to 16."""
    try:
        cores = len(os.sched_getaffinity(0))
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):
        return max(1, min(MOST, os.cpu_count() or 1))
    return max(1, min(MOST, round(cores - busy)), min(MOST, cores // 2))


def in_order(
    work: Callable[[In], Out],
    items: Iterable[In],
    *,
    threads: int | None = None,
    weight: Callable[[In], int] = lambda item: 0,
) -> Iterator[tuple[In, Out]]:
    """Each item with its result, in the order of the items; an exception of `work` is raised in its place.

    Args:
        work: Called in threads.
        items: Drawn as far ahead as the bound allows.
        threads: How many; by default `free_cores()`. With 1 everything happens in the calling thread.
        weight: Bytes that an item holds while it waits.
    """
    threads = threads or free_cores()
    if threads == 1:
        for item in items:
            yield item, work(item)
        return
    waiting: deque[tuple[In, Future[Out], int]] = deque()
    held = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                weighs = weight(item)
                waiting.append((item, pool.submit(work, item), weighs))
                held += weighs
                while len(waiting) > threads * _HELD_EACH or (held > _HELD_BYTES and waiting):
                    first, result, weighed = waiting.popleft()
                    held -= weighed
                    yield first, result.result()
            while waiting:
                first, result, _ = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result, _ in waiting:
                result.cancel()
