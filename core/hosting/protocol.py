"""HTTP on a connection, with the limits that a server on a shared machine needs: uvicorn's protocol, guarded.

What is added: limits of time and size for a request's head, an idle limit that leaves no silent connection for ever,
a bound on connections, the host of an absolute request target (for clients that use us as a proxy), JSON for whatever
is refused before any application sees it, and answers whose head and body leave together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 20.0
"""From the first byte of a request to the end of its head."""

IDLE_SECONDS = 75.0
"""Between two requests of a connection, and before its first. Node closes its own idle connections after 5 s."""

LEFTOVER_SECONDS = 20.0
"""For the rest of a body whose request was answered before it was read."""

READ_SECONDS = 60.0
"""For a client to take more of an answer that waits for it."""

MOST_HEAD = 64 * 2**10
"""Bytes of a request's head."""

MOST_HEADERS = 128

MOST_LEFTOVER = 2**20
"""Bytes of a body that are read after its request was answered."""

MOST_CONNECTIONS = 8192

TOGETHER = 256 * 2**10
"""Bytes of a body that leave in one write with the head; what is longer follows in another one."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    most_connections = MOST_CONNECTIONS
    """Fewer where the system allows fewer files."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._leftover = 0
        self._upgrade = False
        self._refusal = (400, "the request is not HTTP")

    # -- a connection's life

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(503, "there are too many connections")
            return
        self._at_once(transport)
        self._arm(IDLE_SECONDS)

    @staticmethod
    def _at_once(transport: asyncio.Transport) -> None:
        """Send what is written without waiting for more: of an answer in several writes (a stream, a large one) each
        would wait for the other side's delayed acknowledgement, 40 ms. asyncio does it only for sockets that were made
        with the protocol's number, and accepted ones have that of their listener."""
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._reads()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reads()
        self._reader = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._reads()
        super().resume_writing()

    def _reads(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        before = self._in_head
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            self._stay(data[error.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._in_head and self.parser is not None:
            self._head_bytes += len(data) if before else 0
            if self._head_bytes > MOST_HEAD:
                self._refuse(431, "the head of the request is too large")

    # -- what the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._in_body, self._head_bytes, self._leftover = True, False, 0, 0
        self._arm(HEAD_SECONDS)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MOST_HEAD:
            self._complain(414, "the address of the request is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS or len(value) > MOST_HEAD:
            self._complain(431, "the head of the request is too large")

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._complain(400, "this is no proxy for other hosts")
            self._upgrade = True
            return
        self._in_head, self._in_body = False, True
        self._disarm()
        scheme, mark, rest = self.url.partition(b"://")
        if mark and scheme.lower() in (b"http", b"https"):
            host, slash, path = rest.partition(b"/")
            self.scope["extensions"] = {"tarmac.target": host.decode("latin-1")}  # type: ignore[dict-item]
            self.url = slash + path if slash else b"/"
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            self.cycle.transport = _Together(self.cycle, self.transport)

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._leftover += len(body)
            if self._leftover > MOST_LEFTOVER:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrade:
            return
        self._in_body = False
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._arm(IDLE_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._arm(LEFTOVER_SECONDS if self._in_body else IDLE_SECONDS)

    def _stay(self, rest: bytes) -> None:
        """Another protocol was offered (Java's client always offers HTTP/2), which may be declined by saying nothing.

        The parser takes no body after such an offer: a new one gets the same head without it, and what came after.
        """
        self._upgrade = False
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name not in (b"connection", b"upgrade", b"http2-settings"):
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))

    # -- refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse(*self._refusal)

    def _complain(self, status: int, what: str) -> None:
        """Refuse from within a callback of the parser: what it raises ends in `send_400_response`."""
        self._refusal = (status, what)
        raise ValueError(what)

    def _refuse(self, status: int, what: str) -> None:
        """Answer once, in JSON, and close; where an answer is under way already, only close."""
        self._disarm()
        self._in_head = False
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = json.dumps({"error": what}).encode()
            head = b"content-type: application/json\r\naccess-control-allow-origin: *\r\nconnection: close\r\n"
            length = b"content-length: " + str(len(body)).encode() + b"\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head + length + body)
        self.transport.close()

    # -- time

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(408, "the head of the request took too long")
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self._reads()
                self._reader = self.loop.call_later(READ_SECONDS, self.transport.abort)


class _Together(asyncio.Transport):
    """One answer's way out: its head waits for the beginning of the body, and both leave in one write.

    Whoever reads gets a whole short answer at once or nothing of it, also when this process is killed in between: a
    proxy in front can send the request to another one. A head whose body does not follow at once goes alone.
    """

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        super().__init__()
        self._cycle, self._transport = cycle, transport
        self._head: bytes | None = None
        self._sent = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._transport.is_closing():  # the client is gone, which is told a moment later
            self._head = None
        elif self._head is not None:
            head, self._head = self._head, None
            self._transport.write(b"".join((head, memoryview(data)[:TOGETHER])))
            if len(data) > TOGETHER:
                self._transport.write(memoryview(data)[TOGETHER:])
        elif self._sent or not self._cycle.response_started:  # the middle of a stream; "100 Continue"
            self._transport.write(data)
        else:
            self._head, self._sent = bytes(data), True
            asyncio.get_running_loop().call_soon(self._alone)

    def close(self) -> None:
        self._alone()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _alone(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)
