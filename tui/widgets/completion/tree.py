"""The history of a completion pane as a tree: prompts, what was written from them, what went on from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.samples import Branch, Sample, tree
from tui.widgets.titled import Titled

_MOST_INDENT = 24
_MOVE = Binding.Group("move", compact=True)


class TreePane(Titled, ScrollView, can_focus=True, inherit_bindings=False):
    """One line for each prompt and completion; posts `Chosen` for the one that enter is pressed on."""

    HELP = (
        "Every completion stands below what it went on from. Up and down move, left goes to what a completion went on "
        "from, right to the first that went on from it, enter brings it to the screen."
    )
    HELP_TITLE = "History"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="tree.up", group=_MOVE, tooltip="The line above"),
        Binding("down,j", "move(1)", "Down", id="tree.down", group=_MOVE, tooltip="The line below"),
        Binding("left,h", "parent", "Back", id="tree.parent", group=_MOVE, tooltip="What it went on from"),
        Binding("right,l", "child", "On", id="tree.child", group=_MOVE, tooltip="What went on from it"),
        Binding("home", "move(-100000)", "First", id="tree.first", show=False, tooltip="The first line"),
        Binding("end", "move(100000)", "Last", id="tree.last", show=False, tooltip="The last line"),
        Binding("enter", "go", "go there", id="tree.go", tooltip="Bring it to the screen; a prompt into the editor"),
        Binding("escape,t", "leave", "close", id="tree.close", tooltip="Back to the completion"),
    ]

    @dataclass
    class Chosen(Message):
        """The user wants to go there; a prompt has no sample."""

        branch: Branch

    @dataclass
    class Left(Message):
        """The user is done with the tree."""

    def __init__(self) -> None:
        super().__init__(id="tree", classes="pane")
        self.set_title("history")
        self.lines: list[Branch] = []
        self.at = 0

    def show(self, history: Sequence[Sample], number: int | None) -> None:
        """Show the history as it is now.

        Args:
            history: The samples.
            number: Of the sample to put the cursor on; None: where it is.
        """
        here = self.lines[self.at] if self.at < len(self.lines) else None
        if number is None and here is not None and here.sample is not None:
            number = here.sample.number
        self.lines = tree(history)
        places = [place for place, line in enumerate(self.lines) if line.sample and line.sample.number == number]
        self.at = places[0] if places else min(self.at, max(0, len(self.lines) - 1))
        self.set_title("history", f"{len(history)} {'completion' if len(history) == 1 else 'completions'}")
        self._laid()

    def on_resize(self, event: events.Resize) -> None:
        """Lines are as wide as the pane."""
        super().on_resize(event)
        self._laid()

    def _laid(self) -> None:
        self.virtual_size = Size(self.size.width, max(1, len(self.lines)))
        self.refresh()
        if self.is_attached:
            self.call_after_refresh(self.scroll_to_region, Region(0, self.at, 1, 1), animate=False)

    def render_line(self, y: int) -> Strip:
        """One branch."""
        place = y + self.scroll_offset.y
        if not self.lines and y == 0:
            return self._strip(Content.styled(" Nothing was written yet.", "$muted"))
        if place >= len(self.lines):
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        return self._strip(self._line(place))

    def _strip(self, content: Content) -> Strip:
        width = self.size.width
        segments = content.render_segments(self.visual_style)
        return Strip(segments).adjust_cell_length(width, self.visual_style.rich_style)

    def _line(self, place: int) -> Content:
        line, here = self.lines[place], place == self.at
        marked = here and self.has_focus
        width = self.size.width - 1
        indent = " " * min(_MOST_INDENT, 2 * max(0, line.depth - 1))
        mark = "▸ " if here else "  "
        if line.sample is None:
            text = _one_line(line.prompt, end=True)
            room = width - 2
            return Content.assemble(
                (mark, "$accent"), (_cut(text, room, end=True), "bold $text" if marked else "$text")
            )
        twig = f"{indent}{'└ ' if line.last else '├ '}"
        sample = line.sample
        state = "◐" if not sample.finish else {"failed": "✕", "stopped": "○"}.get(sample.finish, "●")
        tone = {"◐": "$warning", "✕": "$error"}.get(state, "$muted")
        told = f" {sample.options['seed']:.0f}" if "seed" in sample.options else ""
        room = max(4, width - 4 - cell_len(twig) - cell_len(told))
        text = _cut(_one_line(sample.text) or ("–" if sample.finish else "…"), room)
        style = "bold $accent" if marked else "$accent" if here else "$muted"
        return Content.assemble(
            (mark, "$accent"),
            (twig, "$faint"),
            (f"{state} ", tone),
            (set_cell_size(text, room), style),
            (told, "$muted"),
        )

    def on_focus(self) -> None:
        """The cursor shows."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor hides."""
        self.refresh()

    # -- keys

    def action_move(self, by: int) -> None:
        """Up or down, stopping at the ends."""
        self._to(max(0, min(len(self.lines) - 1, self.at + by)))

    def action_parent(self) -> None:
        """To what this went on from."""
        if self.lines:
            depth = self.lines[self.at].depth
            above = [place for place in range(self.at) if self.lines[place].depth < depth]
            self._to(above[-1] if above else self.at)

    def action_child(self) -> None:
        """To the first that went on from this."""
        below = self.at + 1
        if below < len(self.lines) and self.lines[below].depth > self.lines[self.at].depth:
            self._to(below)

    def _to(self, place: int) -> None:
        self.at = max(0, place)
        self._laid()

    def action_go(self) -> None:
        """Bring it to the screen."""
        if self.lines:
            self.post_message(self.Chosen(self.lines[self.at]))

    def action_leave(self) -> None:
        """Done."""
        self.post_message(self.Left())


def _one_line(text: str, end: bool = False) -> str:
    """The first line with something on it (or the last), and what else there is as spaces."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return " ".join(lines[-3:] if end else lines[:3]) if lines else ""


def _cut(text: str, room: int, end: bool = False) -> str:
    if cell_len(text) <= room:
        return text
    if end:
        while cell_len(text) > room - 1:
            text = text[max(1, (cell_len(text) - room) // 2) :]
        return "…" + text
    return set_cell_size(text, max(0, room - 1)).rstrip() + "…"
