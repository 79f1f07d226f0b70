"""OpenAI's completions API: GET /v1/models, POST /v1/completions, below a deployment and for all that a token opens.

Programs that were written for OpenAI's work by their base URL alone. What cannot be done is refused, and why it cannot
is said in OpenAI's form of errors.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import cast

from starlette.responses import JSONResponse, Response

from core.errors import NotFound, TarmacError
from core.hosting.errors import NoModel, Unfit
from core.hosting.exchange import Exchange, Route
from core.hosting.openai.request import FIELDS, Asked, Prompt, read_request
from core.hosting.openai.stream import Events
from core.hosting.openai.text import Shown, choice, scored, usage
from core.hosting.pool import Pool
from core.hosting.registry import Entry
from core.hosting.runway_api import pool_of
from core.interface import Interface
from core.workers.call import Call

WRITE, SCORE = "write", "score"
"""Commands of a text model that this API stands on."""

_CODES = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "not_found"),
    408: ("invalid_request_error", "timeout"),
    413: ("invalid_request_error", "too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "unavailable"),
    504: ("server_error", "timeout"),
}


def openai_error(error: TarmacError, status: int) -> dict[str, object]:
    """OpenAI's form of an error."""
    kind, code = _CODES.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    if isinstance(error, NoModel):
        code = "model_not_found"
    if error.what.startswith("the model's context is"):
        code = "context_length_exceeded"
    first = error.what.split(" ", 1)[0]
    param = error.param if isinstance(error, Unfit) else first if first in FIELDS else None
    if code == "context_length_exceeded":
        param = "prompt"
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


# -- models


async def models(exchange: Exchange) -> Response:
    """The deployment itself."""
    return JSONResponse({"object": "list", "data": [_model(_text_model(exchange.deployed))]})


async def one_model(exchange: Exchange) -> Response:
    """The deployment itself, by its name."""
    name = exchange.parameters["model"]
    if name != exchange.deployed.name:
        raise NoModel(name)
    return JSONResponse(_model(_text_model(exchange.deployed)))


async def all_models(exchange: Exchange) -> Response:
    """Every text model that the client's token opens."""
    opened = await exchange.gateway.opened(exchange)
    found = [entry for entry in opened.values() if _writes(entry.pool)]
    return JSONResponse({"object": "list", "data": [_model(entry) for entry in found]})


async def one_of_all(exchange: Exchange) -> Response:
    """A text model that the client's token opens."""
    return JSONResponse(_model(await _named(exchange, exchange.parameters["model"])))


def _model(entry: Entry) -> dict[str, object]:
    created = int(entry.deployment.created.timestamp())
    return {"id": entry.name, "object": "model", "created": created, "owned_by": "tarmac"}


def _text_model(entry: Entry) -> Entry:
    if entry.pool is not None and not _writes(entry.pool):
        raise NotFound(f"{entry.name} writes no text", "OpenAI's API is for text models", f"Use /{entry.name}/v1/query")
    return entry


def _writes(pool: Pool | None) -> bool:
    return pool is not None and speaks_openai(pool.served.interface)


def speaks_openai(interface: Interface) -> bool:
    """Whether a model has what this API stands on."""
    return {WRITE, SCORE} <= interface.commands.keys()


async def _named(exchange: Exchange, name: str) -> Entry:
    entry = (await exchange.gateway.opened(exchange, name)).get(name)
    if entry is None:
        raise NoModel(name)
    exchange.entry = entry
    return _text_model(entry)


# -- completions


async def completions(exchange: Exchange) -> Response:
    """Texts of the deployment's model."""
    entry = _text_model(exchange.deployed)
    asked = read_request(await exchange.json_object())
    if asked.model not in ("", entry.name):
        raise NoModel(asked.model)
    return await _complete(exchange, entry, asked)


async def all_completions(exchange: Exchange) -> Response:
    """Texts of the model that the request names."""
    opened = await exchange.gateway.opened(exchange)
    most = max((entry.deployment.limits.max_body for entry in opened.values()), default=0)
    asked = read_request(await exchange.json_object(most))
    if not asked.model:
        raise Unfit("model", "model is missing", "", "GET /v1/models lists what this token opens")
    return await _complete(exchange, await _named(exchange, asked.model), asked)


