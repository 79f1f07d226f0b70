"""Plays a terminal at the end of a link: a pseudo-terminal whose bytes arrive as late and as slowly as one likes.

What a program writes is taken into the link's buffer (as sshd takes it), leaves it at the bandwidth and arrives half a
round trip later. Only then are questions in it answered, and the answer takes the other half. Keys take half a round
trip as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ANSWERS: dict[str, dict[str, Any]] = {
    "kitty": {"version": "kitty(0.41.1)", "attributes": "?62;c", "kitty": True},
    "sixel": {"version": "XTerm(398)", "attributes": "?64;4c", "kitty": False, "synchronized": 0},
    "iterm2": {"version": "iTerm2 3.5.0", "attributes": "?62;c", "kitty": False},
    "blocks": {"version": "", "attributes": "?62;c", "kitty": False},
}
"""What each kind of terminal says of itself."""

CELL = 8, 17
"""Pixels of a character."""

_BUFFER = 2 << 20
"""Bytes that the near end of the link takes before it takes no more: an SSH channel's window."""

_PACKET = 4096
_QUESTION = re.compile(
    rb"\x1b\[(\d+);(\d+)H\x1b\[6n|\x1b\[(c|>q|16t|6n|\?2026\$p)|\x1b_G([^;\x1b]*)(?:;[^\x1b]*)?\x1b\\"
)
_INCOMPLETE = re.compile(rb"\x1b(?:\[[\d;?>$]*(?:H(?:\x1b(?:\[6?)?)?)?|_(?:G[^\x1b]*\x1b?)?)?$")


@dataclass
class Link:
    """The way between program and terminal.

    Attributes:
        round_trip: Seconds there and back.
        bandwidth: Bytes a second from the program to the terminal; 0 for no limit.
    """

    round_trip: float = 0.0
    bandwidth: float = 0.0


@dataclass
class Seen:
    """What the terminal has noticed.

    Attributes:
        questions: Arrivals of cursor questions on the second row: time and column.
        received: Bytes that arrived.
        images: kitty's pictures that are held, by id.
        most_images: The most that were held at once.
        ids: All ids that were ever used.
    """

    questions: list[tuple[float, int]] = field(default_factory=list)
    received: int = 0
    images: set[str] = field(default_factory=set)
    most_images: int = 0
    ids: set[str] = field(default_factory=set)


