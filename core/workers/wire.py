"""Messages between the studio and its helper processes: one frame each, large arrays as raw buffers behind it.

A frame is a header (magic, length of the message, length of the buffers; big-endian), the message in msgpack, and the
buffers of its arrays one after another, each padded to 16 bytes so that what is read back is aligned. A message is a
dict with text keys that holds plain data and arrays of numbers; an array stands in it as an extension of type 1
(dtype, shape). Nothing but data can come out of a frame, and no frame can ask for more memory than its limits.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock

import msgpack
import numpy as np

Message = dict[str, object]
Part = bytes | memoryview

MOST_MESSAGE = 16 * 2**20
"""Bytes of the longest message without its arrays."""

MOST_BUFFERS = 2**30
"""Bytes of all arrays of one message."""

_HEADER = struct.Struct(">4sIQ")
_MAGIC = b"TMW1"
_ARRAY = 1
_ALIGN = 16
_SCRATCH = 64 * 2**10
_START = 4 * 2**10
"""Bytes that packing begins with: most messages are small, and the packer's own 256 kB cost more than the packing."""
_SLICE = 256 * 2**10
"""Bytes moved by one call, so that no single step on an event loop takes long."""


class WireError(Exception):
    """Bytes that are no frame, a frame over its limits, or a value that no frame can hold."""


def encode(message: Message) -> list[Part]:
    """The parts of a frame, to be sent one after another.

    Arrays are not copied: they must not change before the parts are sent.

    Raises:
        WireError: The message holds something that is not plain data, or is too large.
    """
    buffers: list[Part] = []
    size = 0

    def default(value: object) -> object:
        nonlocal size
        if isinstance(value, np.ndarray):
            array = _plain(value)
            padding = -array.nbytes % _ALIGN
            size += array.nbytes + padding
            if size > MOST_BUFFERS:
                raise ValueError(f"arrays of {size} bytes")
            buffers.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            if padding:
                buffers.append(bytes(padding))
            return msgpack.ExtType(_ARRAY, _description(array.dtype.str, array.shape))
        if isinstance(value, np.bool_ | np.integer | np.floating):
            return value.item()
        raise TypeError(f"{type(value).__name__} is not plain data")

    try:
        packed = msgpack.packb(message, default=default, buf_size=_START)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WireError(f"cannot send this: {error}") from error
    if len(packed) > MOST_MESSAGE:
        raise WireError(f"cannot send this: a message of {len(packed)} bytes")
    return [_HEADER.pack(_MAGIC, len(packed), size) + packed, *buffers]


def decode(packed: memoryview, payload: memoryview) -> Message:
    """The message of a frame; its arrays are writable views of `payload`.

    Raises:
        WireError: Not a message, or its arrays and `payload` do not fit together.
    """
    place = 0

    def extension(code: int, data: bytes) -> object:
        nonlocal place
        if code != _ARRAY:
            raise ValueError(f"unknown extension {code}")
        dtype, shape = _described(data)
        count = math.prod(shape)
        size = count * dtype.itemsize
        if size > len(payload) - place:
            raise ValueError("an array is longer than what came with it")
        array = np.frombuffer(payload, dtype, count, place) if count else np.empty(0, dtype)
        place += size + -size % _ALIGN
        return array.reshape(shape)

    try:
        message = msgpack.unpackb(packed, ext_hook=extension, strict_map_key=True)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"not a message: {error}") from error
    if not isinstance(message, dict) or place != len(payload):
        raise WireError("not a message")
    return message


class Parser:
    """Frames out of a stream: bytes are written into `buffer()`, and `advance` gives the messages they complete."""

    def __init__(self, most_message: int = MOST_MESSAGE, most_buffers: int = MOST_BUFFERS) -> None:
        self._limits = most_message, most_buffers
        self._scratch = bytearray(_SCRATCH)
        self._have = 0
        self._large: tuple[memoryview, memoryview] | None = None
        """Message and payload of a frame that is too large for the scratch, while they fill."""
        self._filled = 0

    @property
    def torn(self) -> bool:
        """Whether the stream stands in the middle of a frame."""
        return self._have > 0 or self._large is not None

    def buffer(self) -> memoryview:
        """Where the next bytes of the stream belong; never empty."""
        if self._large is None:
            return memoryview(self._scratch)[self._have :]
        packed, payload = self._large
        if self._filled < len(packed):
            return packed[self._filled :][:_SLICE]
        return payload[self._filled - len(packed) :][:_SLICE]

    def advance(self, count: int) -> list[Message]:
        """Take `count` bytes that were written into `buffer()`; returns the messages now complete.

        Raises:
            WireError: The stream is not one of frames.
        """
        if self._large is None:
            self._have += count
            return self._scan()
        self._filled += count
        packed, payload = self._large
        if self._filled < len(packed) + len(payload):
            return []
        self._large = None
        return [decode(packed, payload)]

    def _scan(self) -> list[Message]:
        messages: list[Message] = []
        start = 0
        view = memoryview(self._scratch)
        while self._have - start >= _HEADER.size:
            magic, packed_size, payload_size = _HEADER.unpack_from(view, start)
            if magic != _MAGIC:
                raise WireError("not a frame")
            if packed_size > self._limits[0] or payload_size > self._limits[1]:
                raise WireError(f"a frame of {packed_size} bytes with arrays of {payload_size} is too large")
            body = start + _HEADER.size
            end = body + packed_size + payload_size
            if end <= self._have:
                middle = body + packed_size
                messages.append(decode(view[body:middle], memoryview(bytearray(view[middle:end]))))
                start = end
            elif end - start > len(view):
                self._begin_large(view[body : self._have], packed_size, payload_size)
                start = self._have
            else:
                break
        rest = self._have - start
        if start and rest:
            view[:rest] = bytes(view[start : self._have])
        self._have = rest
        return messages

    def _begin_large(self, there: memoryview, packed_size: int, payload_size: int) -> None:
        packed, payload = _unset(packed_size), _unset(payload_size)
        first = min(len(there), packed_size)
        packed[:first] = there[:first]
        payload[: len(there) - first] = there[first:]
        self._large = packed, payload
        self._filled = len(there)


