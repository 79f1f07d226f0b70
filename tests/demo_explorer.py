"""The explorer alone on the screen, with the stub adapter for a model: `python -m tests.demo_explorer [IMAGES]`.

For looking, and for the tests in real terminals. OPTIONS (JSON, in the environment variable DEMO_OPTIONS) go to the
stub, for example {"resolution": 256, "delay": 0.05}. DEMO_PAGE puts the explorer on a page that scrolls. DEMO_STATE
(JSON) is the explorer's state. DEMO_REPORT names a file that is kept up to date with what should be on the screen.
DEMO_TRACE names a file that gets the notes of `tests.bench._trace` at the end. DEMO_MODEL is a model of the library to
be used instead of the stub.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from core.errors import TarmacError
from core.library.interfaces import image_gan_interface
from core.library.models import Library
from core.workers.session import Session
from tests.adapters import target
from tests.bench._trace import Trace
from tui.graphics import TerminalInfo, probe
from tui.graphics.brands import choose
from tui.graphics.canvas import GridCanvas
from tui.graphics.driver import picture_driver
from tui.graphics.pictures import Pictures
from tui.themes import VARIABLES
from tui.widgets.explorer.grid import Explorer

ROOT = Path(__file__).resolve().parent.parent


def stub_model(length: int = 16, resolution: int = 64) -> Any:
    """What the explorer needs of a model of the library."""
    folder = Path(__file__).parent  # it holds no weights
    return SimpleNamespace(
        id="test/stub", name="stub", folder=folder, interface=image_gan_interface(length, resolution)
    )


class Dialog(ModalScreen[None]):
    """Something in front of the grid."""

    CSS = "Dialog { align: center middle; } Dialog Static { width: 30; height: 7; background: $panel; }"
    BINDINGS: ClassVar[list[Any]] = [("escape,f3", "app.pop_screen", "close")]

    def compose(self) -> ComposeResult:
        yield Static("a dialog")


class ExplorerApp(App[None]):
    """One explorer between two lines of text."""

    CSS_PATH = ROOT / "tui" / "app.tcss"
    CSS = """
    Static.edge { height: 1; background: $panel; }
    #page { height: 1fr; scrollbar-size: 0 0; }
    #page > Explorer { height: 100%; }
    #page > Static { height: 8; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        ("q", "quit", "quit"),
        ("f2", "theme", "theme"),
        ("f3", "dialog", "dialog"),
        ("f4", "scroll(5)", "scroll down"),
        ("f5", "scroll(-5)", "scroll up"),
        ("n", "toast", "toast"),
        ("f8", "images('auto')", "pictures as they were found best"),
        ("f9", "images('blocks')", "half-blocks"),
        ("f10", "images('off')", "no pictures"),
    ]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What the studio's style sheets use beyond Textual's own."""
        return dict(VARIABLES)

    def __init__(
        self, info: TerminalInfo | None = None, state: dict[str, object] | None = None, **options: Any
    ) -> None:
        super().__init__(driver_class=None if info is None else picture_driver(info))
        self.model = Library().get(os.environ["DEMO_MODEL"]) if "DEMO_MODEL" in os.environ else None
        self.session = Session(self.model.target() if self.model else target("Stub", **options))
        self.state = state
        self.trace = Trace(os.environ["DEMO_TRACE"]) if "DEMO_TRACE" in os.environ else None
        self.failures: list[TarmacError] = []

    def compose(self) -> ComposeResult:
        explorer = Explorer(self.session, self.model or stub_model(), self.state)
        yield Static("header", classes="edge")
        if "DEMO_PAGE" in os.environ:
            with VerticalScroll(id="page", can_focus=False):
                yield explorer
                yield Static("below the explorer\n" * 8)
        else:
            yield explorer
        yield Static("footer", classes="edge")

    def on_mount(self) -> None:
        self.query_one(Explorer).focus()
        self.run_worker(self.session.start(), exit_on_error=False)
        if "DEMO_REPORT" in os.environ:
            self.set_interval(0.1 if self.trace is None else 0.5, self.report)
        if self.trace is not None:
            self.trace.start()
            self.trace.watch_frames(self)

    def report(self) -> None:
        """Say where the grid is and what should be in it."""
        explorer, canvas = self.query_one(Explorer), self.query_one("#explorer-grid", GridCanvas)
        scene, window, look = canvas.scene, explorer.window, canvas._look()
        told = {
            "protocol": canvas.surface.info.protocol,
            "cell": canvas.surface.cell,
            "region": tuple(canvas.region),
            "clip": tuple(next(iter(self.screen_stack[0].query("#page")), self.screen_stack[0]).region),
            "screen": tuple(self.size),
            "top": self.screen is explorer.screen,
            "grid": [scene.columns, scene.rows],
            "tiles": [
                [*place, *(window.tile(place) if scene.columns > 1 else explorer.view.cursor)] for place in scene.tiles
            ],
            "cursor": scene.cursor,
            "pins": sorted(scene.pins),
            "look": [look.background, look.waiting, look.accent, look.outline],
            "view": explorer.view.to_json(),
            "frames": Pictures.of(self).frames,
            "toasts": len(self.screen.query("Toast")),
        }
        path = Path(os.environ["DEMO_REPORT"])
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(told))
        beside.replace(path)

    async def on_unmount(self) -> None:
        if self.trace is not None:
            self.trace.write()
        await self.session.stop()

    def on_explorer_state_changed(self) -> None:
        if self.trace is not None:
            self.trace.note(handled=self.query_one(Explorer).view.cursor)

    def on_explorer_failed(self, event: Explorer.Failed) -> None:
        self.failures.append(event.error)

    def action_scroll(self, rows: int) -> None:
        self.query_one("#page").scroll_relative(y=rows, animate=False, immediate=True)

    def action_theme(self) -> None:
        self.theme = "textual-light" if self.theme == "textual-dark" else "textual-dark"

    def action_dialog(self) -> None:
        self.push_screen(Dialog())

    def action_toast(self) -> None:
        self.notify("over the corner of the grid", timeout=1)

    def action_images(self, choice: str) -> None:
        pictures = Pictures.of(self)
        pictures.show_by(choose(pictures.info, choice))


if __name__ == "__main__":
    found = probe(sys.argv[1] if len(sys.argv) > 1 else None)
    kept = json.loads(os.environ.get("DEMO_STATE", "{}"))
    ExplorerApp(found, kept, **json.loads(os.environ.get("DEMO_OPTIONS", "{}"))).run()