class PlayedTerminal:
    """A terminal with a program in it.

    Args:
        kind: One of ANSWERS.
        link: The way to it.
        size: Columns and rows.
        command: What runs in it.
        environ: Its environment.
    """

    def __init__(
        self, kind: str, link: Link, size: tuple[int, int], command: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        self.seen = Seen()
        self.stalled = False
        """While this is set nothing leaves the link towards the terminal; keys still come."""
        self._answers, self._link = ANSWERS[kind], link
        self._outer, inner = pty.openpty()
        columns, rows = size
        pixels = struct.pack("HHHH", rows, columns, columns * CELL[0], rows * CELL[1])
        fcntl.ioctl(self._outer, termios.TIOCSWINSZ, pixels)
        os.set_blocking(self._outer, False)
        self.process = subprocess.Popen(
            list(command), stdin=inner, stdout=inner, stderr=inner, env=dict(environ), start_new_session=True
        )
        os.close(inner)
        self._sending = bytearray()
        """In the link's buffer."""
        self._free_at = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._lock = threading.Lock()
        self._tail = b""
        self._input = bytearray()
        self._wake, self._waker = os.pipe()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def press(self, keys: bytes) -> float:
        """Press keys; gives the time at which it happened."""
        now = time.monotonic()
        self._at(now + self._link.round_trip / 2, lambda: self._input.extend(keys))
        os.write(self._waker, b"!")
        return now

    def close(self) -> None:
        """End the program and the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._ended = True
        os.write(self._waker, b"!")
        self._thread.join(5)
        for descriptor in (self._outer, self._wake, self._waker):
            os.close(descriptor)

    # -- the link

    def _at(self, when: float, what: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._events, (when, next(self._order), what))

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended:
                self._send()
                now = time.monotonic()
                self._happen(now)
                reading = [self._wake] + ([self._outer] if len(self._sending) < _BUFFER else [])
                writing = [self._outer] if self._input else []
                readable, writable, _ = select.select(reading, writing, [], self._pause(now))
                if self._wake in readable:
                    os.read(self._wake, 4096)
                if self._outer in readable:
                    self._sending += os.read(self._outer, 1 << 16)
                if self._outer in writable:
                    del self._input[: os.write(self._outer, self._input)]

    def _pause(self, now: float) -> float:
        with self._lock:
            times = [self._events[0][0]] if self._events else []
        if self._sending and not self.stalled:
            times.append(self._free_at)
        return max(0.0, min([0.05, *(when - now for when in times)]))

    def _happen(self, now: float) -> None:
        while True:
            with self._lock:
                if not self._events or self._events[0][0] > now:
                    return
                _, _, what = heapq.heappop(self._events)
            what()

    def _send(self) -> None:
        """Let packets leave the buffer as far as the bandwidth goes."""
        while self._sending and not self.stalled and self._free_at <= time.monotonic():
            packet = bytes(self._sending[:_PACKET])
            del self._sending[:_PACKET]
            begun = max(self._free_at, time.monotonic() - 0.005)
            self._free_at = begun + (len(packet) / self._link.bandwidth if self._link.bandwidth else 0.0)
            arrival = self._free_at + self._link.round_trip / 2
            self._at(arrival, lambda packet=packet, arrival=arrival: self._arrive(packet, arrival))  # type: ignore[misc]

    # -- the terminal

    def _arrive(self, packet: bytes, now: float) -> None:
        self.seen.received += len(packet)
        data = self._tail + packet
        half = _INCOMPLETE.search(data)
        end = half.start() if half else len(data)
        self._tail = data[end:]
        for match in _QUESTION.finditer(data[:end]):
            self._asked(match, now)

    def _asked(self, match: re.Match[bytes], now: float) -> None:
        row, column, other, kitty = match.groups()
        if row is not None:
            if row == b"2":
                self.seen.questions.append((now, int(column)))
            self._answer(b"\x1b[%s;%sR" % (row, column), now)
        elif kitty is not None:
            self._kitty(dict(part.split("=", 1) for part in kitty.decode().split(",") if "=" in part), now)
        elif other == b"c":
            self._answer(f"\x1b[{self._answers['attributes']}".encode(), now)
        elif other == b">q" and self._answers["version"]:
            self._answer(f"\x1bP>|{self._answers['version']}\x1b\\".encode(), now)
        elif other == b"16t":
            self._answer(b"\x1b[6;%d;%dt" % (CELL[1], CELL[0]), now)
        elif other == b"?2026$p":
            self._answer(b"\x1b[?2026;%d$y" % self._answers.get("synchronized", 2), now)
        elif other == b"6n":
            self._answer(b"\x1b[1;1R", now)

    def _kitty(self, keys: dict[str, str], now: float) -> None:
        if not self._answers["kitty"]:
            return
        if keys.get("a") == "q":
            self._answer(f"\x1b_Gi={keys['i']};OK\x1b\\".encode(), now)
        elif keys.get("a") == "d":
            if keys.get("d") == "I":
                self.seen.images.discard(keys.get("i", ""))
        elif "i" in keys and keys.get("a", "t") in "tT":
            self.seen.images.add(keys["i"])
            self.seen.ids.add(keys["i"])
            self.seen.most_images = max(self.seen.most_images, len(self.seen.images))

    def _answer(self, data: bytes, now: float) -> None:
        self._at(now + self._link.round_trip / 2, lambda: self._input.extend(data))
