"""All requests of a deployment that its log keeps, the newest first, as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.errors import TarmacError
from tui.screens.base import StudioScreen
from tui.widgets.deployment_card import RequestsPane
from tui.widgets.table import Table

if TYPE_CHECKING:
    from tui.studio import TarmacApp

_LINES = 1000


class RequestLogPage(StudioScreen):
    """Pushed over the place Hosting."""

    MODE = "hosting"
    CSS_PATH = "request_log.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "Who asked what, when, how long it took and how it ended. Neither tokens nor what was sent are kept: a request "
        "is known by its token's label. `tarmac deployments log NAME` tells all of it."
    )
    HELP_TITLE = "Requests"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,l,backspace", "back", "back", id="requests.back", tooltip="Back to the deployments"),
    ]

    app: TarmacApp

    def __init__(self, name: str) -> None:
        super().__init__()
        self.deployment = name
        self._mark: object = None
        self._lines: list[dict[str, object]] = []

    def body(self) -> ComposeResult:
        yield Static(f" {self.deployment}", id="requests-of", markup=False)
        yield RequestsPane(focusable=True)
        yield Static(id="request-told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(self.app, "hosting", self._changed)

    def _changed(self) -> None:
        found = self.app.hosting.deployments if self.app.hosting is not None else ()
        status = next((seen.status for seen in found if seen.name == self.deployment), None)
        mark = (status.requests, status.updated) if status is not None else ()
        if mark != self._mark:
            self._mark = mark
            self.run_worker(self._read(), group="log", exclusive=True, exit_on_error=False, description="the log")

    async def _read(self) -> None:
        try:
            self._lines = await asyncio.to_thread(self.app.services.hosting.log, self.deployment, _LINES)
        except TarmacError:
            return  # removed meanwhile
        self.query_one(RequestsPane).show(self._lines)

    def on_table_moved(self, event: Table.Moved) -> None:
        """What went wrong with the request under the cursor, in full."""
        line = self._lines[int(event.key)] if event.key is not None and int(event.key) < len(self._lines) else {}
        parts = (str(line.get(key, "")) for key in ("time", "address", "error"))
        text = "  ".join("".join(char if char.isprintable() else " " for char in part) for part in parts)
        self.query_one("#request-told", Static).update(text.strip())

    def action_back(self) -> None:
        """Back."""
        self.dismiss(None)
