"""The files of a dataset that are not used, and why each is not."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from core.library.manifest import clean_line
from tui.screens.base import StudioScreen
from tui.widgets.table import Column, Row, Table
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from core.datasets.scanning import Record
    from tui.studio import TarmacApp

_MOST = 2000
"""Rows; of more the command line tells."""
_COLUMNS = (
    Column("reason", 14),
    Column("file", 30, grow=True),
    Column("why", 24, grow=True, importance=5),
)


class LeftOutPane(Titled, Vertical):
    """The table."""


class LeftOutPage(StudioScreen):
    """A list; the line below it has the whole name and reason of the file under the cursor."""

    MODE = "datasets"
    CSS_PATH = "left_out.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "Files that were looked at and are not used, by reason; of pictures then those that are almost the same as "
        "another one and are used all the same. Your own files are never changed."
    )
    HELP_TITLE = "Left out"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "filter", "reason", id="left-out.reason", tooltip="All reasons, or one"),
        Binding("escape,l", "leave", "back", id="left-out.back", tooltip="Back to the list of datasets"),
    ]

    app: TarmacApp

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        self._files: list[tuple[str, Record]] = []
        self._reason = ""
        self._shown: list[tuple[str, Record]] = []

    def body(self) -> ComposeResult:
        with LeftOutPane(classes="pane", id="left-out"):
            yield Table(_COLUMNS)
            yield Static(id="left-out-told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(LeftOutPane).set_title(f"Left out of {self.dataset.name}")
        self._tell("◐ reading the list of files", "$warning")
        self.run_worker(self._load(), group="files", exit_on_error=False, description="reading the list of files")

    async def _load(self) -> None:
        try:
            records = await asyncio.to_thread(self.app.services.datasets.files, self.dataset)
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return
        names = {record.number: record.name for record in records}
        self._files = await asyncio.to_thread(_arranged, records, names)
        self._refill()

    def _refill(self) -> None:
        found = [each for each in self._files if not self._reason or each[0] == self._reason]
        self._shown = found[:_MOST]
        self.query_one(Table).set_rows([self._row(reason, record) for reason, record in self._shown])
        counted = Counter(reason for reason, _ in self._files)
        told = self._reason or ", ".join(f"{count:,} {reason}" for reason, count in counted.most_common())
        self.query_one(LeftOutPane).set_title(f"Left out of {self.dataset.name}", told)
        if not self._files:
            self._tell("Every file is used.", "$success")
        elif len(found) > _MOST:
            self._tell(f"The first {_MOST:,} of {len(found):,}; `tarmac datasets show --files` lists all.", "$muted")

    def _row(self, reason: str, record: Record) -> Row:
        tone = "muted" if record.kept else "busy" if "duplicate" in reason else "bad"
        return Row(str(record.number), ((reason, tone), (clean_line(record.name), ""), (_why(record), "muted")))

    def _tell(self, text: str | Content, tone: str = "$muted") -> None:
        self.query_one("#left-out-told", Static).update(Content.styled(text, tone) if isinstance(text, str) else text)

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        index = self.query_one(Table).cursor
        if 0 <= index < len(self._shown):
            reason, record = self._shown[index]
            why = f": {_why(record)}" if _why(record) else ""
            sides = f"  {record.width}×{record.height}" if record.width else ""
            self._tell(
                Content.assemble((clean_line(record.name), "$text"), (sides, "$muted"), (f"\n{reason}{why}", "$muted"))
            )

    def action_filter(self) -> None:
        """The next reason among those that there are."""
        reasons = ["", *dict.fromkeys(reason for reason, _ in self._files)]
        self._reason = reasons[(reasons.index(self._reason) + 1) % len(reasons)]
        self._refill()

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss(None)


def _why(record: Record) -> str:
    return clean_line(record.why)


def _arranged(records: list[Record], names: dict[int, str]) -> list[tuple[str, Record]]:
    """(reason, file) of what is not used, the most frequent reason first; then near duplicates that are used."""
    from dataclasses import replace

    out = [(record.reason, record) for record in records if record.reason]
    often = Counter(reason for reason, _ in out)
    out.sort(key=lambda each: (-often[each[0]], each[0], each[1].number))
    near = [
        ("near, kept", replace(record, why=f"almost {names.get(record.like, 'another one')}"))
        for record in records
        if record.kept and record.like >= 0
    ]
    return [*out, *near]
