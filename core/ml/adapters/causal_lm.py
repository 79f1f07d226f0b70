"""Runs a causal language model: prompt to completion, streamed token by token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from core.errors import InvalidInput, OutOfMemory, Refused
from core.interface import Interface
from core.library.interfaces import text_interface
from core.ml.generation.completion import Completion, Engine, Settings, complete
from core.ml.generation.loading import load_engine, read_config
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
        """One: a text is streamed by itself."""
        return 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer "complete": partial answers with all text so far, the last one with why it ended."""
        for index, request in enumerate(requests):
            inputs = request.inputs
            settings = Settings(
                max_tokens=_whole(inputs["max_tokens"]),
                temperature=float(inputs["temperature"]),  # type: ignore[arg-type]
                top_p=float(inputs["top_p"]),  # type: ignore[arg-type]
                seed=_whole(inputs["seed"]),
            )
            steps = complete(self._engine, self._tokens, str(inputs["prompt"]), settings, request.cancelled)
            try:
                for step in steps:
                    yield _answer(index, step, settings.max_tokens)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                steps.close()
                what = f"completing a text of {settings.max_tokens} tokens"
                raise OutOfMemory(what, "there is not enough memory", "Ask for fewer tokens, or free memory") from None


def _answer(index: int, step: Completion, wanted: int) -> Answer:
    outputs: dict[str, object] = {
        "completion": step.text,
        "tokens": step.tokens,
        "tokens_per_second": step.tokens_per_second,
    }
    if step.reason:
        outputs["finish_reason"] = step.reason
    return Answer(index, outputs, 1.0 if step.reason else step.tokens / wanted, bool(step.reason))


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput("a whole number is needed", repr(value))
    return int(value)
