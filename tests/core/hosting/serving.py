"""What tests of hosting share: deployments of stub models, a gateway in this process, and a client of bare sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from core.errors import NotFound, TarmacError
from core.hosting import tokens
from core.hosting.deployment import Deployment, Limits
from core.hosting.gateway import Gateway
from core.hosting.registry import Registry
from core.hosting.served import Served
from core.hosting.server import make_server
from core.paths import private_dir
from core.workers.adapter import Target
from tests import adapters, text_adapters

STUDIO = "the key of this start"


def resolve(deployment: Deployment) -> Served:
    """Model "Stub" is the test adapter of that name, with the deployment's options."""
    kind = getattr(adapters, deployment.model, None) or getattr(text_adapters, deployment.model, None)
    if kind is None:
        raise NotFound(f"no model is called {deployment.model!r}")
    options = dict(deployment.options)
    harmless = {key: value for key, value in options.items() if key != "at_start"}

    def target(number: int) -> Target:
        return Target(
            "test", Path("/"), options, trusted_factory=f"{kind.__module__}:{kind.__name__}", name=kind.__name__
        )

    return Served(kind(Path("/"), harmless, "cpu").interface, target, deployment.model, deployment.model)


def deploy(folder: Path, name: str, model: str = "Stub", **settings: object) -> str:
    """Write a deployment and its token, which is returned; `options` and `limits` as in `Deployment`."""
    limits = settings.pop("limits", None)
    deployment = Deployment(name, model, limits=Limits(**limits) if limits else Limits(), **settings)  # type: ignore[arg-type]
    place = private_dir(folder / name)
    kept, secret = tokens.add((), "first")
    tokens.write_tokens(place, kept)
    deployment.write(place)
    return secret


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@dataclass
class Stage:
    """A gateway that runs in this test."""

    folder: Path
    port: int
    gateway: Gateway
    registry: Registry
    server: uvicorn.Server
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        path: str,
        token: str | None = None,
        data: object = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        body = data if isinstance(data, bytes) else b"" if data is None else json.dumps(data).encode()
        given = {"host": f"127.0.0.1:{self.port}", "content-length": str(len(body)), "connection": "close"}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        given |= headers or {}
        verb = method or ("GET" if data is None else "POST")
        head = f"{verb} {path} HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in given.items()) + "\r\n"
        return await self.raw(head.encode() + body, verb)

    async def query(self, name: str, data: object, **named: object) -> Reply:
        return await self.ask(f"/{name}/v1/query", self.tokens[name], data, **named)  # type: ignore[arg-type]

    async def raw(self, data: bytes, method: str = "GET") -> Reply:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await read_reply(reader, method)
        finally:
            writer.close()


async def read_reply(reader: asyncio.StreamReader, method: str = "GET") -> Reply:
    async with asyncio.timeout(30):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in head[1:] if line)}
        length = int(headers.get("content-length", 0)) if method != "HEAD" else 0
        return Reply(int(head[0].split()[1]), headers, await reader.readexactly(length))


@asynccontextmanager
async def gateway(
    folder: Path, names: Mapping[str, Mapping[str, object]] | None = None, *, loopback: bool = True
) -> AsyncIterator[Stage]:
    """A gateway that serves `names`: settings of `deploy` by name."""
    private_dir(folder)
    secrets = {name: deploy(folder, name, **settings) for name, settings in (names or {}).items()}  # type: ignore[arg-type]
    registry = Registry(folder, resolve)
    await registry.open()
    served = Gateway(registry, loopback=loopback, studio_key=STUDIO)
    server = make_server(served, 5)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    task = asyncio.create_task(server.serve([sock]))
    await until(lambda: server.started)
    try:
        yield Stage(folder, sock.getsockname()[1], served, registry, server, secrets)
    finally:
        server.should_exit = True
        await registry.close(0)
        await task


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)


def error(reply: Reply) -> str:
    found = reply.json()["error"]
    assert isinstance(found, str)
    return found


__all__ = ["STUDIO", "Reply", "Stage", "TarmacError", "deploy", "error", "gateway", "read_reply", "resolve", "until"]
