"""Text that was laid out (`tui.text_lines`), painted a line at a time: as quick with a megabyte as with a page."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.text_lines import TONES, Laid


class TextView(ScrollView, can_focus=False):
    """Scrolled by whoever holds it. Posts `Sized` when its width changed: what it shows is to be laid out anew."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"text-view--{tone}" for tone in TONES}
    DEFAULT_CSS = """
    TextView {
        height: 1fr;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        overflow-x: hidden;
        & > .text-view--plain { color: $text; }
        & > .text-view--muted { color: $muted; }
        & > .text-view--rule { color: $muted; }
        & > .text-view--accent { color: $accent; }
        & > .text-view--bad { color: $error; }
    }
    """

    class Sized(Message):
        """Another width."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.laid = Laid()
        self._width = 0

    @property
    def room(self) -> int:
        """Cells of a line; 0 before it has a size."""
        return self.scrollable_content_region.width

    def put(self, laid: Laid, *, keep: bool = False) -> None:
        """Show other lines.

        Args:
            laid: Made for `room` cells.
            keep: Stay at the part that is looked at, as far below its start; else at the top.
        """
        part, below = self.laid.part(self.scroll_offset.y)
        self.laid = laid
        self.virtual_size = Size(self.room, len(laid.lines))
        top = 0
        if keep and part < len(laid.starts) and (part or below):
            last = laid.starts[part + 1] if part + 1 < len(laid.starts) else len(laid.lines)
            top = min(laid.starts[part] + below, max(laid.starts[part], last - 1))
        self.scroll_to(y=top, animate=False, immediate=True)
        self.refresh()

    def go(self, lines: int) -> None:
        """Scroll by some lines."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, immediate=True)

    def page(self, by: int) -> None:
        """Scroll by some screenfuls."""
        self.go(by * max(1, self.size.height - 1))

    @property
    def below(self) -> int:
        """Lines that are not seen because they are further down."""
        return max(0, len(self.laid.lines) - self.scroll_offset.y - self.size.height)

    def on_resize(self, event: events.Resize) -> None:
        """Lines end somewhere else."""
        if self.room != self._width:
            self._width = self.room
            self.post_message(self.Sized())

    def on_show(self, _event: events.Show) -> None:
        """It may have got another width while nobody saw it."""
        if self.room != self._width:
            self._width = self.room
            self.post_message(self.Sized())

    def render_line(self, y: int) -> Strip:
        """One line."""
        width, base = self.size.width, self.rich_style
        row = y + self.scroll_offset.y
        if row >= len(self.laid.lines):
            return Strip.blank(width, base)
        parts = [
            Segment(text, base + self.get_component_rich_style(f"text-view--{tone}", partial=True))
            for text, tone in self.laid.lines[row]
        ]
        return Strip(parts).adjust_cell_length(width, base)
