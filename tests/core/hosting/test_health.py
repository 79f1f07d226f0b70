"""/readyz proves that a worker answers; /metrics tells numbers, to those who may see them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from core.hosting import health
from core.hosting.health import probe_inputs
from core.library.interfaces import image_gan_interface, text_interface
from tests.core.hosting.serving import gateway, until


async def test_ready_is_proven_by_an_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH", 0.0)
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.5)
    async with gateway(home, {"faces": {}}) as stage:
        token = stage.tokens["faces"]
        reply = await stage.ask("/faces/readyz", token)
        assert (reply.status, reply.json()["status"]) == (503, "asleep")
        await stage.query("faces", {"z": [0] * 16})
        reply = await stage.ask("/faces/readyz", token)
        assert (reply.status, reply.json()) == (200, {"status": "ready", "why": ""})
        pool = stage.registry.entries["faces"].pool
        assert pool is not None
        os.kill(pool.workers()[0], signal.SIGSTOP)
        reply = await stage.ask("/faces/readyz", token)
        assert (reply.status, reply.json()["status"]) == (503, "silent")
        os.kill(pool.workers()[0], signal.SIGKILL)
        await until(lambda: pool.deaths == 1 and pool.ready == 1)
        assert (await stage.ask("/faces/readyz", token)).status == 200


async def test_numbers_for_prometheus(home: Path) -> None:
    async with gateway(home, {"faces": {}, "echo": {"model": "Echo"}}) as stage:
        await stage.query("faces", {"z": [0] * 16})
        await stage.query("echo", {"value": 1})
        text = (await stage.ask("/faces/metrics", stage.tokens["faces"])).body.decode()
        assert 'tarmac_requests_total{deployment="faces",route="/v1/query",status="200"} 1.0' in text
        assert 'tarmac_replicas_ready{deployment="faces"} 1.0' in text
        assert "echo" not in text


def test_there_is_a_probe_for_what_we_run() -> None:
    for interface in (text_interface(64), image_gan_interface(8, 16)):
        assert probe_inputs(interface, "") is not None
    command, inputs = probe_inputs(text_interface(64), "complete") or (None, {})
    assert command is not None
    assert inputs["max_tokens"] == 1
