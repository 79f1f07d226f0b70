"""OpenAPI 3.1 of a deployment (/<name>/openapi.json) and of the gateway: every address, input, limit and answer.

Made from the data types, so it says what is checked. Source: https://spec.openapis.org/oas/v3.1.0, whose schemas are
those of JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from starlette.responses import JSONResponse, Response

from core.hosting.exchange import Exchange, Route
from core.hosting.openai.api import speaks_openai
from core.hosting.openai.request import MOST_LOGPROBS, MOST_PROMPT, MOST_STOP, MOST_STOPS, MOST_TEXTS
from core.hosting.openapi_schemas import Json, inputs_schema, outputs_schema
from core.hosting.registry import Entry
from core.hosting.runway_api import command_of, pool_of
from core.interface import Command, Image
from core.library.interfaces import MOST_BIASED

_NOTHING = Command("", {}, {})
_ERRORS: Mapping[str, str] = {
    "400": "The body or an input is not allowed",
    "401": "No valid token; says the same whether there is such a deployment or not",
    "404": "The deployment is not active, or there is no such address",
    "405": "The address is not for this method",
    "408": "The request came too slowly",
    "413": "The body is too large",
    "414": "The address is too long",
    "429": "This client has its share of the queue waiting",
    "431": "The head of the request is too large",
    "500": "The model failed",
    "503": "The queue is full, the model cannot be started, its worker died, or the gateway is being stopped",
    "504": "The request took longer than the deployment allows",
}
_ALWAYS = ("400", "401", "404", "405", "408", "414", "431", "503")


async def deployment_document(exchange: Exchange) -> Response:
    """The document of the deployment that is asked."""
    pool = pool_of(exchange)
    text = speaks_openai(pool.served.interface)
    routes = [route for route in exchange.gateway.routes if text or not route.path.startswith(_TEXT_PATHS)]
    return JSONResponse(document(exchange.deployed, command_of(pool), routes))


async def gateway_document(exchange: Exchange) -> Response:
    """The document of what the gateway itself answers."""
    paths: dict[str, Json] = {
        "/livez": {"get": _operation("Whether the gateway's process answers", _LIVE, open_=True)},
        "/readyz": {"get": _operation("Whether every deployment that should answer does", _READY_ALL, more=("503",))},
        "/metrics": {"get": _operation("Numbers of all deployments for Prometheus", _text("text/plain"))},
        "/openapi.json": {"get": _operation("This document", _json({"type": "object"}))},
    }
    for path, make in (("/v1/models", _models), ("/v1/models/{model}", _one_model)):
        paths[path] = {"get": make(_NOTHING)}
    paths["/v1/completions"] = {"post": _completions(_NOTHING)}
    words = "What the gateway answers itself. Deployments have documents of their own, at /NAME/openapi.json."
    return JSONResponse(_frame("Tarmac gateway", words, "/", paths, True))


def document(entry: Entry, command: Command, routes: Sequence[Route]) -> Json:
    """The OpenAPI document of a deployment.

    Args:
        entry: The deployment.
        command: The command that it hosts.
        routes: What the gateway serves below its name; each is in the document.
    """
    paths: dict[str, Json] = {}
    for route in routes:
        operation = _KNOWN.get(route.path, _unknown)(command)
        if entry.deployment.private and route.open:
            operation = {**operation, "security": []}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    words = command.description or f"The command {command.name}"
    return _frame(entry.name, words, f"/{entry.name}", paths, entry.deployment.private)


# -- answers and addresses


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _text(kind: str) -> Json:
    return {kind: {"schema": {"type": "string"}}}


def _object(**properties: object) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


_STRING: Json = {"type": "string"}
_LIVE = _json(_object(status={"const": "ok"}))
_READY = _json(_object(status=_STRING, why=_STRING))
_READY_ALL = _json(_object(status=_STRING, deployments={"type": "object"}))
_SPECS: Json = {"type": "array", "items": {**_object(name=_STRING, type=_STRING), "additionalProperties": True}}


def _operation(
    summary: str,
    answer: Json,
    *,
    open_: bool = False,
    body: Json | None = None,
    more: tuple[str, ...] = (),
    parameters: tuple[Json, ...] = (),
    own: Mapping[str, Json] | None = None,
) -> Json:
    """One method of one address. `own` are answers that differ from the form of an error."""
    codes = [code for code in _ERRORS if code in _ALWAYS or code in more]
    answers: dict[str, object] = {"200": {"description": "As asked", "content": answer}}
    for code in codes:
        answers[code] = {"$ref": f"#/components/responses/{code}"}
    answers.update(own or {})
    found: Json = {"summary": summary, "responses": answers}
    if open_:
        found["security"] = []
    if parameters:
        found["parameters"] = list(parameters)
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _query(command: Command) -> Json:
    return _operation(
        "Inputs in, outputs out; held while the model wakes",
        _json(outputs_schema(command)),
        body=inputs_schema(command),
        more=("413", "429", "500", "504"),
        parameters=_formats(command),
    )


def _formats(command: Command) -> tuple[Json, ...]:
    """The header that chooses picture formats, where there are pictures to choose them for."""
    kinds = {name: "PNG" if kind.channels == 4 else "PNG|JPEG" for name, kind in _pictures(command)}
    if not kinds:
        return ()
    one = "|".join(f"{re.escape(name)}=({forms})" for name, forms in kinds.items())
    found: Json = {
        "name": "X-Runway-Output-Format",
        "in": "header",
        "required": False,
        "description": "Picture formats by output, with ; between them",
        "schema": {"type": "string", "pattern": f"^(({one})(;({one}))*)?$"},
    }
    return (found,)


def _pictures(command: Command) -> list[tuple[str, Image]]:
    return [(name, kind) for name, kind in command.outputs.items() if isinstance(kind, Image) and name.isascii()]


def _page(command: Command) -> Json:
    moved: Json = {"description": "To the address with a slash at its end"}
    same: Json = {"description": "As it was, where If-None-Match names it"}
    return _operation(
        "A page for people", _text("text/html; charset=utf-8"), open_=True, own={"308": moved, "304": same}
    )


def _ready(command: Command) -> Json:
    not_ready: Json = {"description": "It sleeps, wakes, or does not answer; or as an error", "content": _EITHER}
    return _operation("Whether its worker answers", _READY, own={"503": not_ready})


_EITHER = _json({"type": "object"})


def _root(command: Command) -> Json:
    found = _object(status={"enum": ["starting", "running"]}, queryRoute=_STRING)
    return _operation("Whether the model runs; asking wakes it", _json(found))


def _info(command: Command) -> Json:
    found = _object(name=_STRING, description={"type": ["string", "null"]}, inputs=_SPECS, outputs=_SPECS)
    return _operation("What it takes and gives, as Runway's data types", _json(found))


# -- OpenAI's API

_TEXT_PATHS = ("/v1/models", "/v1/completions")


def _text_operation(summary: str, answer: Json, body: Json | None = None, parameters: tuple[Json, ...] = ()) -> Json:
    """An operation whose errors are OpenAI's."""
    more = ("413", "429", "500", "504") if body is not None else ()
    error = _json({"$ref": "#/components/schemas/OpenAIError"})
    own: dict[str, Json] = {code: {"description": _ERRORS[code], "content": error} for code in (*_ALWAYS, *more)}
    return _operation(summary, answer, body=body, parameters=parameters, own=own)


