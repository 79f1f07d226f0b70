"""What the front does for clients: no answer is cut, streams pass, queues are bounded and fair, TLS from files."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import Refused, TarmacError
from core.hosting.settings import tls_context
from core.hosting.spread.endpoints import Endpoint
from core.hosting.spread.haproxy import REPEATED, WHOLE, Front, HAProxy
from tests.core.hosting.serving import Reply, Stage, gateway, read_reply, until


@pytest.fixture(autouse=True)
def program(home: Path) -> None:
    if shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        if os.environ.get("TARMAC_REQUIRE_HAPROXY") == "1":
            pytest.fail("haproxy is missing")
        pytest.skip("haproxy is missing")


@dataclass
class Fronted:
    """A front that runs, and how to ask it."""

    port: int
    proxy: HAProxy
    tls: ssl.SSLContext | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)

    async def ask(self, method: str = "GET", path: str = "/", body: str = "", token: str = "") -> Reply:
        reader, writer = await self.connect()
        try:
            key = f"authorization: Bearer {token}\r\n" if token else ""
            head = f"{method} {path} HTTP/1.1\r\nhost: x\r\n{key}content-length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            return await read_reply(reader, method)
        finally:
            writer.close()


@asynccontextmanager
async def fronted(
    folder: Path, *ports: int, certificate: str = "", key: str = "", trusted: ssl.SSLContext | None = None
) -> AsyncIterator[Fronted]:
    """A front of replicas that listen on `ports`."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    Front("127.0.0.1", port, 30, certificate, key).write(folder)
    proxy = HAProxy(folder)
    await asyncio.to_thread(proxy.start)
    try:
        for slot, each in enumerate(ports, 1):
            await asyncio.to_thread(proxy.put, slot, Endpoint(f"r{slot}", "127.0.0.1", each))
        yield Fronted(port, proxy, trusted)
    finally:
        await asyncio.to_thread(proxy.stop, 0.0)


