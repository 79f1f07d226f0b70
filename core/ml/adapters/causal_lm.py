"""Runs a causal language model: prompts to completions, streamed token by token; or how likely a text is."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from core.errors import InvalidInput, OutOfMemory, Refused
from core.interface import Interface
from core.library.interfaces import TEXTS_TOGETHER, text_interface
from core.ml.generation.completion import Chance, Completion, Engine, Settings, Wanted, complete_together
from core.ml.generation.loading import load_engine, read_config
from core.ml.generation.scoring import Scored, score
from core.ml.generation.tokens import Tokens
from core.ml.hardware import choose_device, device_name, out_of_memory
from core.workers.adapter import Answer, Request


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
        self.info = {
            "device": str(device),
            "device_name": device_name(device),
            "dtype": engine.precision,
            "architecture": architecture,
            "parameters": engine.parameters,
            "memory_bytes": engine.bytes_per_token,
            "native": {"context": engine.context, "vocabulary": engine.vocabulary},
        }

    def max_batch(self, command: str) -> int:
        """Texts are written side by side."""
        return TEXTS_TOGETHER if command == "complete" else 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer "complete": partial answers with all text so far, the last one with why it ended; or "score"."""
        answers = self._score(requests) if command == "score" else self._complete(requests)
        what = "reading a text" if command == "score" else f"completing {_count(len(requests), 'text')}"
        try:
            yield from answers
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            answers.close()
            raise OutOfMemory(what, "there is not enough memory", "Ask for fewer tokens, or free memory") from None

    def _complete(self, requests: Sequence[Request]) -> Generator[Answer, None, None]:
        wanted = [Wanted(str(each.inputs["prompt"]), _settings(each.inputs), each.cancelled) for each in requests]
        for index, step in complete_together(self._engine, self._tokens, wanted):
            yield _answer(index, step)

    def _score(self, requests: Sequence[Request]) -> Generator[Answer, None, None]:
        for index, request in enumerate(requests):
            scored = score(self._engine, self._tokens, str(request.inputs["text"]), _whole(request.inputs["top"]))
            yield Answer(index, _scores(scored), 1.0)


def _settings(inputs: Mapping[str, object]) -> Settings:
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


def _answer(index: int, step: Completion) -> Answer:
    outputs: dict[str, object] = {
        "completion": step.text,
        "tokens": step.tokens,
        "tokens_per_second": step.tokens_per_second,
        "prompt_tokens": step.prompt_tokens,
        "dropped": step.dropped,
    }
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