def _models(command: Command) -> Json:
    return _text_operation("The deployment as a model of OpenAI's API", _json(_object(object=_STRING, data=_ANY_LIST)))


def _one_model(command: Command) -> Json:
    model: Json = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return _text_operation("The deployment by its name", _json(_object(id=_STRING, object=_STRING)), None, (model,))


def _completions(command: Command) -> Json:
    prompt: Json = {"type": "string", "maxLength": MOST_PROMPT}
    ids: Json = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2**24 - 1}, "minItems": 1}
    many: Json = {"type": "array", "minItems": 1, "maxItems": MOST_TEXTS}
    bias: Json = {"type": "number", "minimum": -100, "maximum": 100}
    stop: Json = {"type": "string", "minLength": 1, "maxLength": MOST_STOP}
    fields: Json = {
        "model": {"type": "string", "description": "The deployment's name; it may be left out"},
        "prompt": {"anyOf": [prompt, ids, {**many, "items": prompt}, {**many, "items": ids}]},
        "max_tokens": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**20},
        "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
        "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_TEXTS},
        "best_of": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_TEXTS},
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {
            "type": ["object", "null"],
            "properties": {"include_usage": {"type": ["boolean", "null"]}},
            "additionalProperties": False,
        },
        "logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": MOST_LOGPROBS},
        "echo": {"type": ["boolean", "null"]},
        "stop": {"anyOf": [{"type": "null"}, stop, {"type": "array", "items": stop, "maxItems": MOST_STOPS}]},
        "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
        "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
        "logit_bias": {
            "type": ["object", "null"],
            "propertyNames": {"pattern": "^[0-9]{1,8}$"},
            "additionalProperties": bias,
            "maxProperties": MOST_BIASED,
        },
        "seed": {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**64 - 1},
        "suffix": {"type": "null"},
        "user": {"type": ["string", "null"]},
    }
    body: Json = {"type": "object", "properties": fields, "required": ["prompt"], "additionalProperties": False}
    found = _object(id=_STRING, object=_STRING, created={"type": "integer"}, model=_STRING, choices=_ANY_LIST)
    # No type: some read it as the one of each event, others as that of the whole stream.
    events: Json = {"description": "Each event's data is a completion with what is new; the last one's is [DONE]"}
    stream: Json = {"text/event-stream; charset=utf-8": {"schema": events}}
    answer = {**_json({**found, "additionalProperties": True}), **stream}
    return _text_operation("Completions of a prompt, streamed if asked; ends in [DONE]", answer, body)


