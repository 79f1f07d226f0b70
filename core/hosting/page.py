"""The page of a deployment for people: GET /<name>/, its two files, and /about, which fills it.

The page itself is the same for every name, whether there is such a deployment or not, and needs no token: it holds
nothing but the form that asks for one. Everything that it shows comes from /about, which needs it. It loads nothing
from elsewhere and runs no script but its own, by a Content-Security-Policy that has no exceptions.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from core.hosting.examples import Drawn, example
from core.hosting.exchange import Exchange, Route
from core.hosting.openai.api import speaks_openai
from core.hosting.runway_api import command_of, pool_of
from core.hosting.snippets import snippets
from core.interface import DataType, field_label

_FOLDER = Path(__file__).parent / "page"

NOWHERE = "https://gateway.invalid"
"""Stands in snippets for the gateway's address, which only the browser knows: it may have come through a tunnel."""

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

_YEAR = "public, max-age=31536000, immutable"


def _read(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


_STYLE, _SCRIPT = _read("page.css"), _read("page.js")
_VERSION = hashlib.sha256(_STYLE + _SCRIPT).hexdigest()[:12]
_PAGE = _read("page.html").replace(b"VERSION", _VERSION.encode())
_TAG = f'"{hashlib.sha256(_PAGE).hexdigest()[:16]}"'

_GUARDS = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


async def page(exchange: Exchange) -> Response:
    """The page. Its files are named relative to it, so its own address must end in a slash."""
    path = str(exchange.scope["path"])
    if not path.endswith("/"):
        return Response(status_code=308, headers={"location": f"./{quote(path.rpartition('/')[2], safe='')}/"})
    headers = {**_GUARDS, "cache-control": "no-cache", "etag": _TAG}
    if _TAG in exchange.header("if-none-match"):
        return Response(status_code=304, headers=headers)
    return Response(_PAGE, media_type="text/html", headers=headers)


async def style(exchange: Exchange) -> Response:
    """The page's looks. Its address has a version, so it is kept."""
    return Response(_STYLE, media_type="text/css", headers={**_GUARDS, "cache-control": _YEAR})


async def script(exchange: Exchange) -> Response:
    """The page's script. Its address has a version, so it is kept."""
    return Response(_SCRIPT, media_type="text/javascript", headers={**_GUARDS, "cache-control": _YEAR})


async def about(exchange: Exchange) -> Response:
    """What the page shows of the deployment. Asking wakes nothing."""
    entry = exchange.deployed
    pool = pool_of(exchange)
    command = command_of(pool)
    served, private = pool.served, entry.deployment.private
    text = speaks_openai(served.interface)
    return JSONResponse(
        {
            "name": entry.name,
            "title": served.title or served.model,
            "description": served.description,
            "command": command.name,
            "command_description": command.description,
            "private": private,
            "state": entry.state,
            "problem": exchange.discreet_text(str(pool.problem or "")),
            "text_model": text,
            "inputs": [_field(name, kind) for name, kind in command.inputs.items()],
            "outputs": [{**kind.spec(name), "label": field_label(name)} for name, kind in command.outputs.items()],
            "snippets": snippets(entry.name, NOWHERE, served.interface, command.name, private=private, text_model=text),
        },
        headers={"cache-control": "no-store"},
    )


def _field(name: str, kind: DataType) -> dict[str, object]:
    """The spec of an input with what a form needs beside it."""
    shown: dict[str, object] = {**kind.spec(name), "label": field_label(name) or name, "allowed": kind.allowed()}
    shown["required"] = kind.default_value() is None
    if kind.type_name in ("any", "array", "image_point", "image_bounding_box", "image_landmarks"):
        value = example(kind)
        if not isinstance(value, Drawn) and not (isinstance(value, list) and any(isinstance(v, Drawn) for v in value)):
            shown["example"] = value
    return shown


ROUTES = (
    Route("GET", "/", page, open=True),
    Route("GET", "/page.css", style, open=True),
    Route("GET", "/page.js", script, open=True),
    Route("GET", "/about", about),
)
