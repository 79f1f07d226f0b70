"""OpenAI's completions of a text model without a framework: what is rare with a real one, through the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.hosting.serving import Stage, gateway


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    async with gateway(home / "deployments", {"gpt": {"model": "Writer"}}) as stage:
        yield stage


async def complete(stage: Stage, **body: object) -> dict[str, object]:
    reply = await stage.ask("/gpt/v1/completions", stage.tokens["gpt"], body)
    return {"status": reply.status, **reply.json()}


async def test_the_best_of_texts_that_nothing_stands_before(stage: Stage) -> None:
    """Their first letter has no probability: what comes after decides, and a text of one letter is as good as any."""
    for length in (1, 5):
        answer = await complete(stage, prompt="", max_tokens=length, best_of=3, n=2, seed=1)
        assert answer["status"] == 200
        assert len(answer["choices"]) == 2  # type: ignore[arg-type]


async def test_a_stream_says_what_the_whole_answer_says(stage: Stage) -> None:
    asked = {"prompt": "once upon", "max_tokens": 20, "seed": 3, "n": 2, "stop": "e", "logprobs": 2, "echo": True}
    whole = await complete(stage, **asked)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    body = json.dumps({**asked, "stream": True}).encode()
    head = f"POST /gpt/v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.tokens['gpt']}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
    told = (await reader.read()).decode()
    writer.close()
    events = [line[6:] for line in told.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    texts = ["", ""]
    for event in map(json.loads, events[:-1]):
        for choice in event["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole["choices"]]  # type: ignore[attr-defined]


async def test_more_than_the_context_and_tokens_that_there_are_not(stage: Stage) -> None:
    answer = await complete(stage, prompt="x" * 60, max_tokens=5)
    assert (answer["status"], answer["error"]["code"]) == (400, "context_length_exceeded")  # type: ignore[index]
    answer = await complete(stage, prompt=[1, 99])
    assert (answer["status"], "there is no token 99" in str(answer["error"])) == (400, True)
