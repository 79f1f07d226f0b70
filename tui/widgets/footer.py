"""The line at the bottom: the keys that work now, in the order in which they were declared, as many as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.widget import Widget

from tui.keymap import key_name, live_bindings

if TYPE_CHECKING:
    from textual.screen import Screen


class Footer(Widget):
    """Keys of the focused widget, then of the screen; help and the palette always last and always there.

    Keys of a compact group stand together under its name; those of another group only where not all keys fit apart.
    Never wraps: keys that do not fit even so are left to the help screen.
    """

    DEFAULT_CSS = """
    Footer {
        dock: bottom;
        height: 1;
        width: 1fr;
        color: $muted;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._spots: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        self.refresh()

    def items(self, *, grouped: bool = False) -> list[tuple[str, str, str, bool]]:
        """(keys to show, description, key to press, belongs to the whole app) of what can be done now.

        Args:
            grouped: Groups that are not compact stand together too.
        """
        merged: dict[str, tuple[str, str, str, bool]] = {}
        seen: set[tuple[str, str]] = set()
        alone: dict[str, str] = {}
        """What a key says that is the only one of its group."""
        for key, node, binding, _tooltip in live_bindings(self.screen):
            if not binding.show or (binding.action, binding.description) in seen:
                continue
            seen.add((binding.action, binding.description))
            group = binding.group if binding.group and (binding.group.compact or grouped) else None
            label = group.description if group else binding.description
            slot = f"group {label}" if group else f"{node!r} {binding.action}"
            shown = binding.key_display or key_name(key)
            if slot in merged:
                keys, label, first, whole = merged[slot]
                merged[slot] = (keys + shown, label, first, whole)
                alone.pop(slot, None)
            else:
                merged[slot] = (shown, label, key, node is self.app)
                if group and not group.compact:
                    alone[slot] = binding.description
        return [(keys, alone.get(slot, label), key, whole) for slot, (keys, label, key, whole) in merged.items()]

    def render(self) -> Content:
        """The line, never wider than the widget."""
        items = self.items()
        if sum(map(self._width, items)) > self.size.width - 1:
            items = self.items(grouped=True)
        tail = [item for item in items if item[3]]
        room = self.size.width - 1 - sum(self._width(item) for item in tail)
        shown: list[tuple[str, str, str, bool]] = []
        for item in (item for item in items if not item[3]):
            if room < self._width(item):
                break
            room -= self._width(item)
            shown.append(item)
        parts: list[tuple[str, str] | str] = [" "]
        self._spots = []
        at = 1
        for keys, label, key, _whole in (*shown, *tail):
            width = self._width((keys, label, key, False))
            self._spots.append((at, at + width - 2, key))
            parts += [(keys, "bold $accent"), (f" {label}  ", "$muted")]
            at += width
        return Content.assemble(*parts)

    @staticmethod
    def _width(item: tuple[str, str, str, bool]) -> int:
        return Content(f"{item[0]} {item[1]}  ").cell_length

    def on_click(self, event: events.Click) -> None:
        """A key's place can be clicked instead."""
        for start, end, key in self._spots:
            if start <= event.x < end:
                self.app.simulate_key(key)
