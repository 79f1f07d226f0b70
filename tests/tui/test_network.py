"""The network panel: switched on with a key, asked by a real program, copied, off again with the model."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.tui.stage import furnish, lines, studio, text, until
from tui.messages import ShowModel
from tui.screens.network import NetworkScreen
from tui.widgets.completion.pane import CompletionPane
from tui.widgets.explorer.grid import Explorer

IMAGES, TEXT = "starter/portraits", "starter/gpt2-python"


async def test_a_model_is_asked_by_another_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = furnish(home)
    async with studio(services, size=(100, 36)) as (app, pilot, _):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        app.post_message(ShowModel(IMAGES))
        await until(pilot, lambda: services.sessions and services.sessions[0].state == "ready")
        await until(pilot, lambda: isinstance(app.focused, Explorer))
        await pilot.press("N")
        await until(pilot, lambda: isinstance(app.screen, NetworkScreen))
        assert "○ off" in text(app)
        assert '"z": <16 numbers>' in text(app)
        assert '"truncation": <number from 0 to' in text(app)
        assert '"image": <base 64 image>' in text(app)
        await pilot.press("y")
        await until(pilot, lambda: "once it is on" in text(app))
        assert copied == []
        await pilot.press("o")
        await until(pilot, lambda: "● on" in text(app))
        await pilot.press("y", "c")
        await until(pilot, lambda: len(copied) == 2)
        assert copied[0].startswith("http://127.0.0.1:80")
        done = await asyncio.to_thread(subprocess.run, ["sh", "-c", f"{copied[1]} -sS"], capture_output=True, text=True)
        answer = json.loads(done.stdout)
        assert base64.b64decode(answer["image"].partition(",")[2])[:2] in (b"\xff\xd8", b"\x89P")
        await until(pilot, lambda: "1 query so far" in text(app))
        await pilot.press("escape")
        await until(pilot, lambda: f"⇄ {copied[0][-4:]}" in lines(app)[1])
        await pilot.press("X")  # the model leaves the workspace, and its address with it
        await until(pilot, lambda: "Nothing in this workspace" in text(app))
        with pytest.raises(OSError, match=r"refused|reset"):
            await asyncio.to_thread(urllib.request.urlopen, f"{copied[0]}/info", None, 5)


async def test_a_text_model_has_one_too_and_it_can_be_switched_off(home: Path) -> None:
    services = furnish(home)
    async with studio(services, size=(80, 24)) as (app, pilot, _):
        app.post_message(ShowModel(TEXT))
        await until(pilot, lambda: app.screen.query(CompletionPane))
        await until(pilot, lambda: services.sessions[0].state == "ready")
        await pilot.press("escape")
        await pilot.press("N")
        await until(pilot, lambda: isinstance(app.screen, NetworkScreen))
        assert '"prompt": <string>' in text(app)
        await pilot.press("o")
        await until(pilot, lambda: "● on" in text(app))
        await pilot.press("o")
        await until(pilot, lambda: "○ off" in text(app))
        await pilot.press("o")
        await until(pilot, lambda: "● on" in text(app))
