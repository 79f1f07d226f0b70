"""Pictures of the wizard's question for the kind and of its pages for text, compared as SVG.

After a change that is meant: look at the report, then `pytest tests/tui/test_wizard_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.stage import STATUS, text, until
from tests.tui.test_snapshots import named
from tests.tui.training_stage import ESSAYS, NOTES, PORTRAITS, PYTHON, stage
from tui.screens.wizard import Wizard
from tui.studio import TarmacApp

SIZES = [(80, 24), (120, 36), (200, 60)]

_TEXT = ("end", "enter")
_PROMPTS = (*"def read_lines(path):", "alt+enter", "alt+enter", *"import os")
PLACES: dict[str, tuple[str, ...]] = {
    "kind": ("end",),
    "dataset": _TEXT,
    "base": (*_TEXT, "enter"),
    "lora": (*_TEXT, "enter", "down", "down"),
    "too-large": (*_TEXT, "enter", "down", "down", "down"),
    "nothing": (*_TEXT, "enter", "end"),
    "prompts": (*_TEXT, "enter", "enter", *_PROMPTS),
    "options": (*_TEXT, "enter", "enter", "enter", "down"),
    "more": (*_TEXT, "enter", "end", "enter", "enter", "m"),
    "summary": (*_TEXT, "enter", "enter", *_PROMPTS, "enter", "enter"),
}


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("place", PLACES)
def test_wizard(home: Path, snap_compare: Callable[..., bool], size: tuple[int, int], place: str) -> None:
    services = stage(home)
    services.fake.found = [PORTRAITS, PYTHON, ESSAYS, NOTES]
    services.fake.measured.set()

    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, TarmacApp)
        await until(pilot, lambda: app.status == STATUS and app.runs is not None)
        await pilot.press("n")
        screen = app.screen
        assert isinstance(screen, Wizard)
        await until(pilot, lambda: screen.materials.text_bases is not None)
        await pilot.press(*PLACES[place])
        await until(pilot, lambda: screen.page.key != "dataset" or "document 1" in text(app))
        if screen.page.key == "summary":
            screen.query_one(Input).cursor_blink = False
            await until(pilot, lambda: screen._estimate is not None)
        await pilot.pause()

    assert snap_compare(TarmacApp(services, start="training"), terminal_size=size, run_before=before)