async def _complete(exchange: Exchange, entry: Entry, asked: Asked) -> Response:
    pool_of(exchange)
    head = {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": entry.name,
    }
    calls: list[Call] = []

    def submit(command: str, inputs: Mapping[str, object], parts: bool = False) -> Call:
        # The workers of this moment: changed settings may have put others in their place meanwhile.
        call = pool_of(exchange).submit(exchange.client, command, inputs, parts=parts)
        calls.append(call)
        return call

    try:
        shown = [Shown(prompt) if isinstance(prompt, str) else None for prompt in asked.prompts]
        if asked.echo and (asked.logprobs is not None or asked.max_tokens == 0 or None in shown):
            scores = [submit(SCORE, _score_inputs(asked, prompt)) for prompt in asked.prompts]
            found = await exchange.while_here(_all(scores))
            shown = [scored(*each) for each in zip(asked.prompts, found)]
        beginnings = [each if asked.echo and each is not None else Shown("") for each in shown]
        texts: list[Call] = []
        if asked.max_tokens:
            texts = [
                submit(WRITE, asked.inputs(prompt, number), asked.stream)
                for prompt in asked.prompts
                for number in range(asked.best_of)
            ]
        if asked.stream:
            events = Events(exchange, head, asked, beginnings, texts, openai_error)
            await events.begin()
            return events
        outputs = await exchange.while_here(_all(texts)) if texts else []
        return JSONResponse(_answer(exchange, entry, head, asked, beginnings, outputs))
    except BaseException:
        for call in calls:
            call.cancel()
        raise


def _answer(
    exchange: Exchange,
    entry: Entry,
    head: Mapping[str, object],
    asked: Asked,
    beginnings: Sequence[Shown],
    outputs: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    choices: list[dict[str, object]] = []
    for place, beginning in enumerate(beginnings):
        mine = outputs[place * asked.best_of : (place + 1) * asked.best_of]
        if asked.best_of > asked.n:
            mine = sorted(mine, key=_likely, reverse=True)[: asked.n]
        for each in mine or [{"completion": "", "finish_reason": "length", "logprobs": []}] * asked.n:
            choices.append(choice(len(choices), asked, beginning, each))
    count = usage(beginnings, outputs[:: asked.best_of], outputs)
    exchange.gateway.metrics.wrote(entry.name, count["completion_tokens"])
    return {**head, "choices": choices, "usage": count}


def _likely(outputs: Mapping[str, object]) -> float:
    """The mean log-probability of a text's tokens; the first one has none where nothing stands before it."""
    chances = [each["logprob"] for each in cast("list[dict[str, object]]", outputs["logprobs"])]
    values = [float(each) for each in chances if isinstance(each, int | float)]
    return sum(values) / len(values) if values else float("-inf")


def _score_inputs(asked: Asked, prompt: Prompt) -> dict[str, object]:
    text = prompt if isinstance(prompt, str) else ""
    return {"text": text, "ids": [] if isinstance(prompt, str) else list(prompt), "top": asked.logprobs or 0}


async def _all(calls: Sequence[Call]) -> list[dict[str, object]]:
    return await asyncio.gather(*(_whole(call) for call in calls))


async def _whole(call: Call) -> dict[str, object]:
    return await call


ROUTES = (
    Route("GET", "/v1/models", models, errors=openai_error),
    Route("GET", "/v1/models/{model}", one_model, errors=openai_error),
    Route("POST", "/v1/completions", completions, counts=True, errors=openai_error),
)

GATEWAY_ROUTES = (
    Route("GET", "/v1/models", all_models, admits=True, errors=openai_error),
    Route("GET", "/v1/models/{model}", one_of_all, admits=True, errors=openai_error),
    Route("POST", "/v1/completions", all_completions, counts=True, admits=True, errors=openai_error),
)
