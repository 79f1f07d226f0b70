"""Pictures of text runs and text datasets, compared as SVG; clock, machine, runs and datasets are frozen.

After a change that is meant: look at the report, then `pytest tests/tui/test_text_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui import dataset_stage
from tests.tui.stage import STATUS, text, until
from tests.tui.test_snapshots import SIZES, named
from tests.tui.text_runs import put_texts, several_texts
from tests.tui.training_stage import NOW, run, stage
from tui.screens.add_dataset import AddDatasetPage
from tui.screens.run_page import RunPage
from tui.studio import TarmacApp
from tui.widgets.runs.log import RunLog
from tui.widgets.runs.texts import RunTexts
from tui.widgets.table import Table
from tui.widgets.text_view import TextView


@pytest.fixture(autouse=True)
def freeze(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would differ from run to run."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("tui.words.ago", lambda moment, now=None: "2 h ago")
    monkeypatch.setattr("tui.runs.steering.moment", lambda: NOW)


async def at_rest(pilot: Pilot[Any]) -> None:
    """The machine and the runs are known, and every text that can be seen has come."""
    app = pilot.app
    assert isinstance(app, TarmacApp)
    await until(pilot, lambda: app.status == STATUS and app.runs is not None)
    await pilot.pause()
    await until(pilot, lambda: all(pane.ready for pane in app.screen.query(RunTexts) if pane.region))
    if isinstance(app.screen, RunPage) and app.screen.query_one(RunLog).region:
        await until(pilot, lambda: app.screen.query_one(RunLog).line_count)
    await pilot.pause()


Keys = tuple[str, ...]
RUNS: dict[str, Keys] = {
    "list": (),
    "run": ("enter",),
    "curves": ("enter", "left", "left", "tab"),
    "compared": ("enter", "0"),
    "warned": ("down", "down", "enter"),
    "failed": ("down", "down", "down", "enter"),
}


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("place", RUNS)
def test_text_runs(home: Path, snap_compare: Callable[..., bool], size: tuple[int, int], place: str) -> None:
    views = several_texts(home / "runs")
    for view in views:
        put_texts(view)
    services = stage(home, [*views, run(home / "runs", "20261101-100000-cars", name="cars")])

    async def before(pilot: Pilot[Any]) -> None:
        await at_rest(pilot)
        for key in RUNS[place]:
            await pilot.press(key)
            if key == "enter":
                await until(pilot, lambda: isinstance(pilot.app.screen, RunPage))
            await at_rest(pilot)
        seen = [pane for pane in pilot.app.screen.query(RunTexts) if pane.display]
        if place != "failed" and any(pane.region for pane in seen):
            await until(pilot, lambda: all(pane.view.laid.lines for pane in seen))
        await at_rest(pilot)

    assert snap_compare(TarmacApp(services, start="training"), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("keys", [(), ("enter",), ("o",)], ids=["list", "open", "documents"])
def test_text_datasets(home: Path, snap_compare: Callable[..., bool], size: tuple[int, int], keys: Keys) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await at_rest(pilot)
        await until(pilot, lambda: pilot.app.screen.query(Table) and pilot.app.screen.query_one(Table).rows)
        await pilot.press("down", "down", "down")
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        if keys or size[0] >= 100:
            views = pilot.app.screen.query(TextView)
            await until(pilot, lambda: any(view.laid.lines for view in views if view.region))
        await pilot.pause()

    app = TarmacApp(dataset_stage.stage(home), start="datasets")
    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_adding_texts(home: Path, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, TarmacApp)
        await at_rest(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AddDatasetPage))
        page = app.screen
        assert isinstance(page, AddDatasetPage)
        page.prompt.input.value = "/texts/scripts.jsonl.gz"
        page.prompt.input.cursor_blink = False
        page.name_field.cursor_blink = False
        await pilot.press("enter")
        await until(pilot, lambda: "14 text files" in text(app) and app.focused is page.name_field)
        await pilot.press("down", "down")
        await pilot.pause()

    app = TarmacApp(dataset_stage.stage(home), start="datasets")
    assert snap_compare(app, terminal_size=size, run_before=before)
