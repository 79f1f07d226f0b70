"""The network in training as an engine that completes text, and the prompts that it is asked to complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from core.ml.generation.completion import Engine, Settings, complete
from core.ml.generation.gpt2 import GPT2, supports
from core.ml.generation.loading import LARGE
from core.ml.generation.sampling import Sampler
from core.ml.generation.tokens import REPLACEMENT, Tokens
from core.ml.generation.transformers_engine import NetworkEngine
from core.ml.hardware import fast_bfloat16
from core.ml.training.text.network import plain_weights, positions_of
from core.runs.plan import TextOptions
from core.runs.text_samples import TextSample

BEGINNINGS = 3
"""Held-out documents whose beginnings are completed where the user gives no prompts."""
BEGINNING = 12
"""Tokens of such a beginning."""


def live_engine(model: Any) -> Engine:
    """What completes text with the weights as they are now; it is of no use after the next step.

    GPT-2 goes through the quick engine that its finished model will be run by.
    """
    config = model.config.to_dict()
    device = next(model.parameters()).device
    weights = {name: tensor.detach() for name, tensor in plain_weights(model).items()}
    half = fast_bfloat16(device) and sum(tensor.numel() for tensor in weights.values()) >= LARGE
    if supports(config):
        return GPT2(config, weights, "bfloat16" if half else "float32", device)
    return NetworkEngine(model, positions_of(model.config), "float32", half=half)


def beginnings(held: NDArray[Any], end: int, tokens: Tokens) -> tuple[str, ...]:
    """How some documents begin, spread evenly over those that begin differently.

    Args:
        held: Their tokens, each document followed by `end`.
        end: The id that ends a text.
        tokens: The tokenizer.
    """
    look = held[: 2**22]
    starts = [0, *((look == end).nonzero()[0] + 1).tolist()]
    texts = []
    for start in starts:
        ids = look[start : start + BEGINNING]
        stop = (ids == end).nonzero()[0]
        ids = ids[: stop[0]] if len(stop) else ids
        if len(ids) == BEGINNING:
            # The last token may end within a character.
            texts.append(tokens.decode([int(each) for each in ids]).rstrip(REPLACEMENT))
    if not texts:
        return ("",)
    texts = list(dict.fromkeys(texts))  # licences and headings are the same in many
    count = min(BEGINNINGS, len(texts))
    return tuple(texts[place * len(texts) // count] for place in range(count))


@torch.inference_mode()
def written(model: Any, begin: int, options: TextOptions, shape: tuple[int, int], seed: int) -> list[list[int]]:
    """Tokens of texts that the model writes with nothing before them, all at once.

    Args:
        model: In training; put back into that mode.
        begin: The id that a text begins after.
        options: For temperature and top-p.
        shape: How many texts, and tokens of each; fewer where the model sees no more.
        seed: Of the first; the others have those after it.
    """
    count, length = shape
    device = next(model.parameters()).device
    samplers = [Sampler(options.temperature, options.top_p, (seed + number) % 2**31) for number in range(count)]
    texts: list[list[int]] = [[] for _ in range(count)]
    ids = torch.full((count, 1), begin, dtype=torch.int64, device=device)
    past: Any = None
    training = model.training
    model.eval()
    try:
        for _ in range(min(length, positions_of(model.config) - 1)):
            result = model(ids, past_key_values=past, use_cache=True)
            past = result.past_key_values
            numbers = [sampler(row) for sampler, row in zip(samplers, result.logits[:, -1].float().cpu(), strict=True)]
            for text, number in zip(texts, numbers, strict=True):
                text.append(number)
            ids = torch.tensor(numbers, dtype=torch.int64, device=device)[:, None]
    finally:
        model.train(training)
    return texts


def completions(
    engine: Engine, tokens: Tokens, prompts: Sequence[str], options: TextOptions, seed: int
) -> list[TextSample]:
    """The prompts completed, each with a seed of its own that is the same at every step."""
    found = []
    for number, prompt in enumerate(prompts):
        settings = Settings(options.sample_tokens, options.temperature, options.top_p, (seed + number) % 2**31)
        *_, last = complete(engine, tokens, prompt, settings)
        found.append(TextSample(prompt, last.text, settings.seed))
    return found
