"""A completion as server-sent events: each text as it grows, usage where it was asked for, then [DONE].

An error after the first event is an event of its own and the last one. When the client leaves, nothing is written on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from starlette.responses import Response

from core.errors import TarmacError
from core.hosting.exchange import Exchange
from core.hosting.openai.request import Asked
from core.hosting.openai.text import Chance, Shown, logprobs, usage
from core.workers.call import Call

Outputs = Mapping[str, object]

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class _Sent:
    """How much of one text was sent."""

    def __init__(self, index: int, asked: Asked, beginning: Shown) -> None:
        self.outputs: Outputs = {}
        self._index, self._asked, self._beginning = index, asked, beginning
        self._begun = False
        self._text = self._chances = 0

    def news(self, outputs: Outputs) -> dict[str, object] | None:
        """The choice with what is new in `outputs`; None if nothing is."""
        self.outputs = outputs
        reason = outputs.get("finish_reason")
        text = str(outputs["completion"])
        every = cast("list[Chance]", outputs.get("logprobs") or [])
        # A token is sure when some of its text is: what may be the beginning of a stop string is held back.
        sure = len(every) if reason else sum(int(cast(int, each["start"])) < len(text) for each in every)
        new, chances = text[self._text :], every[self._chances : sure]
        before = () if self._begun else self._beginning.chances
        beginning = "" if self._begun else self._beginning.text
        if not (new or reason or beginning):
            return None
        self._begun, self._text, self._chances = True, len(text), max(self._chances, sure)
        return {
            "index": self._index,
            "text": beginning + new,
            "logprobs": logprobs(self._asked, before, chances, len(self._beginning.text)),
            "finish_reason": reason or None,
        }


class Events(Response):
    """The answer.

    Args:
        exchange: The request.
        head: What every event begins with: id, object, created, model.
        asked: What was asked for.
        beginnings: What stands before the texts of each prompt.
        calls: The texts, of each prompt as many as were asked for.
        errors: The form of an error.
    """

    def __init__(
        self,
        exchange: Exchange,
        head: Mapping[str, object],
        asked: Asked,
        beginnings: Sequence[Shown],
        calls: Sequence[Call],
        errors: Callable[[TarmacError, int], dict[str, object]],
    ) -> None:
        self.status_code = 200
        self.background = None
        self._exchange, self._head, self._asked, self._errors = exchange, head, asked, errors
        self._beginnings, self._calls = beginnings, calls
        places = range(len(beginnings) * asked.n)
        self._sent = [_Sent(place, asked, beginnings[place // asked.n]) for place in places]
        self._parts = _parts(calls) if calls else self._nothing()
        self._first: tuple[int, Outputs] | None = None

    async def begin(self) -> None:
        """Wait for the first part: what goes wrong until then is an answer with a status of its own.

        Raises:
            TarmacError: There will be no text.
            Gone: The client left.
        """
        self._first = await self._exchange.while_here(anext(self._parts))

    async def __call__(self, scope: object, receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        """Send the events.

        Raises:
            TarmacError: It went wrong on the way. The client was told.
            Gone: The client left.
        """
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._exchange.while_here(self._send(send))
        finally:
            for call in self._calls:
                call.cancel()
            written = sum(int(cast(float, each.outputs.get("tokens", 0))) for each in self._sent)
            self._exchange.gateway.metrics.wrote(self._exchange.deployed.name, written)

    async def _send(self, send: Callable[[Any], Awaitable[None]]) -> None:
        async def say(data: object) -> None:
            body = b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})

        extra = {"usage": None} if self._asked.usage else {}
        try:
            part = self._first
            while part is not None:
                place, outputs = part
                news = self._sent[place].news(outputs)
                if news is not None:
                    await say({**self._head, "choices": [news], **extra})
                part = await anext(self._parts, None)
        except TarmacError as error:
            await say(self._errors(self._exchange.discreet(error), error.status))
            await send({"type": "http.response.body", "body": b""})
            raise
        if self._asked.usage:
            every = [each.outputs for each in self._sent]
            firsts = every[:: self._asked.n] if self._calls else []
            await say({**self._head, "choices": [], "usage": usage(self._beginnings, firsts, every)})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _nothing(self) -> AsyncIterator[tuple[int, Outputs]]:
        """Texts of no tokens: only what they begin with."""
        for place in range(len(self._sent)):
            yield place, {"completion": "", "finish_reason": "length"}


async def _parts(calls: Sequence[Call]) -> AsyncIterator[tuple[int, Outputs]]:
    """The parts of all texts as they come: (which, its outputs so far).

    Raises:
        TarmacError: One of them failed.
    """
    if len(calls) == 1:
        async for part in calls[0]:
            yield 0, part.outputs
        return
    queue: asyncio.Queue[tuple[int, Outputs] | TarmacError | None] = asyncio.Queue()

    async def follow(place: int, call: Call) -> None:
        try:
            async for part in call:
                queue.put_nowait((place, part.outputs))
            queue.put_nowait(None)
        except TarmacError as error:
            queue.put_nowait(error)

    tasks = [asyncio.create_task(follow(place, call)) for place, call in enumerate(calls)]
    try:
        left = len(calls)
        while left:
            item = await queue.get()
            if isinstance(item, TarmacError):
                raise item
            if item is None:
                left -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
