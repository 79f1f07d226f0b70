"""Pictures of the screens, compared as SVG: machine, clock, seeds and worker times are frozen by the stage.

After a change that is meant: look at the report, then `pytest tests/tui/test_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.library.workspaces import Entry, Workspace, Workspaces
from tests.tui.stage import STATUS, furnish, put_model, until
from tui.studio import TarmacApp
from tui.widgets.completion.compare import Beside
from tui.widgets.completion.probabilities import Probabilities
from tui.widgets.table import Table

SIZES = [(80, 24), (200, 60)]
STATE = {
    "prompt": 'def read_lines(path):\n    """Yield the lines of a file',
    "options": {"seed": 1},
    "index": 1,
    "history": [
        {"prompt": "def f", "text": "(x):\n    return x", "options": {"seed": 0}, "finish": "stop", "tokens": 9},
        {
            "prompt": 'def read_lines(path):\n    """Yield the lines of a file',
            "text": ', without line ends."""\n    with open(path) as file:\n        yield from file\n',
            "options": {"seed": 1},
            "finish": "stopped",
            "tokens": 31,
            "rate": 41.0,
        },
    ],
}


def named(size: tuple[int, int]) -> str:
    """A size as a test id."""
    return f"{size[0]}x{size[1]}"


@pytest.fixture
def freeze(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would differ from run to run."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("tui.words.ago", lambda moment, now=None: "2 h ago")
    monkeypatch.setattr("tui.widgets.card.Card._more", staticmethod(lambda model, width: []))  # tells the folder's path


async def machine_seen(pilot: Pilot[int]) -> None:
    """The header is filled and the list is read."""
    app = pilot.app
    assert isinstance(app, TarmacApp)
    await until(pilot, lambda: app.status == STATUS)
    await until(pilot, lambda: app.screen.query(Table) and app.screen.query_one(Table).rows)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("theme", ["dark", "light", "terminal", "high-contrast"])
def test_directory(
    home: Path, freeze: None, snap_compare: Callable[..., bool], size: tuple[int, int], theme: str
) -> None:
    app = TarmacApp(furnish(home), start="directory")
    app.theme = theme
    assert snap_compare(app, terminal_size=size, run_before=machine_seen)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_completion(home: Path, freeze: None, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    Workspaces().save(Workspace("Night", (Entry("starter/gpt2-python", STATE),)))
    services = furnish(home)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: services.sessions and services.sessions[0].state == "ready")
        await until(pilot, lambda: pilot.app.status == STATUS)  # type: ignore[attr-defined]
        await pilot.press("escape")
        await pilot.pause()

    assert snap_compare(TarmacApp(services, start="workspace"), terminal_size=size, run_before=before)


BRANCHES = {
    "prompt": "def read_lines(path):",
    "index": 1,
    "history": [
        {
            "prompt": "def read_lines(path):",
            "text": "\n    pass",
            "options": {"seed": 0},
            "finish": "stop",
            "number": 1,
        },
        {
            "prompt": "def read_lines(path):",
            "text": "\n    with open(path) as file:",
            "options": {"seed": 1},
            "finish": "length",
            "number": 2,
            "tokens": 8,
            "dropped": 1234,
        },
        {
            "prompt": "def read_lines(path):\n    with open(path) as file:",
            "text": "\n        yield from file",
            "options": {"seed": 1},
            "finish": "stopped",
            "number": 3,
            "parent": 2,
        },
        {"prompt": "class Reader:", "text": " ...", "options": {"seed": 4}, "finish": "failed", "number": 4},
    ],
    "beside": {
        "model": "model:20200102-030407-verse",
        "samples": [
            {
                "prompt": "def read_lines(path):",
                "text": "\n    return open(path)",
                "options": {"seed": 1},
                "finish": "stop",
                "tokens": 5,
                "of": 2,
            }
        ],
    },
}


@pytest.mark.parametrize("keys", ["", "t", "p"], ids=["beside", "tree", "probabilities"])
@pytest.mark.parametrize("size", SIZES, ids=named)
def test_beside_a_completion(
    home: Path, freeze: None, snap_compare: Callable[..., bool], size: tuple[int, int], keys: str
) -> None:
    state = {name: value for name, value in BRANCHES.items() if name != "beside" or not keys}
    Workspaces().save(Workspace("Night", (Entry("starter/gpt2-python", state),)))
    services = furnish(home)
    put_model(home / "data" / "models" / "20200102-030407-verse", "verse", "text", author="you")

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: services.sessions and services.sessions[0].state == "ready")
        await until(pilot, lambda: pilot.app.status == STATUS)  # type: ignore[attr-defined]
        await until(pilot, lambda: all(beside.model for beside in pilot.app.screen.query(Beside)))
        await pilot.press("escape", *keys)
        if keys == "p":
            await until(pilot, lambda: pilot.app.screen.query_one(Probabilities).tokens)
        await pilot.pause()

    assert snap_compare(TarmacApp(services, start="workspace"), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_help(home: Path, freeze: None, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await machine_seen(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(TarmacApp(furnish(home), start="directory"), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_palette(home: Path, freeze: None, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await machine_seen(pilot)
        await pilot.press("ctrl+p")
        await pilot.pause()

    assert snap_compare(TarmacApp(furnish(home), start="directory"), terminal_size=size, run_before=before)
