"""The unmodified `openai` client against a gateway in a process of its own that serves the starters."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from core.hosting import process
from core.hosting.deployment import Limits
from core.hosting.deployments import Deployments

PROMPT = "def add(a, b):"


class Stage:
    """The gateway, and clients of it."""

    def __init__(self, store: Deployments, tokens: dict[str, str], url: str, pid: int) -> None:
        self.store, self.tokens, self.url, self.pid = store, tokens, url, pid

    def client(self, name: str = "gen", token: str | None = None, *, top: bool = False) -> openai.OpenAI:
        base = f"{self.url}/v1" if top else f"{self.url}/{name}/v1"
        return openai.OpenAI(base_url=base, api_key=token or self.tokens[name], max_retries=0, timeout=120)

    def metric(self, line: str) -> float:
        request = urllib.request.Request(
            f"{self.url}/gen/metrics", headers={"Authorization": f"Bearer {self.tokens['gen']}"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            found = [each for each in reply.read().decode().splitlines() if each.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    store = Deployments(tmp_path_factory.mktemp("home") / "data")
    store.set_gateway(port=port, drain=5)
    tokens = {}
    for name, model in (("gen", "starter/gpt2-python"), ("faces", "starter/portraits")):
        _, tokens[name] = store.create(name, model)
    _, tokens["small"] = store.create("small", "starter/gpt2-python", limits=Limits(max_queue=1))
    _, tokens["open"] = store.create("open", "starter/gpt2-python", private=False)
    gateway = process.start_blocking(store.data_dir)
    yield Stage(store, tokens, gateway.url, gateway.pid)
    process.stop_blocking(store.data_dir)


def _until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _body(error: openai.APIStatusError) -> dict[str, Any]:
    assert isinstance(error.body, dict)
    return error.body


def test_a_completion_and_the_same_one_streamed(stage: Stage) -> None:
    client = stage.client()
    whole = client.completions.create(model="gen", prompt=PROMPT, max_tokens=24, seed=7)
    assert whole.object == "text_completion"
    assert (whole.model, whole.choices[0].finish_reason in ("length", "stop")) == ("gen", True)
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert 0 < whole.usage.completion_tokens <= 24
    events = list(
        client.completions.create(
            model="gen", prompt=PROMPT, max_tokens=24, seed=7, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(choice.text for event in events for choice in event.choices) == whole.choices[0].text
    assert len(events) > 3
    assert events[-1].usage == whole.usage
    assert events[-1].choices == []
    assert [each.choices[0].finish_reason for each in events[:-1]][-1] == whole.choices[0].finish_reason


def test_a_stream_ends_in_done(stage: Stage) -> None:
    data = json.dumps({"prompt": PROMPT, "max_tokens": 3, "stream": True}).encode()
    headers = {"Authorization": f"Bearer {stage.tokens['gen']}"}
    request = urllib.request.Request(f"{stage.url}/gen/v1/completions", data, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.read().endswith(b"\n\ndata: [DONE]\n\n")


def test_many_choices_prompts_and_the_best(stage: Stage) -> None:
    client = stage.client()
    found = client.completions.create(model="gen", prompt=["def a", "def b"], n=2, max_tokens=6, seed=1, stop="\n")
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert all("\n" not in choice.text for choice in found.choices)
    single = client.completions.create(model="gen", prompt="def b", max_tokens=6, seed=1, stop=["\n", "zzz"])
    assert found.choices[2].text == single.choices[0].text
    texts: dict[int, str] = {}
    for event in client.completions.create(
        model="gen", prompt=["def a", "def b"], n=2, max_tokens=6, seed=1, stop="\n", stream=True
    ):
        for choice in event.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert texts == {choice.index: choice.text for choice in found.choices}
    best = client.completions.create(model="gen", prompt=PROMPT, n=1, best_of=4, max_tokens=8, seed=3)
    every = client.completions.create(model="gen", prompt=PROMPT, n=4, max_tokens=8, seed=3, logprobs=0)

    def mean(choice: Any) -> float:
        values = choice.logprobs.token_logprobs
        return float(sum(values) / len(values))

    assert best.choices[0].text == max(every.choices, key=mean).text
    assert best.usage is not None
    assert best.usage.completion_tokens > 8


def test_probabilities_and_echo(stage: Stage) -> None:
    client = stage.client()
    found = client.completions.create(model="gen", prompt=PROMPT, max_tokens=5, temperature=0, logprobs=3, echo=True)
    told = found.choices[0].logprobs
    assert told is not None
    assert told.tokens is not None
    assert told.top_logprobs is not None
    assert told.text_offset is not None
    assert "".join(told.tokens) == found.choices[0].text
    assert found.choices[0].text.startswith(PROMPT)
    for token, offset in zip(told.tokens, told.text_offset, strict=True):
        assert found.choices[0].text[offset:].startswith(token)
    assert all(3 <= len(top) <= 4 for top in told.top_logprobs if top)
    # Greedy: each token that was written is the likeliest.
    assert told.token_logprobs is not None
    for value, top in zip(told.token_logprobs[-5:], told.top_logprobs[-5:]):
        assert value == max(top.values())
    only = client.completions.create(model="gen", prompt=PROMPT, max_tokens=0, logprobs=1, echo=True)
    assert only.choices[0].text == PROMPT
    assert only.choices[0].logprobs is not None
    assert only.choices[0].logprobs.token_logprobs == told.token_logprobs[:-5]
    assert only.usage is not None
    assert only.usage.completion_tokens == 0


def test_token_ids_bias_and_penalties(stage: Stage) -> None:
    client = stage.client()
    ids = client.completions.create(model="gen", prompt=[300, 301, 302], max_tokens=4, seed=1)
    assert ids.usage is not None
    assert ids.usage.prompt_tokens == 3
    forced = client.completions.create(model="gen", prompt=PROMPT, max_tokens=4, logit_bias={"300": 100})
    again = client.completions.create(
        model="gen", prompt=PROMPT, max_tokens=4, temperature=0, logit_bias={"300": 40}, presence_penalty=2
    )
    piece = forced.choices[0].text[: len(forced.choices[0].text) // 4]
    assert forced.choices[0].text == piece * 4
    assert again.choices[0].text.startswith(piece)


def test_models_are_those_that_a_token_opens(stage: Stage) -> None:
    assert [model.id for model in stage.client().models.list()] == ["gen"]
    top = stage.client(top=True)
    assert {model.id for model in top.models.list()} == {"gen", "open"}
    assert top.models.retrieve("gen").id == "gen"
    assert top.completions.create(model="gen", prompt=PROMPT, max_tokens=1).model == "gen"
    stranger = stage.client(token="nothing", top=True)
    assert [model.id for model in stranger.models.list()] == ["open"]
    assert stranger.completions.create(model="open", prompt=PROMPT, max_tokens=1).choices
    for name in ("gen", "nobody"):
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.completions.create(model=name, prompt="x")
        assert _body(caught.value)["code"] == "invalid_api_key"
    for name in ("small", "nobody"):
        with pytest.raises(openai.NotFoundError) as missing:
            top.completions.create(model=name, prompt="x")
        assert _body(missing.value)["code"] == "model_not_found"


def test_errors_are_those_that_the_client_knows(stage: Stage) -> None:
    client = stage.client()
    with pytest.raises(openai.AuthenticationError):
        stage.client(token="nothing").completions.create(model="gen", prompt="x")
    with pytest.raises(openai.NotFoundError, match="writes no text"):
        stage.client("faces").completions.create(model="faces", prompt="x")
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model="gen", prompt="x " * 400, max_tokens=300)
    assert _body(long.value)["code"] == "context_length_exceeded"
    assert "512" in str(long.value)
    with pytest.raises(openai.BadRequestError, match="512") as streamed:
        client.completions.create(model="gen", prompt="x " * 400, max_tokens=300, stream=True)
    assert _body(streamed.value)["param"] == "prompt"
    for param, fields in (
        ("max_tokens", {"max_tokens": 513}),
        ("suffix", {"suffix": "end"}),
        ("top_k", {"extra_body": {"top_k": 5}}),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(model="gen", prompt="x", **fields)  # type: ignore[call-overload]
        assert _body(caught.value)["param"] == param


def test_a_full_queue_is_told_with_the_time_to_wait(stage: Stage) -> None:
    client = stage.client("small")
    client.completions.create(model="small", prompt="x", max_tokens=1)
    with pytest.raises(openai.RateLimitError) as caught:
        client.completions.create(model="small", prompt=PROMPT, n=64, max_tokens=200)
    assert int(caught.value.response.headers["retry-after"]) >= 1
    assert _body(caught.value)["code"] == "rate_limit_exceeded"
    assert client.completions.create(model="small", prompt="x", max_tokens=1).choices


def test_many_at_once_get_each_its_own(stage: Stage) -> None:
    client = stage.client()

    def ask(number: int) -> str:
        prompt = f"def function_{number}(value):"
        found = client.completions.create(model="gen", prompt=prompt, max_tokens=12, seed=number, echo=True)
        return found.choices[0].text

    with ThreadPoolExecutor(24) as pool:
        texts = list(pool.map(ask, range(24)))
    assert all(text.startswith(f"def function_{number}(value):") for number, text in enumerate(texts))
    # But for rounding, which one in some thousand tokens feels.
    assert sum(text == ask(number) for number, text in enumerate(texts)) >= 22


def test_who_leaves_is_not_written_for_any_more(stage: Stage) -> None:
    client = stage.client()
    running = 'tarmac_running{deployment="gen"}'
    _until(lambda: stage.metric(running) == 0)
    before = stage.metric('tarmac_tokens_total{deployment="gen"}')
    stream = client.completions.create(
        model="gen", prompt=PROMPT, max_tokens=400, n=8, stream=True, logit_bias={"0": -100}
    )
    for _ in range(3):
        next(iter(stream))
    assert stage.metric(running) > 0
    stream.close()
    _until(lambda: stage.metric(running) == 0)
    assert 0 < stage.metric('tarmac_tokens_total{deployment="gen"}') - before < 8 * 400


def test_a_worker_that_dies_in_a_stream_is_told_and_replaced(stage: Stage) -> None:
    client = stage.client()
    stream = client.completions.create(model="gen", prompt=PROMPT, max_tokens=400, stream=True, logit_bias={"0": -100})
    next(iter(stream))
    for child in psutil.Process(stage.pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert "worker" in str(caught.value)
    assert client.completions.create(model="gen", prompt=PROMPT, max_tokens=2).choices[0].text


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
