"""One request and its answer, as the APIs see it: who asks whom, the body within its limits, the client's leaving.

An API is a file with `ROUTES`, a tuple of `Route`; `core.hosting.apis` lists them. A handler returns a response of
starlette's or raises a `TarmacError`, which is answered in the error form of its route.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from starlette.responses import JSONResponse, Response

from core.errors import InvalidInput, TarmacError
from core.hosting.addressing import Place
from core.hosting.discretion import discreet, discreet_text
from core.hosting.errors import RETRY_AFTER, Gone, SlowClient, TooLarge, Unavailable

if TYPE_CHECKING:
    from core.hosting.gateway import Gateway
    from core.hosting.registry import Entry

T = TypeVar("T")

BODY_SECONDS = 20.0
"""Seconds that a body may take whatever its size; beyond, it must come at `SLOWEST`."""

SLOWEST = 16 * 2**10
"""Bytes per second."""

MOST_HELD = 512 * 2**20
"""Bytes of all bodies that are in memory at one time; beyond, only small ones are taken."""

MOST_LISTS = 1_000_000
"""Lists and objects in one body: an empty one takes two bytes there and seventy in memory."""

MOST_VALUES = 4_000_000
"""Values in one body."""

_SMALL = 2**20
"""Bytes of a body that is taken whatever else there is."""

_IN_A_THREAD = 64 * 2**10
"""Bytes of JSON beyond which it is parsed in a thread: the loop serves others meanwhile."""


def plain_error(error: TarmacError, status: int) -> dict[str, object]:
    """The error form of Runway's SDK and of everything that has no other."""
    return {"error": str(error)}


@dataclass(frozen=True)
class Route:
    """One address of an API.

    Attributes:
        method: "GET" (HEAD comes with it) or "POST".
        path: Below the deployment: "/v1/query"; "{name}" stands for one segment.
        handler: Answers.
        counts: Whether it is a request to the model, for the numbers on the screen.
        open: Whether it needs no token. It must not tell what exists.
        admits: Whether the handler itself asks which deployments the client may use (`Gateway.opened`).
        errors: The JSON of an error.
        statuses: Statuses that differ from the error's own, chosen by the API.
    """

    method: str
    path: str
    handler: Callable[[Exchange], Awaitable[Response]]
    counts: bool = False
    open: bool = False
    admits: bool = False
    errors: Callable[[TarmacError, int], dict[str, object]] = plain_error
    statuses: Callable[[Exchange, TarmacError], int] = field(default=lambda exchange, error: error.status)


