"""The gateway as an ASGI application: finds the deployment, lets in who may, answers in the form of the API, counts.

Who has no valid token learns nothing: a private deployment, an inactive one, a broken one and a name that does not
exist are answered alike, after the same work.
"""

from __future__ import annotations

import hmac
import secrets
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.responses import Response

from core.errors import NotFound, TarmacError
from core.hosting.addressing import Place, bearer, locate
from core.hosting.apis import DEPLOYMENT_ROUTES, GATEWAY_ROUTES
from core.hosting.discretion import logged
from core.hosting.errors import Gone, MethodNotAllowed, Unauthorized, Unavailable
from core.hosting.exchange import Exchange, Route, error_response, plain_error
from core.hosting.metrics import Metrics
from core.hosting.registry import Entry, Registry
from core.hosting.tokens import Verifier, digest

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_NOBODY = Verifier()
"""The tokens of a deployment that does not exist."""

_ALWAYS = ((b"access-control-allow-origin", b"*"), (b"x-content-type-options", b"nosniff"))
"""Headers of every answer."""
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "Authorization, Content-Type, Accept, X-Runway-Output-Format, X-Requested-With",
    "access-control-max-age": "86400",
}


class Gateway:
    """Answers requests.

    Args:
        registry: The deployments.
        loopback: Whether only this machine reaches us. Elsewhere nothing is public, whatever a file says.
        studio_key: The key of the user's own programs.
    """

    def __init__(self, registry: Registry, *, loopback: bool = True, studio_key: str = "") -> None:
        self.registry = registry
        self.metrics = Metrics(registry)
        self.held = 0
        """Bytes of requests' bodies that are in memory."""
        self.stopping = False
        """Whether no new request is taken."""
        self._loopback = loopback
        self._studio = digest(studio_key or secrets.token_hex(16))
        self.routes = DEPLOYMENT_ROUTES
        """What is served below a deployment's name."""
        self._deployment_routes = _Table(DEPLOYMENT_ROUTES)
        self._gateway_routes = _Table(GATEWAY_ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        answer = _Answer(send)
        if scope["method"] == "OPTIONS":
            return await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, answer)
        place = locate(scope)
        table = self._deployment_routes if place.name else self._gateway_routes
        route, parameters, others = table.find(scope["method"], place.path)
        client = scope.get("client")
        exchange = Exchange(self, scope, receive, place, str(client[0]) if client else "", parameters=parameters)
        problem, fault = "", False
        try:
            if route is None or not (route.open or route.admits):
                await self._admit(exchange)
            if route is None:
                raise _no_route(place, scope["method"], others)
            if self.stopping and not route.open:
                raise Unavailable("the gateway is being stopped", "", "Ask again", 5)
            await (await route.handler(exchange))(scope, receive, answer)
        except Gone:
            answer.status = 499
        except TarmacError as error:
            problem, fault = logged(error), error.status >= 500
            await self._tell(exchange, route, error, answer)
        except Exception as error:
            problem, fault = f"{type(error).__name__} in the gateway", True
            # Where, and not what: the words of an exception may quote the request.
            where = "".join(traceback.format_tb(error.__traceback__))
            print(f"{where}{type(error).__name__}", file=sys.stderr, flush=True)
            told = TarmacError("the gateway made a mistake", "", "Its log has the details")
            await self._tell(exchange, route, told, answer)
        finally:
            self.held -= exchange.held
        self._count(exchange, route, answer.status, time.perf_counter() - began, problem, fault)

    async def _admit(self, exchange: Exchange) -> None:
        """Let the client in, or raise; sets the exchange's entry and client.

        Raises:
            Unauthorized: It shows no token that opens this. Says the same whether there is a deployment or not.
            NotFound: Whoever may know gets told that there is none, or that it is not active.
        """
        name = exchange.place.name
        presented = digest(bearer(exchange.scope["headers"]))
        for attempt in (1, 2):
            entry = self.registry.entries.get(name)
            verifier = entry.verifier if entry is not None else self.registry.gateway_tokens if not name else _NOBODY
            token = verifier.match(presented)
            studio = hmac.compare_digest(self._studio, presented)
            public = entry is not None and not entry.deployment.private and self._loopback
            if studio or token is not None or public:
                break
            if attempt == 1:
                # A token or a deployment of this very moment: everybody in vain waits for one look at the folder.
                await self.registry.fresh()
        else:
            raise Unauthorized
        exchange.studio = studio
        exchange.client = "studio" if studio else token.label if token is not None else exchange.address
        if name:
            exchange.entry = self.registry.require(name)

    async def opened(self, exchange: Exchange, wanted: str = "") -> dict[str, Entry]:
        """The active deployments that the client may use, by name: those of its token, and public ones.

        Args:
            exchange: Its request; gets to know who it is.
            wanted: A name that should be among them: where it is not, the folder is looked at once more.

        Raises:
            Unauthorized: It shows no valid token, and there is nothing, or not what is wanted, that needs none.
        """
        secret = bearer(exchange.scope["headers"])
        presented = digest(secret)
        for attempt in (1, 2):
            studio = hmac.compare_digest(self._studio, presented)
            gateway = self.registry.gateway_tokens.match(presented)
            labels = [gateway.label] if gateway is not None else []
            found: dict[str, Entry] = {}
            for entry in self.registry.entries.values():
                token = entry.verifier.match(presented)
                if token is not None:
                    labels.append(token.label)
                if (studio or token is not None or (not entry.deployment.private and self._loopback)) and (
                    entry.deployment.active
                ):
                    found[entry.name] = entry
            known = studio or bool(labels)
            if (known and not wanted) or wanted in found or attempt == 2:
                break
            await self.registry.fresh()
        if not known and (wanted not in found if wanted else not found):
            raise Unauthorized
        exchange.studio = studio
        exchange.client = "studio" if studio else labels[0] if labels else exchange.address
        return found

    async def _tell(self, exchange: Exchange, route: Route | None, error: TarmacError, answer: _Answer) -> None:
        """Answer with an error, unless an answer is under way already: that one is cut off."""
        status = route.statuses(exchange, error) if route is not None else error.status
        if answer.started:
            return
        error = exchange.discreet(error)
        data = route.errors(error, status) if route is not None else plain_error(error, status)
        await error_response(error, status, data)(exchange.scope, exchange.receive, answer)

    def _count(
        self, exchange: Exchange, route: Route | None, status: int, seconds: float, problem: str, fault: bool
    ) -> None:
        entry: Entry | None = exchange.entry or self.registry.entries.get(exchange.place.name)
        path = route.path if route is not None else "other"
        if entry is None or (route is not None and route.open):
            return
        entry.log.tell(
            exchange.client or "-", exchange.address, exchange.scope["method"], path, status, seconds * 1000, problem
        )
        if status == 401:
            return
        if exchange.entry is not None:
            self.metrics.count(entry.name, path, status, seconds)
            if route is not None and route.counts:
                entry.statistics.count(status < 400, fault, seconds * 1000)


