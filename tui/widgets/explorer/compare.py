"""The panel that compares: a marked tile and the one under the cursor, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Center
from textual.widgets import Static

from tui.widgets.explorer.panel import ExplorerPanel
from tui.widgets.explorer.strip import PictureStrip

if TYPE_CHECKING:
    from core.latent.journey import View
    from tui.widgets.explorer.gallery import Gallery
    from tui.widgets.explorer.tiles import Wish

_REST = 4
"""Rows of the panel that are no picture: the rule, the words, the keys, and one of air for the grid."""


class ComparePanel(ExplorerPanel):
    """Left the marked tile, right the one under the cursor. The keys stay with the explorer, so one walks as always.

    Args:
        marked: The picture on the left.
        told: Where it is.
    """

    DEFAULT_CSS = """
    ComparePanel > Center { height: auto; }
    """
    KEYS = (
        *("explorer.left", "explorer.down", "explorer.up", "explorer.right"),
        *("explorer.compare", "explorer.big", "explorer.close"),
    )

    def __init__(self, marked: Wish, told: str) -> None:
        super().__init__()
        self._marked, self._place = marked, told
        self.alone = False
        """Whether the grid gave its room away."""
        self.labels = {"explorer.compare": "mark this one", "explorer.big": "larger"}
        self.set_title("compare", "left the marked tile, right the one under the cursor")

    def compose(self) -> ComposeResult:
        yield Center(PictureStrip(2))
        yield Static(classes="keys", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Pictures as large as the room allows."""
        self.fit()

    def fit(self) -> None:
        """Half of the explorer's height, or all of it."""
        rows = self.whole - _REST if self.alone else self.whole // 2 - 1
        self.query_one(PictureStrip).fit(self.size.width, max(2, rows))

    def mark(self, marked: Wish, told: str) -> None:
        """Another tile on the left."""
        self._marked, self._place = marked, told

    def wishes(self, gallery: Gallery, view: View) -> list[Wish]:
        """The marked one; the one under the cursor is wanted anyway."""
        return [self._marked]

    def paint(self, gallery: Gallery, view: View) -> None:
        """Both."""
        tiles = [gallery.maker.get(self._marked), gallery.tile(view, view.cursor)]
        x, y = view.cursor
        words = [self._place, f"({x}, {y})".replace("-", "−")]
        keys = [None if tile is None else tile.key for tile in tiles]
        self.query_one(PictureStrip).show(keys, gallery.pixels, words)
