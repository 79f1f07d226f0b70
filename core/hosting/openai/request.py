"""What a program asks of OpenAI's completions API: every field checked, none accepted and silently ignored.

`user` alone has no effect, by its definition: it tells OpenAI's abuse monitoring apart whom a program asks for.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.hosting.errors import Unfit
from core.interface.base import nearest, shorten
from core.library.interfaces import MAX_SEED, MOST_BIASED

MOST_TEXTS = 64
"""Texts of one request: prompts times the larger of n and best_of."""

MOST_STOPS = 4
MOST_STOP = 200
"""Characters of a stop string."""

MOST_LOGPROBS = 5
MOST_PROMPT = 1_000_000
"""Characters, or token ids, of all prompts."""

FIELDS = (
    "model",
    "prompt",
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
)

Prompt = str | tuple[int, ...]
"""A text, or its token ids."""


@dataclass(frozen=True)
class Asked:
    """A request for completions. Fields are those of OpenAI's API; its defaults are theirs.

    Attributes:
        model: The name that it gave; empty if it gave none.
        prompts: At least one.
        seed: A seed for all; None: another one for each text.
        logprobs: Alternatives to tell beside each token; None: no probabilities at all.
        usage: Whether a stream ends with the number of tokens.
    """

    model: str
    prompts: tuple[Prompt, ...]
    best_of: int
    echo: bool
    frequency_penalty: float
    logit_bias: tuple[tuple[int, float], ...]
    logprobs: int | None
    max_tokens: int
    n: int
    presence_penalty: float
    seed: int | None
    stop: tuple[str, ...]
    stream: bool
    usage: bool
    temperature: float
    top_p: float

    def inputs(self, prompt: Prompt, choice: int) -> dict[str, object]:
        """Inputs of the model's command for one text: the `choice`th of a prompt."""
        logprobs = self.logprobs if self.logprobs is not None else 0 if self.best_of > self.n else -1
        return {
            "prompt": prompt if isinstance(prompt, str) else "",
            "ids": [] if isinstance(prompt, str) else list(prompt),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": _seed(self.seed, choice),
            "stop": list(self.stop),
            "logprobs": logprobs,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "bias": [list(pair) for pair in self.logit_bias],
        }


def read_request(data: Mapping[str, object]) -> Asked:
    """The request in a body.

    Raises:
        Unfit: Something in it cannot be, or is not known.
    """
    for name in data:
        if name not in FIELDS:
            raise Unfit(shorten(name, 60).strip("'\""), f"{shorten(name)} is not known here", "", nearest(name, FIELDS))
    if data.get("suffix") not in (None, ""):
        raise Unfit("suffix", "suffix cannot be used", "the model only goes on from a text")
    if data.get("user") is not None and not isinstance(data["user"], str):
        raise Unfit("user", f"user cannot be {shorten(data['user'])}", "allowed is a text")
    model = data.get("model")
    if model is not None and not isinstance(model, str):
        raise Unfit("model", f"model cannot be {shorten(model)}", "allowed is a deployment's name")
    echo, stream = _flag(data, "echo"), _flag(data, "stream")
    n = _whole(data, "n", 1, 1, MOST_TEXTS)
    best_of = _whole(data, "best_of", n, 1, MOST_TEXTS)
    if best_of < n:
        raise Unfit("best_of", f"best_of cannot be {best_of}", f"allowed is n, which is {n}, or more")
    if stream and best_of > n:
        raise Unfit("best_of", "best_of cannot be streamed", "the best is known at the end", "Leave one of them out")
    prompts = _prompts(data.get("prompt"))
    if len(prompts) * best_of > MOST_TEXTS:
        field = "best_of" if best_of > n else "n" if n > 1 else "prompt"
        raise Unfit(field, f"these are {len(prompts) * best_of} texts", f"allowed are {MOST_TEXTS} in one request")
    max_tokens = _whole(data, "max_tokens", 16, 0, 2**20)
    if max_tokens == 0 and not echo:
        raise Unfit("max_tokens", "max_tokens cannot be 0", "that is allowed together with echo")
    logprobs = None if data.get("logprobs") is None else _whole(data, "logprobs", 0, 0, MOST_LOGPROBS)
    seed = None if data.get("seed") is None else _whole(data, "seed", 0, -(2**63), 2**64 - 1)
    return Asked(
        model=model or "",
        prompts=prompts,
        best_of=best_of,
        echo=echo,
        frequency_penalty=_number(data, "frequency_penalty", 0, -2, 2),
        logit_bias=_bias(data.get("logit_bias")),
        logprobs=logprobs,
        max_tokens=max_tokens,
        n=n,
        presence_penalty=_number(data, "presence_penalty", 0, -2, 2),
        seed=seed,
        stop=_stops(data.get("stop")),
        stream=stream,
        usage=_stream_options(data.get("stream_options"), stream),
        temperature=_number(data, "temperature", 1, 0, 2),
        top_p=_number(data, "top_p", 1, 0, 1),
    )


