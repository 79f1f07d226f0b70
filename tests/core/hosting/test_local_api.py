"""Runway's local API over a real connection: its routes, the forms of its answers, and what strangers send."""

from __future__ import annotations

import asyncio
import base64
import gc
import http.client
import io
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import pytest
from PIL import Image

from core.hosting import local_api
from core.hosting.local_api import LocalApi
from core.hosting.skeletons import skeleton
from core.interface import Array, Category, Command, Number, Text
from core.interface import Image as Picture
from core.workers.session import Session
from tests import adapters, text_adapters
from tests.core.hosting.serving import until

LIMIT = 0.010 if sys.gettrace() is None else 0.030
"""Seconds of its own that a step of the loop may take; coverage traces every line, and makes them longer."""


@asynccontextmanager
async def served(kind: str = "Stub", /, **options: object) -> AsyncIterator[tuple[LocalApi, Session]]:
    module = adapters if hasattr(adapters, kind) else text_adapters
    target = replace(adapters.target(kind, **options), trusted_factory=f"{module.__name__}:{kind}")
    session = Session(target)
    await session.start()
    assert session.interface is not None
    api = LocalApi(session, session.interface.command(None))
    await api.open()
    try:
        yield api, session
    finally:
        await api.close()
        await session.stop()


Reply = tuple[int, dict[str, object], dict[str, str]]


