"""What the explorer's panels have in common: a strip under the grid with a title, a body and its keys on the last line.

A panel asks for pictures by `wishes` and shows them in `paint`; both are called with every change of the view, so it
follows the cursor. What it decides it tells by messages; the explorer alone changes the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from core.latent.style import Style
from tui.keymap import key_name, live_bindings
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from textual.screen import Screen

    from core.latent.journey import View
    from tui.widgets.explorer.gallery import Gallery
    from tui.widgets.explorer.tiles import Wish


def panel_key(key: str, action: str, about: str, name: str, tip: str, group: Binding.Group | None = None) -> Binding:
    """A binding of a panel; the panel's own last line tells it, so the footer has room for the explorer's."""
    return Binding(key, action, about, id=name, tooltip=tip, group=group, show=False)


class ExplorerPanel(Titled, Vertical):
    """The ground of all panels."""

    DEFAULT_CSS = """
    ExplorerPanel {
        height: auto;
        padding: 0 1;
        border-top: solid $faint;
        border-title-color: $accent;
    }
    ExplorerPanel > .keys { height: 1; color: $muted; }
    """
    KEYS: ClassVar[Sequence[str]] = ()
    """Ids of the bindings that the last line tells, in this order."""

    LARGEST_PICTURES: ClassVar[int] = 10
    """Rows that the pictures take on a large screen."""

    @dataclass
    class Styled(Message, namespace="explorer_panel"):
        """Every picture of the view is to be drawn with another style, for now."""

        panel: ExplorerPanel
        style: Style

    @dataclass
    class Done(Message, namespace="explorer_panel"):
        """The panel can go; `keep` says whether what it changed stays."""

        panel: ExplorerPanel
        keep: bool

    def __init__(self) -> None:
        super().__init__(classes="pane")
        self._keys_told: object = None
        self.labels: dict[str, str] = {}
        """What some of the keys are called here, by the ids of their bindings."""

    # -- for the explorer

    def wishes(self, gallery: Gallery, view: View) -> list[Wish]:
        """Pictures that the panel needs for a view, the most urgent first."""
        return []

    def paint(self, gallery: Gallery, view: View) -> None:
        """Show what there is of them."""

    def session_changed(self) -> None:
        """The worker's state is different."""

    # -- for the panels

    def on_mount(self) -> None:
        """Tell the keys whenever they may be others."""
        self.screen.bindings_updated_signal.subscribe(self, self._tell_keys)
        self._tell_keys(self.screen)

    def on_resize(self, event: events.Resize) -> None:
        """The rule and the keys' line are as wide as the panel."""
        self._tell_keys(self.screen)

    def most_rows(self) -> int:
        """Rows that pictures may take: about a quarter of the explorer."""
        return max(4, min(self.LARGEST_PICTURES, self.whole // 4))

    @property
    def whole(self) -> int:
        """Rows of the explorer."""
        return self.parent.size.height if isinstance(self.parent, Widget) else 0

    def _tell_keys(self, screen: Screen[object]) -> None:
        """The line of keys: the user's own ones, as many as fit."""
        if not self.is_attached or not self.query(".keys"):
            return
        found: dict[str, tuple[str, str]] = {}
        for key, _node, binding, _tooltip in live_bindings(screen):
            name = binding.id or ""
            if name in self.KEYS and name not in found:
                label = binding.group.description if binding.group else binding.description
                found[name] = key_name(key), self.labels.get(name, label)
        joined: dict[str, str] = {}
        for name in self.KEYS:
            if name in found:
                key, label = found[name]
                joined[label] = joined.get(label, "") + key
        room, parts = self.size.width, []
        for label, keys in joined.items():
            room -= Content(f"{keys} {label}  ").cell_length
            if room < -2:
                break
            parts += [(keys, "bold $accent"), (f" {label}  ", "$muted")]
        if parts != self._keys_told:
            self._keys_told = parts
            self.query_one(".keys", Static).update(Content.assemble(*parts), layout=False)
