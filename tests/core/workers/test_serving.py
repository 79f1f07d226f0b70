"""How a worker runs batches: limits that learn from the memory, halves, and adapters that misbehave in every place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.errors import Cancelled, OutOfMemory, TarmacError
from core.interface import Command, Interface, Number
from core.workers.adapter import Answer, Request
from core.workers.mailbox import Job, Mailbox
from core.workers.serving import serve, told
from core.workers.wire import Message, WireError


class Model:
    """Has room for `room` requests at once; remembers how large its batches were."""

    interface = Interface(commands={"eat": Command("eat", {}, {"size": Number()}, batchable=True)})

    def __init__(self, room: int = 100, most: object = 16) -> None:
        self.room, self.most = room, most
        self.info: dict[str, object] = {}
        self.sizes: list[int] = []

    def max_batch(self, command: str) -> int:
        if isinstance(self.most, Exception):
            raise self.most
        return self.most  # type: ignore[return-value]

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        self.sizes.append(len(requests))
        if len(requests) > self.room:
            raise OutOfMemory("the device is full")
        for index in range(len(requests)):
            yield Answer(index, {"size": len(requests)})


def served(model: Model, *rounds: int, command: str = "eat") -> list[list[Message]]:
    """What a worker says to rounds of so many requests that wait together."""
    mailbox, said, numbers = Mailbox(), [list[Message]() for _ in rounds], iter(range(10_000))
    waiting = list(enumerate(rounds))

    def fill() -> None:
        if not waiting:
            return mailbox.close()
        place, count = waiting.pop(0)
        left = count

        def send(message: Message) -> None:
            nonlocal left
            items = message["items"] if message["kind"] == "answers" else [{}]
            for item in items:  # type: ignore[attr-defined]
                said[place].append({**message, **item})
                left -= bool(item.get("final", True))
            if left == 0:
                fill()

        sending[0] = send
        for _ in range(count):
            mailbox.put(Job(next(numbers), command, {}))

    sending = [lambda message: None]
    fill()
    serve(model, mailbox, lambda message: sending[0](message))  # type: ignore[arg-type]
    return said


def test_a_batch_that_does_not_fit_is_halved_and_the_limit_remembered() -> None:
    model = Model(room=3)
    first, second = served(model, 16, 6)
    assert all(message["kind"] == "answers" for message in first + second)
    # 16 does not fit, nor do 8 and 4; then two by two, and from the next round on no try in vain.
    assert model.sizes[:4] == [16, 8, 4, 2]
    assert set(model.sizes[4:]) <= {8, 4, 2}
    assert model.sizes[-3:] == [2, 2, 2]


def test_a_lowered_limit_is_tried_higher_after_a_while() -> None:
    model = Model(room=1)
    served(model, 2)
    assert model.sizes == [2, 1, 1]
    model.room = 100
    served_before = len(model.sizes)
    mailbox_rounds = [4] * 20
    served(model, *mailbox_rounds)
    assert max(model.sizes[served_before:]) == 4


def test_one_that_never_fits_is_told_so() -> None:
    (said,) = served(Model(room=0), 2)
    assert [TarmacError.from_json(message["error"]).what for message in said] == ["the device is full"] * 2  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [0, -5, "many", ValueError("no"), None])
def test_a_limit_that_is_none_means_one(most: object) -> None:
    model = Model(most=most)
    served(model, 3)
    assert model.sizes == [1, 1, 1]


def test_an_unknown_command_is_an_answer() -> None:
    (said,) = served(Model(), 1, command="drink")
    assert said[0]["kind"] == "error"


class Partial(Model):
    """Answers the first of a batch, then fails; alone, everyone is answered."""

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        self.sizes.append(len(requests))
        yield Answer(0, {"size": len(requests)})
        if len(requests) > 1:
            raise ValueError("the rest is silence")


def test_only_the_unanswered_are_run_again() -> None:
    model = Partial()
    (said,) = served(model, 3)
    assert model.sizes == [3, 1, 1]
    items = [item for message in said for item in message["items"]]  # type: ignore[attr-defined]
    assert sorted(item["id"] for item in items) == [0, 1, 2]


class Twice(Model):
    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        yield Answer(0, {"size": 1})
        yield Answer(0, {"size": 1})


def test_a_second_final_answer_is_not_sent() -> None:
    (said,) = served(Twice(), 1)
    assert len(said) == 1


class NoIterator(Model):
    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        return None  # type: ignore[return-value]


def test_an_adapter_that_gives_no_iterator() -> None:
    (said,) = served(NoIterator(), 1)
    assert said[0]["kind"] == "error"


def test_an_answer_that_cannot_be_sent_is_an_error() -> None:
    mailbox, said = Mailbox(), list[Message]()
    mailbox.put(Job(0, "eat", {}))

    def send(message: Message) -> None:
        if message["kind"] == "answers":
            raise WireError("too large")
        said.append(message)
        mailbox.close()

    serve(Model(), mailbox, send)
    assert "cannot be sent" in str(said[0]["error"])


class Endless(Model):
    """Gives parts until its generator is closed."""

    closed = False

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        try:
            while True:
                yield Answer(0, {"size": 1}, final=False)
        finally:
            self.closed = True


def test_a_model_that_never_looks_is_stopped_between_two_parts() -> None:
    mailbox, model = Mailbox(), Endless()
    mailbox.put(Job(7, "eat", {}))
    parts = 0

    def send(message: Message) -> None:
        nonlocal parts
        parts += 1
        if parts == 3:
            mailbox.cancel(7)
            mailbox.close()

    serve(model, mailbox, send)
    assert parts == 3
    assert model.closed


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("problem", "kind", "words"),
    [
        (MemoryError(), OutOfMemory, "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory, "not enough memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("x"), OutOfMemory, "not enough memory"),
        (RuntimeError("shape"), TarmacError, "it failed: RuntimeError: shape"),
        (ValueError("a\n\x1b[2Jb" + "x" * 1000), TarmacError, "it failed: ValueError: a  [2Jbxxx"),
        (ValueError("\ud800"), TarmacError, "it failed: ValueError"),
        (KeyboardInterrupt(), TarmacError, "KeyboardInterrupt"),
        (Unspeakable(), TarmacError, "it failed: Unspeakable"),
        (Cancelled("never mind"), Cancelled, "never mind"),
        (StopIteration(), TarmacError, "it failed: StopIteration"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_problem_is_told(
    problem: BaseException, kind: type[TarmacError], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = told(problem, "it failed")
    assert type(error) is kind
    assert words in str(error)
    assert len(str(error)) < 400
    assert error.__traceback__ is None
    assert "\x1b" not in str(error)


def test_paths_of_targets_name_them() -> None:
    from core.workers.adapter import Target

    assert Target("a", Path("/models/faces")).title == "faces"
    assert Target("a", Path("/")).title == "a"
    assert Target("a", Path("/x"), name="Faces").title == "Faces"
