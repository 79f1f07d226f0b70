"""Pictures of the place Hosting, compared as SVG; machine, ages, tokens, load and log are frozen.

After a change that is meant: look at the report, then `pytest tests/tui/test_hosting_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.hosting import tokens
from tests.tui.hosting_stage import DIED, HostingStage, stage
from tests.tui.stage import STATUS, until
from tests.tui.test_snapshots import SIZES, named
from tui.graphics.canvas import GridCanvas
from tui.graphics.pictures import Pictures
from tui.screens.deployment_settings import DeploymentSettings
from tui.studio import TarmacApp
from tui.widgets.deployment_card import RequestsPane
from tui.widgets.table import Table

LOG = [
    {"time": f"2026-11-25T19:45:{second:02}Z", "client": "laptop", "method": "POST", "route": "/v1/query"}
    | ({"status": 200, "ms": 30.0 + second} if second % 9 else {"status": 503, "ms": 4.0, "error": "the model died"})
    for second in range(30)
]


@pytest.fixture
def services(home: Path, monkeypatch: pytest.MonkeyPatch) -> HostingStage:
    """Deployments in every state, and what would differ from time to time held still."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr("tui.words.ago", lambda moment, now=None: "3 d ago")
    made = tokens.new_token

    def known(label: str) -> tuple[tokens.Token, str]:
        token, _ = made(label)
        return replace(token, hint="9f"), "tm_AAECAwQFBgcICQoLDA0ODw"

    monkeypatch.setattr(tokens, "new_token", known)
    furnished = stage(home)
    monkeypatch.setattr(furnished.fake, "log", lambda name, lines=0: LOG)
    return furnished


async def at_rest(pilot: Pilot[Any]) -> None:
    """The machine, the deployments and what is read in threads are on the screen."""
    app = pilot.app
    assert isinstance(app, TarmacApp)
    await until(pilot, lambda: app.status == STATUS and app.hosting)
    await pilot.pause()
    panes = [pane for pane in app.screen.query(RequestsPane) if pane.region and pane.display]
    await until(pilot, lambda: all(pane.query_one(Table).rows for pane in panes))
    canvases = [canvas for canvas in app.screen.query(GridCanvas) if canvas.region]
    await until(pilot, lambda: not any(canvas.due(True) for canvas in canvases) and not Pictures.of(app).busy)
    for line in app.screen.query(Input):
        line.cursor_blink = False
    await pilot.pause()


Keys = tuple[str, ...]
PLACES: dict[str, Keys] = {
    "list": ("down",),
    "python": ("down", "right"),
    "failed": ("end",),
    "tokens": ("down", "t"),
    "log": ("down", "l"),
    "code": ("c",),
    "ask": ("down", "enter"),
    "settings": ("down", "e"),
}


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("place", PLACES)
def test_hosting(services: HostingStage, snap_compare: Callable[..., bool], place: str, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await at_rest(pilot)
        for key in PLACES[place]:
            await pilot.press(key)
        if size[0] < 100 and place in ("python", "ask"):
            await pilot.press("enter")
        if place == "settings":
            await until(pilot, lambda: isinstance(pilot.app.screen, DeploymentSettings))
        if place == "code":
            await until(pilot, lambda: str(pilot.app.screen.query_one("#qr").render()))
        await at_rest(pilot)

    assert snap_compare(TarmacApp(services, start="hosting"), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
def test_the_gateway_is_gone(services: HostingStage, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    services.fake.now = DIED
    assert snap_compare(TarmacApp(services, start="hosting"), terminal_size=size, run_before=at_rest)


@pytest.mark.parametrize("theme", ["light", "terminal", "high-contrast"])
def test_themes(services: HostingStage, snap_compare: Callable[..., bool], theme: str) -> None:
    app = TarmacApp(services, start="hosting")
    app.theme = theme
    assert snap_compare(app, terminal_size=(120, 36), run_before=at_rest)


def test_nothing_is_hosted(home: Path, snap_compare: Callable[..., bool]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, TarmacApp)
        await until(pilot, lambda: app.status == STATUS and app.hosting_watch and app.hosting_watch.looked)
        await pilot.pause()

    app = TarmacApp(stage(home, filled=False), start="hosting")
    assert snap_compare(app, terminal_size=(80, 24), run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=named)
@pytest.mark.parametrize("shown", ["dialog", "token"])
def test_hosting_a_model(
    services: HostingStage, snap_compare: Callable[..., bool], shown: str, size: tuple[int, int]
) -> None:
    from tui.messages import HostModel
    from tui.screens.host_model import HostDialog
    from tui.screens.secret import SecretShown

    async def before(pilot: Pilot[Any]) -> None:
        await at_rest(pilot)
        pilot.app.post_message(HostModel("starter/portraits"))
        await until(pilot, lambda: isinstance(pilot.app.screen, HostDialog))
        pilot.app.screen.query_one(Input).cursor_blink = False
        await until(pilot, lambda: "●" in str(pilot.app.screen.query_one("#host-told").render()))
        if shown == "token":
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, SecretShown))
        await pilot.pause()

    assert snap_compare(TarmacApp(services, start="hosting"), terminal_size=size, run_before=before)
