"""Fields of OpenAI's completions: their defaults, their bounds, and none that counts for nothing."""

from __future__ import annotations

import pytest

from core.hosting.errors import Unfit
from core.hosting.openai.api import openai_error
from core.hosting.openai.request import FIELDS, MOST_TEXTS, read_request
from core.library.interfaces import MAX_SEED


def test_defaults_are_openai_s() -> None:
    asked = read_request({"prompt": "def"})
    assert (asked.max_tokens, asked.temperature, asked.top_p, asked.n, asked.best_of) == (16, 1, 1, 1, 1)
    assert (asked.logprobs, asked.seed, asked.stop, asked.stream, asked.echo) == (None, None, (), False, False)
    assert read_request({"prompt": "def", **{name: None for name in FIELDS if name != "prompt"}}) == asked
    inputs = asked.inputs("def", 0)
    assert (inputs["prompt"], inputs["ids"], inputs["logprobs"]) == ("def", [], -1)
    assert inputs["seed"] != asked.inputs("def", 0)["seed"]


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
        ("", ("",)),
        (["a", [1]], ("a", (1,))),
    ],
)
def test_prompts_are_texts_or_token_ids_one_or_many(prompt: object, prompts: object) -> None:
    assert read_request({"prompt": prompt}).prompts == prompts


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("foo", {"foo": 1}),
        ("suffix", {"suffix": "x"}),
        ("prompt", {"prompt": None}),
        ("prompt", {"prompt": []}),
        ("prompt", {"prompt": 7}),
        ("prompt", {"prompt": [[]]}),
        ("prompt", {"prompt": [1, "a"]}),
        ("prompt", {"prompt": [-1]}),
        ("prompt", {"prompt": [True]}),
        ("prompt", {"prompt": "\ud800"}),
        ("prompt", {"prompt": "a" * 1_000_001}),
        ("prompt", {"prompt": ["a"] * (MOST_TEXTS + 1)}),
        ("n", {"n": 0}),
        ("n", {"n": MOST_TEXTS + 1}),
        ("n", {"n": 33, "prompt": ["a", "b"]}),
        ("n", {"n": True}),
        ("best_of", {"best_of": 1, "n": 2}),
        ("best_of", {"best_of": 2, "stream": True}),
        ("best_of", {"best_of": 33, "prompt": ["a", "b"]}),
        ("max_tokens", {"max_tokens": -5}),
        ("max_tokens", {"max_tokens": 0}),
        ("max_tokens", {"max_tokens": 1.5}),
        ("temperature", {"temperature": 2.1}),
        ("temperature", {"temperature": "hot"}),
        ("temperature", {"temperature": 10**400}),
        ("top_p", {"top_p": -0.1}),
        ("presence_penalty", {"presence_penalty": 3}),
        ("frequency_penalty", {"frequency_penalty": -3}),
        ("logprobs", {"logprobs": 6}),
        ("logprobs", {"logprobs": True}),
        ("stop", {"stop": ["a"] * 5}),
        ("stop", {"stop": [""]}),
        ("stop", {"stop": 3}),
        ("stop", {"stop": "\udfff"}),
        ("seed", {"seed": "x"}),
        ("seed", {"seed": 2**64}),
        ("echo", {"echo": "yes"}),
        ("stream", {"stream": 1}),
        ("stream_options", {"stream_options": {"include_usage": True}}),
        ("stream_options", {"stream": True, "stream_options": {"include_obfuscation": True}}),
        ("stream_options", {"stream": True, "stream_options": []}),
        ("logit_bias", {"logit_bias": {"x": 1}}),
        ("logit_bias", {"logit_bias": {"1": 101}}),
        ("logit_bias", {"logit_bias": [1]}),
        ("logit_bias", {"logit_bias": {str(n): 1 for n in range(301)}}),
        ("user", {"user": 5}),
        ("model", {"model": 5}),
    ],
)
def test_what_cannot_be_is_refused_by_name(param: str, fields: dict[str, object]) -> None:
    with pytest.raises(Unfit) as caught:
        read_request({"prompt": "a", **fields})
    assert caught.value.param == param
    told = openai_error(caught.value, 400)["error"]
    assert isinstance(told, dict)
    assert (told["type"], told["param"], told["message"]) == ("invalid_request_error", param, str(caught.value))
    assert len(str(caught.value)) < 400


def test_what_can_be_arrives() -> None:
    asked = read_request(
        {
            "prompt": [1, 2],
            "n": 2,
            "best_of": 3,
            "stop": "x",
            "seed": -7,
            "logit_bias": {"5": -100, "6": 1},
            "user": "somebody",
            "suffix": "",
        }
    )
    inputs = asked.inputs((1, 2), 1)
    assert (inputs["prompt"], inputs["ids"], inputs["stop"]) == ("", [1, 2], ["x"])
    assert inputs["bias"] == [[5, -100.0], [6, 1.0]]
    # The best is chosen by its probabilities, which nobody asked to see.
    assert inputs["logprobs"] == 0
    assert read_request({"prompt": "a", "stream": True, "stream_options": {"include_usage": True}}).usage


def test_choices_of_a_seed_differ_and_come_again() -> None:
    asked = read_request({"prompt": "a", "seed": 3, "n": 3})
    seeds = [asked.inputs("a", choice)["seed"] for choice in range(3)]
    assert seeds[0] == 3
    assert len(set(seeds)) == 3
    assert seeds == [asked.inputs("b", choice)["seed"] for choice in range(3)]
    for seed in (-1, 2**63, MAX_SEED + 1):
        found = read_request({"prompt": "a", "seed": seed}).inputs("a", 0)["seed"]
        assert isinstance(found, int)
        assert 0 <= found <= MAX_SEED