class _Answer:
    """Sends an answer, with what every answer has; knows its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.status = 500

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *_ALWAYS]}
        await self._send(dict(message))


class _Table:
    """Routes by method and path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._exact = {(route.method, route.path): route for route in routes if "{" not in route.path}
        self._patterns = [(route.path.split("/"), route) for route in routes if "{" in route.path]

    def find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], set[str]]:
        """The route, what stood for its names, and the methods that would have one."""
        method = "GET" if method == "HEAD" else method
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}, set()
        others = {known for known, exact in self._exact if exact == path}
        segments = path.split("/")
        for pattern, candidate in self._patterns:
            parameters = _match(pattern, segments)
            if parameters is None:
                continue
            if candidate.method == method:
                return candidate, parameters, set()
            others.add(candidate.method)
        return None, {}, others


def _match(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    parameters: dict[str, str] = {}
    for wanted, segment in zip(pattern, segments):
        if wanted.startswith("{"):
            parameters[wanted[1:-1]] = segment
        elif wanted != segment:
            return None
    return parameters


def _no_route(place: Place, method: str, others: set[str]) -> TarmacError:
    if others:
        return MethodNotAllowed(f"{method[:16]} is not for {place.path[:80]}", "", f"Use {' or '.join(sorted(others))}")
    return NotFound(f"there is nothing at {place.path[:80]}")
