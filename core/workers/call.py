"""One request on its way: awaited for the whole answer, iterated for its parts, cancelled at any time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass

from core.errors import Cancelled, TarmacError

_KEPT = 256


@dataclass(frozen=True)
class Partial:
    """What a request has given so far.

    Attributes:
        outputs: Values by name; a part holds the whole state so far, not what is new.
        progress: 0 to 1, if the model knows.
    """

    outputs: dict[str, object]
    progress: float | None = None


class Call:
    """A request that a worker has accepted.

    `await call` gives the final outputs or raises a `TarmacError`; it may be awaited several times. `async for partial
    in call` gives a `Partial` for each part, the final outputs as the last one, and raises the same errors; of a slow
    reader's parts only the newest 256 are kept. When a task that waits for a call is cancelled, so is the call.
    """

    def __init__(self, command: str, on_cancel: Callable[[Call], None]) -> None:
        self.command = command
        self.outputs: dict[str, object] | None = None
        """The final outputs, once there."""
        self.error: TarmacError | None = None
        """What went wrong instead."""
        self._on_cancel = on_cancel
        self._loop = asyncio.get_running_loop()
        self._partials: deque[Partial] = deque(maxlen=_KEPT)
        self._waiters: list[asyncio.Future[None]] = []
        self._callbacks: list[Callable[[Call], None]] = []

    @property
    def done(self) -> bool:
        """Whether there is a final answer or an error."""
        return self.outputs is not None or self.error is not None

    def cancel(self) -> None:
        """Give the request up: it ends with `Cancelled` now, in the worker before its next token or batch."""
        if not self.done:
            self.fail(Cancelled(f"{self.command} was cancelled"))
            self._on_cancel(self)

    def add_done_callback(self, callback: Callable[[Call], None]) -> None:
        """Have `callback(call)` called on the event loop when the call is done; soon, if it is already."""
        if self.done:
            self._loop.call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    def __await__(self) -> Generator[None, None, dict[str, object]]:
        return self._final().__await__()

    async def __aiter__(self) -> AsyncIterator[Partial]:
        while True:
            while self._partials:
                yield self._partials.popleft()
            if self.done:
                break
            await self._news()
        if self.error is not None:
            raise self.error

    # -- for the session

    def give(self, outputs: dict[str, object], progress: float | None, final: bool) -> None:
        """Add a part, or the final answer."""
        if self.done:
            return
        self._partials.append(Partial(outputs, 1.0 if final else progress))
        if final:
            self.outputs = outputs
        self._tell()

    def fail(self, error: TarmacError) -> None:
        """End with `error`."""
        if not self.done:
            self.error = error
            self._tell()

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self.done:
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                self._loop.call_soon(callback, self)

    async def _final(self) -> dict[str, object]:
        while not self.done:
            await self._news()
        if self.error is not None:
            raise self.error
        assert self.outputs is not None
        return self.outputs

    async def _news(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            self.cancel()
            raise