_ANY_LIST: Json = {"type": "array", "items": {"type": "object"}}


def _unknown(command: Command) -> Json:
    return _operation("An address of this deployment", {"*/*": {}}, more=tuple(_ERRORS))


_KNOWN: Mapping[str, Callable[[Command], Json]] = {
    "/": _page,
    "/page.css": lambda command: _operation("The page's looks", _text("text/css; charset=utf-8"), open_=True),
    "/page.js": lambda command: _operation("The page's script", _text("text/javascript; charset=utf-8"), open_=True),
    "/about": lambda command: _operation("What the page shows", _json({"type": "object"})),
    "/openapi.json": lambda command: _operation("This document", _json({"type": "object"})),
    "/livez": lambda command: _operation("Whether the gateway's process answers", _LIVE, open_=True),
    "/readyz": _ready,
    "/metrics": lambda command: _operation("Numbers for Prometheus", _text("text/plain")),
    "/v1": _root,
    "/v1/": _root,
    "/v1/info": _info,
    "/v1/query": _query,
    "/v1/models": _models,
    "/v1/models/{model}": _one_model,
    "/v1/completions": _completions,
}


def _frame(title: str, words: str, server: str, paths: Mapping[str, Json], private: bool) -> Json:
    error = _object(error={"type": "string", "description": "What happened: why. What to do"})
    responses: dict[str, Json] = {}
    for code, sentence in _ERRORS.items():
        answer: Json = {"description": sentence, "content": _json({"$ref": "#/components/schemas/Error"})}
        if code in ("429", "503"):
            after = {"description": "Seconds after which to ask again", "schema": {"type": "integer"}}
            answer["headers"] = {"Retry-After": after}
        responses[code] = answer
    theirs = _object(error={"anyOf": [_object(message=_STRING, type=_STRING), _STRING]})
    components: Json = {"schemas": {"Error": error, "OpenAIError": theirs}, "responses": responses}
    if private:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": words, "version": _version()},
        "servers": [{"url": server}],
        "security": [{"token": []}] if private else [],
        "paths": dict(paths),
        "components": components,
    }


def _version() -> str:
    try:
        return version("tarmac")
    except PackageNotFoundError:
        return "0"


ROUTES = (Route("GET", "/openapi.json", deployment_document),)
GATEWAY_ROUTES = (Route("GET", "/openapi.json", gateway_document),)
