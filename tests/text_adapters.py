"""Adapters without a framework that give texts: one speaks everything that OpenAI's API stands on, one gives much."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from core.interface import Array, Command, Interface, Number, Text
from core.library.interfaces import text_interface
from core.workers.adapter import Answer, Failure, Request

CONTEXT, VOCABULARY = 64, 26


class Writer:
    """Writes letters, the same ones for the same prompt and seed; reads letters or token ids; side by side, as a flow.

    What it refuses, it refuses in the words of the real ones. Options: delay (0 s per letter), rows (4 texts at once).
    """

    interface = text_interface(CONTEXT)

    def __init__(self, path: Path, options: dict[str, Any], device: str) -> None:
        self.info: dict[str, object] = {"device": "cpu", "native": {"context": CONTEXT, "vocabulary": VOCABULARY}}
        self._writing = _Writing(float(options.get("delay", 0)), int(options.get("rows", 4)))

    def max_batch(self, command: str) -> int:
        return 1

    def flow(self, command: str) -> _Writing | None:
        return self._writing if command in ("write", "complete") else None

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        for index, request in enumerate(requests):
            if command == "score":
                text = _read(request.inputs, "text")
                chances = [_chance(text, place, request.inputs["top"]) for place in range(min(len(text), CONTEXT))]
                yield Answer(index, {"logprobs": chances, "dropped": max(0, len(text) - CONTEXT)})
            else:
                yield from (Answer(index, each.outputs) for each in _alone(command, request))


class Teller:
    """Gives as many numbers as it is asked for, and sixteen letters for each."""

    interface = Interface(
        commands={
            "tell": Command("tell", {"count": Number(min=0, step=1)}, {"numbers": Array(Number()), "text": Text()})
        }
    )

    def __init__(self, path: Path, options: dict[str, Any], device: str) -> None:
        self.info: dict[str, object] = {"device": "cpu"}

    def max_batch(self, command: str) -> int:
        return 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        count = requests[0].inputs["count"]
        yield Answer(0, {"numbers": [number / 7 for number in range(count)], "text": 'letters of \u00f6 " ' * count})


@dataclass
class _Text:
    command: str
    request: Request
    prompt: str
    wanted: int
    text: str = ""


class _Writing:
    """The texts that are being written: one letter of each a step."""

    def __init__(self, delay: float, rows: int) -> None:
        self._delay, self._rows = delay, rows
        self._texts: dict[int, _Text] = {}
        self._next = 0

    @property
    def room(self) -> int:
        return self._rows - len(self._texts)

    def join(self, command: str, request: Request) -> int:
        inputs = request.inputs
        prompt = _read(inputs, "prompt")
        wanted = int(inputs["max_tokens"])
        if command == "write":
            if any(not 0 <= number < VOCABULARY for number, _ in inputs["bias"]):
                raise InvalidInput("there is no such token", f"the model's are 0 to {VOCABULARY - 1}")
            if len(prompt) + wanted > CONTEXT:
                raise InvalidInput(f"the model's context is {CONTEXT} tokens", f"{len(prompt)} are in the prompt")
        self._next += 1
        self._texts[self._next] = _Text(command, request, prompt, wanted)
        return self._next

    def step(self) -> Sequence[Answer | Failure]:
        time.sleep(self._delay)
        answers: list[Answer | Failure] = []
        for index, text in list(self._texts.items()):
            if text.request.cancelled():
                del self._texts[index]
                continue
            draw = random.Random(f"{text.request.inputs['seed']} {text.prompt} {len(text.text)}")
            text.text += draw.choice("abcdefghijklmnopqrstuvwxyz \n\u00f6\u20ac\U0001f600")
            answer = _answer(index, text)
            answers.append(answer)
            if answer.final:
                del self._texts[index]
        return answers


def _alone(command: str, request: Request) -> list[Answer]:
    """The last answer to a request that runs by itself."""
    writing = _Writing(0, 1)
    writing.join(command, request)
    answers: list[Answer] = []
    while not answers or not answers[-1].final:
        found = writing.step()
        if not found:
            return []
        answers = [each for each in found if isinstance(each, Answer)]
    return answers


def _answer(index: int, text: _Text) -> Answer:
    inputs, shown, reason = text.request.inputs, text.text, ""
    ends = [place for stop in inputs["stop"] if (place := shown.find(stop)) >= 0]
    if ends:
        shown, reason = shown[: min(ends)], "stop"
    elif len(shown) >= text.wanted:
        reason = "length"
    wanted = inputs["logprobs"]
    outputs: dict[str, object] = {"completion": shown, "tokens": len(text.text), "prompt_tokens": len(text.prompt)}
    before = len(text.prompt)
    outputs["logprobs"] = []
    if wanted >= 0:
        outputs["logprobs"] = [_chance(text.text, place, wanted, before) for place in range(len(text.text))]
    if text.command == "complete":
        outputs |= {"tokens_per_second": 100.0, "dropped": 0}
    if reason:
        outputs["finish_reason"] = reason
    return Answer(index, outputs, len(text.text) / text.wanted, bool(reason))


def _read(inputs: Mapping[str, Any], name: str) -> str:
    """The text that is given, or that its token ids say."""
    ids = [int(number) for number in inputs.get("ids") or []]
    for number in ids:
        if not 0 <= number < VOCABULARY:
            raise InvalidInput(f"there is no token {number}", f"the model's are 0 to {VOCABULARY - 1}")
    return "".join(chr(97 + number) for number in ids) or str(inputs[name])


def _chance(text: str, place: int, top: int, before: int = 0) -> dict[str, object]:
    """Of one letter; the first of a text has no probability, since nothing stands before it."""
    others = [[chr(97 + number), -1.5 - number] for number in range(top)]
    return {"text": text[place], "start": place, "logprob": -0.5 if place + before else None, "top": others}