def _prompts(value: object) -> tuple[Prompt, ...]:
    if value is None:
        raise Unfit("prompt", "prompt is missing", "", "Send a text, a list of texts, or token ids")
    many: Sequence[object]
    if isinstance(value, str) or (isinstance(value, list) and value and all(_is_whole(each) for each in value)):
        many = [value]
    elif isinstance(value, list) and value:
        many = value
    else:
        raise Unfit("prompt", f"prompt cannot be {shorten(value)}", "allowed are a text, token ids, or a list of those")
    prompts: list[Prompt] = []
    for each in many:
        if isinstance(each, str):
            prompts.append(_text("prompt", each))
        elif isinstance(each, list) and each and all(_is_whole(number) and 0 <= number < 2**24 for number in each):
            prompts.append(tuple(each))
        else:
            raise Unfit("prompt", f"a prompt cannot be {shorten(each)}", "allowed are a text or token ids")
    if sum(map(len, prompts)) > MOST_PROMPT:
        raise Unfit("prompt", "the prompts are too long", f"allowed are {MOST_PROMPT:,} characters or tokens in all")
    return tuple(prompts)


def _stops(value: object) -> tuple[str, ...]:
    stops = [] if value is None else value if isinstance(value, list) else [value]
    fits = len(stops) <= MOST_STOPS
    if not fits or not all(isinstance(each, str) and 0 < len(each) <= MOST_STOP for each in stops):
        allowed = f"allowed are a text or up to {MOST_STOPS}, each of 1 to {MOST_STOP} characters"
        raise Unfit("stop", f"stop cannot be {shorten(value)}", allowed)
    return tuple(_text("stop", str(each)) for each in stops)


def _bias(value: object) -> tuple[tuple[int, float], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or len(value) > MOST_BIASED:
        allowed = f"allowed is an object of up to {MOST_BIASED} token ids"
        raise Unfit("logit_bias", f"logit_bias cannot be {shorten(value)}", allowed)
    pairs = []
    for key, number in value.items():
        fits = _is_number(number) and -100 <= number <= 100
        if not fits or not key.isascii() or not key.isdigit() or len(key) > 8:
            raise Unfit(
                "logit_bias",
                f"logit_bias cannot have {shorten(key)}: {shorten(number)}",
                "allowed are token ids with numbers from -100 to 100",
            )
        pairs.append((int(key), float(number)))
    return tuple(pairs)


def _stream_options(value: object, stream: bool) -> bool:
    if value is None:
        return False
    if not stream:
        raise Unfit("stream_options", "stream_options cannot be used", "that is allowed together with stream")
    if not isinstance(value, dict):
        raise Unfit("stream_options", f"stream_options cannot be {shorten(value)}", "allowed is an object")
    for name, each in value.items():
        if name != "include_usage" or not isinstance(each, bool | None):
            raise Unfit(
                "stream_options",
                f"stream_options cannot have {shorten(name)}: {shorten(each)}",
                "allowed is include_usage, true or false",
            )
    return bool(value.get("include_usage"))


def _flag(data: Mapping[str, object], name: str) -> bool:
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        raise Unfit(name, f"{name} cannot be {shorten(value)}", "allowed are true and false")
    return bool(value)


def _whole(data: Mapping[str, object], name: str, default: int, low: int, high: int) -> int:
    value = data.get(name)
    if value is None:
        return default
    if not _is_whole(value) or not low <= value <= high:  # type: ignore[operator]
        raise Unfit(name, f"{name} cannot be {shorten(value)}", f"allowed are whole numbers from {low} to {high}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def _number(data: Mapping[str, object], name: str, default: float, low: float, high: float) -> float:
    value = data.get(name)
    if value is None:
        return default
    if not _is_number(value) or not low <= value <= high:  # type: ignore[operator]
        raise Unfit(name, f"{name} cannot be {shorten(value)}", f"allowed are numbers from {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def _text(name: str, value: str) -> str:
    """A text that can be encoded.

    Raises:
        Unfit: It holds half of a surrogate pair.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit(name, f"{name} cannot be read", "it holds half of a surrogate pair") from None
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 and math.isfinite(value)


def _seed(seed: int | None, choice: int) -> int:
    """The first choice of a seed is the text of that seed; the others are as good as any."""
    if seed is None:
        return secrets.randbelow(MAX_SEED)
    if choice == 0 and 0 <= seed <= MAX_SEED:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{choice}".encode()).digest()[:4]) % (MAX_SEED + 1)