Talk = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def replica(talk: Talk) -> AsyncIterator[int]:
    """A replica that says what `talk` says, once it has a request's head, and is well otherwise."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b" /livez " in head:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                else:
                    await talk(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("size", [1, 1000, WHOLE])
async def test_an_answer_that_breaks_off_is_an_error_and_not_half_an_answer(tmp_path: Path, size: int) -> None:
    sent = [size // 2, 0, size]

    async def half(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + b"x" * sent.pop(0))
        await writer.drain()
        if sent:
            writer.close()

    async with replica(half) as port, fronted(tmp_path, port) as front:
        for _ in range(2):
            reply = await front.ask()
            assert (reply.status, reply.json()) == (502, {"error": "the replica failed under this request"})
        assert (await front.ask()).body == b"x" * size


async def test_large_answers_pass_whole_and_heads_alone(tmp_path: Path) -> None:
    async def large(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {3 * REPEATED}\r\n\r\n".encode())
        if not head.startswith(b"HEAD"):
            writer.write(b"x" * 3 * REPEATED)
        await writer.drain()

    async with replica(large) as port, fronted(tmp_path, port) as front:
        assert (await front.ask()).body == b"x" * 3 * REPEATED
        async with asyncio.timeout(5):  # not as long as a body would be waited for
            assert (await front.ask("HEAD")).headers["content-length"] == str(3 * REPEATED)


async def test_a_stream_passes_as_it_comes(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def stream(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        await writer.drain()

    async with replica(stream) as port, fronted(tmp_path, port) as front:
        reader, writer = await front.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"first\r\n")
            go.set()
            await reader.readuntil(b"last\r\n")
        writer.close()


async def test_what_has_no_place_is_told_when_to_come_again_and_both_queues_are_full_by_then(tmp_path: Path) -> None:
    """Each replica runs two of a command that knows no batches, and lets four times its bound wait, since Runway's
    API holds requests; so two replicas have 36, and the rest is refused at once."""
    settings = {
        "model": "Counter",
        "command": "one",
        "options": {"gate": str(tmp_path / "gate")},
        "limits": {"max_queue": 4},
    }
    async with AsyncExitStack() as stack:
        stages: list[Stage] = []
        for name in ("a", "b"):
            place = tmp_path / name / "deployments"
            place.parent.mkdir()
            stages.append(await stack.enter_async_context(gateway(place, {"gen": settings})))
        pools = [stage.registry.entries["gen"].pool for stage in stages]
        for pool in pools:
            assert pool is not None
            await pool.awake()
        ports = [stage.port for stage in stages]
        front = await stack.enter_async_context(fronted(tmp_path / "front", *ports))
        # One token for both: in truth they share the deployment's folder.
        shutil.copy(stages[0].folder / "gen" / "tokens.json", stages[1].folder / "gen" / "tokens.json")
        token = stages[0].tokens["gen"]
        asked = [asyncio.create_task(front.ask("POST", "/gen/v1/query", "{}", token)) for _ in range(60)]
        await until(lambda: sum(task.done() for task in asked) == 24, 30)
        refused = [task.result() for task in asked if task.done()]
        assert {reply.status for reply in refused} == {503}
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
        assert [(pool.running, pool.queued) for pool in pools if pool is not None] == [(2, 16), (2, 16)]
        (tmp_path / "gate").touch()
        assert Counter([reply.status for reply in await asyncio.gather(*asked)]) == {200: 36, 503: 24}


def certificate(folder: Path, *, together: bool = False) -> tuple[str, str]:
    """A certificate for "localhost" and 127.0.0.1 with its key, made now; both in one file if `together`."""
    chain, key = folder / "cert.pem", folder / "secret.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {key} -out {chain}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    if together:
        chain.write_text(chain.read_text() + key.read_text())
    return str(chain), "" if together else str(key)


@pytest.mark.parametrize("together", [False, True], ids=["two files", "one file"])
async def test_with_a_certificate_it_speaks_tls(tmp_path: Path, together: bool) -> None:
    async def well(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    chain, key = certificate(tmp_path, together=together)
    trusted = ssl.create_default_context(cafile=chain)
    folder = tmp_path / "front"
    async with (
        replica(well) as port,
        fronted(folder, port, certificate=chain, key=key, trusted=trusted) as front,
    ):
        assert (await front.ask()).body == b"ok"
        old = ssl.create_default_context(cafile=chain)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        front.tls = old
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await front.ask()
        front.tls = None
        with pytest.raises(asyncio.IncompleteReadError):  # plain HTTP gets nothing
            await front.ask()
    # The key is linked to, not copied.
    assert all(path.is_symlink() for path in folder.glob("front.pem*"))
    assert not [
        path for path in folder.iterdir() if path.is_file() and not path.is_symlink() and "PRIVATE" in _text(path)
    ]


async def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    async def well(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    chain, key = certificate(tmp_path)
    before = ssl.create_default_context(cafile=chain)
    folder = tmp_path / "front"
    async with replica(well) as port, fronted(folder, port, certificate=chain, key=key, trusted=before) as front:
        _, connected = await front.connect()
        await asyncio.to_thread(certificate, tmp_path)  # the replica has to answer for its health meanwhile
        await asyncio.to_thread(front.proxy.renew)
        with pytest.raises(ssl.SSLCertVerificationError):
            await front.ask()
        front.tls = ssl.create_default_context(cafile=chain)
        assert (await front.ask()).body == b"ok"
        assert not connected.is_closing()
        connected.close()
        await asyncio.to_thread(Path(chain).write_text, "junk")
        with pytest.raises(TarmacError, match="does not take the certificate"):
            await asyncio.to_thread(front.proxy.renew)
        assert (await front.ask()).body == b"ok"


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def test_a_certificate_is_looked_at_before(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(Refused, match="no PEM file"):
        tls_context(str(tmp_path / "junk.pem"))
