"""The line on top: where one is, and whose machine this is and how busy."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.screens import PLACES, Place
from tui.status import Status

_LONGEST = 24
_NAME = len(" tarmac ")


class Header(Widget):
    """Program, places (the current one in brackets, what runs beside theirs), user and host, device and memory.

    Where room is short the other places have short titles, then only their keys. What still does not fit is left out
    from the left of the right half: host, then device.
    """

    DEFAULT_CSS = """
    Header {
        dock: top;
        height: 1;
        width: 1fr;
        color: $muted;
    }
    """

    status: reactive[Status | None] = reactive(None)
    running: reactive[int] = reactive(0)
    training: reactive[int] = reactive(0)
    preparing: reactive[int] = reactive(0)
    hosted: reactive[int] = reactive(0)
    place: reactive[str] = reactive("")

    def render(self) -> Content:
        """The line, exactly as wide as the widget."""
        left = Content.assemble((" tarmac ", "bold $text"), *self._places())
        room = self.size.width - left.cell_length - 2
        parts = self._machine()
        while parts and sum(part.cell_length + 2 for part in parts) > room + 2:
            parts.pop(0)
        right = Content("  ").join(parts)
        if not parts:
            return Content.assemble(left, " " * max(0, self.size.width - left.cell_length))
        gap = max(1, self.size.width - left.cell_length - right.cell_length - 1)
        return Content.assemble(left, " " * gap, right, " ")

    def _places(self) -> list[tuple[str, str] | str]:
        parts: list[tuple[str, str] | str] = []
        for place, label in zip(PLACES, self._labels()):
            here = place.mode == self.place
            parts.append((f"{'[' if here else ' '}{label}", "bold $accent" if here else "$muted"))
            if self._badge(place):
                parts.append((self._badge(place), "$success" if place.mode in ("workspace", "hosting") else "$warning"))
            parts.append(("]" if here else " ", "bold $accent"))
        return parts

    def _labels(self) -> list[str]:
        """Each place's key and title, as long as the line has room for; where one is has its whole title."""
        found: list[str] = []
        for titles in (
            [place.title for place in PLACES],
            [place.short for place in PLACES],
            [""] * len(PLACES),
        ):
            found = []
            for place, title in zip(PLACES, titles):
                shown = place.title if place.mode == self.place else title
                found.append(f"{place.key} {shown}".rstrip())
            wide = sum(cell_len(label) + len(self._badge(place)) + 2 for place, label in zip(PLACES, found))
            if _NAME + wide <= self.size.width:
                break
        return found

    def _badge(self, place: Place) -> str:
        """Workers belong to the workspace, runs to the training, jobs to the datasets, awake deployments to hosting."""
        busy = {"training": self.training, "datasets": self.preparing}.get(place.mode, 0)
        if busy:
            return f" ◐{busy}"
        awake = {"workspace": self.running, "hosting": self.hosted}.get(place.mode, 0)
        return f" ●{awake}" if awake else ""

    def _machine(self) -> list[Content]:
        parts: list[Content] = []
        status = self.status
        if status is not None:
            parts.append(Content.styled(f"{status.user}@{status.host}"[:_LONGEST], "$muted"))
            load = "" if status.load is None else f" {status.load:.0%}"
            parts.append(Content.styled(f"{status.device}{load}", "$muted"))
            if status.total:
                full = "$bad" if status.used > 0.92 * status.total else "$muted"
                used = status.used / 2**30
                memory = f"{used:.1f}" if used < 9.95 else f"{used:.0f}"
                memory += f"/{status.total / 2**30:.0f} GiB"
                parts.append(Content.styled(memory, full))
        return parts

    def on_click(self, event: object) -> None:
        """Places can be clicked where a mouse is at hand."""
        x = getattr(event, "x", -1)
        at = _NAME
        for place, label in zip(PLACES, self._labels()):
            width = cell_len(label) + 2 + len(self._badge(place))
            if at <= x < at + width:
                self.app.switch_mode(place.mode)
            at += width
