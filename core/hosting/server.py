"""The HTTP server around the gateway: uvicorn, run by us, with our protocol and without its signals and logs."""

from __future__ import annotations

import contextlib
import resource
import ssl
from collections.abc import Awaitable, Callable

import uvicorn

from core.hosting.gateway import Receive, Scope, Send
from core.hosting.protocol import IDLE_SECONDS, MOST_CONNECTIONS, GuardedProtocol


class _Server(uvicorn.Server):
    """uvicorn's, without its signals: ours let requests finish and end the workers."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


def make_server(gateway: App, drain: float, tls: ssl.SSLContext | None = None) -> uvicorn.Server:
    """A server whose `serve([socket])` answers until `should_exit` is set and requests are done.

    Args:
        gateway: Who answers.
        drain: Seconds that running requests get at the end.
        tls: The TLS context; None for plain HTTP.
    """
    return _Server(
        uvicorn.Config(
            gateway,
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(IDLE_SECONDS),
            timeout_graceful_shutdown=int(drain) + 3,
            ssl_context_factory=None if tls is None else lambda config, default: tls,
        )
    )


def more_files() -> None:
    """As many open files as the system allows: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 512
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
    GuardedProtocol.most_connections = max(64, min(MOST_CONNECTIONS, soft - 256))
