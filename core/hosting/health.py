"""Whether it works: /livez (the gateway's process), /readyz (a worker answers, proven), /metrics.

/livez is open and tells nothing else. A ready deployment is one whose worker gave something within the last seconds, or
answers a tiny request of the gateway's own in time; one that sleeps is not ready, and the probe does not wake it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import numpy as np
from starlette.responses import JSONResponse, Response

from core.errors import TarmacError
from core.hosting.exchange import Exchange, Route
from core.hosting.metrics import CONTENT_TYPE
from core.hosting.pool import Pool
from core.interface import Command, Image, Interface, Number, Segmentation, Text, Vector

FRESH = 10.0
"""Seconds that an answer of a worker proves that it answers."""

PROBE_SECONDS = 5.0
"""Seconds that a worker has to answer the probe."""


async def livez(exchange: Exchange) -> Response:
    """The process answers. The same for every name, whether there is such a deployment or not."""
    return JSONResponse({"status": "ok"})


async def readyz(exchange: Exchange) -> Response:
    """One deployment: 200 if its worker answers, else 503 and why."""
    pool = exchange.deployed.pool
    state, sentence = await readiness(pool) if pool is not None else ("failed", str(exchange.deployed.problem or ""))
    return JSONResponse({"status": state, "why": exchange.discreet_text(sentence)}, 200 if state == "ready" else 503)


async def all_readyz(exchange: Exchange) -> Response:
    """The gateway: 200 if no deployment that should answer fails to. Sleeping ones wake when they are asked."""
    states: dict[str, dict[str, str]] = {}
    active = [entry for entry in exchange.gateway.registry.entries.values() if entry.deployment.active]
    found = await asyncio.gather(*(_state(entry.pool) for entry in active))
    for entry, (state, sentence) in zip(active, found):
        states[entry.name] = {"status": state, "why": exchange.discreet_text(sentence or str(entry.problem or ""))}
    bad = any(each["status"] in ("failed", "silent") for each in states.values())
    return JSONResponse({"status": "failed" if bad else "ready", "deployments": states}, 503 if bad else 200)


async def metrics(exchange: Exchange) -> Response:
    """The numbers of one deployment."""
    return Response(exchange.gateway.metrics.text(exchange.deployed.name), media_type=CONTENT_TYPE)


async def all_metrics(exchange: Exchange) -> Response:
    """The numbers of all deployments; they tell their names."""
    return Response(exchange.gateway.metrics.text(), media_type=CONTENT_TYPE)


async def readiness(pool: Pool) -> tuple[str, str]:
    """ "ready", or what else: "asleep", "waking", "failed", "silent"; and a sentence.

    Args:
        pool: The workers of a deployment.
    """
    state = pool.state
    if state != "awake":
        sentence = "It is asleep; the next request wakes it" if state == "asleep" else str(pool.problem or "")
        return state, sentence
    if time.monotonic() - pool.heartbeat < FRESH:
        return "ready", ""
    probe = probe_inputs(pool.served.interface, pool.deployment.command)
    if probe is None:
        return "ready", "Its worker's process is there; no request could be made up to prove more"
    began = time.monotonic()
    try:
        call = pool.submit("probe", probe[0].name, probe[1])
        async with asyncio.timeout(PROBE_SECONDS):
            await call
    except TimeoutError:
        if pool.heartbeat > began:
            return "ready", ""
        return "silent", f"Its worker gave nothing for {PROBE_SECONDS:.0f} s"
    except TarmacError as error:
        return "failed", str(error)
    return "ready", ""


def probe_inputs(interface: Interface, command: str) -> tuple[Command, Mapping[str, object]] | None:
    """The smallest request that proves that a model answers; None where none can be made up."""
    chosen = interface.command(command or None)
    inputs: dict[str, object] = {}
    for name, kind in chosen.inputs.items():
        default = kind.default_value()
        if isinstance(kind, Number) and name in ("max_tokens", "max_characters", "steps") and kind.min is not None:
            inputs[name] = kind.min
        elif isinstance(kind, Vector):
            inputs[name] = np.full(kind.length or 1, kind.sampling_mean, np.float32)
        elif isinstance(kind, Text):
            inputs[name] = default or "a" * max(1, kind.min_length)
        elif isinstance(kind, Image | Segmentation):
            height, width = (getattr(kind, side) or getattr(kind, f"min_{side}") or 16 for side in ("height", "width"))
            if height * width > 2**20:
                return None
            shape = (height, width, kind.channels) if isinstance(kind, Image) else (height, width)
            value = next(iter(kind.ids.values())) if isinstance(kind, Segmentation) else 127
            inputs[name] = np.full(shape, value, np.uint8)
        elif default is None:
            return None
    try:
        return chosen, chosen.check_inputs(inputs)
    except TarmacError:
        return None


async def _state(pool: Pool | None) -> tuple[str, str]:
    return await readiness(pool) if pool is not None else ("failed", "")


ROUTES = (
    Route("GET", "/livez", livez, open=True),
    Route("GET", "/readyz", readyz),
    Route("GET", "/metrics", metrics),
)

GATEWAY_ROUTES = (
    Route("GET", "/livez", livez, open=True),
    Route("GET", "/readyz", all_readyz),
    Route("GET", "/metrics", all_metrics),
)
