"""Runs a causal language model: prompts to completions, streamed token by token; or how likely a text is."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from core.devices import available_memory
from core.errors import InvalidInput, OutOfMemory, Refused, TarmacError, out_of_memory
from core.interface import Interface
from core.library.interfaces import TEXTS_TOGETHER, text_interface
from core.ml.generation.completion import Chance, Completion, Engine, Settings, Wanted, complete_together
from core.ml.generation.flow import Flow
from core.ml.generation.loading import load_engine, read_config
from core.ml.generation.scoring import Scored, score
from core.ml.generation.tokens import Tokens
from core.ml.hardware import choose_device, device_name
from core.workers.adapter import Answer, Failure, Request

WRITING = ("complete", "write")
"""Commands that write texts."""


def load(path: Path, options: Mapping[str, object], device: str = "auto") -> CausalLM:
    """The adapter of the model in folder `path` (Hugging Face layout).

    Args:
        path: The folder.
        options: `precision`: auto, float32, bfloat16 or int8.
        device: "auto" or a name of PyTorch's.

    Raises:
        Refused: An unknown option, or a folder that is no whole causal language model.
        OutOfMemory: The model does not fit.
    """
    unknown = sorted(options.keys() - {"precision"})
    if unknown:
        raise Refused("model cannot be run", f"it has no option {unknown[0]!r}")
    precision = str(options.get("precision", "auto"))
    target = choose_device(device)
    if precision == "int8" and device == "auto":
        target = torch.device("cpu")
    try:
        engine, tokens = load_engine(path, precision, target)
        return CausalLM(engine, tokens, target, str(read_config(path)["model_type"]))
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise OutOfMemory("loading the model", "there is not enough memory", "Choose int8 or a smaller model") from None


class CausalLM:
    """The adapter (`core.workers.adapter.Adapter`) of a causal language model.

    Args:
        engine: Reads tokens.
        tokens: The model's tokenizer.
        device: Where the engine computes.
        architecture: The model type of config.json.
    """

    interface: Interface
    info: dict[str, object]

    def __init__(self, engine: Engine, tokens: Tokens, device: torch.device, architecture: str) -> None:
        self._engine, self._tokens = engine, tokens
        self.interface = text_interface(engine.context)
        self._most = _rows(engine, device)
        self._flow: TextFlow | None = None
        self.info = {
            "device": str(device),
            "device_name": device_name(device),
            "dtype": engine.precision,
            "architecture": architecture,
            "parameters": engine.parameters,
            "memory_bytes": engine.bytes_per_token,
            "native": {"context": engine.context, "vocabulary": engine.vocabulary},
            # So many that one is always there to take the place of one that ends.
            "window": dict.fromkeys(WRITING, 2 + self._most),
        }

    def max_batch(self, command: str) -> int:
        """Texts are written side by side."""
        return TEXTS_TOGETHER if command in WRITING else 1

    def flow(self, command: str) -> TextFlow | None:
        """Texts are written side by side, whoever asked for them and whenever."""
        if command not in WRITING:
            return None
        if self._flow is None or self._flow.failed:
            self._flow = TextFlow(self._engine, self._tokens, self._most)
        return self._flow

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer "complete" or "write": partial answers with all text so far, the last one with why it ended; or
        "score"."""
        answers = self._score(requests) if command == "score" else self._complete(command, requests)
        what = "reading a text" if command == "score" else f"completing {_count(len(requests), 'text')}"
        try:
            yield from answers
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            answers.close()
            raise OutOfMemory(what, "there is not enough memory", "Ask for fewer tokens, or free memory") from None

    def _complete(self, command: str, requests: Sequence[Request]) -> Generator[Answer, None, None]:
        wanted = [Wanted(*_asked(self._engine, each.inputs), each.cancelled) for each in requests]
        for index, step in complete_together(self._engine, self._tokens, wanted):
            yield _answer(command, index, step)

    def _score(self, requests: Sequence[Request]) -> Generator[Answer, None, None]:
        for index, request in enumerate(requests):
            text = _ids(self._engine, request.inputs) or str(request.inputs["text"])
            scored = score(self._engine, self._tokens, text, _whole(request.inputs["top"]))
            yield Answer(index, _scores(scored), 1.0)