async def ask(
    api: LocalApi, method: str, path: str, data: object = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """As any program would: a blocking client of the standard library, on a thread."""

    def talk() -> Reply:
        connection = http.client.HTTPConnection("localhost", api.port, timeout=30)
        body = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply.status, json.loads(content) if content else {}, {k.lower(): v for k, v in reply.getheaders()}

    # Threads of their own: those of the loop are what the server works with.
    return await asyncio.get_running_loop().run_in_executor(_clients, talk)


_clients = ThreadPoolExecutor(16, "clients")


async def test_the_four_routes(home: object) -> None:
    async with served(resolution=32) as (api, _):
        assert api.port >= 8000
        assert api.url == f"http://127.0.0.1:{api.port}"
        assert (await ask(api, "GET", "/error"))[:2] == (200, {"error": None})
        assert (await ask(api, "GET", "/data"))[:2] == (200, {})
        _, info, _ = await ask(api, "GET", "/info")
        assert set(info) == {"inputs", "outputs"}
        first = info["inputs"][0]  # type: ignore[index]
        assert (first["name"], first["type"], first["length"]) == ("z", "vector", 16)
        status, answer, headers = await ask(api, "POST", "/query", {"z": [0.5] * 16, "truncation": 1})
        assert status == 200
        assert headers["access-control-allow-origin"] == "*"
        kind, _, data = str(answer["image"]).partition(",")
        assert kind.startswith("data:image/")
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.size == (32, 32)
        assert (await ask(api, "GET", "/data"))[1] == answer
        assert api.queries == 1


async def test_what_is_wrong_is_told_and_kept_until_the_next(home: object) -> None:
    async with served() as (api, _):
        wrong: list[tuple[object, str]] = [
            (b"{", "the body is not JSON"),
            (b"[" * 100_000, "nested too deeply"),
            ([1], "not a JSON object"),
            ({"z": [1, 2]}, "z"),
            ({"z": "x" * 100}, "z"),
            ({"y": 1}, "y"),
            ({"z": [1e400] * 16}, "not JSON"),
            ({"z": [1e39] * 16}, "z"),
            (b"\xff\xfe\x00", "the body is not JSON"),
        ]
        for data, word in wrong:
            status, answer, _ = await ask(api, "POST", "/query", data)
            assert status == 400, data
            assert word in str(answer["error"])
            assert (await ask(api, "GET", "/error"))[1] == answer
        assert (await ask(api, "POST", "/query", {"z": [0] * 16}))[0] == 200


async def test_other_methods_paths_and_hosts(home: object) -> None:
    async with served() as (api, _):
        assert (await ask(api, "GET", "/query"))[0] == 405
        assert (await ask(api, "POST", "/info", {}))[0] == 405
        status, answer, _ = await ask(api, "GET", "/nothing")
        assert (status, answer["error"]) == (
            404,
            "there is nothing at /nothing. There is /query, /data, /error, /info",
        )
        status, answer, _ = await ask(api, "POST", "/query", {"z": [0] * 16}, {"Host": "evil.example:8000"})
        assert 400 <= status < 500
        assert "programs of this machine" in str(answer["error"])
        status, _, headers = await ask(api, "OPTIONS", "/query")
        assert status == 204
        assert "POST" in headers["access-control-allow-methods"]


async def test_a_file_of_this_machine_is_no_input(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_api, "MAX_BODY", 2000)
    async with served() as (api, _):
        assert (await ask(api, "POST", "/query", {"z": "/etc/passwd"}))[0] == 400
        assert (await ask(api, "POST", "/query", b"x" * 4000))[0] == 413


async def test_another_port_where_one_is_taken_and_the_same_after_a_pause(home: object) -> None:
    async with served() as (first, session), served() as (second, _):
        assert first.port != second.port
        port = first.port
        await first.close()
        assert (first.on, first.url) == (False, "")
        with pytest.raises(OSError, match="refused"):
            await ask(first, "GET", "/info")
        await first.open()
        assert first.port == port
        assert (await ask(first, "GET", "/info"))[0] == 200
        assert session.state == "ready"


async def test_a_dead_worker_is_an_error_and_works_again_after_a_start(home: object) -> None:
    async with served("Sleeper") as (api, session):
        running = asyncio.create_task(ask(api, "POST", "/query", {"seconds": 60}))
        await until(lambda: session.running == 1)
        assert session.pid is not None
        os.kill(session.pid, signal.SIGKILL)
        status, answer, _ = await running
        assert status == 503
        assert answer["error"]
        status, answer, _ = await ask(api, "POST", "/query", {"seconds": 0})
        assert (status, "Start it in the workspace" in str(answer["error"])) == (503, True)
        again = asyncio.create_task(session.start())
        await until(lambda: session.state == "starting")
        assert (await ask(api, "POST", "/query", {"seconds": 0}))[0] == 200  # waits for the start
        await again


async def test_a_client_that_leaves_cancels_and_switching_off_ends_what_runs(home: object) -> None:
    async with served("Sleeper") as (api, session):
        body = b'{"seconds": 60}'
        with socket.create_connection(("127.0.0.1", api.port)) as client:
            head = f"POST /query HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            await asyncio.to_thread(client.sendall, head.encode() + body)
            await until(lambda: session.running == 1)
        await until(lambda: session.running == 0)
        running = asyncio.create_task(ask(api, "POST", "/query", {"seconds": 60}))
        await until(lambda: session.running == 1)
        await api.close()
        assert (await running)[0] == 503
        await until(lambda: session.running == 0)


async def test_the_loop_stays_free(home: object) -> None:
    """Large pictures in JSON go in and out beside it; what it does itself takes less than 10 ms at a time."""
    async with served(resolution=1024, flat=1, plain=1) as (api, _):
        await ask(api, "POST", "/query", {"z": [1] * 16})
        with slowest() as seconds:
            statuses = await asyncio.gather(*(ask(api, "POST", "/query", {"z": [n] * 16}) for n in range(8)))
        assert [status for status, _, _ in statuses] == [200] * 8
        assert 0 < seconds() < LIMIT


@pytest.mark.parametrize(
    "value",
    ["x" * 600_000, [n / 7 for n in range(9_000)], [{"a": n, "b": str(n)} for n in range(3_000)]],
    ids=["text", "numbers", "objects"],
)
async def test_long_queries_and_answers_leave_the_loop_free(home: object, value: object) -> None:
    async with served("Echo") as (api, _):
        await ask(api, "POST", "/query", {"value": 1})
        with slowest() as seconds:
            status, answer, _ = await ask(api, "POST", "/query", {"value": value})
        assert (status, answer["value"] == value) == (200, True)
        assert (await ask(api, "GET", "/data"))[1] == answer
        assert 0 < seconds() < LIMIT


async def test_answers_of_megabytes_leave_the_loop_free(home: object) -> None:
    async with served("Teller") as (api, _):
        await ask(api, "POST", "/query", {"count": 1})
        with slowest() as seconds:
            status, answer, _ = await ask(api, "POST", "/query", {"count": 90_000})  # 3 MB
        assert status == 200
        assert answer["numbers"] == [n / 7 for n in range(90_000)]
        assert answer["text"] == 'letters of \u00f6 " ' * 90_000
        assert 0 < seconds() < LIMIT


async def test_more_values_than_may_be_sent_to_the_model(home: object) -> None:
    async with served("Echo") as (api, _):
        for value in ([1] * 10_001, "x" * 640_100, [[1] * 100] * 100):
            status, answer, _ = await ask(api, "POST", "/query", {"value": value})
            assert (status, "allowed are 10,000 values besides pictures" in str(answer["error"])) == (400, True)


@contextmanager
def slowest() -> Iterator[Callable[[], float]]:
    """Tells the processor time in seconds of the longest step of the event loop meanwhile.

    Without the garbage collector, whose share is that of all objects that a whole suite has loaded.
    """
    found = 0.0

    def measured(handle: asyncio.Handle, run=asyncio.Handle._run) -> None:  # type: ignore[no-untyped-def]
        nonlocal found
        began = time.thread_time()
        run(handle)
        found = max(found, time.thread_time() - began)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", measured)
        gc.disable()
        try:
            yield lambda: found
        finally:
            gc.enable()


def test_a_skeleton_shows_each_value_as_the_original_did() -> None:
    command = Command(
        "generate",
        {
            "prompt": Text(),
            "top_p": Number(min=0.1, max=1),
            "kind": Category(choices=["a", "b"]),
            "all": Array(Number()),
        },
        {"image": Picture()},
    )
    assert skeleton(command.inputs) == (
        '{\n  "prompt": <string>,\n  "top_p": <number from 0.1 to 1>,\n'
        '  "kind": <"a" | "b">,\n  "all": [<number>, ...]\n}'
    )
    assert skeleton(command.outputs) == '{\n  "image": <base 64 image>\n}'
    assert skeleton({}) == "{}"
