"""An address as a QR code in half-blocks, for a phone's camera."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import segno
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

_QUIET = 2
"""Light modules around the code: with the four of the standard it would not fit into 24 lines, and cameras take two."""
_DARK, _LIGHT = "rgb(0,0,0)", "rgb(255,255,255)"


class QrCode(ModalScreen[None]):
    """Dark on light whatever the theme: cameras want it so.

    Args:
        address: What it leads to.
        about: What to know about it.
    """

    CSS_PATH = "hosting_dialogs.tcss"
    HELP = "Point a phone's camera at it. An address of this machine alone needs the SSH tunnel on the phone too."
    HELP_TITLE = "QR code"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,c,q", "close", "close", id="qr.close", tooltip="Back"),
    ]

    def __init__(self, address: str, about: str) -> None:
        super().__init__()
        self.address, self._about = address, about

    def compose(self) -> ComposeResult:
        with Vertical(classes="hosting-dialog", id="qr-pane") as pane:
            pane.border_title = f" {self.address} "
            pane.border_subtitle = f" {self._about}  esc close " if self._about else " esc close "
            yield Static(id="qr", markup=False)

    def on_mount(self) -> None:
        """Tens of milliseconds on a slow machine: not on the event loop."""
        self.run_worker(self._draw(), exit_on_error=False, description="drawing the code")

    async def _draw(self) -> None:
        lines = await asyncio.to_thread(lambda: drawn(modules(self.address)))
        self.query_one("#qr", Static).update(Content("\n").join(lines))

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)


def modules(text: str) -> list[list[bool]]:
    """The code of `text`, error correction L, with a quiet border: rows of modules, True for dark."""
    code = segno.make_qr(text, error="l", boost_error=False)
    return [[bool(module) for module in row] for row in code.matrix_iter(border=_QUIET)]


def drawn(rows: list[list[bool]]) -> list[Content]:
    """Two rows of modules a line of text; a half that is not there is light."""
    found = []
    for at in range(0, len(rows), 2):
        upper = rows[at]
        lower = rows[at + 1] if at + 1 < len(rows) else [False] * len(upper)
        parts = [("▀", f"{_DARK if up else _LIGHT} on {_DARK if down else _LIGHT}") for up, down in zip(upper, lower)]
        found.append(Content.assemble(*parts))
    return found
