"""Who is let in, where requests go, what every answer has, and what bad clients cannot do."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from core.hosting import exchange, protocol
from core.hosting.deployment import Deployment
from core.hosting.tokens import add, read_tokens, write_tokens
from tests.core.hosting.serving import STUDIO, deploy, error, gateway, read_reply, until

DOMAIN = ".hosted-models.runwayml.cloud"


async def test_routes_by_path_by_host_and_as_a_proxy(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        token = stage.tokens["echo"]
        for path, headers in (
            ("/echo/v1/info", {}),
            (f"/echo{DOMAIN}/v1/info", {}),
            (f"//echo{DOMAIN}//v1//info", {}),
            ("/v1/info", {"host": f"echo{DOMAIN}"}),
            ("/v1/info", {"host": f"ECHO{DOMAIN}:443"}),
            (f"http://echo{DOMAIN}/v1/info", {}),
            (f"https://echo{DOMAIN}/v1//info", {"host": "something.else"}),
        ):
            reply = await stage.ask(path, token, headers=headers)
            assert (reply.status, reply.json()["name"]) == (200, "echo"), path


async def test_without_a_token_nothing_can_be_told_apart(home: Path) -> None:
    names = {"echo": {"model": "Echo"}, "off": {"model": "Echo", "active": False}, "lost": {"model": "Nothing"}}
    async with gateway(home, names) as stage:
        (home / "broken").mkdir()
        (home / "broken" / "deployment.toml").write_text("what = ")
        replies = [
            await stage.ask(f"/{name}{path}", token, data)
            for name in ("echo", "off", "lost", "broken", "nobody")
            for path, data in (("/v1/", None), ("/v1/query", {}), ("/readyz", None), ("/metrics", None), ("/x", None))
            for token in (None, "tm_wrong", stage.tokens["lost"] if name != "lost" else "")
        ]
        for reply in replies:
            reply.headers.pop("date")
        assert {(reply.status, reply.body, tuple(reply.headers.items())) for reply in replies} == {
            (replies[0].status, replies[0].body, tuple(replies[0].headers.items()))
        }
        assert replies[0].status == 401
        assert replies[0].headers["www-authenticate"] == "Bearer"
        for name in ("echo", "nobody"):
            assert (await stage.ask(f"/{name}/livez")).body == b'{"status":"ok"}'


async def test_those_who_may_know_are_told(home: Path) -> None:
    names = {"off": {"model": "Echo", "active": False}, "lost": {"model": "Nothing"}}
    async with gateway(home, names) as stage:
        reply = await stage.ask("/off/v1/", stage.tokens["off"])
        assert (reply.status, error(reply)) == (404, "off is not active. Its owner can switch it on")
        reply = await stage.ask("/lost/v1/", stage.tokens["lost"])
        assert (reply.status, error(reply)) == (503, "no model is called 'Nothing'")
        assert (await stage.ask("/nobody/v1/", STUDIO)).status == 404
        reply = await stage.ask("/off/v1/", STUDIO)
        assert reply.status == 404


async def test_tokens_count_from_the_moment_that_they_are_made(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        kept, secret = add(read_tokens(home / "echo"), "second")
        assert (await stage.ask("/echo/v1/info", secret)).status == 401
        write_tokens(home / "echo", kept)
        assert (await stage.ask("/echo/v1/info", secret)).status == 200
        later = deploy(home, "later", "Echo")
        assert (await stage.ask("/later/v1/info", later)).status == 200
        write_tokens(home / "echo", [])
        await until(lambda: not stage.registry.entries["echo"].verifier.tokens)
        assert (await stage.ask("/echo/v1/info", secret)).status == 401


async def test_public_needs_no_token_and_only_on_this_machine(home: Path) -> None:
    names = {"echo": {"model": "Echo", "private": False}}
    async with gateway(home, names) as stage:
        assert (await stage.ask("/echo/v1/info")).status == 200
        assert (await stage.ask("/echo/v1/info", "whatever")).status == 200
    async with gateway(home, {}, loopback=False) as stage:
        assert (await stage.ask("/echo/v1/info")).status == 401


async def test_every_answer_is_json_and_allows_every_origin(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        token = stage.tokens["echo"]
        replies = {
            200: await stage.ask("/echo/v1/", token),
            401: await stage.ask("/echo/v1/"),
            404: await stage.ask("/echo/v2", token),
            405: await stage.ask("/echo/v1/query", token),
            400: await stage.raw(b"NOT HTTP AT ALL\r\n\r\n"),
        }
        for status, reply in replies.items():
            assert reply.status == status
            assert reply.headers["content-type"].startswith("application/json"), status
            assert reply.headers["access-control-allow-origin"] == "*", status
            json.loads(reply.body)
        preflight = await stage.ask("/nobody/v1/query", method="OPTIONS")
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        assert (await stage.ask("/echo/v1/", token, method="HEAD")).status == 200


async def test_bodies_are_measured_while_they_are_read(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo", "limits": {"max_body": 2000}}}) as stage:
        told = await stage.query("echo", {"value": "x" * 3000})
        assert (told.status, error(told)) == (413, "the body is too large: 2,000 bytes are allowed")
        head = f"POST /echo/v1/query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['echo']}\r\n"
        chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
        untold = await stage.raw(f"{head}transfer-encoding: chunked\r\n\r\n".encode() + chunk * 3 + b"0\r\n\r\n")
        assert untold.status == 413
        assert (await stage.query("echo", {"value": "x" * 500})).status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"[1]", "the body is not a JSON object"),
        (b'{"value": NaN}', "NaN is not JSON"),
        (b'{"value": "\xff"}', "the body is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"value": ' + b"9" * 10_000 + b"}", "the body is not JSON"),
        (b'{"nothing": 1}', "echo has no input 'nothing'"),
        (b"{}", "input value of echo is missing"),
    ],
)
async def test_bad_bodies_are_the_clients_fault(home: Path, body: bytes, words: str) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        reply = await stage.query("echo", body)
        assert reply.status == 400
        assert words in error(reply)


async def test_slow_heads_and_bodies_are_cut_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.2)
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        assert (await stage.raw(b"GET /echo/v1 HTTP/1.1\r\nhost: x\r\n")).status == 408
        head = f"POST /echo/v1/query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['echo']}\r\n"
        reply = await stage.raw(f"{head}content-length: 100\r\n\r\n{{".encode())
        assert (reply.status, error(reply)) == (408, "the body came too slowly: 1 bytes were here in time")
        for silent in (b"", b"\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
            writer.write(silent)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()


async def test_who_does_not_read_an_answer_is_cut_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "READ_SECONDS", 0.3)
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        body = json.dumps({"value": "x" * 12_000_000}).encode()
        head = f"POST /echo/v1/query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['echo']}\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await until(lambda: len(stage.server.server_state.connections) == 1)
        await until(lambda: not stage.server.server_state.connections)
        writer.close()
        assert (await stage.query("echo", {"value": 2})).json() == {"value": 2}


async def test_heads_have_a_size(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        start = b"GET /echo/v1 HTTP/1.1\r\n"
        assert (await stage.raw(start + b"x: " + b"y" * 70_000 + b"\r\n\r\n")).status == 431
        assert (await stage.raw(start + b"x: y\r\n" * 200 + b"\r\n")).status == 431
        assert (await stage.raw(b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\n\r\n")).status == 414
        assert (await stage.raw(b"CONNECT echo:443 HTTP/1.1\r\n\r\n")).status == 400
        assert (await stage.ask("/echo/v1/info", stage.tokens["echo"])).status == 200


async def test_a_connection_is_kept_and_a_thousand_idle_ones_do_no_harm(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        request = f"GET /echo/v1/info HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['echo']}\r\n\r\n"
        idle = [await asyncio.open_connection("127.0.0.1", stage.port) for _ in range(300)]
        for _ in range(3):
            writer.write(request.encode() * 2)
            assert [(await read_reply(reader)).status for _ in range(2)] == [200, 200]
        for _, other in [*idle, (reader, writer)]:
            other.close()


async def test_answers_do_not_wait_for_acknowledgements(home: Path) -> None:
    async with gateway(home, {}) as stage:
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        await until(lambda: len(stage.server.server_state.connections) == 1)
        sock = next(iter(stage.server.server_state.connections)).transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        writer.close()


async def test_half_closed_and_upgrading_clients_do_no_harm(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        head = f"POST /echo/v1/query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['echo']}\r\n"
        whole = f'{head}content-length: 12\r\n\r\n{{"value": 12}}'.encode()
        for data in (whole, whole[:-5], head.encode()):
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(20):
                await reader.read()
            writer.close()
        upgrade = (
            f'{head}connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\ncontent-length: 12\r\n\r\n{{"value": 1}}'
        )
        assert (await stage.raw(upgrade.encode())).json() == {"value": 1}
        pool = stage.registry.entries["echo"].pool
        assert pool is not None
        await until(lambda: pool.running == 0 and pool.queued == 0)
        assert (await stage.query("echo", {"value": 2})).json() == {"value": 2}


async def test_too_many_connections_are_told_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.GuardedProtocol, "most_connections", 2)
    async with gateway(home, {}) as stage:
        pairs = [await asyncio.open_connection("127.0.0.1", stage.port) for _ in range(3)]
        assert (await read_reply(pairs[2][0])).status == 503
        for _, writer in pairs:
            writer.close()


async def test_a_client_that_leaves_gives_its_request_up(home: Path) -> None:
    async with gateway(home, {"sleeper": {"model": "Sleeper", "options": {"seconds": 60}}}) as stage:
        pool = stage.registry.entries["sleeper"].pool
        assert pool is not None
        body = b"{}"
        head = f"POST /sleeper/v1/query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['sleeper']}\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await until(lambda: pool.running == 1)
        writer.close()
        await until(lambda: pool.running == 0 and not pool.queued)


async def test_escapes_never_reach_the_log_raw(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        await stage.ask("/echo/%1b%5d0;owned%07", stage.tokens["echo"], headers={"user-agent": "\x9b31m"})
        await stage.query("echo", b'{"\\u001b[2Jname": 1}')
        stage.registry.entries["echo"].log.flush()
        text = (home / "echo" / "requests.log").read_text()
        assert all(char.isprintable() or char == "\n" for char in text)
        assert "\\u001b" not in text
        assert stage.tokens["echo"] not in text


async def test_what_is_switched_off_or_removed_is_served_no_more(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        token = stage.tokens["echo"]
        assert (await stage.query("echo", {"value": 1})).json() == {"value": 1}
        Deployment.read(home / "echo").changed(active=False).write(home / "echo")
        await until(lambda: stage.registry.entries["echo"].state == "inactive")
        assert (await stage.ask("/echo/v1/", token)).status == 404
        Deployment.read(home / "echo").changed(active=True).write(home / "echo")
        await until(lambda: stage.registry.entries["echo"].state == "asleep")
        assert (await stage.query("echo", {"value": 2})).json() == {"value": 2}
        (home / "echo").rename(home / ".trash-echo")
        await until(lambda: "echo" not in stage.registry.entries)
        assert (await stage.ask("/echo/v1/", token)).status == 401


async def test_the_gateways_own_routes_need_its_own_token(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        for path in ("/metrics", "/readyz", "/"):
            assert (await stage.ask(path)).status == 401
            assert (await stage.ask(path, stage.tokens["echo"])).status == 401
        kept, secret = add((), "metrics")
        write_tokens(home, kept)
        assert (await stage.ask("/metrics", secret)).status == 200
        assert (await stage.ask("/echo/v1/", secret)).status == 401
        assert (await stage.ask("/metrics", STUDIO)).status == 200
        assert (await stage.ask("/livez")).status == 200