class Channel:
    """Messages over a connected blocking socket. Sending is safe from several threads; one thread receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._parser = Parser()
        self._ready: deque[Message] = deque()
        self._lock = Lock()

    def send(self, message: Message) -> None:
        """Send one message; waits while the other side does not read.

        Raises:
            WireError: The message cannot be sent; nothing was.
            OSError: The other side is gone.
        """
        parts = encode(message)
        with self._lock:
            for part in _joined(parts):
                self._sock.sendall(part)

    def receive(self) -> Message | None:
        """The next message, or None when the other side has closed.

        Raises:
            WireError: The stream is not one of frames, or closed in the middle of one.
            OSError: The connection broke.
        """
        while not self._ready:
            count = self._sock.recv_into(self._parser.buffer())
            if count == 0:
                if self._parser.torn:
                    raise WireError("the other side closed in the middle of a message")
                return None
            self._ready.extend(self._parser.advance(count))
        return self._ready.popleft()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


class AsyncChannel(asyncio.BufferedProtocol):
    """Messages over a connected socket on an event loop. No step of it holds the loop for long.

    `on_message` gets each message; `on_close` is called once, with the reason if it was not a proper end.
    """

    def __init__(self, on_message: Callable[[Message], None], on_close: Callable[[Exception | None], None]) -> None:
        self._on_message = on_message
        self._on_close = on_close
        self._parser = Parser()
        self._transport: asyncio.Transport | None = None
        self._outgoing: deque[memoryview] = deque()
        self._paused = False
        self._pumping = False
        self._closed = False
        self._failure: Exception | None = None

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        on_message: Callable[[Message], None],
        on_close: Callable[[Exception | None], None],
    ) -> AsyncChannel:
        """A channel over `sock`, a connected Unix stream socket, which it owns from now on."""
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: cls(on_message, on_close), sock=sock)
        return channel

    def send(self, message: Message) -> None:
        """Send one message, now or as soon as the other side reads; after a close it goes nowhere.

        Raises:
            WireError: The message cannot be sent; nothing was.
        """
        parts = encode(message)
        if self._closed:
            return
        self._outgoing.extend(memoryview(part) for part in _joined(parts))
        if not self._pumping:
            self._pump()

    def close(self) -> None:
        """Close at once, without waiting for what was not sent."""
        self._closed = True
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    def _pump(self) -> None:
        self._pumping = False
        transport = self._transport
        budget = 4
        while self._outgoing and not self._paused and transport is not None and not transport.is_closing():
            if budget == 0:
                # The other side reads as fast as we write: let the loop breathe.
                self._pumping = True
                asyncio.get_running_loop().call_soon(self._pump)
                return
            part = self._outgoing.popleft()
            if len(part) > _SLICE:
                self._outgoing.appendleft(part[_SLICE:])
                part = part[:_SLICE]
                budget -= 1
            transport.write(part)

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pump()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._parser.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            messages = self._parser.advance(nbytes)
        except WireError as error:
            self._failure = error
            self.close()
            return
        for message in messages:
            self._on_message(message)

    def eof_received(self) -> bool:
        if self._parser.torn:
            self._failure = WireError("the other side closed in the middle of a message")
        return False

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed = True
        self._outgoing.clear()
        self._on_close(self._failure or exc)


def _unset(size: int) -> memoryview:
    """`size` bytes of memory that nobody has written yet: to clear a large block would hold the loop."""
    return np.empty(size, np.uint8).data


def _joined(parts: list[Part]) -> Iterable[Part]:
    """Small frames as one part: one system call instead of several."""
    return [b"".join(parts)] if sum(map(len, parts)) <= _SCRATCH else parts


def _plain(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"an array of {array.dtype} is not plain data")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


@lru_cache(256)
def _description(name: str, shape: tuple[int, ...]) -> bytes:
    return msgpack.packb((name, shape), buf_size=_START)  # type: ignore[no-any-return]


@lru_cache(256)
def _described(data: bytes) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    described = msgpack.unpackb(data)
    if not isinstance(described, list) or len(described) != 2:
        raise ValueError("not the description of an array")
    name, shape = described
    if name not in _DTYPES or not isinstance(shape, list) or len(shape) > 16:
        raise ValueError("not an array of numbers")
    if not all(isinstance(side, int) and not isinstance(side, bool) and side >= 0 for side in shape):
        raise ValueError("not the shape of an array")
    return np.dtype(name), tuple(shape)


_DTYPES = frozenset(
    np.dtype(kind).newbyteorder("<").str
    for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
)
