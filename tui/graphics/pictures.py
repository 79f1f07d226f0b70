"""The pacemaker: one for an app. It has frames made and writes them when `pace` says that the terminal can take them.

A canvas that changes says so; what it looks like is asked only when its turn comes, so whatever changed in between is
in one frame and nothing is ever queued. What has changed on several canvases goes out together.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from core.workers.wire import Message
from tui.graphics.brands import TerminalInfo
from tui.graphics.driver import PictureDriver, Span
from tui.graphics.helper import EncoderHelper, HelperGone
from tui.graphics.pace import LIMIT, REST, Pace
from tui.graphics.quality import ladder
from tui.graphics.surface import Request
from tui.graphics.tmux_watch import resend_what_tmux_drops

if TYPE_CHECKING:
    from textual.app import App

    from tui.graphics.canvas import GridCanvas

_IDS = 8
"""kitty ids of one canvas: its picture is sent in so many bands, so that a change in one need not send all."""

_PAINT_LIMIT = 0.3
"""Seconds that Textual may take to paint half-blocks; then the terminal is asked without."""

_DEPTHS = {"truecolor": "truecolor", "256": "256", "standard": "16", "windows": "16"}


@dataclass(frozen=True)
class Frame:
    """What was written at once.

    Attributes:
        number: Counts from 1; the question after it carries the number `2 * number + 1`.
        level: The rung of the ladder; 0 is full quality.
        size: Bytes.
        seconds: What the helper needed to make it.
        requests: What it shows.
    """

    number: int
    level: int
    size: int
    seconds: float
    requests: tuple[Request, ...]


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
        self._app = app
        driver = app._driver
        self._driver = driver if isinstance(driver, PictureDriver) else None
        self.info = self._driver.info if self._driver else _plain(app)
        """How pictures are shown; half-blocks where nobody probed (tests, a browser)."""
        self.pace = Pace(ladder(self.info.protocol), self.info.round_trip, getattr(app, "moving_bytes", LIMIT))
        """What is known of the link, and what follows from it."""
        self.frames = 0
        """Frames written so far."""
        self.bytes = 0
        """Bytes of picture data written so far."""
        self.on_frame: Callable[[Frame], None] | None = None
        """Called with each frame that was written."""
        self.failure = ""
        """Why no pictures come any more; empty while they do."""
        self._helper = EncoderHelper()
        self._canvases: list[GridCanvas] = []
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._number = 0
        self._unpainted: int | None = None
        """The frame of half-blocks that Textual is about to paint."""
        self._painting = False
        """The question before it has been written."""
        self._suspended = False
        self._busy = False
        # Ids below 256; where two studios share one terminal (panes of a multiplexer) they should differ.
        first = 16 + os.getpid() % 4 * 60
        self._free_ids = [first + index for index in range(0, 56, _IDS)]
        self._ids: dict[GridCanvas, int] = {}
        if self._driver is not None:
            self._driver.on_answer = self._on_answer
            self._driver.on_painting = self._on_painting
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

    def take_images(self, canvas: GridCanvas) -> list[int]:
        """Ids for a canvas's kitty pictures, its own until it is removed."""
        if canvas not in self._ids:
            # More canvases than ids have to share some.
            self._ids[canvas] = self._free_ids.pop(0) if self._free_ids else next(iter(self._ids.values()))
        first = self._ids[canvas]
        return list(range(first, first + _IDS))

    def add(self, canvas: GridCanvas) -> None:
        """A canvas begins to take part."""
        self._canvases.append(canvas)
        if self._task is None:
            # A full collection looks at everything that was ever imported, 20 to 40 ms in the middle of a movement.
            gc.freeze()
            self._task = asyncio.create_task(self._run(), name="pictures")
            self._watch_tmux()

    def remove(self, canvas: GridCanvas) -> None:
        """A canvas goes; with the last one goes the helper process."""
        if canvas not in self._canvases:
            return
        self._canvases.remove(canvas)
        self.write(canvas.surface.delete())
        first = self._ids.pop(canvas, None)
        if first is not None and first not in self._ids.values():
            self._free_ids.append(first)
        if not self._canvases:
            if self._task is not None:
                self._task.cancel()
                self._task = None
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None
            self._helper.close()

    def show_by(self, info: TerminalInfo) -> None:
        """From now on show pictures in another way; the old ones are taken off the screen."""
        self.write("".join(canvas.surface.delete() for canvas in self._canvases))
        self.info = info
        self.pace = Pace(ladder(info.protocol), self.pace.round_trip, self.pace.limit)
        self._unpainted = None
        for canvas in self._canvases:
            canvas.start_anew(info, self.take_images(canvas))
        if self._task is not None:
            self._watch_tmux()
        self._wake.set()

    def request(self) -> None:
        """Some canvas has changed."""
        self.pace.changed(time.monotonic())
        self._wake.set()

    def write(self, data: str) -> None:
        """Write something that needs no pacing (taking pictures off the screen)."""
        if data and self._driver is not None and not self._suspended:
            self._driver.write_picture(data)

    # -- the loop

    async def _run(self) -> None:
        while True:
            stale, soft = self._due(False), self._due(True)
            self._busy = bool(stale or soft) and not self._suspended
            if not self._busy:
                await self._news(None)
                continue
            if not stale and (left := self._rests_in(soft)) > 0:
                await self._news(left)
                continue
            await self._turn(stale or soft)
            await self._frame()
            if self._driver is None:
                await asyncio.sleep(0.02)  # nothing answers here: leave Textual the time to paint

    def _due(self, sharp: bool) -> int:
        return sum(canvas.due(sharp) for canvas in self._canvases)

    def _rests_in(self, pixels: int) -> float:
        """Seconds until a picture at rest of so many pixels has to be begun, to be made when it rests."""
        if self._driver is None:
            return 0.0
        work = self.pace.seconds_for(0, min(pixels, self.pace.piece()))
        return self.pace.rests_in(time.monotonic()) - min(work, REST / 2)

    async def _news(self, seconds: float | None) -> None:
        """Until something has happened, or so many seconds are over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _turn(self, pixels: int) -> None:
        """Until it is time to make a frame of so many pixels, so that it is done just when it may be written."""
        while self._driver is not None:
            now = time.monotonic()
            work = self.pace.seconds_for(self.pace.level(pixels, now), pixels)
            left = self.pace.expected_wait(now) - work
            if left <= 0:
                return
            await self._waited(left, now)

    async def _allowed(self, rests: bool, changes: int) -> bool:
        """Until the terminal can take a frame; False when a picture at rest is overtaken by a change.

        Args:
            rests: It is one of a picture at rest.
            changes: How many changes there had been when it was asked for.
        """
        while self._driver is not None:
            now = time.monotonic()
            if rests and self.pace.changes != changes:
                return False
            # Textual joins what it has not painted yet: half-blocks that follow too soon would be one frame with these.
            left = self.pace.wait(now) if self._unpainted is None else None
            if left is not None and rests:
                left = max(left, self.pace.rests_in(now))
            if left is not None and left <= 0:
                break
            await self._waited(left, now)
        return True

    async def _waited(self, seconds: float | None, now: float) -> None:
        patience = self.pace.patience(now)
        if patience <= 0:
            self.pace.give_up()
            return
        await self._news(patience if seconds is None else min(patience, seconds))

    async def _frame(self) -> None:
        """Have the next frame made, and write it."""
        pace = self.pace
        level, rests, most, changes = 0, True, None, pace.changes
        if self._driver is not None:
            now, stale = time.monotonic(), self._due(False)
            rests = not stale or self.pace.resting(now)
            level = 0 if rests else self.pace.level(stale, now)
            most = self.pace.piece() if rests else None
        requests = self._requests(level, rests, most)
        if not requests:
            return
        try:
            frames = [await self._helper.frame(request.job, _tiles(canvas, request)) for canvas, request in requests]
        except HelperGone as error:
            _give_back(requests)
            if self._helper.exhausted:
                self.failure = str(error)
                await self._news(None)
            return
        if self.pace is not pace:
            return  # shown by another protocol now, which knows nothing of this one's frames
        size, seconds = sum(map(_size, frames)), sum(map(_seconds, frames))
        pace.made(level, sum(request.pixels for _, request in requests), size, seconds)
        goes = await self._allowed(rests, changes) and not self._suspended and self.pace is pace
        if not goes or not all(canvas in self._canvases and canvas.still_wants(part) for canvas, part in requests):
            _give_back([(canvas, request) for canvas, request in requests if canvas in self._canvases])
            return
        self._number += 1
        shown = tuple(request for _, request in requests)
        self._deliver(requests, frames, Frame(self._number, level, size, seconds, shown))

    def _requests(self, level: int, sharp: bool, most: int | None) -> list[tuple[GridCanvas, Request]]:
        found = []
        for canvas in self._canvases:
            if most is not None and most <= 0:
                break
            request = canvas.next_request(self.pace.ladder[level], sharp, most)
            if request is not None:
                found.append((canvas, request))
                most = None if most is None else most - request.pixels
        return found

    def _deliver(self, requests: list[tuple[GridCanvas, Request]], made: list[Message], frame: Frame) -> None:
        self.frames += 1
        self.bytes += frame.size
        taken = [canvas.take(request, part) for (canvas, request), part in zip(requests, made)]
        if self.on_frame is not None:
            self.on_frame(frame)
        if self._driver is None:
            return
        self.pace.sent(frame.number, frame.size, time.monotonic())
        if None in taken:  # text: the second question follows once Textual has painted it
            self._unpainted, self._painting = frame.number, False
            asyncio.get_running_loop().call_later(_PAINT_LIMIT, self._painted, frame.number)
        else:
            data = "".join(filter(None, taken))
            self._driver.write_picture(data, 2 * frame.number + 1, before=2 * frame.number)

    def _painted(self, number: int) -> None:
        if self._unpainted == number and self._driver is not None:
            self._on_painting()
            self._unpainted = None
            self._wake.set()
            if not self._suspended:
                self._driver.write_picture("", 2 * number + 1)

    # -- what the driver tells

    def _on_answer(self, question: int, now: float) -> None:
        # Only the lowest bits came back; frames that far apart are never on their way together.
        number = self._number - (self._number - question // 2) % 16
        if question % 2:
            self.pace.taken(number, now)
        else:
            self.pace.begun(number, now)
        self._wake.set()

    def _on_painting(self) -> None:
        if self._unpainted is not None and not self._painting and self._driver is not None and not self._suspended:
            self._painting = True
            self._driver.write_picture("", before=2 * self._unpainted)

    def _on_paint(self, spans: list[Span]) -> None:
        self._suspended = False
        shown = [canvas.after_paint(spans) for canvas in self._canvases]
        if any(canvas.surface.broken and canvas.surface.draws_in_tmux for canvas in self._canvases):
            self._send_again()
        if any(shown) and self._unpainted is not None:
            self._painted(self._unpainted)
        self._wake.set()

    def _watch_tmux(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self.info.tmux and self.info.protocol in ("kitty", "sixel"):
            watch = resend_what_tmux_drops(lambda: self.frames, lambda: self._app.size, self._send_again)
            self._watch = asyncio.create_task(watch, name="tmux")

    def _send_again(self) -> None:
        for canvas in self._canvases:
            canvas.surface.lost()
        self._wake.set()

    def _on_lost(self) -> None:
        self.write("".join(canvas.surface.delete() for canvas in self._canvases))
        for canvas in self._canvases:
            canvas.surface.lost()
        self._suspended = True
        self._unpainted = None


def _tiles(canvas: GridCanvas, request: Request) -> dict[int, NDArray[np.uint8]]:
    return {key: tile for key in request.keys if (tile := canvas.pixels_of(key)) is not None}


def _give_back(requests: list[tuple[GridCanvas, Request]]) -> None:
    for canvas, request in requests:
        canvas.surface.give_back(request)


def _size(frame: Message) -> int:
    """Bytes of a frame's data or lines."""
    if "data" in frame:
        return len(str(frame["data"]))  # sequences are ASCII
    lines = frame["lines"]
    assert isinstance(lines, list)
    return sum(len(line.encode()) for line in lines)


def _seconds(frame: Message) -> float:
    """How long the helper worked on it."""
    seconds = frame["seconds"]
    assert isinstance(seconds, float)
    return seconds


def _plain(app: App[Any]) -> TerminalInfo:
    system = app.console.color_system or "none"
    depth = _DEPTHS.get(system, "mono")
    mono = app.no_color if hasattr(app, "no_color") else False
    return TerminalInfo(brand="unknown", protocol="blocks", colours="mono" if mono else depth)  # type: ignore[arg-type]
