"""A text model that a real training has made, and a checkpoint of that training beside it, in a real terminal."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.library.models import Library, Model
from core.library.workspaces import Workspaces
from core.runs.plan import RunPlan
from core.runs.store import Runs
from core.runs.view import RunView
from core.workers.session import Session
from tests import kills
from tests.studio import studio
from tui import text_models
from tui.services import Services

PATIENCE = 120.0
PROMPT = "Line 7 is "
NAME = "wolves"
OVER = "● length reached|● end of text"


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> RunView:
    """A finished training from nothing, whose middle and end write differently."""
    monkeypatch.setenv("PYTHONPATH", str(kills.REPOSITORY))
    kills.text_dataset(home, "lines")
    sizes = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 400, "context": 32}
    options = {"batch": 8, "threads": 1, "precision": "float32", "rate": 1e-2, "sample_tokens": 4, **sizes}
    runs = Runs()
    plan = RunPlan(NAME, "text", "lines", steps=40, save_every=10, score_every=20, options=options)
    run = asyncio.run(runs.start(runs.create(plan)))
    end = time.monotonic() + PATIENCE
    while (view := runs.get(run.id)).active:
        assert time.monotonic() < end, (view.folder / "log.txt").read_text()[-2000:]
        time.sleep(0.1)
    assert view.state == "finished", view.end
    assert [each.step for each in view.checkpoints] == [20, 30, 40]
    return view


def written(model: Model, **inputs: object) -> str:
    """What a model's own worker writes."""

    async def asked() -> str:
        session = Session(model.target())
        await session.start()
        try:
            outputs = await session.run(model.interface.default.name, {"prompt": PROMPT, **inputs})
            return str(outputs["completion"])
        finally:
            await session.stop()

    return asyncio.run(asked())


def tarmac(*words: str, code: int = 0) -> str:
    """stdout of a command that goes well, stderr of one that is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *words], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def test_a_checkpoint_writes_beside_the_finished_model(home: Path, tmp_path: Path, trained: RunView) -> None:
    with studio(home, columns=120, rows=36) as running:
        running.wait_for("Directory", PATIENCE)
        running.press("3")
        running.wait_for(rf"▸.*{NAME}", PATIENCE)
        running.press("w")
        running.wait_for("prompt", PATIENCE)
        running.press(PROMPT)
        running.wait_for(PROMPT)
        running.press("enter")
        running.wait_for(OVER, PATIENCE)
        running.press("v")
        running.wait_for(rf"{NAME} at 20")
        running.press("at 20")
        running.wait(lambda: re.search(rf"{NAME} at [34]0", running.text()) is None, "one choice")
        running.press("enter")
        running.wait_for("It writes with the next completion")
        running.press("enter")
        running.wait(lambda: len(re.findall(OVER, running.text())) == 2, "two texts", PATIENCE)
        running.press("q")
        assert running.process.wait(10) == 0
    pane: Any = Workspaces().load(Workspaces().names()[0]).models[-1].state
    first, second = pane["history"][-1], pane["beside"]["samples"][-1]
    assert pane["beside"]["model"] == f"run:{trained.id}/20"
    assert second["of"] == first["number"]
    assert first["prompt"] == second["prompt"] == PROMPT
    services = Services()
    checkpoint = text_models.find(services, pane["beside"]["model"])
    model = Library().get(trained.model)
    assert first["text"] == written(model, **first["options"])
    assert second["text"] == written(checkpoint, **second["options"])
    assert first["text"] != second["text"]
    # The same by name, from the command line.
    flags = [word for name, value in second["options"].items() for word in (f"--{name.replace('_', '-')}", str(value))]
    for name in (f"{NAME}@20", f"{trained.id}@20"):
        told = json.loads(tarmac("complete", name, "--prompt", PROMPT, "--json", *flags))
        assert told["completion"] == second["text"]
    assert f"There are {NAME}@20, {NAME}@30, {NAME}@40" in tarmac("complete", f"{NAME}@21", "--prompt", "a", code=2)
    assert "scores" in json.loads(tarmac("models", "show", f"{NAME}@best", "--json"))
    tarmac("models", "export", f"{NAME}@last", "--to", str(tmp_path / "out"))
    weights = {path.name for path in (tmp_path / "out").glob("*.safetensors")}
    assert weights == {"model.safetensors"}
