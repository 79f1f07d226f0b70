"""Which deployment a request is for, and which path of it.

Runway's clients insist on an address of `<name>.hosted-models.runwayml.cloud`. They reach us as a proxy (the whole
address is the request's target), by a path that begins with that name, or by a name server that sends it here (Host).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

RUNWAY_DOMAIN = ".hosted-models.runwayml.cloud"

_SLASHES = re.compile("/{2,}")


@dataclass(frozen=True)
class Place:
    """Where a request goes.

    Attributes:
        name: The deployment that it names; empty for the gateway itself. Nothing is said of its existence.
        path: The path below the deployment, beginning with "/", without repeated slashes.
        runway: Whether it was addressed as only Runway's clients do.
    """

    name: str
    path: str
    runway: bool = False


GATEWAY_PATHS = frozenset({"/", "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/models", "/v1/completions"})
"""What the gateway answers itself."""


def locate(scope: MutableMapping[str, Any]) -> Place:
    """The place that an HTTP request of ASGI names."""
    path = _SLASHES.sub("/", str(scope["path"])) or "/"
    target = scope.get("extensions", {}).get("tarmac.target", "")
    name = _runway_name(target)
    if name:
        return Place(name, path, True)
    first, _, rest = path.removeprefix("/").partition("/")
    name = _runway_name(first)
    if name:
        return Place(name, f"/{rest}", True)
    host = next((value for key, value in scope["headers"] if key == b"host"), b"").decode("latin-1")
    name = _runway_name(host)
    if name:
        return Place(name, path, True)
    if path in GATEWAY_PATHS or path.startswith("/v1/models/"):
        return Place("", path)
    return Place(first, f"/{rest}")


def bearer(headers: Mapping[bytes, bytes] | list[tuple[bytes, bytes]]) -> str:
    """The token that a request shows; empty if it shows none."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    value = next((value for key, value in pairs if key == b"authorization"), b"").decode("latin-1")
    scheme, _, secret = value.strip().partition(" ")
    return secret.strip()[:512] if scheme.lower() == "bearer" else ""


def _runway_name(host: str) -> str:
    """The deployment's name in an address of Runway's; empty if it is none."""
    name = host.partition(":")[0].lower().rstrip(".")
    return name.removesuffix(RUNWAY_DOMAIN) if name.endswith(RUNWAY_DOMAIN) else ""
