"""The frames of a film that plays: drawn ahead of where it is, few at first and more with every round.

Where the model draws slower than the film runs, frames are asked for in strides that it can keep up with, so that what
is seen is on time; the next round fills the gaps. What does not fit into memory any more is dropped behind the film.
"""

from __future__ import annotations

import bisect
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.errors import Cancelled, TarmacError, WorkerDied
from core.exports.drawing import Drawing
from core.latent.walk import Moment
from core.workers.session import Call, Session

Pixels = NDArray[np.uint8]

MOST_BYTES = 256 * 2**20
"""Pixels kept in this process."""

_IN_FLIGHT = 16
_LONGEST_STRIDE = 16
_WINDOW = 24  # answers by which the model's speed is judged

_KEYS = itertools.count(1 << 40)
"""Names for canvases: no tile of an explorer and no frame of another film has them."""


class Reel:
    """Gets frames from a session and keeps them.

    Args:
        session: The model's worker.
        drawing: How frames are asked for.
        moments: What each frame is drawn from.
        on_frame: Called when a frame has come.
        on_error: Called once with what went wrong with a request (not when the worker dies, which tells so itself).
        on_forget: Called with the keys of frames that were dropped.
    """

    def __init__(
        self,
        session: Session,
        drawing: Drawing,
        moments: Sequence[Moment],
        *,
        on_frame: Callable[[], None],
        on_error: Callable[[TarmacError], None],
        on_forget: Callable[[list[int]], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._session, self.drawing, self._moments = session, drawing, moments
        self._on_frame, self._on_error, self._on_forget = on_frame, on_error, on_forget
        self._most_bytes = most_bytes
        self._keys: dict[int, int] = {}
        self._made: list[int] = []  # sorted
        self._calls: dict[int, Call] = {}
        self._answered: deque[float] = deque(maxlen=_WINDOW)
        self._latency = 0.0
        self._refused = False
        self._position, self._pace = 0, 0.0
        self._stopped = False
        self.resting = False
        """Nothing is asked for as long as this is true."""
        self.by_key: dict[int, Pixels] = {}
        """The pixels of every frame that is kept, for the canvas."""

    @property
    def count(self) -> int:
        """Frames of the film."""
        return len(self._moments)

    @property
    def made(self) -> Sequence[int]:
        """Numbers of the frames that are here, in order."""
        return self._made

    def key(self, number: int) -> int | None:
        """The key of a frame, if it is here."""
        return self._keys.get(number)

    def nearest(self, number: int) -> int | None:
        """The frame to show where `number` is due: it, else the last one before it, else the first one."""
        place = bisect.bisect_right(self._made, number)
        return self._made[max(0, place - 1)] if self._made else None

    def follow(self, number: int, pace: float) -> None:
        """The film is at frame `number` and passes `pace` frames a second (0: it stands, and wants this one first)."""
        self._position, self._pace = number, pace
        self.ask()

    def ask(self) -> None:
        """Ask for frames as far as the worker is ready and not busy enough."""
        if self.resting or self._refused or self._session.state != "ready":
            return
        while len(self._calls) < _IN_FLIGHT and (number := self._next()) is not None:
            try:
                call = self._session.run(self.drawing.command, self.drawing.inputs(self._moments[number]))
            except TarmacError as error:
                self._failed(error)
                return
            self._calls[number] = call
            call.add_done_callback(partial(self._done, number, time.monotonic()))

    def stop(self) -> None:
        """Give up what is in flight, and everything that is here."""
        self.resting = self._stopped = True
        for call in list(self._calls.values()):
            call.cancel()
        self._on_forget(list(self.by_key))
        self.by_key.clear()
        self._keys.clear()
        self._made.clear()

    # -- inside

    def _next(self) -> int | None:
        """The most wanted frame that is neither here nor on its way."""
        count, stride = self.count, self._stride()
        if len(self._made) + len(self._calls) >= count:
            return None
        # From the first frame that can still be in time to the last one that there is room for; the others for later.
        here = self._position
        first, end = here + round(self._latency * self._pace) % count, here + min(count, self._room())
        while True:
            soon, late = self._strided(first, end, stride), self._strided(here, min(first, end), stride)
            for number in itertools.chain(soon, late):
                if number not in self._keys and number not in self._calls:
                    return number
            if stride == 1:
                return None
            stride //= 2

    def _strided(self, first: int, end: int, stride: int) -> Iterator[int]:
        """The multiples of `stride` from `first` to before `end`, which may lie beyond the end of the film."""
        count = self.count
        for start, stop in ((first, min(end, count)), (max(0, first - count), end - count)):
            yield from range(-(-start // stride) * stride, stop, stride)

    def _stride(self) -> int:
        if not self._pace:
            return 1
        if len(self._answered) < 2:
            return _LONGEST_STRIDE // 2  # nothing is known yet; these are right in any case
        passed = self._answered[-1] - self._answered[0]
        speed = (len(self._answered) - 1) / passed if passed > 0 else 1e9
        stride = 1
        while stride * speed < self._pace and stride < _LONGEST_STRIDE:
            stride *= 2
        return stride

    def _room(self) -> int:
        """How many frames fit into memory."""
        size = max((pixels.nbytes for pixels in itertools.islice(self.by_key.values(), 1)), default=1)
        return max(2 * _IN_FLIGHT, self._most_bytes // size)

    def _done(self, number: int, begun: float, call: Call) -> None:
        if self._calls.get(number) is call:
            del self._calls[number]
        if self._stopped:
            return
        if call.error is not None:
            self._failed(call.error)
        elif number not in self._keys:
            self._keep(number, call, time.monotonic() - begun)
        self.ask()

    def _failed(self, error: TarmacError) -> None:
        if isinstance(error, Cancelled | WorkerDied) or self._session.state != "ready" or self._refused:
            return
        self._refused = True  # what fails once would fail with every frame
        self._on_error(error)

    def _keep(self, number: int, call: Call, took: float) -> None:
        try:
            pixels = self.drawing.pixels(call.outputs or {})
        except TarmacError as error:
            self._failed(error)
            return
        self._answered.append(time.monotonic())
        self._latency = took if not self._latency else 0.8 * self._latency + 0.2 * took
        key = next(_KEYS)
        self._keys[number], self.by_key[key] = key, pixels
        bisect.insort(self._made, number)
        self._shrink()
        self._on_frame()

    def _shrink(self) -> None:
        """Drop what is due last. Asked for is only what is due sooner, so this never drops what has just come."""
        while len(self._made) > self._room():
            gone = max(self._made, key=self._distance)
            key = self._keys.pop(gone)
            self._made.remove(gone)
            del self.by_key[key]
            self._on_forget([key])

    def _distance(self, number: int) -> int:
        """How many frames later this one is due."""
        return (number - self._position) % self.count
