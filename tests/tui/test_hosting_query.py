"""A deployment asked by the studio over a real socket: answers, refusals, a gateway that is gone, hanging up."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, InvalidInput, TarmacError
from core.interface import Command, Number
from tests.core.hosting.serving import STUDIO, Stage, gateway, until
from tui.hosting_query import Asking


def command(stage: Stage) -> Command:
    pool = stage.registry.entries["stub"].pool
    assert pool is not None
    return pool.served.interface.default


def asking(stage: Stage, chosen: Command, key: str = STUDIO) -> Asking:
    return Asking(f"http://127.0.0.1:{stage.port}/stub/v1/query", chosen, lambda: key)


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
    question = Asking(f"http://127.0.0.1:{port}/stub/v1/query", Command("x", {}, {}), lambda: STUDIO)
    with pytest.raises(TarmacError, match="the gateway does not answer"):
        await asyncio.to_thread(question.ask, {})
