"""The queue of a deployment: bounded, and fair among clients, however much one of them sends.

Clients take turns: whoever asks once waits for one request of each other client, not for all of them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

from core.hosting.errors import TooMany, Unavailable

HELD_TIMES = 4
"""How many times the queue's bound may wait in all, when APIs hold requests that others would refuse."""


class Waiting(Protocol):
    """What waits: it belongs to somebody, and weighs something."""

    @property
    def client(self) -> str:
        """Whose it is."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory that it holds while it waits."""
        ...


T = TypeVar("T", bound=Waiting)


class FairQueue(Generic[T]):
    """Requests that wait.

    Args:
        bound: How many may wait; one client may hold half of them (at least one).
        memory: Bytes that they may hold together.
    """

    def __init__(self, bound: int, memory: int = 2**30) -> None:
        self.bound = bound
        self._memory = memory
        self._clients: OrderedDict[str, deque[T]] = OrderedDict()
        self._again: deque[T] = deque()
        self._size = 0
        self._counted = 0
        self._held = 0

    def __len__(self) -> int:
        return self._size + len(self._again)

    @property
    def share(self) -> int:
        """How many requests one client may have waiting."""
        return max(1, self.bound // 2)

    def of(self, client: str) -> int:
        """How many requests of `client` wait."""
        return len(self._clients.get(client, ()))

    def check(self, client: str, nbytes: int, hold: bool, retry_after: int) -> None:
        """Whether one more request may wait.

        Args:
            client: Whose it is.
            nbytes: Memory that it holds.
            hold: Let a client wait beyond its share rather than refuse it: for programs that answer a refusal by
                asking again at once. What is beyond a share counts against a wider bound.
            retry_after: Seconds to tell when it may not.

        Raises:
            TooMany: This client has its share waiting.
            Unavailable: The queue is full.
        """
        beyond = self.of(client) >= self.share
        if beyond and not hold:
            raise TooMany(
                "too many requests of this client wait", f"{self.share} are allowed", "Ask later", retry_after
            )
        full = self._size >= HELD_TIMES * self.bound if beyond else self._counted >= self.bound
        if full or (self._held + nbytes > self._memory and len(self)):
            raise Unavailable("the queue is full", f"{len(self)} requests wait", "Ask later", retry_after)

    def push(self, item: T) -> None:
        """Let `item` wait; whether it may was asked before."""
        mine = self._clients.setdefault(item.client, deque())
        self._counted += len(mine) < self.share
        mine.append(item)
        self._size += 1
        self._held += item.nbytes

    def push_again(self, item: T) -> None:
        """Let `item`, which had its turn, wait before all others."""
        self._again.append(item)
        self._held += item.nbytes

    def peek(self) -> T | None:
        """Whose turn it is."""
        if self._again:
            return self._again[0]
        return next(iter(self._clients.values()))[0] if self._clients else None

    def pop(self) -> T:
        """Take the one whose turn it is; its client's next one comes after everybody else's."""
        if self._again:
            item = self._again.popleft()
        else:
            client, mine = next(iter(self._clients.items()))
            item = mine.popleft()
            self._took(client, mine)
            if mine:
                self._clients.move_to_end(client)
        self._held -= item.nbytes
        return item

    def remove(self, item: T) -> bool:
        """Take `item` out, wherever it waits; whether it waited."""
        if item in self._again:
            self._again.remove(item)
        else:
            mine = self._clients.get(item.client)
            if mine is None or item not in mine:
                return False
            mine.remove(item)
            self._took(item.client, mine)
        self._held -= item.nbytes
        return True

    def drain(self) -> list[T]:
        """Take all of them."""
        items = []
        while len(self):
            items.append(self.pop())
        return items

    def _took(self, client: str, mine: deque[T]) -> None:
        self._size -= 1
        self._counted -= len(mine) < self.share
        if not mine:
            del self._clients[client]
