"""Runway's API for hosted models: GET /v1/, GET /v1/info, POST /v1/query, as its JavaScript client 0.3.0 expects.

Its client knows 401, 404 and 500 ("likely malformed input"); whatever else is not 2xx it calls unexpected and advises
to try again, and 429 and 502 it repeats without a pause. So where a request was addressed as only that client does
(`*.hosted-models.runwayml.cloud`), bad input is told as 500, the status with the right advice there, and it is never
told to come back: it waits in the queue. Everybody else gets 400, since bad input is no fault of the server.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from core.errors import InvalidInput, TarmacError
from core.hosting.errors import Unavailable
from core.hosting.exchange import Exchange, Route
from core.hosting.guard import read_inputs, write_outputs
from core.hosting.pool import Pool
from core.interface import Command


async def root(exchange: Exchange) -> Response:
    """Whether the model runs. Always at once; asking wakes it."""
    pool = pool_of(exchange)
    pool.wake()
    status = "running" if pool.state == "awake" else "starting"
    return JSONResponse({"status": status, "queryRoute": "/v1/query", "dataRoute": None, "errorRoute": None})


async def info(exchange: Exchange) -> Response:
    """The one command that is hosted: what it takes and gives. Asking wakes the model, and does not wait for it."""
    pool = pool_of(exchange)
    pool.wake()
    spec = command_of(pool).spec()
    return JSONResponse({key: spec[key] for key in ("name", "description", "inputs", "outputs")})


async def query(exchange: Exchange) -> Response:
    """Inputs in, outputs out; held while the model wakes."""
    pool = pool_of(exchange)
    pool.wake()
    command = command_of(pool)
    formats = _formats(exchange.header("x-runway-output-format"), command)
    inputs = await read_inputs(command, await exchange.json_object())
    # The workers of this moment: while the body came, changed settings may have put others in their place.
    call = pool_of(exchange).submit(exchange.client, command.name, inputs, hold=True)
    outputs = await exchange.while_here(call)
    if isinstance(tokens := outputs.get("tokens"), int | float):
        exchange.gateway.metrics.wrote(exchange.deployed.name, float(tokens))
    return JSONResponse(await write_outputs(command, outputs, formats))


def pool_of(exchange: Exchange) -> Pool:
    """The workers of the deployment that is asked.

    Raises:
        Unavailable: Its model is not to be found.
    """
    entry = exchange.deployed
    if entry.pool is None:
        problem = entry.problem
        raise Unavailable(*((problem.what, problem.why, problem.do) if problem else ("it is being started",)))
    return entry.pool


def command_of(pool: Pool) -> Command:
    """The command that is hosted."""
    return pool.served.interface.command(pool.deployment.command or None)


def _formats(header: str, command: Command) -> dict[str, str]:
    """ "image=PNG;depth=JPEG" as a dictionary.

    Raises:
        InvalidInput: It names no output, or no format.
    """
    formats: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in header.split(";"))):
        name, _, form = (each.strip() for each in part.partition("="))
        if name not in command.outputs or form.upper() not in ("PNG", "JPEG"):
            raise InvalidInput(
                f"X-Runway-Output-Format cannot be {part[:60]!r}", "allowed is an output's name, = and PNG or JPEG"
            )
        formats[name] = form.upper()
    return formats


def _status(exchange: Exchange, error: TarmacError) -> int:
    """The status of an error: as its clients understand it."""
    if not exchange.place.runway:
        return error.status
    if error.status == 429:
        return 503
    return 500 if error.status in (400, 413, 405) else error.status


ROUTES = (
    Route("GET", "/v1", root, statuses=_status),
    Route("GET", "/v1/", root, statuses=_status),
    Route("GET", "/v1/info", info, statuses=_status),
    Route("POST", "/v1/query", query, counts=True, statuses=_status),
)
