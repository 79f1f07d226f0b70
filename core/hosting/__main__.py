"""The gateway's process: `python -m core.hosting DATA_DIR [--detach]`. Holds the lock, listens, serves, drains."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from core.errors import Refused, TarmacError
from core.hosting.deployments import Deployments
from core.hosting.gateway import Gateway
from core.hosting.process import read_record
from core.hosting.registry import Registry
from core.hosting.served import Resolve, from_library
from core.hosting.server import make_server, more_files
from core.hosting.settings import FIRST_PORT, GatewaySettings
from core.paths import private_dir, storage_errors, write_atomic
from core.runs.folder import write_json
from core.runs.processes import me

_PORTS_TRIED = 100

_LOG_LIMIT = 4 * 2**20


def main(arguments: list[str]) -> int:
    """Run the gateway until it is told to stop; 2 if it could not begin."""
    data_dir = Path(next(each for each in arguments if not each.startswith("--")))
    deployments = Deployments(data_dir)
    tell: Callable[[dict[str, object]], None] = _say
    if "--detach" in arguments:
        if os.fork():
            os._exit(0)
        os.setsid()
        tell = _detach(deployments.folder)
    try:
        asyncio.run(_run(deployments, from_library(data_dir), tell))
    except TarmacError as error:
        tell(dict(error.to_json()))
        print(f"the gateway could not be started: {error}", file=sys.stderr, flush=True)
        return 2
    except Exception as problem:
        tell(dict(TarmacError("the gateway could not be started", repr(problem)[:300]).to_json()))
        raise
    return 0


async def _run(deployments: Deployments, resolve: Resolve, tell: Callable[[dict[str, object]], None]) -> None:
    folder = private_dir(deployments.folder)
    settings = deployments.gateway_settings()
    with _only_one(folder):
        tls = settings.tls()
        deployments.check_address(settings)
        sock, settings = _listen(settings, folder)
        key = secrets.token_urlsafe(24)
        write_atomic(folder / "gateway.key", key + "\n", 0o600)
        registry = Registry(folder, resolve)
        await registry.open()
        gateway = Gateway(registry, loopback=settings.loopback, studio_key=key)
        server = make_server(gateway, settings.drain, tls)
        more_files()
        record = _record(settings)
        farewell: list[asyncio.Task[None]] = []

        def stop() -> None:
            """No new requests; those that were accepted get their time, then an error; then we leave."""
            if not gateway.stopping:
                gateway.stopping = server.should_exit = True
                with contextlib.suppress(TarmacError):
                    write_json(folder / "gateway.json", {**record, "stopping": True})
                farewell.append(asyncio.create_task(registry.close(settings.drain)))

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        write_json(folder / "gateway.json", record)
        tell(record)
        print(f"listening on {settings.url()}", file=sys.stderr, flush=True)
        try:
            await server.serve([sock])
        finally:
            await (farewell[0] if farewell else registry.close(0))
            (folder / "gateway.json").unlink(missing_ok=True)
            (folder / "gateway.key").unlink(missing_ok=True)
            print("stopped", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the lock on the deployments folder; wait for one that is leaving.

    Raises:
        Refused: Another gateway runs.
    """
    path = folder / ".lock"
    with storage_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + 45.0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise Refused(f"{path} cannot be locked", error.strerror or str(error)) from error
        stopping = bool(read_record(folder).get("stopping"))
        if not stopping or time.monotonic() > end:
            os.close(handle)
            raise Refused(
                "a gateway runs already",
                "it is being stopped" if stopping else "it holds the deployments folder",
                "Stop it first: tarmac gateway stop",
            )
        time.sleep(0.1)
    try:
        yield
    finally:
        os.close(handle)


def _listen(settings: GatewaySettings, folder: Path) -> tuple[socket.socket, GatewaySettings]:
    """A listening socket. Without a port yet the first free one from 8600 up is taken, and kept for ever.

    Raises:
        Refused: The port is taken, or the address is not ours.
    """
    if settings.port:
        return _bind(settings), settings
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED):
        chosen = replace(settings, port=port)
        try:
            sock = _bind(chosen)
        except _Taken:
            continue
        chosen.write(folder)
        return sock, chosen
    raise Refused(
        "the gateway cannot listen",
        f"all ports from {FIRST_PORT} to {FIRST_PORT + _PORTS_TRIED - 1} are taken",
        "Choose one: tarmac gateway start --port PORT",
    )


class _Taken(Refused):
    """Somebody else has the port."""


def _bind(settings: GatewaySettings) -> socket.socket:
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, settings.port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise _Taken(
                f"port {settings.port} is taken",
                "another program listens there",
                "End that program, or move every address to another port: tarmac gateway start --port PORT",
            ) from None
        if error.errno == errno.EACCES:
            why = "ports below 1024 are for the administrator"
        elif error.errno == errno.EADDRNOTAVAIL:
            why = "that is no address of this machine"
        else:
            why = error.strerror or str(error)
        raise Refused(f"the gateway cannot listen on {settings.host} port {settings.port}", why) from None
    return sock


def _record(settings: GatewaySettings) -> dict[str, object]:
    return {
        **me().to_json(),
        "address": settings.host,
        "port": settings.port,
        "scheme": settings.scheme,
        "url": settings.url(),
        "since": time.time(),
    }


def _say(data: dict[str, object]) -> None:
    """In the foreground: nothing but the log is wanted."""


def _detach(folder: Path) -> Callable[[dict[str, object]], None]:
    """Give what is printed to gateway.log; returns what tells whoever started us, once."""
    private_dir(folder)
    out = os.dup(1)
    handle = os.open(folder / "gateway.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(handle).st_size > _LOG_LIMIT:
        os.ftruncate(handle, 0)
    for standard in (1, 2):
        os.dup2(handle, standard)
    os.close(handle)
    waiting = [out]

    def tell(data: dict[str, object]) -> None:
        while waiting:
            told = waiting.pop()
            with contextlib.suppress(OSError):
                os.write(told, json.dumps(data).encode())
            os.close(told)

    return tell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
