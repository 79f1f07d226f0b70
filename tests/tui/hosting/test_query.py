"""A deployment asked by the studio over a real socket: answers, refusals, a gateway that is gone, hanging up."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, InvalidInput, TarmacError
from core.hosting.deployment import Deployment
from core.hosting.served import Served
from core.interface import Command, Number
from core.workers.adapter import Target
from tests.core.hosting import serving
from tests.core.hosting.serving import STUDIO, Stage, gateway, until
from tests.tui.writer import WORDS, Writer
from tui.hosting.query import Asking


def command(stage: Stage) -> Command:
    pool = stage.registry.entries["stub"].pool
    assert pool is not None
    return pool.served.interface.default


def asking(stage: Stage, chosen: Command, key: str = STUDIO) -> Asking:
    return Asking(f"http://127.0.0.1:{stage.port}/stub/v1", chosen, lambda: key)


async def test_a_deployment_answers_with_checked_outputs(home: Path) -> None:
    async with gateway(home, {"stub": {}}) as stage:
        chosen = command(stage)
        inputs = chosen.check_inputs({"z": np.zeros(16, np.float32)})
        found = await asyncio.to_thread(asking(stage, chosen).ask, inputs)
        assert np.asarray(found.outputs["image"]).shape == (64, 64, 3)
        assert found.seconds > 0


async def test_what_the_deployment_says_is_told(home: Path) -> None:
    async with gateway(home, {"stub": {}}) as stage:
        chosen = command(stage)
        wrong = Command(chosen.name, {"z": Number()}, chosen.outputs)
        with pytest.raises(InvalidInput, match="z cannot be 1"):
            await asyncio.to_thread(asking(stage, wrong).ask, {"z": 1})
        with pytest.raises(TarmacError, match="a valid token is needed"):
            await asyncio.to_thread(asking(stage, wrong, "tm_none").ask, {"z": 1})


async def test_hanging_up_ends_the_waiting_and_the_request(home: Path) -> None:
    async with gateway(home, {"stub": {"options": {"delay": 60.0}}}) as stage:
        chosen = command(stage)
        question = asking(stage, chosen)
        inputs = chosen.check_inputs({"z": np.zeros(16, np.float32)})
        waiting = asyncio.create_task(asyncio.to_thread(question.ask, inputs))
        await until(lambda: stage.registry.entries["stub"].status().running == 1, 30)
        question.stop()
        with pytest.raises(Cancelled):
            await waiting
        await until(lambda: stage.registry.entries["stub"].status().running == 0)


async def test_a_gateway_that_is_gone_is_told(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    question = Asking(f"http://127.0.0.1:{port}/stub/v1", Command("x", {}, {}), lambda: STUDIO)
    with pytest.raises(TarmacError, match="the gateway does not answer"):
        await asyncio.to_thread(question.ask, {})


# -- a text as it is written


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deployments serve a text model without a framework."""

    def resolve(deployment: Deployment) -> Served:
        target = Target(
            "test", Path("/"), dict(deployment.options), trusted_factory="tests.tui.writer:Writer", name="W"
        )
        return Served(Writer.interface, lambda number: target, "writer", "Writer")

    monkeypatch.setattr(serving, "resolve", resolve)


def completing(stage: Stage, model: str = "gen") -> Asking:
    return Asking(f"http://127.0.0.1:{stage.port}/gen/v1", Writer.interface.default, lambda: STUDIO, model)


def asked_for(**inputs: object) -> dict[str, object]:
    return Writer.interface.default.check_inputs({"prompt": "def f", **inputs})


async def test_a_text_comes_as_it_is_written(home: Path, writers: None) -> None:
    hold = home / "go on"
    async with gateway(home / "d", {"gen": {"options": {"hold": str(hold)}}}) as stage:
        pieces: list[str] = []
        inputs = asked_for(max_tokens=5, seed=1, stop=[])
        waiting = asyncio.create_task(asyncio.to_thread(completing(stage).ask, inputs, pieces.append))
        await until(lambda: "".join(pieces) == f"{WORDS[1]} {WORDS[2]} ", 30)
        hold.touch()
        found = await waiting
        whole = await asyncio.to_thread(completing(stage).ask, inputs)
        assert found.outputs["completion"] == "".join(pieces) == whole.outputs["completion"]
        assert {name: found.outputs[name] for name in ("finish_reason", "tokens", "prompt_tokens")} == {
            "finish_reason": "length", "tokens": 5, "prompt_tokens": 3,
        }  # fmt: skip
        assert found.first is not None
        assert 0 < found.first <= found.seconds
        assert whole.first is None


async def test_hanging_up_while_it_writes_ends_the_request(home: Path, writers: None) -> None:
    async with gateway(home / "d", {"gen": {"options": {"hold": str(home / "never")}}}) as stage:
        pieces: list[str] = []
        question = completing(stage)
        waiting = asyncio.create_task(asyncio.to_thread(question.ask, asked_for(), pieces.append))
        await until(lambda: bool(pieces), 30)
        question.stop()
        with pytest.raises(Cancelled):
            await waiting
        await until(lambda: stage.registry.entries["gen"].status().running == 0)
        assert "".join(pieces) == f"{WORDS[0]} {WORDS[1]} "


@pytest.mark.parametrize(
    "inputs", [{"top_k": 3}, {"repetition_penalty": 1.3}, {"stop": ["a", "b", "c", "d", "e"]}, {"logprobs": 2}]
)
async def test_what_only_the_other_api_knows_comes_whole_from_there(
    home: Path, writers: None, inputs: dict[str, object]
) -> None:
    async with gateway(home / "d", {"gen": {}}) as stage:
        pieces: list[str] = []
        found = await asyncio.to_thread(completing(stage).ask, asked_for(max_tokens=3, **inputs), pieces.append)
        assert found.outputs["completion"] == " ".join([*WORDS[:3], ""])
        assert (pieces, found.first) == ([], None)


async def test_a_deployment_that_does_not_stream_answers_whole(home: Path) -> None:
    async with gateway(home, {"gen": {"model": "Talker"}}) as stage:
        pool = stage.registry.entries["gen"].pool
        assert pool is not None
        chosen = pool.served.interface.default
        question = Asking(f"http://127.0.0.1:{stage.port}/gen/v1", chosen, lambda: STUDIO, "gen")
        pieces: list[str] = []
        inputs = chosen.check_inputs({"prompt": "a", "max_tokens": 2})
        found = await asyncio.to_thread(question.ask, inputs, pieces.append)
        assert (pieces, found.outputs["completion"]) == ([], " wörd0 wörd1")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (
            b'data: {"choices": [{"text": "a"}]}\n\ndata: {"error": {"message": "the worker died"}}\n\n',
            "the worker died",
        ),
        (b'data: {"choices": [{"text": "a"}]}\n\n', "the answer broke off: it ended too early"),
        (b'data: {"choices": [{"text": "a"}]}\n\ndata: {"choi', "cannot be read"),
    ],
)
async def test_a_stream_that_breaks_off_is_told_and_what_came_is_kept(sent: bytes, told: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + sent)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        question = Asking(f"http://127.0.0.1:{port}/gen/v1", Writer.interface.default, lambda: STUDIO, "gen")
        pieces: list[str] = []
        with pytest.raises(TarmacError, match=told):
            await asyncio.to_thread(question.ask, asked_for(), pieces.append)
        assert pieces == ["a"]
