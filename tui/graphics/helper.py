"""The studio's end of the helper process: starts it, hands it tiles and jobs, starts it again when it dies."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from core.workers.wire import AsyncChannel, Message

_MOST_BYTES = 64 * 2**20
"""Of the tiles that the helper keeps; those drawn longest ago are forgotten, and sent again when they come back."""

_MOST_STARTS = 5
"""Deaths in a row without one good answer after which no further start is tried."""


class HelperGone(Exception):
    """The helper process ended before it answered."""


class EncoderHelper:
    """Frames out of tiles, made in another process. Use it from one event loop."""

    def __init__(self) -> None:
        self._channel: AsyncChannel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._tickets = itertools.count(1)
        self._there: OrderedDict[int, int] = OrderedDict()
        """The tiles that the helper has, by key, with their bytes; the one drawn longest ago first."""
        self._bytes = 0
        self._failures = 0

    @property
    def process_id(self) -> int | None:
        """The helper's process, None before it was needed."""
        return self._process.pid if self._process else None

    @property
    def exhausted(self) -> bool:
        """It died so often in a row that no further start is tried."""
        return self._failures >= _MOST_STARTS

    async def frame(self, job: Message, tiles: dict[int, NDArray[np.uint8]]) -> Message:
        """Have a frame made.

        Args:
            job: What `tui.graphics.encoder.frame_job` gives.
            tiles: The pictures that it names, by key; the helper is sent those that it does not have.

        Raises:
            HelperGone: The process died on it (a new one starts with the next frame), or does so again and again.
        """
        channel = await self._open()
        if self._channel is not channel:
            raise HelperGone("closed while it was starting")
        for key, pixels in tiles.items():
            if key not in self._there:
                channel.send({"do": "tile", "key": key, "pixels": pixels})
                self._there[key] = pixels.nbytes
                self._bytes += pixels.nbytes
            self._there.move_to_end(key)
        if self._bytes > _MOST_BYTES:
            self.forget(self._longest_ago(tiles.keys()))
        ticket = next(self._tickets)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = answer
        try:
            channel.send({**job, "ticket": ticket})
            made = await answer
        finally:
            self._waiting.pop(ticket, None)
        self._failures = 0
        return made

    def forget(self, keys: Iterable[int]) -> None:
        """Tell the helper that these pictures are not needed any more."""
        gone = [key for key in keys if key in self._there]
        if gone and self._channel is not None:
            self._channel.send({"do": "forget", "keys": gone})
        for key in gone:
            self._bytes -= self._there.pop(key)

    def close(self) -> None:
        """End the helper; a later frame starts a new one."""
        self._drop()

    def _longest_ago(self, needed: Collection[int]) -> list[int]:
        """The tiles to forget so that a quarter of the room is free, none of them needed now."""
        found, over = [], self._bytes - _MOST_BYTES * 3 // 4
        for key, size in self._there.items():
            if over <= 0:
                break
            if key not in needed:
                found.append(key)
                over -= size
        return found

    async def _open(self) -> AsyncChannel:
        if self._channel is not None:
            return self._channel
        if self.exhausted:
            raise HelperGone("the process that draws pictures does not stay alive")
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.to_thread(_start, theirs)
        except OSError as error:
            ours.close()
            self._failures += 1
            raise HelperGone(f"the process that draws pictures cannot start: {error.strerror}") from error
        finally:
            theirs.close()
        channel = await AsyncChannel.open(ours, self._on_message, self._on_close)
        self._channel = channel
        return channel

    def _on_message(self, message: Message) -> None:
        ticket = message.get("ticket")
        future = self._waiting.get(ticket) if isinstance(ticket, int) else None
        if future is not None and not future.done():
            future.set_result(message)

    def _on_close(self, _reason: Exception | None) -> None:
        if self._channel is not None:
            self._failures += 1
        self._drop()

    def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        self._there.clear()
        self._bytes = 0
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            # It ends on the closed socket or the signal; collecting it must not hold up the loop.
            threading.Thread(target=process.wait, name="encoder-end", daemon=True).start()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(HelperGone("the process that draws pictures ended"))


def _start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tui.graphics.encoder", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
