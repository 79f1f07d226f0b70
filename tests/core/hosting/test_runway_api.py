"""Runway's API: what its client finds where, and which status tells what to whom."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from core.hosting.guard import MOST_PIXELS
from core.interface.pictures import to_data_uri
from tests.core.hosting.serving import error, gateway, until

DOMAIN = ".hosted-models.runwayml.cloud"


async def test_the_root_wakes_and_tells_how_far_it_is(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        first = (await stage.ask("/echo/v1/", stage.tokens["echo"])).json()
        assert first == {"status": "starting", "queryRoute": "/v1/query", "dataRoute": None, "errorRoute": None}
        await until(lambda: stage.registry.entries["echo"].state == "awake")
        for path in ("/echo/v1", "/echo/v1/"):
            assert (await stage.ask(path, stage.tokens["echo"])).json()["status"] == "running"


async def test_info_is_the_command_that_is_hosted(home: Path) -> None:
    async with gateway(home, {"faces": {"command": "project"}, "other": {}}) as stage:
        info = (await stage.ask("/faces/v1/info", stage.tokens["faces"])).json()
        assert list(info) == ["name", "description", "inputs", "outputs"]
        assert info["name"] == "project"
        assert (await stage.ask("/other/v1/info", stage.tokens["other"])).json()["name"] == "generate"


async def test_pictures_go_in_and_out_as_data_uris(home: Path) -> None:
    async with gateway(home, {"faces": {}, "find": {"command": "project"}}) as stage:
        reply = (await stage.query("faces", {"z": [0.1] * 16})).json()
        assert str(reply["image"]).startswith("data:image/jpeg;base64,")
        named = await stage.query("faces", {"z": [0.1] * 16}, headers={"x-runway-output-format": "image=PNG"})
        picture = str(named.json()["image"])
        assert picture.startswith("data:image/png;base64,")
        pixels = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
        assert pixels.size == (64, 64)
        wrong = await stage.query("faces", {"z": [0.1] * 16}, headers={"x-runway-output-format": "image=EXR"})
        assert wrong.status == 400
        found = (await stage.query("find", {"image": picture, "steps": 2})).json()
        assert len(found["z"]) == 16  # type: ignore[arg-type]


async def test_bad_input_is_500_only_for_those_who_know_nothing_else(home: Path) -> None:
    async with gateway(home, {"faces": {}}) as stage:
        token = stage.tokens["faces"]
        for path, status in (("/faces/v1/query", 400), (f"/faces{DOMAIN}/v1/query", 500)):
            reply = await stage.ask(path, token, {"z": [1]})
            assert reply.status == status
            assert "z cannot be [1]: it has 1 elements" in error(reply)
        await until(lambda: stage.registry.entries["faces"].statistics.requests == 2)
        assert stage.registry.entries["faces"].statistics.errors == 0


async def test_errors_of_the_model_are_500_and_counted(home: Path) -> None:
    async with gateway(home, {"bad": {"model": "Crasher"}}) as stage:
        reply = await stage.query("bad", {"how": "raise"})
        assert (reply.status, reply.headers["content-type"]) == (500, "application/json")
        assert "ValueError" in error(reply)
        assert "\x1b" not in error(reply)
        assert (await stage.query("bad", {"how": "kill"})).status == 503
        assert (await stage.query("bad", {"how": "well"})).json() == {"how": "well"}
        statistics = stage.registry.entries["bad"].statistics
        await until(lambda: statistics.requests == 3)
        assert statistics.errors == 2


async def test_pictures_are_measured_before_they_are_decoded(home: Path) -> None:
    async with gateway(home, {"find": {"command": "project"}}) as stage:
        file = io.BytesIO()
        Image.new("1", (8192, MOST_PIXELS // 8192 + 1)).save(file, "PNG")
        bomb = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        reply = await stage.query("find", {"image": bomb})
        assert reply.status == 400
        assert "too many pixels" in error(reply)
        small = to_data_uri(np.zeros((4, 4, 3), np.uint8), "PNG")
        assert (await stage.query("find", {"image": small[: len(small) // 2]})).status == 400
        assert (await stage.query("find", {"image": "file:///etc/passwd"})).status == 400


async def test_numbers_are_kept_and_told(home: Path) -> None:
    async with gateway(home, {"echo": {"model": "Echo"}}) as stage:
        for number in range(3):
            await stage.query("echo", {"value": number})
        entry = stage.registry.entries["echo"]
        await until(lambda: entry.status().requests == 3)
        status = entry.status()
        assert (status.state, status.errors, status.replicas_ready, sum(status.rate)) == ("awake", 0, 1, 3)
        assert status.p50_ms is not None
    async with gateway(home, {}) as stage:
        assert stage.registry.entries["echo"].status().requests == 3
