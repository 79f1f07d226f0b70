"""The pickle interpreter: the same containers as Python's, and nothing else."""

from __future__ import annotations

import pickle
import random
from contextlib import suppress
from typing import Any

import pytest

from core.ml.checkpoints import problems
from core.ml.checkpoints.interpreter import Budget, StandIn, interpret
from core.ml.checkpoints.problems import Unreadable


class Nothing:
    """A vocabulary without words."""

    def find(self, module: str, name: str) -> StandIn:
        raise Unreadable(f"no {module}.{name}")

    def persistent(self, identity: object) -> object:
        raise Unreadable("no persistent ids")


def read(data: bytes, start: int = 0) -> Any:
    return interpret(memoryview(data), start, Nothing(), Budget())[0]


def value(draw: random.Random, depth: int = 4) -> Any:
    """A random nested value of the kinds that weights need."""
    if depth == 0 or draw.random() < 0.3:
        return draw.choice(
            [
                None,
                True,
                False,
                draw.randint(-(2**70), 2**70),
                draw.randint(-300, 300),
                draw.randint(0, 70_000),
                draw.random(),
                float("inf"),
                "ä" * draw.randint(0, 300),
                "plain",
                "\ud800",
            ]
        )
    kind = draw.choice([list, tuple, dict, "set"])
    items = [value(draw, depth - 1) for _ in range(draw.choice([0, 1, 2, 3, 5]))]
    if kind is dict:
        return {draw.choice([f"key {n}", n, -n]): item for n, item in enumerate(items)}
    if kind == "set":
        return {draw.randint(0, 1000) for _ in items}
    return kind(items)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_what_python_reads(protocol: int) -> None:
    draw = random.Random(protocol)
    for _ in range(300):
        content = value(draw)
        data = pickle.dumps(content, protocol)
        if protocol < 4 and b"builtin" in data:
            continue  # sets are calls there
        assert read(data) == pickle.loads(data) == content


def test_bytes_are_views_of_the_file() -> None:
    data = pickle.dumps([b"short", b"x" * 70_000, bytearray(b"array")], 5)
    short, long, array = read(data)
    assert (bytes(short), bytes(long), bytes(array)) == (b"short", b"x" * 70_000, b"array")
    assert long.obj is data


def test_shared_and_circular_containers_stay_so() -> None:
    shared: list[object] = [1]
    circle: list[object] = [shared, shared]
    circle.append(circle)
    found = read(pickle.dumps(circle, 4))
    assert found[0] is found[1]
    assert found[2] is found


def test_several_pickles_follow_each_other() -> None:
    data = pickle.dumps(1, 2) + pickle.dumps("two", 2)
    first, behind = interpret(memoryview(data), 0, Nothing(), Budget())
    second, end = interpret(memoryview(data), behind, Nothing(), Budget())
    assert (first, second, end) == (1, "two", len(data))


def test_every_opcode_is_read_or_refused() -> None:
    """Each byte as an instruction, on stacks of different kinds: an answer or a refusal, never another error."""
    stacks = (b"", b"N", b"(", b"]", b"}", b"(K\x01K\x02", b"]K\x01", b"}K\x01K\x02", b")", b"(((", b"\x8c\x01a")
    for code in range(256):
        for stack in stacks:
            for tail in (b".", b"\x01\x00\x00\x00\x00\x00\x00\x00\x00.", b"a\nb\n.", b"\xff" * 8 + b"."):
                with suppress(Unreadable):
                    read(b"\x80\x04" + stack + bytes([code]) + tail)


def test_the_limits_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.ml.checkpoints.interpreter.MAX_OPCODES", 1000)
    assert read(b"\x80\x04" + b"N0" * 400 + b"N.") is None
    with pytest.raises(Unreadable, match="more instructions"):
        read(b"\x80\x04" + b"N0" * 600 + b"N.")
    monkeypatch.undo()
    with pytest.raises(Unreadable, match="nested deeper"):
        read(b"\x80\x04" + b"(" * (problems.MAX_DEPTH + 1))


def test_values_are_quoted_without_writing_out_containers() -> None:
    laughing: list[object] = []
    for _ in range(200):
        laughing = [laughing] * 100
    assert problems.shown(laughing) == "a list"
    assert problems.shown("a\x1b[31m\nb") == "a?[31m?b"
    assert len(problems.shown("x" * 1000)) == 60
