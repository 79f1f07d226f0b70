"""A model hosted from the studio with the real gateway: asked by HTTP, the gateway killed, brought back by one key."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.hosting import process
from core.hosting.deployments import Deployments
from tests import kills
from tests.e2e.test_hosting import until
from tests.studio import Studio, studio

PATIENCE = 120.0
ENVIRONMENT = {"PYTHONPATH": str(kills.REPOSITORY), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployments]:
    """Deployments whose gateway has a port of its own, and is stopped in the end."""
    monkeypatch.setenv("PYTHONPATH", str(kills.REPOSITORY))
    deployments = Deployments(home / "data")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = int(sock.getsockname()[1])
    deployments.set_gateway(port=port, drain=5)
    yield deployments
    process.stop_blocking(deployments.data_dir)


def ask(url: str, token: str, data: object) -> tuple[int, dict[str, object]]:
    """A program that calls the deployment."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(data).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def host_the_text_model(running: Studio) -> str:
    """Host starter/gpt2-python as "gen" from the directory; its token as the screen shows it."""
    running.wait_for("starter/gpt2-python", PATIENCE)
    running.press("/", *"gpt2", "enter")
    running.wait_for(r"▸ *starter/gpt2-python", PATIENCE)
    running.press("h")
    running.wait_for(r"Host GPT-2 Python[\s\S]*● http", PATIENCE)
    running.press(*["backspace"] * 11, *"gen")
    running.wait_for(r"● http://127\.0\.0\.1:\d+/gen/v1", PATIENCE)
    running.press("enter")
    running.wait_for("gen is hosted", PATIENCE)
    found = re.search(r"tm_[A-Za-z0-9_-]{22}", running.text())
    assert found is not None
    running.press("enter")
    running.wait_for(r"▸ *[●○◐] *gen", PATIENCE)
    return found[0]


@pytest.mark.slow
def test_a_model_hosted_in_the_studio_answers_after_it_closed_and_after_a_kill(home: Path, store: Deployments) -> None:
    with studio(home, columns=120, rows=36, environment=ENVIRONMENT) as running:
        token = host_the_text_model(running)
        assert token not in running.text()
        running.press("enter")
        running.wait_for("⏎ asks", PATIENCE)
        running.press(*"def add(a, b):", "enter")
        running.wait_for(r"answer ─+ after [\d.]+ m?s · first text [\d.]+ m?s", PATIENCE)
        running.wait_for("finish_reason", PATIENCE)
        running.press("escape")
        running.wait_for(r"5 Hosting ●1[\s\S]*programs that call it", PATIENCE)
        running.press("e")
        running.wait_for(r"Settings of gen[\s\S]*as it is now", PATIENCE)
        running.press("down", "down", "down", "2")
        running.wait_for("replicas 1 → 2", PATIENCE)
        running.press("enter")
        running.wait_for("gen: replicas 1 → 2", PATIENCE)
        running.wait_for("2 that sleep after 5 min", PATIENCE)
        running.hang_up()
        running.process.wait(PATIENCE)
    gateway = process.gateway_status(store.data_dir)
    assert gateway.runs
    until(lambda: store.status("gen", True).replicas_ready == 2, PATIENCE)
    url = f"{gateway.url}/gen/v1/query"
    status, answer = ask(url, token, {"prompt": "def add(a, b):", "max_tokens": 4})
    assert (status, type(answer["completion"])) == (200, str)
    assert ask(url, token[:-1] + ("A" if token[-1] != "A" else "B"), {})[0] == 401
    with studio(home, columns=120, rows=36, environment=ENVIRONMENT) as again:
        again.wait_for("Directory", PATIENCE)
        again.press("5")
        again.wait_for(r"● *gen *awake", PATIENCE)
        os.kill(gateway.pid, signal.SIGKILL)
        again.wait_for("The gateway died", PATIENCE)
        again.press("o")
        again.wait_for(r"○ *gen *asleep", PATIENCE)
    back = process.gateway_status(store.data_dir)
    assert (back.runs, back.url) == (True, gateway.url)
    assert ask(url, token, {"prompt": "def", "max_tokens": 2})[0] == 200
