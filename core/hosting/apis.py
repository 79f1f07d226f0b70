"""Every API that a deployment speaks, in one list. A new one is a file with `ROUTES` and a line here."""

from __future__ import annotations

from core.hosting import health, openapi, page, runway_api
from core.hosting.exchange import Route
from core.hosting.openai import api as openai_api

DEPLOYMENT_ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *runway_api.ROUTES,
    *openai_api.ROUTES,
    *openapi.ROUTES,
    *page.ROUTES,
)
"""Below /<name>."""

GATEWAY_ROUTES: tuple[Route, ...] = (*health.GATEWAY_ROUTES, *openai_api.GATEWAY_ROUTES, *openapi.GATEWAY_ROUTES)
"""At the top; they need the studio's key or a token of the gateway, or say themselves whom they let in."""
