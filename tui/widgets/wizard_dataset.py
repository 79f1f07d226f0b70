"""The wizard asks what to learn from: the datasets that there are, some pictures of the one under the cursor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.errors import TarmacError
from tui import wizard_answers as facts
from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.messages import AddDataset
from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard_page import Materials, Page
from tui.wizard_answers import Answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tui.training_services import DatasetFacts

_SHEET = 24
"""Pictures that are shown of a dataset."""

_TILE = 64
_ADD = "+"


class DatasetPage(Page):
    """What it learns from."""

    key, title = "dataset", "What shall it learn from?"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add_dataset", "add", id="wizard.add-dataset", tooltip="Bring in a folder or an archive"),
    ]

    def __init__(self, answers: Answers, materials: Materials) -> None:
        super().__init__(answers, materials)
        self._shown = ""

    def compose(self) -> ComposeResult:
        yield Table([Column("dataset", 12, grow=True), Column("pictures", 8, right=True), Column("", 22, grow=True)])
        yield Static(classes="told", markup=False)
        yield GridCanvas()

    def enter(self) -> None:
        found, table = self.materials.datasets, self.query_one(Table)
        if found is None:
            self.tell("◐ reading the datasets", "$warning")
            return
        rows = [self._row(each) for each in sorted(found, key=_order) if each.kind == self.answers.kind]
        if "datasets" in self.app.MODES:
            rows.append(Row(_ADD, (("+ a folder, an archive …", "accent"), ("", ""), ("", ""))))
        chosen = self.materials.dataset(self.answers)
        table.set_rows(rows, chosen.id if chosen else None)
        table.styles.height = min(len(rows) + 1, 12)
        self._show_pictures()

    @staticmethod
    def _row(dataset: DatasetFacts) -> Row:
        text, tone = facts.advice(dataset)
        count = f"{dataset.count:,}" if dataset.count else "–"
        return Row(dataset.id, ((dataset.name, "muted" if tone == "bad" else ""), (count, "muted"), (text, tone)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is offered that nobody answers."""
        return "datasets" in self.app.MODES if action == "add_dataset" else True

    def action_add_dataset(self) -> None:
        """Go where datasets are added."""
        self.post_message(AddDataset())

    @property
    def adds(self) -> bool:
        """The line under the cursor is the one that adds another."""
        return self.query_one(Table).current == _ADD

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key and event.key != _ADD:
            self.answers.dataset = event.key
            self.post_message(self.Answered())
        self._show_pictures()

    def _under(self) -> DatasetFacts | None:
        key = self.query_one(Table).current
        return next((each for each in self.materials.datasets or () if each.id == key), None)

    def _show_pictures(self) -> None:
        dataset, canvas = self._under(), self.query_one(GridCanvas)
        key = dataset.id if dataset is not None and dataset.ready else ""
        if key == self._shown and key:
            return
        self._shown = key
        if dataset is None:
            none = self.materials.datasets is not None and not self.materials.datasets
            self.tell("There are no datasets yet." if none else "", "$muted")
        elif not dataset.ready:
            about = str(dataset.about.get("description", ""))
            wait = "Drawn here when training begins." if dataset.source == "starter" else "It is not prepared yet."
            self.tell(" ".join(filter(None, (about, wait))))
        else:
            self.tell(_told(dataset))
        canvas.set_scene(Scene(1, 1, waiting=frozenset()), {})
        if dataset is not None and dataset.ready:
            self.run_worker(self._load(dataset), group="pictures", exclusive=True, exit_on_error=False)

    async def _load(self, dataset: DatasetFacts) -> None:
        try:
            pictures = await asyncio.to_thread(self.app.services.training.pictures, dataset, _SHEET, _TILE)
        except TarmacError as error:
            self.tell(f"✕ {error}", "$error")
            return
        self._show_sheet(pictures)

    def _show_sheet(self, pictures: list[NDArray[np.uint8]]) -> None:
        from tui.widgets.sample_sheet import _KEYS

        canvas = self.query_one(GridCanvas)
        keys = [next(_KEYS) for _ in pictures]
        columns = 8 if canvas.size.width * canvas.surface.cell[0] > canvas.size.height * canvas.surface.cell[1] else 4
        rows = -(-len(keys) // columns)
        tiles = {(index % columns, index // columns): key for index, key in enumerate(keys)}
        canvas.set_scene(Scene(columns, max(1, rows), tiles, frozenset()), dict(zip(keys, pictures)))

    def answer(self) -> str:
        dataset = self.materials.dataset(self.answers)
        return dataset.name if dataset else ""

    def refusal(self) -> str:
        if self.materials.datasets is None:
            return "the datasets are still being read"
        dataset = self._under()
        if dataset is None:
            return "there is nothing to learn from yet"
        text, tone = facts.advice(dataset)
        return f"{dataset.name}: {text.removeprefix('✕ ')}" if tone == "bad" else ""


def _order(dataset: DatasetFacts) -> tuple[bool, bool]:
    """One's own first, what cannot be used last; otherwise as they come."""
    return facts.advice(dataset)[1] == "bad", dataset.source == "starter"


def _told(dataset: DatasetFacts) -> str:
    parts = [f"{dataset.count:,} pictures", f"{dataset.size}×{dataset.size}"]
    report = dataset.about.get("report")
    if isinstance(report, dict):
        missing, twice = report.get("left_out"), report.get("duplicates")
        if isinstance(missing, dict) and missing:
            parts.append(f"{len(missing):,} left out")
        if isinstance(twice, int) and twice:
            parts.append(f"{twice:,} duplicates")
    return " · ".join(parts)
