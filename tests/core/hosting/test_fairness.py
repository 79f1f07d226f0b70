"""The queue: clients take turns, its bounds hold however requests come and go."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from core.hosting.errors import TooMany, Unavailable
from core.hosting.fairness import HELD_TIMES, FairQueue


@dataclass(eq=False)
class Item:
    client: str
    nbytes: int = 0


def test_clients_take_turns() -> None:
    queue: FairQueue[Item] = FairQueue(100)
    for client in "aaaabbc":
        queue.push(Item(client))
    assert "".join(item.client for item in queue.drain()) == "abcabaa"
    assert len(queue) == 0


def test_those_that_run_again_go_first() -> None:
    queue: FairQueue[Item] = FairQueue(100)
    queue.push(Item("a"))
    queue.push_again(Item("b"))
    assert queue.peek() is not None
    assert [item.client for item in queue.drain()] == ["b", "a"]


def test_memory_is_a_bound_too() -> None:
    queue: FairQueue[Item] = FairQueue(100, memory=1000)
    queue.check("a", 5000, False, 1)
    queue.push(Item("a", 5000))
    with pytest.raises(Unavailable):
        queue.check("b", 1, False, 1)
    queue.pop()
    queue.check("b", 1, False, 1)


def test_the_bounds_hold_whatever_comes_and_goes() -> None:
    draw = random.Random(7)
    queue: FairQueue[Item] = FairQueue(8)
    waiting: list[Item] = []
    for _ in range(5000):
        action = draw.random()
        if action < 0.6:
            item, hold = Item(draw.choice("abc")), draw.random() < 0.5
            mine = sum(each.client == item.client for each in waiting)
            try:
                queue.check(item.client, 0, hold, 1)
            except TooMany:
                assert mine >= queue.share
                assert not hold
                continue
            except Unavailable:
                counted = sum(min(queue.share, sum(each.client == c for each in waiting)) for c in "abc")
                assert counted >= 8 or len(waiting) >= HELD_TIMES * 8
                continue
            queue.push(item)
            waiting.append(item)
        elif action < 0.8 and waiting:
            item = draw.choice(waiting)
            assert queue.remove(item)
            assert not queue.remove(item)
            waiting.remove(item)
        elif waiting:
            waiting.remove(queue.pop())
        assert len(queue) == len(waiting)
        assert len(waiting) <= HELD_TIMES * 8 + 8
