"""The wizard asks what to learn from: the datasets of a kind, and something of the one under the cursor.

What is shown of it is the subclasses' business: pictures, or the beginnings of texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.errors import TarmacError
from tui.messages import AddDataset
from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard.page import Page
from tui.wizard.answers import Answers
from tui.wizard.kinds import advice
from tui.wizard.materials import Materials

if TYPE_CHECKING:
    from tui.training.services import DatasetFacts

_ADD = "+"


class DatasetPage(Page):
    """What it learns from; subclasses have a kind."""

    key, title = "dataset", "What shall it learn from?"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add_dataset", "add", id="wizard.add-dataset", tooltip="Bring in a folder or an archive"),
    ]
    columns: ClassVar[tuple[Column, ...]] = ()
    """The first one has the dataset's name."""

    noun = ""
    """What the datasets of the kind hold."""

    adding = "+ a folder, an archive …"
    """What the line says that adds another."""

    undrawn = ""
    """What is told of a starter that was not used yet."""

    def __init__(self, answers: Answers, materials: Materials) -> None:
        super().__init__(answers, materials)
        self._shown = ""

    def compose(self) -> ComposeResult:
        yield Table(self.columns)
        yield Static(classes="told", markup=False)

    # -- what the kinds do differently

    def cells(self, dataset: DatasetFacts) -> tuple[tuple[str, str], ...]:
        """(text, tone) of the columns between the name and the advice."""
        raise NotImplementedError

    def told_of(self, dataset: DatasetFacts) -> str:
        """What a dataset that is ready holds, in a line."""
        raise NotImplementedError

    def clear(self) -> None:
        """Show nothing of any dataset."""
        raise NotImplementedError

    async def show(self, dataset: DatasetFacts) -> None:
        """Read and show something of a dataset that is ready.

        Raises:
            TarmacError: It cannot be read.
        """
        raise NotImplementedError

    # -- the list

    def enter(self) -> None:
        found, table = self.materials.datasets, self.query_one(Table)
        if found is None:
            self.tell("◐ reading the datasets", "$warning")
            return
        rows = [self._row(each) for each in sorted(self._mine(), key=_order)]
        if "datasets" in self.app.MODES:
            rows.append(Row(_ADD, ((self.adding, "accent"), *[("", "")] * (len(self.columns) - 1))))
        chosen = self.materials.dataset(self.answers)
        table.set_rows(rows, chosen.id if chosen else None)
        table.styles.height = min(len(rows) + 1, 12)
        self._show_some()

    def _mine(self) -> list[DatasetFacts]:
        return [each for each in self.materials.datasets or () if each.kind == self.kind]

    def _row(self, dataset: DatasetFacts) -> Row:
        text, tone = advice(dataset)
        name = dataset.name, "muted" if tone == "bad" else ""
        return Row(dataset.id, (name, *self.cells(dataset), (text, tone)))

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
            self.answers.of(self.kind).dataset = event.key
            self.post_message(self.Answered())
        self._show_some()

    def _under(self) -> DatasetFacts | None:
        key = self.query_one(Table).current
        return next((each for each in self._mine() if each.id == key), None)

    def _show_some(self) -> None:
        dataset = self._under()
        key = dataset.id if dataset is not None and dataset.ready else ""
        if key == self._shown and key:
            return
        self._shown = key
        if dataset is None:
            none = self.materials.datasets is not None and not self._mine()
            self.tell(f"There are no datasets of {self.noun} yet." if none else "", "$muted")
        elif not dataset.ready:
            about = str(dataset.about.get("description", ""))
            wait = self.undrawn if dataset.source == "starter" else "It is not prepared yet."
            self.tell(" ".join(filter(None, (about, wait))))
        else:
            self.tell(self.told_of(dataset))
        self.clear()
        if dataset is not None and dataset.ready:
            self.run_worker(self._load(dataset), group="some", exclusive=True, exit_on_error=False)

    async def _load(self, dataset: DatasetFacts) -> None:
        try:
            await self.show(dataset)
        except TarmacError as error:
            self.tell(f"✕ {error}", "$error")

    def answer(self) -> str:
        dataset = self.materials.dataset(self.answers)
        return dataset.name if dataset else ""

    def refusal(self) -> str:
        if self.materials.datasets is None:
            return "the datasets are still being read"
        dataset = self._under()
        if dataset is None:
            return "there is nothing to learn from yet"
        text, tone = advice(dataset)
        return f"{dataset.name}: {text.removeprefix('✕ ')}" if tone == "bad" else ""


def _order(dataset: DatasetFacts) -> tuple[bool, bool]:
    """One's own first, what cannot be used last; otherwise as they come."""
    return advice(dataset)[1] == "bad", dataset.source == "starter"
