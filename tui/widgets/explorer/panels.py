"""Which of the explorer's panels is open, and what becomes of the view by what they tell.

A style is tried on the view while its panel is open. Kept, it is a step that one can go back over; left, the view wears
what it wore before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from textual import on

from core.latent.journey import View
from core.latent.plane import Pin, Plane
from core.latent.style import COMMAND as STYLED
from core.latent.style import PLAIN, Style
from core.workers.session import Session
from tui.widgets.explorer.compare import ComparePanel
from tui.widgets.explorer.edit import EditPanel, Strengths
from tui.widgets.explorer.layers import every_range
from tui.widgets.explorer.mix import MixPanel
from tui.widgets.explorer.pane import ExplorerPane, random_seed, told_position
from tui.widgets.explorer.panel import ExplorerPanel
from tui.widgets.explorer.project import COMMAND as PROJECT
from tui.widgets.explorer.project import ProjectPanel
from tui.widgets.explorer.view import Window

if TYPE_CHECKING:
    from core.library.models import Model

_BESIDE_PANELS = frozenset(
    {"move", "page", "zoom", "distance", "truncation", "pin", "bookmark", "save", "big", "close"}
)
"""Actions of the explorer that go on while a panel is open: all that stay on the plane."""


class ExplorerPanels(ExplorerPane):
    """The explorer's pane with its panels below.

    Args:
        session: The model's worker. Pictures are made whenever it is ready; what is there stays when it dies.
        model: The model of the library.
        state: What `state()` gave an earlier explorer.
    """

    def __init__(self, session: Session, model: Model, state: Mapping[str, object] | None = None) -> None:
        super().__init__(session, model, state)
        self._worn_before = PLAIN
        self._strengths: Strengths = {}

    # -- what is offered

    def panel_allows(self, action: str) -> bool:
        """Whether a key of the explorer does something now: by what the model can do, and by the panel that is open."""
        match action:
            case "mix" | "truncation_layers":
                able = self._gallery.offers(STYLED) and self._gallery.layers > 0
            case "edit":
                able = self._gallery.offers(STYLED) and self._gallery.offers("directions") and self._gallery.layers > 0
            case "project":
                able = self._gallery.offers(PROJECT) and self.session.state == "ready"
            case _:
                able = True
        if self._panel is None or (isinstance(self._panel, ProjectPanel) and self._panel.over):
            return able
        again = action == "compare" and isinstance(self._panel, ComparePanel)
        return action in _BESIDE_PANELS or again

    def focus_first(self) -> None:
        """Give the keys to the open panel if it takes any, else to what is above it."""
        panel = self._panel
        if isinstance(panel, ProjectPanel) and panel.asks:
            self.screen.set_focus(panel.prompt.input)
        elif panel is not None and panel.can_focus:
            self.screen.set_focus(panel)
        else:
            super().focus_first()

    # -- keys

    async def action_mix(self) -> None:
        """The styles of the tile under the cursor for all others."""
        z = self._here()
        if z is not None:
            await self._open(MixPanel(self.view.style, z, self._gallery.layers))

    async def action_edit(self) -> None:
        """All tiles along the model's principal directions."""
        z = self._here()
        if z is not None:
            await self._open(EditPanel(self.session, self.view.style, z, self._gallery.layers, self._strengths))

    async def action_compare(self) -> None:
        """Mark the tile under the cursor; it stays beside the one that one walks to."""
        z, view = self._here(), self.view
        if z is None:
            return
        marked = self._gallery.wish(z, view.truncation, view.style)
        told = f"marked {told_position(view)}"
        if isinstance(self._panel, ComparePanel):
            self._panel.mark(marked, told)
            self._show()
        else:
            await self._open(ComparePanel(marked, told))

    async def action_project(self) -> None:
        """Ask for a picture and find its place."""
        await self._open(ProjectPanel(self.session, self.view.truncation if self._maker.has_truncation else None))

    def action_truncation_layers(self) -> None:
        """Truncation in all layers, in the coarse, the middle or the fine ones."""
        ranges = [found.layers for found in every_range(self._gallery.layers)]
        style = self.view.style
        place = ranges.index(style.truncation_layers) if style.truncation_layers in ranges else -1
        self._wear(replace(style, truncation_layers=ranges[(place + 1) % len(ranges)]))

    # -- open and close

    async def _open(self, panel: ExplorerPanel) -> None:
        self.close_panel()
        self._big = False
        self._worn_before = self.view.style
        self._window_before = self._window_before or self._window
        self._panel = panel
        # At once: what is typed next belongs to the panel.
        await self.mount(panel, after=self.query_one("#explorer-body"))
        self.focus_first()
        self._show()
        self.refresh_bindings()

    def close_panel(self) -> None:
        """Take the panel away; what it tried on stays on."""
        panel, self._panel = self._panel, None
        if panel is not None:
            panel.remove()
            self.remove_class("-alone")
            self.focus_first()
            self.refresh_bindings()

    def enlarge_panel(self) -> bool:
        """Give the grid's room to the two pictures that are compared, or back; False when none are."""
        panel = self._panel
        if not isinstance(panel, ComparePanel):
            return False
        panel.alone = not panel.alone
        self.set_class(panel.alone, "-alone")
        panel.fit()
        return True

    # -- what the panels tell

    @on(ExplorerPanel.Styled)
    def _styled(self, event: ExplorerPanel.Styled) -> None:
        event.stop()
        if event.panel is self._panel:
            self._wear(event.style)

    @on(ExplorerPanel.Done)
    def _done(self, event: ExplorerPanel.Done) -> None:
        event.stop()
        if event.panel is not self._panel:
            return
        worn, before = self.view.style, self._worn_before
        if event.keep and worn != before:
            # Where one was stays behind as it was, so that the way back leads there.
            self._journey = self._journey.change(replace(self.view, style=before)).go(self.view)
            self._tell_state()
        elif worn != before:
            self._wear(before)
        self.close_panel()
        self._show()

    @on(ProjectPanel.Found)
    def _found(self, event: ProjectPanel.Found) -> None:
        event.stop()
        if event.panel is not self._panel:
            return
        view = self.view
        plane = Plane(self.dim, random_seed(), view.plane.distance, centre=Pin(0, 0, event.z))
        # Found for pictures without a style.
        self._journey = self._journey.go(replace(view, plane=plane, cursor=(0, 0), style=PLAIN))
        self._arrived()
        self.refresh_bindings()

    # -- inside

    def _arrived(self) -> None:
        self._window, self._window_before = Window.around(self.view.cursor, *self._fit()), None
        self._tell_state()
        self._show()

    def _change(self, view: View) -> None:
        self._journey = self._journey.change(view)
        self._tell_state()

    def _here(self) -> NDArray[np.float32] | None:
        """The vector under the cursor."""
        z = self._gallery.vector(self.view.cursor)
        if z is None:
            self.notify("This picture is not made yet.", severity="warning")
        return z

    def _wear(self, style: Style) -> None:
        if style != self.view.style:
            self._change(replace(self.view, style=style))
            self._show()
