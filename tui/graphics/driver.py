"""Textual's driver, with a door for pictures: the one file that touches what Textual keeps to itself.

It writes pictures in order with Textual's own frames, tells what Textual painted over, and takes the terminal's
reports out of the input. Pinned to the Textual version that pyproject.toml names; `tests/tui/graphics/test_driver.py`
notices when an update moves something.
"""

from __future__ import annotations

import os
import re
import selectors
import sys
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from tui.graphics.brands import TerminalInfo
from tui.graphics.reports import COLUMNS, ReportFilter, question

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver

Span = tuple[int, int, int]
"""A painted part of a screen row: y, first column, column after the last."""

_ALT_DIGIT = re.compile("\x1b([1-9])")


def picture_driver(info: TerminalInfo) -> type[Driver] | None:
    """The driver class to give to `App(driver_class=...)`; None where Textual must choose (served to a browser).

    Args:
        info: What `probe` found.
    """
    if os.environ.get("TEXTUAL_DRIVER") or sys.platform == "win32":
        return None
    return type("PictureDriver", (PictureDriver,), {"info": info})


class PictureDriver(LinuxDriver):
    """A terminal that pictures can be written to."""

    info: ClassVar[TerminalInfo] = TerminalInfo()

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.on_answer: Callable[[int, float], None] | None = None
        """Called on the event loop with the number (modulo 32) of an answered question and the monotonic time at which
        the answer was read."""
        self.on_painting: Callable[[], None] | None = None
        """Called on the event loop before Textual makes and writes a frame."""
        self.on_paint: Callable[[list[Span]], None] | None = None
        """Called on the event loop after Textual wrote a frame, before the frame ends for the terminal."""
        self.on_lost: Callable[[], None] | None = None
        """Called on the event loop when the screen is handed over (exit, suspend): clean up by `write_picture`."""
        self._answered = threading.Event()
        self._answered.set()
        self._last_question = 0
        self._filter = ReportFilter(late=self.info.round_trip is None, unfinished=self.info.unfinished)
        self._painted: list[Span] = []
        self._watch_painting(app)

    # -- writing

    def write_picture(self, data: str, number: int | None = None, before: int | None = None) -> None:
        """Write sequences as one frame; the cursor ends where it was.

        Args:
            data: Sequences that may move the cursor.
            number: Ask for an answer under this number when the terminal has taken it all.
            before: Ask for an answer under this number when it begins to take it.
        """
        if before is not None:
            self._expect(before)
            data = question(before) + data
        if number is not None:
            self._expect(number)
            data += question(number)
        if data:
            # Inside Textual's own frame the marks are there already.
            start, end = (SYNC_START, SYNC_END) if self._synchronizes and not self._painted else ("", "")
            self.write(f"{start}\x1b7{data}\x1b8{end}")

    def _expect(self, number: int) -> None:
        self._filter.expecting = True
        self._last_question = number % COLUMNS
        self._answered.clear()

    @property
    def _synchronizes(self) -> bool:
        return self.info.synchronized or self._app._sync_available

    def _watch_painting(self, app: App[Any]) -> None:
        """Learn which cells Textual writes, and be called before it declares its frame complete."""
        display, end_update = app._display, app._end_update

        def watched_display(screen: Any, renderable: Any) -> None:
            spans = _spans(renderable)
            if spans and self.on_painting is not None:
                self.on_painting()
            self._painted = spans
            try:
                display(screen, renderable)
            finally:
                self._painted = []

        def watched_end_update() -> None:
            if self._painted and self.on_paint is not None:
                self.on_paint(self._painted)
            end_update()

        # Instance attributes, so that other apps of the process (tests) keep Textual's own methods.
        vars(app)["_display"] = watched_display
        vars(app)["_end_update"] = watched_end_update

    # -- life

    def start_application_mode(self) -> None:
        """Take the terminal; a stalled one may not block the event loop after thirty writes, as it would."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None:
            self._writer_thread._queue.maxsize = 0

    def stop_application_mode(self) -> None:
        """Clean up pictures, let the last answer come in, give the terminal back."""
        if self.on_lost is not None and self._writer_thread is not None:
            self.on_lost()
        self._answered.wait(0.3)
        super().stop_application_mode()

    # -- reading

    def run_input_thread(self) -> None:
        """Read keys and reports until the exit; as Textual's own, with the reports taken out."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            self._dispatch(parser, self.info.typed)
            while not self.exit_event.is_set():
                data = b""
                if selector.select(0.02 if self._filter.holding else 0.1):
                    data = os.read(self.fileno, 4096)
                    if not data:  # the terminal is gone; the hang-up signal ends the program
                        self.exit_event.wait(0.1)
                now = time.monotonic()
                typed, answered = self._filter.feed(data, now) if data else (self._filter.release(now), [])
                if answered:
                    self._report(answered, now)
                self._dispatch(parser, decode(typed))
                for event in parser.tick():
                    self.process_message(event)
        try:
            for _ in parser.feed(""):
                pass
        except (EOFError, ParseError):
            pass

    def _dispatch(self, parser: XTermParser, text: str) -> None:
        if text:
            for event in parser.feed(with_alt_digits(text)):
                self.process_message(event)

    def _report(self, answered: list[int], now: float) -> None:
        if self._last_question in answered:
            self._answered.set()
            self._filter.expecting = False
        for number in answered:
            if self.on_answer is not None:
                self._loop.call_soon_threadsafe(self.on_answer, number, now)


def with_alt_digits(text: str) -> str:
    """Input with alt+1 to alt+9 in the spelling that says so; Textual takes escape and a digit for a Mac's ¡ or ™."""
    return _ALT_DIGIT.sub(lambda found: f"\x1b[{ord(found[1])};3u", text)


def _spans(renderable: object) -> list[Span]:
    if isinstance(renderable, ChopsUpdate):
        # A chop that is only partly in a span is written from its own start, not from the span's.
        return [
            (y, x, min(end, stop))
            for y, start, stop in renderable.spans
            for end, (x, strip) in zip(renderable.chop_ends[y], renderable.chops[y].items())
            if strip is not None and x <= stop and end > start
        ]
    if isinstance(renderable, LayoutUpdate):
        region = renderable.region
        return [(y, region.x, region.right) for y in range(region.y, region.bottom)]
    return []
