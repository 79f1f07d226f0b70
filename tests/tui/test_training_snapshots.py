"""Pictures of the place Training, compared as SVG; clock, machine and sheets are frozen.

After a change that is meant: look at the report, then `pytest tests/tui/test_training_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.stage import STATUS, until
from tests.tui.test_snapshots import SIZES, named
from tests.tui.training_stage import NOW, TrainingStage, put_sheets, several, stage
from tui.graphics.canvas import GridCanvas
from tui.graphics.pictures import Pictures
from tui.screens.run_page import RunPage
from tui.screens.wizard import Wizard
from tui.studio import TarmacApp
from tui.widgets.runs.log import RunLog
from tui.widgets.runs.sample_sheet import SampleSheet


@pytest.fixture
def services(home: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingStage:
    """Runs in every state, and what would differ from time to time held still."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("tui.words.ago", lambda moment, now=None: "2 h ago")
    monkeypatch.setattr("tui.runs.steering.moment", lambda: NOW)
    views = several(home / "runs")
    for view in views:
        put_sheets(view)
    return stage(home, views)


async def at_rest(pilot: Pilot[Any]) -> None:
    """The machine, the runs and every picture that can be seen are on the screen."""
    app = pilot.app
    assert isinstance(app, TarmacApp)
    await until(pilot, lambda: app.status == STATUS and app.runs)
    await pilot.pause()
    await until(pilot, lambda: all(sheet._drawn == sheet._wanted for sheet in app.screen.query(SampleSheet)))
    canvases = app.screen.query(GridCanvas)
    await until(pilot, lambda: not any(canvas.due(True) for canvas in canvases) and not Pictures.of(app).busy)
    await pilot.pause()


Keys = tuple[str, ...]
PLACES: dict[str, Keys] = {
    "list": (),
    "failed": ("end",),
    "run": ("enter",),
    "curves": ("enter", "left", "left", "tab"),
    "compared": ("enter", "0"),
    "dataset": ("n", "enter"),
    "base": ("n", "enter", "enter"),
    "options": ("n", "enter", "enter", "enter", "down", "down"),
    "summary": ("n", "enter", "enter", "enter", "enter"),
}


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("place", PLACES)
def test_training(
    services: TrainingStage, snap_compare: Callable[..., bool], size: tuple[int, int], place: str
) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await at_rest(pilot)
        for key in PLACES[place]:
            await pilot.press(key)
            screen = pilot.app.screen
            if isinstance(screen, Wizard):
                await until(pilot, lambda: screen.materials.text_bases is not None)  # noqa: B023
        screen = pilot.app.screen
        if isinstance(screen, RunPage) and screen.query_one(RunLog).region:
            await until(pilot, lambda: screen.query_one(RunLog).line_count)
        if isinstance(screen, Wizard) and screen.page.key == "dataset":
            await until(pilot, lambda: screen.page.query_one(GridCanvas).scene.tiles)
        if isinstance(screen, Wizard) and screen.page.key == "summary":
            screen.query_one(Input).cursor_blink = False
            services.fake.measured.set()
            await until(pilot, lambda: screen._estimate is not None)
        await at_rest(pilot)

    assert snap_compare(TarmacApp(services, start="training"), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_no_runs(home: Path, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, TarmacApp)
        await until(pilot, lambda: app.status == STATUS and app.runs is not None)
        await pilot.pause()

    assert snap_compare(TarmacApp(stage(home), start="training"), terminal_size=size, run_before=before)
