"""A training that the studio's wizard began, with the real image loop, and a terminal that is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from core.runs.store import Runs, cancel
from tests import kills
from tests.studio import Studio, studio

LAST = "\x1b[F"  # the end key
PATIENCE = 120.0


def begin_with_the_wizard(running: Studio, steps: int) -> None:
    """New experiment on the only dataset of our own, from random weights."""
    running.wait_for("Directory", PATIENCE)
    running.press("3")
    running.wait_for("No training runs yet", PATIENCE)
    running.press("n")
    running.wait_for(r"What shall it make\?[\s\S]*▸ *images", PATIENCE)
    running.press("enter")
    running.wait_for(r"What shall it learn from\?[\s\S]*slopes", PATIENCE)
    running.wait_for(r"▸ *slopes", PATIENCE)
    running.press("enter")
    running.wait_for(r"What shall it start from\?[\s\S]*nothing, StyleGAN2", PATIENCE)
    running.press(LAST, "up")
    running.wait_for(r"Random weights", PATIENCE)
    running.press("enter")
    running.wait_for(r"How shall it be trained\?", PATIENCE)
    running.press(*str(steps), "enter")
    running.wait_for(r"Start it like this\?", PATIENCE)
    running.press("enter")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGHUP", "closed terminal"])
def test_a_run_outlives_the_terminal_that_it_was_begun_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    kills.picture_dataset(home, "slopes")
    environment = {"PYTHONPATH": str(kills.REPOSITORY), "OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("PYTHONPATH", str(kills.REPOSITORY))
    runs = Runs()
    with studio(home, environment=environment) as running:
        begin_with_the_wizard(running, 5000)
        running.wait(lambda: any(run.state == "running" for run in runs.runs()), "a run", PATIENCE)
        running.wait_for("Training experiment 1", PATIENCE)
        (run,) = runs.runs()
        if how == "SIGHUP":
            os.kill(running.process.pid, signal.SIGHUP)
        else:
            running.hang_up()
        running.process.wait(PATIENCE)
    at = runs.get(run.id).step
    end = time.monotonic() + PATIENCE
    while (view := runs.get(run.id)).step <= at + 2:
        assert view.active, (view.end, (view.folder / "log.txt").read_text()[-2000:])
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (view.state, view.attempt) == ("running", 1)
    with studio(home, environment=environment) as again:
        again.wait_for("Directory", PATIENCE)
        again.press("3")
        again.wait_for(r"Training experiment 1", PATIENCE)
        again.press("enter")
        again.wait_for(r"5,000", PATIENCE)
        asyncio.run(cancel(run.id))
        again.wait(lambda: not runs.get(run.id).active, "the end", PATIENCE)
    view = runs.get(run.id)
    assert view.state == "stopped"
    assert view.checkpoints[-1].step == view.step > at
    assert len(view.curves) > 2
    assert view.samples
