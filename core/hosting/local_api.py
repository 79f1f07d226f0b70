"""Runway's local API, for a model that runs in a workspace: /query, /data, /error and /info from port 8000 up.

The server runs on the studio's own event loop and only moves messages there: pictures are decoded and encoded, and
long JSON is read and written, in threads, in steps that let the studio go on. It listens on the loopback address and
answers nobody who names another host, so that no page of the web can come in under a name of its own (DNS rebinding).
Any page that is open in a browser of this machine may ask it, as sketches do that were written for Runway.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import sys
import traceback
from typing import Any

from starlette.responses import Response

from core.errors import InvalidInput, NotFound, Refused, TarmacError, WorkerDied
from core.hosting import gentle_json
from core.hosting.addressing import Place
from core.hosting.errors import Gone, MethodNotAllowed, Unavailable
from core.hosting.exchange import Exchange, error_response, plain_error
from core.hosting.guard import has_pictures, read_inputs, weight, write_outputs
from core.hosting.server import make_server
from core.interface import Command
from core.workers.session import Session

FIRST_PORT = 8000
MOST_PORTS = 100

MOST_QUERIES = 32
"""Queries that wait or run at a time."""

MAX_BODY = 8 * 2**20
"""Bytes of a query."""

MOST_VALUES = 10_000
"""Values of a query without its pictures, 64 characters of a text counted as one: to send so many to the model holds
the studio for some milliseconds."""

_SLICE = 256 * 2**10
"""Bytes of an answer that are written at a time."""

_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ORIGIN = {"access-control-allow-origin": "*"}
_PREFLIGHT = {
    **_ORIGIN,
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "Content-Type, Accept, X-Requested-With",
    "access-control-max-age": "86400",
}
_ROUTES = {"/query": "POST", "/data": "GET", "/error": "GET", "/info": "GET"}


class LocalApi:
    """Serves one session of the workspace. Belongs to the event loop of that session.

    Args:
        session: The model; it need not run yet.
        command: The command that is served: what it takes and gives.
    """

    def __init__(self, session: Session, command: Command) -> None:
        self.command = command
        self.port = 0
        """Where it listens; kept when it is switched off, to be tried first the next time."""
        self.queries = 0
        """Queries that were answered since it was made, errors among them."""
        self.held = 0
        """Bytes of bodies that are in memory."""
        self._session = session
        self._data: bytes = b"{}"
        self._error: str | None = None
        self._running: set[asyncio.Task[Response]] = set()
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def on(self) -> bool:
        """Whether it answers."""
        return self._serving is not None

    @property
    def url(self) -> str:
        """Its address: "http://127.0.0.1:8000"; empty while it is off."""
        return f"http://127.0.0.1:{self.port}" if self.on else ""

    async def open(self, first: int = FIRST_PORT) -> None:
        """Begin to answer, on the port of last time or the first free one.

        Raises:
            Refused: There is no free port.
        """
        if self.on or self._server is not None:
            return
        sock = _listen([self.port] * bool(self.port) + list(range(first, first + MOST_PORTS)))
        self.port = sock.getsockname()[1]
        server = self._server = make_server(self, 0)
        await asyncio.to_thread(server.config.load)  # its imports
        if self._server is not server:  # switched off meanwhile
            return sock.close()
        self._serving = asyncio.create_task(self._serve(server, sock), name="local API")

    async def close(self) -> None:
        """Stop answering; queries that run are given up."""
        serving, self._serving = self._serving, None
        server, self._server = self._server, None
        if serving is None:
            return
        for task in list(self._running):
            task.cancel()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([serving])

    async def _serve(self, server: Any, sock: socket.socket) -> None:
        try:
            await server.serve([sock])
        except Exception:
            traceback.print_exc(file=sys.stderr)
        finally:
            sock.close()

    # -- requests

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request of ASGI; whatever it is, the studio goes on."""
        if scope["type"] != "http":
            return
        if scope["method"] == "OPTIONS":
            return await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, send)
        exchange = _Exchange(self, scope, receive, Place("", str(scope["path"])), "")  # type: ignore[arg-type]
        try:
            response = await self._answer(exchange)
        except Gone:
            return
        except TarmacError as error:
            response = self._failed(exchange, error)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            response = self._failed(exchange, TarmacError("the query failed", repr(error)[:200]))
        finally:
            self.held -= exchange.held
        response.headers.update(_ORIGIN)
        await response(scope, receive, send)

    async def _answer(self, exchange: _Exchange) -> Response:
        path, method = exchange.place.path.rstrip("/"), exchange.scope["method"]
        host = exchange.header("host").rpartition(":")[0] or exchange.header("host")
        if host.lower() not in _HOSTS:
            raise Refused("this address is for programs of this machine", "", f"Use http://127.0.0.1:{self.port}")
        wanted = _ROUTES.get(path)
        if wanted is None:
            raise NotFound(f"there is nothing at {path[:80] or '/'}", "", f"There is {', '.join(_ROUTES)}")
        if (method if method != "HEAD" else "GET") != wanted:
            raise MethodNotAllowed(f"{method[:16]} is not for {path}", "", f"Use {wanted}")
        if path == "/query":
            return await self._query(exchange)
        if path == "/data":
            return _json(self._data)
        if path == "/error":
            return _json(json.dumps({"error": self._error}).encode())
        spec = self.command.spec()
        return _json(json.dumps({key: spec[key] for key in ("inputs", "outputs")}).encode())

    async def _query(self, exchange: _Exchange) -> Response:
        if len(self._running) >= MOST_QUERIES:
            raise Unavailable("too many queries wait", f"{MOST_QUERIES} may", "Ask again", 1)
        task = asyncio.ensure_future(self._run(exchange))
        self._running.add(task)
        try:
            await asyncio.wait([task])
            if task.cancelled():
                raise Unavailable("the local API was switched off", "", "Switch it on in the workspace")
            return task.result()
        finally:
            task.cancel()
            self._running.discard(task)
            self.queries += 1

    async def _run(self, exchange: _Exchange) -> Response:
        data = await exchange.json_object()
        plain = {name: value for name, value in data.items() if not self._takes_picture(name)}
        if weight(plain, MOST_VALUES) > MOST_VALUES:
            raise InvalidInput("the query holds too much", f"allowed are {MOST_VALUES:,} values besides pictures")
        inputs = await read_inputs(self.command, data)
        session = self._session
        if session.state == "starting":
            await exchange.while_here(session.start())
        if session.state != "ready":
            raise WorkerDied("the model does not run", f"its worker is {session.state}", "Start it in the workspace: R")
        outputs = await exchange.while_here(session.run(self.command.name, inputs))
        forms = await write_outputs(self.command, outputs)
        self._data = await asyncio.to_thread(gentle_json.write, forms)
        return _json(self._data)

    def _takes_picture(self, name: str) -> bool:
        kind = self.command.inputs.get(name)
        return kind is not None and has_pictures({name: kind})

    def _failed(self, exchange: _Exchange, error: TarmacError) -> Response:
        """Tell an error; the newest of a query is what /error gives from now on."""
        if exchange.place.path.rstrip("/") == "/query":
            self._error = str(error)
        return error_response(error, error.status, plain_error(error, error.status))


class _Exchange(Exchange):
    """A request with no deployment behind it."""

    @property
    def max_body(self) -> int:
        return MAX_BODY

    def read_long(self, data: bytes) -> object:
        return gentle_json.read(data)


class _Sliced(Response):
    """An answer that is written a slice at a time, as far as the client takes it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        for start in range(0, len(body), _SLICE):
            await send({"type": "http.response.body", "body": body[start : start + _SLICE], "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


def _json(data: bytes) -> Response:
    kind = Response if len(data) <= _SLICE else _Sliced
    return kind(data, media_type="application/json")


def _listen(ports: list[int]) -> socket.socket:
    """A socket that listens on the first free of `ports`, on the loopback address.

    Raises:
        Refused: All are taken.
    """
    for port in ports:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            sock.listen(128)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise Refused("the local API cannot be switched on", error.strerror or str(error)) from error
        return sock
    raise Refused("the local API cannot be switched on", f"all ports from {ports[0]} to {ports[-1]} are taken")
