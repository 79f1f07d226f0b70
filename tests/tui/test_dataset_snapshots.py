"""Pictures of the place Datasets, compared as SVG; clock, machine and datasets are frozen by the stage.

After a change that is meant: look at the report, then `pytest tests/tui/test_dataset_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.dataset_stage import stage
from tests.tui.stage import STATUS, until
from tests.tui.test_snapshots import SIZES, named
from tui.studio import TarmacApp
from tui.widgets.table import Table
from tui.widgets.tile_sheet import TileSheet


@pytest.fixture
def freeze(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would differ from run to run."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("tui.words.ago", lambda moment, now=None: "2 h ago")


async def ready(pilot: Pilot[Any], *keys: str) -> None:
    """The list is read, keys are pressed, and the pictures have come."""
    app = pilot.app
    assert isinstance(app, TarmacApp)
    await until(pilot, lambda: app.status == STATUS and app.runs is not None)
    await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
    for key in keys:
        await pilot.press(key)
    await pilot.pause()
    seen = [sheet for sheet in app.screen.query(TileSheet) if sheet.region and sheet.canvas.region]
    await until(pilot, lambda: all(sheet.places and sheet.settled for sheet in seen))
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("keys", [(), ("c",), ("l",), ("n",)], ids=["list", "crops", "left-out", "add"])
def test_datasets(
    home: Path, freeze: None, snap_compare: Callable[..., bool], size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    app = TarmacApp(stage(home), start="datasets")
    assert snap_compare(app, terminal_size=size, run_before=lambda pilot: ready(pilot, *keys))