class TextFlow:
    """The flow (`core.workers.adapter.Flow`) of a causal language model.

    Args:
        engine: Reads tokens.
        tokens: The model's tokenizer.
        most: How many texts are written at once.
    """

    def __init__(self, engine: Engine, tokens: Tokens, most: int) -> None:
        self._engine = engine
        self._texts = Flow(engine, tokens, most)
        self._commands: dict[int, str] = {}
        self.failed = False
        """Whether it is not to be asked again."""

    @property
    def room(self) -> int:
        """How many more may join."""
        return self._texts.room

    def join(self, command: str, request: Request) -> int:
        """See `Flow.join`."""
        index = self._texts.join(*_asked(self._engine, request.inputs), request.cancelled)
        self._commands[index] = command
        return index

    def step(self) -> list[Answer | Failure]:
        """See `Flow.step`."""
        try:
            steps = self._texts.step()
        except BaseException:
            self.failed = True
            raise
        answers: list[Answer | Failure] = []
        for index, step in steps:
            last = isinstance(step, TarmacError) or bool(step.reason)
            command = self._commands.pop(index) if last else self._commands[index]
            answers.append(Failure(index, step) if isinstance(step, TarmacError) else _answer(command, index, step))
        return answers


def _rows(engine: Engine, device: torch.device) -> int:
    """How many texts are written at once: as many as the engine profits from and half of the free memory holds."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    return max(1, min(engine.most_rows, free // 2 // max(1, engine.row_bytes)))


def _asked(engine: Engine, inputs: Mapping[str, object]) -> tuple[str | list[int], Settings]:
    return _ids(engine, inputs) or str(inputs["prompt"]), _settings(engine, inputs)


def _ids(engine: Engine, inputs: Mapping[str, object]) -> list[int]:
    """Token ids in place of a text, if there are some.

    Raises:
        InvalidInput: The model has no such token.
    """
    ids = [_whole(number) for number in cast("list[object]", inputs.get("ids") or [])]
    _check_ids(engine, ids)
    return ids


def _check_ids(engine: Engine, ids: Sequence[int]) -> None:
    for number in ids:
        if not 0 <= number < engine.vocabulary:
            raise InvalidInput(f"there is no token {number}", f"the model's are 0 to {engine.vocabulary - 1}")


def _bias(engine: Engine, inputs: Mapping[str, object]) -> tuple[tuple[int, float], ...]:
    pairs = cast("list[list[object]]", inputs.get("bias") or [])
    if any(len(pair) != 2 for pair in pairs):
        raise InvalidInput("bias holds pairs of a token's id and a number")
    bias = tuple((_whole(number), _number(value)) for number, value in pairs)
    _check_ids(engine, [number for number, _ in bias])
    return bias


def _settings(engine: Engine, inputs: Mapping[str, object]) -> Settings:
    if "ids" in inputs:
        return Settings(
            max_tokens=_whole(inputs["max_tokens"]),
            temperature=_number(inputs["temperature"]),
            top_p=_number(inputs["top_p"]),
            seed=_whole(inputs["seed"]),
            stop=tuple(inputs["stop"]),  # type: ignore[arg-type]
            logprobs=_whole(inputs["logprobs"]),
            presence_penalty=_number(inputs["presence_penalty"]),
            frequency_penalty=_number(inputs["frequency_penalty"]),
            bias=_bias(engine, inputs),
            whole=True,
        )
    return Settings(
        max_tokens=_whole(inputs["max_tokens"]),
        temperature=_number(inputs["temperature"]),
        top_p=_number(inputs["top_p"]),
        seed=_whole(inputs["seed"]),
        top_k=_whole(inputs["top_k"]),
        repetition_penalty=_number(inputs["repetition_penalty"]),
        stop=tuple(inputs["stop"]),  # type: ignore[arg-type]
        max_characters=_whole(inputs["max_characters"]),
        logprobs=_whole(inputs["logprobs"]),
    )


def _answer(command: str, index: int, step: Completion) -> Answer:
    outputs: dict[str, object] = {
        "completion": step.text,
        "tokens": step.tokens,
        "prompt_tokens": step.prompt_tokens,
    }
    if command == "complete":
        outputs |= {"tokens_per_second": step.tokens_per_second, "dropped": step.dropped}
    if step.chances or step.reason:
        outputs["logprobs"] = [_chance(each) for each in step.chances]
    if step.reason:
        outputs["finish_reason"] = step.reason
    return Answer(index, outputs, step.progress, bool(step.reason))


def _scores(scored: Scored) -> dict[str, object]:
    return {"logprobs": [_chance(each) for each in scored.chances], "dropped": scored.dropped}


def _chance(chance: Chance) -> dict[str, object]:
    top = [[text, value] for text, value in chance.top]
    return {"text": chance.text, "start": chance.start, "logprob": chance.logprob, "top": top}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput("a number is needed", repr(value))
    return float(value)


def _whole(value: object) -> int:
    return int(_number(value))
