"""The pacemaker: one for an app. It has frames made, one at a time, and writes the next when the last was taken.

A canvas that changes says so; what it looks like is asked only when its turn comes, so whatever changed in between is
in one frame and nothing is ever queued.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from core.workers.wire import Message
from tui.graphics.brands import TerminalInfo
from tui.graphics.driver import PictureDriver, Span
from tui.graphics.helper import EncoderHelper, HelperGone
from tui.graphics.surface import Request

if TYPE_CHECKING:
    from textual.app import App

    from tui.graphics.canvas import GridCanvas

_SHORTEST_WAIT, _LONGEST_WAIT = 2.0, 30.0
"""Seconds to wait for an answer before the next frame goes out without it; doubled each time none came."""

_DEPTHS = {"truecolor": "truecolor", "256": "256", "standard": "16", "windows": "16"}


class Pictures:
    """Frames for all canvases of one app."""

    _of_apps: ClassVar[WeakKeyDictionary[App[Any], Pictures]] = WeakKeyDictionary()

    @classmethod
    def of(cls, app: App[Any]) -> Pictures:
        """The app's one instance."""
        found = cls._of_apps.get(app)
        if found is None:
            found = cls._of_apps[app] = Pictures(app)
        return found

    def __init__(self, app: App[Any]) -> None:
        driver = app._driver
        self._driver = driver if isinstance(driver, PictureDriver) else None
        self.info = self._driver.info if self._driver else _plain(app)
        """How pictures are shown; half-blocks where nobody probed (tests, a browser)."""
        self.round_trip: float | None = self.info.round_trip
        """Seconds from the last frame to its answer."""
        self.frames = 0
        """Frames written so far."""
        self.bytes = 0
        """Characters of picture data written so far (half-blocks go through Textual and are not counted)."""
        self.failure = ""
        """Why no pictures come any more; empty while they do."""
        self._helper = EncoderHelper()
        self._canvases: list[GridCanvas] = []
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._answer = asyncio.Event()
        self._answer.set()
        self._number = 0
        self._asked_at = 0.0
        self._patience = _SHORTEST_WAIT
        self._suspended = False
        self._busy = False
        # Ids below 256; where two studios share one terminal (panes of a multiplexer) they should differ.
        first = 16 + os.getpid() * 16 % 224
        self._images = itertools.cycle(range(first, first + 16, 2))
        if self._driver is not None:
            self._driver.on_answer = self._on_answer
            self._driver.on_paint = self._on_paint
            self._driver.on_lost = self._on_lost

    @property
    def busy(self) -> bool:
        """A frame is being made or written."""
        return self._busy

    @property
    def helper(self) -> EncoderHelper:
        """The process that composes and encodes."""
        return self._helper

    def next_image(self) -> int:
        """An id for a canvas's kitty pictures; it and the next one are the canvas's."""
        return next(self._images)

    def add(self, canvas: GridCanvas) -> None:
        """A canvas begins to take part."""
        self._canvases.append(canvas)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="pictures")

    def remove(self, canvas: GridCanvas) -> None:
        """A canvas goes; with the last one goes the helper process."""
        if canvas not in self._canvases:
            return
        self._canvases.remove(canvas)
        self.write(canvas.surface.delete())
        if not self._canvases:
            if self._task is not None:
                self._task.cancel()
                self._task = None
            self._helper.close()

    def request(self) -> None:
        """Some canvas has changed."""
        self._wake.set()

    def write(self, data: str) -> None:
        """Write something that needs no pacing (taking pictures off the screen)."""
        if data and self._driver is not None and not self._suspended:
            self._driver.write_picture(data)

    # -- the loop

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for canvas in list(self._canvases):
                request = canvas.next_request()
                if request is None:
                    continue
                self._wake.set()
                self._busy = True
                try:
                    await self._show(canvas, request)
                finally:
                    self._busy = False

    async def _show(self, canvas: GridCanvas, request: Request) -> None:
        tiles = {key: tile for key in request.keys if (tile := canvas.pixels_of(key)) is not None}
        try:
            frame = await self._helper.frame(request.job, tiles)
        except HelperGone as error:
            canvas.surface.give_back(request)
            if self._helper.exhausted:
                self.failure = str(error)
                self._wake.clear()
            return
        await self._last_frame_taken()
        if self._suspended or canvas not in self._canvases or not canvas.still_wants(request):
            canvas.surface.give_back(request)
            return
        self._deliver(canvas, request, frame)
        if self._driver is None:
            await asyncio.sleep(0.02)  # nothing answers here: leave Textual the time to paint

    def _deliver(self, canvas: GridCanvas, request: Request, frame: Message) -> None:
        self.frames += 1
        data = canvas.take(request, frame)
        if self._driver is None:
            return
        if data is None:  # text: the question follows once Textual has painted it
            self._answer.clear()
            self._asked_at = time.monotonic()
            return
        self.bytes += len(data)
        self._ask(data)

    def _ask(self, data: str) -> None:
        assert self._driver is not None
        self._number += 1
        self._answer.clear()
        self._asked_at = time.monotonic()
        self._driver.write_picture(data, self._number)

    async def _last_frame_taken(self) -> None:
        try:
            await asyncio.wait_for(self._answer.wait(), self._patience)
        except TimeoutError:
            self._patience = min(_LONGEST_WAIT, self._patience * 2)
        self._answer.set()

    # -- what the driver tells

    def _on_answer(self, number: int) -> None:
        if number == self._number % 32:
            self.round_trip = time.monotonic() - self._asked_at
            self._patience = _SHORTEST_WAIT
            self._answer.set()

    def _on_paint(self, spans: list[Span]) -> None:
        self._suspended = False
        ask = False
        for canvas in self._canvases:
            ask |= canvas.after_paint(spans)
        if ask and not self._answer.is_set():
            self._ask("")
        self._wake.set()

    def _on_lost(self) -> None:
        self.write("".join(canvas.surface.delete() for canvas in self._canvases))
        for canvas in self._canvases:
            canvas.surface.lost()
        self._suspended = True


def _plain(app: App[Any]) -> TerminalInfo:
    system = app.console.color_system or "none"
    depth = _DEPTHS.get(system, "mono")
    mono = app.no_color if hasattr(app, "no_color") else False
    return TerminalInfo(brand="unknown", protocol="blocks", colours="mono" if mono else depth)  # type: ignore[arg-type]
