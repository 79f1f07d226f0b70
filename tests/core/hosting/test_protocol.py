"""How answers leave: a short one whole or not at all, a head without a body at once, a stream as it comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.hosting import protocol
from core.hosting.server import make_server
from tests.core.hosting.serving import until

Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = Callable[[Send], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[socket.socket]:
    """A connection to a server whose answers `answer` sends."""

    async def app(scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        await answer(send)

    server = make_server(app, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        task = asyncio.create_task(server.serve([listener]))
        await until(lambda: server.started)
        with socket.create_connection(listener.getsockname()) as client:
            client.setblocking(False)
            try:
                yield client
            finally:
                client.close()
                server.should_exit = True
                await task


async def say(client: socket.socket, text: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, text.replace("\n", "\r\n").encode())


async def heard(client: socket.socket, size: int = 2**20) -> bytes:
    """What one read of the connection gives."""
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, size), 20)


def whole(body: bytes) -> Answer:
    async def answer(send: Send) -> None:
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    return answer


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each write of the server."""
    sizes: list[int] = []

    class Watched(protocol._Together):
        def __init__(self, cycle: Any, transport: asyncio.Transport) -> None:
            super().__init__(cycle, transport)
            ours = self._transport

            class Counted:
                def write(self, data: bytes) -> None:
                    sizes.append(len(data))
                    ours.write(data)

                def __getattr__(self, name: str) -> Any:
                    return getattr(ours, name)

            self._transport = Counted()  # type: ignore[assignment]

    monkeypatch.setattr(protocol, "_Together", Watched)
    return sizes


async def test_head_and_body_are_one_write(writes: list[int]) -> None:
    async with answering(whole(b"x" * 1000)) as client:
        for _ in range(5):
            await say(client, "GET / HTTP/1.1\nhost: x\n\n")
            answer = await heard(client)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\n" + b"x" * 1000)
    assert len(writes) == 5


async def test_of_a_large_body_the_beginning(writes: list[int]) -> None:
    body = bytes(range(256)) * 4096
    async with answering(whole(body)) as client:
        await say(client, "GET / HTTP/1.1\nhost: x\n\n")
        answer = b""
        while not answer.endswith(body[-1000:]) or len(answer) < len(body):
            answer += await heard(client)
        assert answer.partition(b"\r\n\r\n")[2] == body
    assert len(writes) == 2
    assert writes[0] > protocol.TOGETHER


async def test_a_head_without_a_body_and_two_requests_at_once() -> None:
    async with answering(whole(b"body")) as client:
        await say(client, "HEAD / HTTP/1.1\nhost: x\n\nGET / HTTP/1.1\nhost: x\n\n")
        answer = b""
        while not answer.endswith(b"body"):
            answer += await heard(client)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.count(b"body") == 1
        await say(client, "HEAD / HTTP/1.0\nhost: x\n\n")
        assert b"connection: close" in await heard(client)
        assert await heard(client) == b""


async def test_a_body_that_is_waited_for_and_a_stream() -> None:
    go = asyncio.Event()

    async def answer(send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go.wait()
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async with answering(answer) as client:
        await say(client, "POST / HTTP/1.1\nhost: x\nexpect: 100-continue\ncontent-length: 2\n\n")
        assert await heard(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await say(client, "{}")
        head = await heard(client)  # while the body is not there yet
        assert head.endswith(b"transfer-encoding: chunked\r\n\r\n")
        go.set()
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            rest += await heard(client)
        assert rest == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
