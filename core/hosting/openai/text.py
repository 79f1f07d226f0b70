"""Texts and probabilities in OpenAI's form: what a model's command gives, as choices, logprobs and usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from core.errors import InvalidInput
from core.hosting.openai.request import Asked, Prompt

Chance = Mapping[str, object]
"""{"text", "start", "logprob", "top"} of one token, as `core.library.interfaces.text_interface` tells."""


@dataclass(frozen=True)
class Shown:
    """What stands before a completion in an answer: the prompt where it is to be echoed, or nothing.

    Attributes:
        text: It.
        chances: Of its tokens, where they were asked for.
        tokens: How many it has; None where only the completion tells.
    """

    text: str
    chances: tuple[Chance, ...] = ()
    tokens: int | None = None


def scored(prompt: Prompt, outputs: Mapping[str, object]) -> Shown:
    """A prompt that the model has read. A mark that the tokenizer sets before a text is not shown.

    Raises:
        InvalidInput: It is longer than the context.
    """
    chances = tuple(cast("list[Chance]", outputs["logprobs"]))
    if outputs["dropped"]:
        number = len(chances) + int(cast(float, outputs["dropped"]))
        raise InvalidInput(f"the model's context is {len(chances)} tokens", f"{number} are in the prompt", "Shorten it")
    read = len(chances)
    if isinstance(prompt, str):
        if chances and not prompt.startswith(str(chances[0]["text"]).rstrip("\ufffd")):
            chances = chances[1:]
        return Shown(prompt, chances, read)
    return Shown("".join(str(each["text"]) for each in chances), chances, read)


def choice(index: int, asked: Asked, beginning: Shown, outputs: Mapping[str, object]) -> dict[str, object]:
    """One whole text."""
    chances: Sequence[Chance] = cast("list[Chance]", outputs.get("logprobs") or [])
    return {
        "index": index,
        "text": beginning.text + str(outputs["completion"]),
        "logprobs": logprobs(asked, beginning.chances, chances, len(beginning.text)),
        "finish_reason": outputs["finish_reason"],
    }


def logprobs(
    asked: Asked, before: Sequence[Chance], chances: Sequence[Chance], offset: int
) -> dict[str, object] | None:
    """Probabilities of a prompt's tokens and of those written; None where they were not asked for.

    `text_offset` counts characters of the choice's text. The token that was written is among `top_logprobs` in any
    case, so there may be one more than was asked for.

    Args:
        asked: The request.
        before: Of the echoed prompt.
        chances: Of what was written.
        offset: Characters before what was written.
    """
    if asked.logprobs is None:
        return None
    every = [*before, *chances]
    offsets = [each["start"] for each in before] + [offset + int(cast(int, each["start"])) for each in chances]
    return {
        "tokens": [each["text"] for each in every],
        "token_logprobs": [each["logprob"] for each in every],
        "top_logprobs": [_top(each) for each in every] if asked.logprobs else None,
        "text_offset": offsets,
    }


def usage(
    beginnings: Sequence[Shown], firsts: Sequence[Mapping[str, object]], every: Sequence[Mapping[str, object]]
) -> dict[str, int]:
    """Tokens read and written.

    Args:
        beginnings: Of each prompt.
        firsts: Of each prompt the outputs of one text.
        every: The outputs of all texts, those that were not the best included.
    """
    if firsts:
        read = sum(int(cast(float, outputs.get("prompt_tokens", 0))) for outputs in firsts)
    else:
        read = sum(each.tokens or 0 for each in beginnings)
    written = sum(int(cast(float, outputs.get("tokens", 0))) for outputs in every)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _top(chance: Chance) -> dict[str, float] | None:
    if chance["logprob"] is None:
        return None
    top: dict[str, float] = {}
    for text, value in cast("list[tuple[str, float]]", chance["top"]):
        top.setdefault(text, value)  # two halves of characters look alike: the likelier one is told
    top.setdefault(str(chance["text"]), float(cast(float, chance["logprob"])))
    return top
