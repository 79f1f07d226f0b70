"""Keys one after the other: the next is given out when the one before has done all that it does, focus included.

Textual hands each key to the focused widget's queue as soon as it is read. Of keys that arrive in one piece (a fast
typist over a slow link, a paste into a shell's key macro) the later ones would still go to the old focus.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App
from textual.dom import DOMNode
from textual.events import Event
from textual.message import Message

_LONGEST = 1.0
"""Seconds after which a key counts as done although nothing has told so, since its widget is gone."""

_LONGEST_HOLD = 3.0
"""Seconds after which keys are given out although what they wait for has not come."""


class KeyPassed(Message):
    """Travels behind a key, up through the same queues."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class KeyOrder:
    """Holds keys back while one is on its way.

    Args:
        app: Whose keys they are; it gives every `KeyPassed` that arrives to `passed`.
        give: Hands an event to the focused widget.
    """

    def __init__(self, app: App[Any], give: Callable[[Event], Awaitable[None]]) -> None:
        self._app, self._give = app, give
        self._waiting: deque[Event] = deque()
        self._number = 0
        self._under_way = False
        self._legs: list[DOMNode | None] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._holds = 0
        self._patience: asyncio.TimerHandle | None = None

    def hold(self) -> None:
        """Keep what is typed from now on: something that will have the keys is being made. Ends with `release`."""
        self._holds += 1
        if self._holds == 1:
            self._patience = asyncio.get_running_loop().call_later(_LONGEST_HOLD, self._release_all)

    def release(self) -> None:
        """It is there; when all that was waited for is, the keys go on."""
        if self._holds == 1:
            self._release_all()
        else:
            self._holds = max(0, self._holds - 1)

    def _release_all(self) -> None:
        self._holds = 0
        if self._patience is not None:
            self._patience.cancel()
        self._app.call_later(self._next)

    async def take(self, event: Event) -> None:
        """Give the event out now, or when those before it are done."""
        if self._under_way or self._holds:
            self._waiting.append(event)
        else:
            await self._send(event)

    async def passed(self, number: int) -> None:
        """A marker has come up; one that is too late counts for nothing."""
        if self._under_way and number == self._number:
            await self._go_on()

    async def _send(self, event: Event) -> None:
        self._under_way = True
        self._number += 1
        self._alarm = asyncio.get_running_loop().call_later(_LONGEST, self._give_up, self._number)
        target = self._app.focused or self._app.screen
        await self._give(event)
        # Behind the key; behind the messages that its action posted; behind the mounting of what it opened.
        self._legs = [target, target, None]
        await self._go_on()

    async def _go_on(self) -> None:
        while self._legs:
            target = self._legs.pop(0) or self._app.focused or self._app.screen
            if target.is_attached and target.post_message(KeyPassed(self._number)):
                return
        self._under_way = False
        if self._alarm is not None:
            self._alarm.cancel()
        await self._next()

    async def _next(self) -> None:
        if self._waiting and not self._under_way and not self._holds:
            await self._send(self._waiting.popleft())

    def _give_up(self, number: int) -> None:
        self._legs = []
        self._app.post_message(KeyPassed(number))