@dataclass(eq=False)
class Exchange:
    """One request.

    Attributes:
        gateway: Who got it.
        scope: ASGI's description of it.
        place: The deployment and path that it names.
        address: The client's address.
        entry: The deployment; None on the gateway's own routes.
        client: Who asks: a token's label, "studio", or the address at a public deployment.
        parameters: What stood for "{name}" in the route's path.
        studio: Whether it came with the studio's key.
        held: Bytes of its body that are in memory.
    """

    gateway: Gateway
    scope: dict[str, Any]
    receive: Callable[[], Awaitable[dict[str, Any]]]
    place: Place
    address: str
    entry: Entry | None = None
    client: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    studio: bool = False
    held: int = 0
    _read: bool = False

    @property
    def deployed(self) -> Entry:
        """The deployment, on routes that have one."""
        assert self.entry is not None
        return self.entry

    @property
    def max_body(self) -> int:
        """Bytes that its body may have."""
        return self.deployed.deployment.limits.max_body

    def header(self, name: str) -> str:
        """A header's value; empty without it."""
        key = name.lower().encode()
        return next((value for each, value in self.scope["headers"] if each == key), b"").decode("latin-1")

    async def body(self, most: int | None = None) -> bytes:
        """The whole body.

        Args:
            most: Bytes that it may have; what the deployment allows if None.

        Raises:
            TooLarge: It is larger than the deployment allows; not more than that was kept.
            SlowClient: It came too slowly.
            Gone: The client left.
            Unavailable: Too much of other bodies is in memory.
        """
        most = self.max_body if most is None else most
        if self.header("content-encoding") not in ("", "identity"):
            raise InvalidInput("the body cannot be read", "compressed bodies are not taken", "Send it as it is")
        declared = self.header("content-length")
        if declared.isdigit() and int(declared) > most:
            await self._too_large(most)
        parts: list[bytes] = []
        size, began = 0, time.monotonic()
        while True:
            left = began + BODY_SECONDS + size / SLOWEST - time.monotonic()
            try:
                message = await asyncio.wait_for(self.receive(), max(left, 0.001))
            except TimeoutError:
                raise SlowClient("the body came too slowly", f"{size} bytes were here in time") from None
            if message["type"] == "http.disconnect":
                raise Gone
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                await self._too_large(most)
            parts.append(part)
            self.held += len(part)
            self.gateway.held += len(part)
            if self.held > _SMALL and self.gateway.held > MOST_HELD:
                raise Unavailable("the gateway has no room for another large body", "", "Ask again", 2)
            if not message.get("more_body", False):
                self._read = True
                # In a thread a large one is put together without holding the interpreter.
                return await asyncio.to_thread(b"".join, parts) if size > _SMALL else b"".join(parts)

    async def json(self, most: int | None = None) -> object:
        """The body as JSON.

        Raises:
            InvalidInput: It is none.
            As `body`.
        """
        data = await self.body(most)
        return parse_json(data) if len(data) <= _IN_A_THREAD else await asyncio.to_thread(self.read_long, data)

    def read_long(self, data: bytes) -> object:
        """Read a long body, in a thread.

        Raises:
            InvalidInput: It is no JSON.
        """
        return parse_json(data)

    async def json_object(self, most: int | None = None) -> dict[str, object]:
        """The body as a JSON object.

        Raises:
            As `json`.
        """
        data = await self.json(most)
        if not isinstance(data, dict):
            raise InvalidInput("the body is not a JSON object", "allowed is {...} with an entry for each input")
        return data

    def discreet(self, error: TarmacError) -> TarmacError:
        """`error` as this client may see it: only the studio is told of other requests and of this machine."""
        return error if self.studio else discreet(error, self._private)

    def discreet_text(self, text: str) -> str:
        """The same for a sentence."""
        return text if self.studio else discreet_text(text, self._private)

    @property
    def _private(self) -> tuple[Path, ...]:
        return (self.gateway.registry.folder.parent, Path.home())

    async def while_here(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is cancelled if the client leaves. Read the body before.

        Raises:
            Gone: The client left.
        """
        task = asyncio.ensure_future(work)
        watcher = asyncio.create_task(self._gone())
        try:
            await asyncio.wait([task, watcher], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Gone
        finally:
            watcher.cancel()
            if not task.done():
                task.cancel()

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _too_large(self, most: int) -> NoReturn:
        """Refuse, after reading on for a moment: one who is still sending would not see an answer."""
        end = time.monotonic() + 3.0
        seen = 0
        while seen < 4 * most and (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self.receive(), left)
            except TimeoutError:
                break
            if message["type"] == "http.disconnect":
                raise Gone
            seen += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        raise TooLarge("the body is too large", f"{most:,} bytes are allowed")


def parse_json(data: bytes, decode: Callable[[str], object] | None = None) -> object:
    """JSON, strictly: UTF-8, no NaN, no nesting and no number of values that would break us.

    Args:
        data: It.
        decode: What reads the text; the standard library's, if None.

    Raises:
        InvalidInput: It is none.
    """
    if len(data) > 2 * MOST_LISTS:
        lists, commas = data.count(b"[") + data.count(b"{"), data.count(b",")
        if lists > MOST_LISTS or lists + commas > MOST_VALUES:
            raise InvalidInput(
                "the body has too many values", f"allowed are {MOST_VALUES:,}, {MOST_LISTS:,} lists among them"
            )
    try:
        text = data.decode("utf-8")
        return decode(text) if decode is not None else json.loads(text, parse_constant=no_constant)
    except RecursionError:
        raise InvalidInput("the body cannot be read", "its JSON is nested too deeply") from None
    except ValueError as error:
        raise InvalidInput("the body is not JSON", str(error)[:120]) from None


def error_response(error: TarmacError, status: int, data: dict[str, object]) -> JSONResponse:
    """The answer that tells an error."""
    headers: dict[str, str] = {}
    if status in (429, 503):
        headers["retry-after"] = str(error.retry_after if isinstance(error, Unavailable) else RETRY_AFTER)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, TooLarge | SlowClient):
        headers["connection"] = "close"
    return JSONResponse(data, status, headers)


def no_constant(text: str) -> NoReturn:
    """JSON knows no NaN and no infinity."""
    raise ValueError(f"{text} is not JSON")
