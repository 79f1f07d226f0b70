"""Requests that join while others run: beside batches, given up, failed, and never another's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.errors import InvalidInput, TarmacError
from core.interface import Command, Interface, Number, Text
from core.workers.adapter import Answer, Failure, Request
from core.workers.mailbox import Job, Mailbox
from core.workers.serving import serve
from core.workers.wire import Message, WireError


class Counting:
    """The flow of `Counter`: each request counts up to its number, one at a time."""

    def __init__(self, most: int) -> None:
        self.most, self.steps, self.seen = most, 0, list[list[int]]()
        self.failing: BaseException | None = None
        self._in: dict[int, tuple[Request, int]] = {}
        self._next = 0

    @property
    def room(self) -> int:
        return self.most - len(self._in)

    def join(self, command: str, request: Request) -> int:
        if request.inputs["to"] == -1:
            raise InvalidInput("to cannot be -1")
        self._in[self._next] = request, 0
        self._next += 1
        return self._next - 1

    def step(self) -> list[Answer | Failure]:
        if self.failing is not None:
            raise self.failing
        self.seen.append(sorted(self._in))
        told: list[Answer | Failure] = []
        for index, (request, count) in list(self._in.items()):
            to = request.inputs["to"]
            assert isinstance(to, int)
            if request.cancelled():
                told.append(Answer(index, {"count": count, "who": str(request.inputs["who"])}))
            elif to == 99 and count == 1:
                told.append(Failure(index, TarmacError("it came to nothing")))
            else:
                last = count + 1 >= to
                outputs: dict[str, object] = {"count": count + 1, "who": str(request.inputs["who"])}
                told.append(Answer(index, outputs, (count + 1) / to, last))
                self._in[index] = request, count + 1
                if not last:
                    continue
            del self._in[index]
        return told


class Counter:
    interface = Interface(
        commands={
            name: Command(
                name,
                {"to": Number(), "who": Text()},
                {"count": Number(), "who": Text()},
                streaming=True,
                batchable=True,
            )
            for name in ("count", "other")
        }
    )
    info: dict[str, object] = {}  # noqa: RUF012 - what the protocol asks for

    def __init__(self, most: int = 3) -> None:
        self.flows = [Counting(most)]
        self.ran: list[int] = []

    def flow(self, command: str) -> Counting | None:
        if self.flows[-1].failing is not None:
            self.flows.append(Counting(3))
        return self.flows[-1] if command == "count" else None

    def max_batch(self, command: str) -> int:
        return 8

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        self.ran.append(len(requests))
        for index, request in enumerate(requests):
            yield Answer(index, {"count": -1, "who": str(request.inputs["who"])})


def _job(number: int, to: int, command: str = "count", **more: object) -> Job:
    return Job(number, command, {"to": to, "who": f"w{number}"}, **more)  # type: ignore[arg-type]


def _serve(model: Counter, *jobs: Job, after: object = None, ends: int | None = None) -> dict[int, list[Message]]:
    """Serve until so many requests have ended; what each was told. `after(id, message, mailbox)` sees every message."""
    mailbox, said, left = Mailbox(), dict[int, list[Message]](), [len(jobs) if ends is None else ends]

    def send(message: Message) -> None:
        items = message["items"] if message["kind"] == "answers" else [message]
        for item in items:  # type: ignore[attr-defined]
            said.setdefault(item["id"], []).append(item)
            left[0] -= bool(item.get("final", True))
            if callable(after):
                after(item["id"], item, mailbox)
        if left[0] <= 0:
            mailbox.close()

    mailbox.put(*jobs)
    serve(model, mailbox, send)  # type: ignore[arg-type]
    return said


def _counts(messages: Sequence[Message]) -> list[object]:
    return [message["outputs"]["count"] for message in messages]  # type: ignore[index]


def test_they_join_while_others_run_and_take_the_place_of_those_that_end() -> None:
    model = Counter(most=2)
    said = _serve(model, _job(0, 2), _job(1, 5), _job(2, 3), _job(3, 1))
    assert {number: _counts(messages) for number, messages in said.items()} == {
        0: [1, 2],
        1: [1, 2, 3, 4, 5],
        2: [1, 2, 3],
        3: [1],
    }
    assert all(m["outputs"]["who"] == f"w{n}" for n, told in said.items() for m in told)  # type: ignore[index]
    assert model.flows[0].seen == [[0, 1], [0, 1], [1, 2], [1, 2], [1, 2], [3]]


def test_batches_run_between_two_steps_and_those_asked_for_together_are_one() -> None:
    model = Counter(most=1)
    group = object()
    together = [_job(number, 1, key=group, together=True) for number in (3, 4)]
    order: list[int] = []
    _serve(model, _job(0, 4), _job(1, 2), _job(2, 1, "other"), *together, after=lambda n, item, _: order.append(n))
    # 1 has to wait for room; what is behind it does not.
    assert model.ran == [1, 2]
    assert order == [0, 2, 0, 3, 4, 0, 0, 1, 1]


def test_one_that_is_given_up_leaves_at_the_next_step() -> None:
    model = Counter()

    def after(number: int, item: Message, mailbox: Mailbox) -> None:
        if number == 0 and _counts([item]) == [2]:
            mailbox.cancel(0)

    said = _serve(model, _job(0, 50), _job(1, 4), after=after, ends=1)
    assert _counts(said[0]) == [1, 2]
    assert model.flows[0].seen == [[0, 1], [0, 1], [0, 1], [1]]


def test_what_goes_wrong_for_one_is_that_one_s() -> None:
    model = Counter()
    said = _serve(model, _job(0, 3), _job(1, 99), _job(2, -1), _job(3, 3))
    assert _counts(said[0]) == _counts(said[3]) == [1, 2, 3]
    assert said[1][-1]["error"]["what"] == "it came to nothing"  # type: ignore[index]
    assert said[2][0]["error"]["what"] == "to cannot be -1"  # type: ignore[index]


def test_a_flow_that_fails_is_replaced() -> None:
    model = Counter()

    def after(number: int, item: Message, mailbox: Mailbox) -> None:
        if number == 0 and item.get("outputs"):
            model.flows[0].failing = RuntimeError("the device is gone")
        if number == 1 and "error" in item:
            mailbox.put(_job(2, 2))

    said = _serve(model, _job(0, 9), _job(1, 9), after=after, ends=3)
    assert "the device is gone" in str(said[0][-1]["error"])
    assert "the device is gone" in str(said[1][-1]["error"])
    assert _counts(said[2]) == [1, 2]


def test_who_wants_no_parts_is_told_the_end_and_signs_of_life() -> None:
    said = _serve(Counter(), _job(0, 50, parts=False), _job(1, 3))
    assert _counts(said[0])[-1] == 50
    assert len(said[0]) <= 3
    assert len(said[1]) == 3


def test_what_is_too_large_together_goes_singly() -> None:
    mailbox, said = Mailbox(), list[object]()

    def send(message: Message) -> None:
        items = message["items"]
        assert isinstance(items, list)
        if len(items) > 1:
            raise WireError("too large")
        said.append((items[0]["id"], items[0]["outputs"]["count"]))
        if len(said) == 4:
            mailbox.close()

    mailbox.put(_job(0, 2), _job(1, 2))
    serve(Counter(), mailbox, send)  # type: ignore[arg-type]
    assert said == [(0, 1), (1, 1), (0, 2), (1, 2)]
