"""A list of things in columns that adapts to its width: what matters less goes first when room is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

MOVE = Binding.Group("choose", compact=True)


@dataclass(frozen=True)
class Column:
    """One column: its title, how wide it must be, whether it takes spare room, and how soon it goes."""

    title: str
    width: int
    grow: bool = False
    right: bool = False
    importance: int = 9
    """Columns with the smallest number are left out first; 9 never."""


@dataclass(frozen=True)
class Row:
    """One thing: a key that is its own, and (text, tone) for each column.

    Tones: "", "muted", "accent", "good", "busy", "bad".
    """

    key: str
    cells: tuple[tuple[str, str], ...] = field(default=())


def shortened(text: str, width: int) -> str:
    """`text` in `width` cells with "…" for what is left out; a number at its end stays: it tells it from its like."""
    last = text.rpartition(" ")[2]
    end = f" {last}" if last.isdigit() and 2 * len(last) + 4 < width else ""
    return f"{set_cell_size(text, width - 1 - len(end))}…{end}"


class Table(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under a line of titles, one of them under the cursor."""

    HELP = "Move with the arrows or j and k; home, end and the page keys jump."
    HELP_TITLE = "List"
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--title",
        "table--muted",
        "table--accent",
        "table--good",
        "table--busy",
        "table--bad",
        "table--cursor",
        "table--plain",
    }
    DEFAULT_CSS = """
    Table {
        height: 1fr;
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        .table--plain { color: $text; }
        .table--title { color: $muted; }
        .table--muted { color: $muted; }
        .table--accent { color: $accent; }
        .table--good { color: $success; }
        .table--busy { color: $warning; }
        .table--bad { color: $error; }
        .table--cursor { background: $raised; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="table.up", group=MOVE, tooltip="The row above"),
        Binding("down,j", "move(1)", "Down", id="table.down", group=MOVE, tooltip="The row below"),
        Binding("pageup", "page(-1)", "Page up", id="table.page-up", show=False, tooltip="One page up"),
        Binding("pagedown", "page(1)", "Page down", id="table.page-down", show=False, tooltip="One page down"),
        Binding("home,g", "move(-1000000)", "First", id="table.first", show=False, tooltip="The first row"),
        Binding("end,G", "move(1000000)", "Last", id="table.last", show=False, tooltip="The last row"),
    ]

    cursor: reactive[int] = reactive(0)

    @dataclass
    class Moved(Message):
        """The cursor is on another row; key None when there are no rows."""

        table: Table
        key: str | None

        @property
        def control(self) -> Table:
            return self.table

    @dataclass
    class Clicked(Message):
        """A row was clicked while the cursor was on it."""

        table: Table
        key: str

        @property
        def control(self) -> Table:
            return self.table

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.rows: list[Row] = []
        self._wide: dict[int, int] = {}

    @property
    def current(self) -> str | None:
        """The key of the row under the cursor."""
        return self.rows[self.cursor].key if 0 <= self.cursor < len(self.rows) else None

    def set_rows(self, rows: Sequence[Row], select: str | None = None) -> None:
        """Show other rows; the cursor stays on its key (or goes to `select`) where that is among them."""
        wanted = select if select is not None else self.current
        self.rows = list(rows)
        self._wide.clear()
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        place = next((index for index, row in enumerate(self.rows) if row.key == wanted), None)
        if place is None:
            place = min(self.cursor, max(0, len(self.rows) - 1))
        self.set_reactive(Table.cursor, place)
        self._follow()
        self.refresh()
        self.post_message(self.Moved(self, self.current))

    def action_move(self, by: int) -> None:
        """Move the cursor, stopping at the ends."""
        if self.rows:
            self.cursor = max(0, min(len(self.rows) - 1, self.cursor + by))

    def action_page(self, direction: int) -> None:
        """Move the cursor by one screenful."""
        self.action_move(direction * max(1, self.size.height - 2))

    def watch_cursor(self) -> None:
        """Tell, and scroll so that the cursor is seen."""
        self._follow()
        self.post_message(self.Moved(self, self.current))

    def on_resize(self, event: events.Resize) -> None:
        """Columns follow the width."""
        self.virtual_size = Size(event.size.width, len(self.rows) + 1)
        self._follow()

    def on_click(self, event: events.Click) -> None:
        """A click chooses the row, a click on the chosen one opens it."""
        row = event.y - 1 + self.scroll_offset.y
        if event.y and 0 <= row < len(self.rows):
            if row == self.cursor:
                self.post_message(self.Clicked(self, self.rows[row].key))
            self.cursor = row

    def _follow(self) -> None:
        height = self.size.height - 1
        if height > 0:
            top = self.scroll_offset.y
            if self.cursor < top:
                self.scroll_to(y=self.cursor, animate=False, immediate=True)
            elif self.cursor >= top + height:
                self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def layout_columns(self, width: int) -> list[tuple[int, int]]:
        """(column index, its width) of the columns that fit into `width` cells."""
        chosen = list(range(len(self.columns)))
        while len(chosen) > 1 and sum(self.columns[i].width + 2 for i in chosen) + 1 > width:
            least = min(chosen, key=lambda i: (self.columns[i].importance, -i))
            if self.columns[least].importance >= 9:
                break
            chosen.remove(least)
        spare = max(0, width - 1 - sum(self.columns[i].width + 2 for i in chosen))
        growing = [i for i in chosen if self.columns[i].grow]
        widths = {i: self.columns[i].width for i in chosen}
        for order, i in enumerate(growing):
            share = spare // (len(growing) - order)
            share = min(share, max(0, self._widest(i) - widths[i]))
            widths[i] += share
            spare -= share
        return [(i, widths[i]) for i in chosen]

    def _widest(self, column: int) -> int:
        if column not in self._wide:  # asked for each line that is painted, and a list may be long
            self._wide[column] = max((cell_len(row.cells[column][0]) for row in self.rows), default=0)
        return self._wide[column]

    def render_line(self, y: int) -> Strip:
        """One line: the titles, which do not scroll, or a row."""
        width = self.size.width
        base = self.rich_style
        if y == 0:
            cells = tuple((column.title, "title") for column in self.columns)
            return self._line(cells, width, " ", "", False)
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.rows):
            return Strip.blank(width, base)
        here = index == self.cursor
        mark, tone = ("▸", "accent" if self.has_focus else "muted") if here else (" ", "")
        return self._line(self.rows[index].cells, width, mark, tone, here)

    def _line(self, cells: Sequence[tuple[str, str]], width: int, mark: str, tone: str, here: bool) -> Strip:
        base = self.rich_style
        under = self.get_component_rich_style("table--cursor", partial=True) if here else None

        def piece(text: str, tone: str) -> Segment:
            style = base + self.get_component_rich_style(f"table--{tone or 'plain'}", partial=True)
            return Segment(text, style + under if under else style)

        parts = [piece(mark, tone)]
        for number, (index, wide) in enumerate(self.layout_columns(width)):
            column = self.columns[index]
            text, tone = cells[index]
            if cell_len(text) > wide:
                text = shortened(text, wide)
            pad = " " * (wide - cell_len(text))
            parts.append(piece(("  " if number else " ") + (pad + text if column.right else text + pad), tone))
        return Strip(parts).adjust_cell_length(width, base + under if under else base)

    def refresh_lines(self, y_start: int, line_count: int = 1) -> None:
        """Repaint lines counted in the widget."""
        self.refresh(Region(0, y_start, self.size.width, line_count))
