"""The wizard's pages: one question each, with an answer filled in and a word about what it means."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from core.errors import TarmacError
from tui import wizard_answers as facts
from tui import words
from tui.graphics.canvas import GridCanvas
from tui.graphics.compose import Scene
from tui.messages import AddDataset
from tui.training_options import MORE, TOP, Field, image_fields
from tui.widgets.form import Form
from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard_page import Materials, Page
from tui.wizard_answers import Answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.library.models import Model
    from tui.training_services import DatasetFacts

_SHEET = 24
_TILE = 64
_ADD = "+"
_NOTHING = "nothing:"


class KindPage(Page):
    """Images or text."""

    key, title = "kind", "What shall it make?"
    _WORDS: ClassVar = {
        "image": ("images", "a StyleGAN learns to draw pictures like those of a dataset"),
        "text": ("text", "a language model learns to write like a collection of texts"),
    }

    def compose(self) -> ComposeResult:
        yield Table([Column("kind", 8), Column("", 30, grow=True)])
        yield Static(classes="told", markup=False)

    def enter(self) -> None:
        rows = [
            Row(kind, ((self._WORDS[kind][0], ""), (self._WORDS[kind][1], "muted")))
            for kind in self.app.services.training.kinds
        ]
        self.query_one(Table).set_rows(rows, self.answers.kind)

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key:
            self.answers.kind = event.key
            self.post_message(self.Answered())

    def answer(self) -> str:
        return self._WORDS[self.answers.kind][0]


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
            none = self.materials.datasets is not None and not self.adds
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


class PreparationPage(Page):
    """How pictures become squares of one size."""

    key, title = "preparation", "How shall the pictures be cut?"

    def compose(self) -> ComposeResult:
        sizes = tuple((str(size), "") for size in facts.SIZES)
        self._values: dict[str, bool | int | float | str] = {}
        yield Form(
            [
                Field("size", "resolution", str(facts.USUAL_SIZE), _SIZE_ABOUT, choices=sizes),
                Field("crop", "crop", "centre", _CROP_ABOUT, choices=facts.CROPS),
            ],
            self._values,
        )
        yield Static(classes="told", markup=False)

    @property
    def first(self) -> Widget:
        return self.query_one(Form)

    def enter(self) -> None:
        form = self.query_one(Form)
        form.values.update({"size": str(self.answers.size), "crop": self.answers.crop})
        form.display = not self.passed()
        self.tell(f"Nothing to ask: {self.answer()}." if self.passed() else "")

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        form = event.form
        self.answers.size = int(form.values.get("size", facts.USUAL_SIZE))
        self.answers.crop = str(form.values.get("crop", "centre"))
        self.post_message(self.Answered())

    def passed(self) -> bool:
        dataset = self.materials.dataset(self.answers)
        return dataset is not None and not facts.needs_questions(dataset)

    def answer(self) -> str:
        dataset = self.materials.dataset(self.answers)
        if dataset is None:
            return ""
        if dataset.ready:
            return f"{dataset.size}×{dataset.size}, ready"
        size = f"{self.answers.size}×{self.answers.size}"
        return f"{size}, drawn" if dataset.source == "starter" else f"{size}, {self.answers.crop}"


_SIZE_ABOUT = "Side in pixels of the pictures that it learns to draw. Twice the side has four times the pixels."
_CROP_ABOUT = "How a square is taken from each picture."


class BasePage(Page):
    """What it starts from, and with which architecture."""

    key, title = "base", "What shall it start from?"

    def compose(self) -> ComposeResult:
        yield Table([Column("base", 18, grow=True), Column("", 28, grow=True)])
        yield Static(classes="told", markup=False)

    def enter(self) -> None:
        if self.materials.models is None:
            self.tell("◐ reading the library", "$warning")
            return
        size = facts.training_size(self.answers, self.materials.dataset(self.answers))
        models = [model for model in self.materials.models if model.kind == "image-gan"]
        found = [(model, *facts.compatible(model, size)) for model in models]
        rows = []
        for model, good, word in sorted(found, key=lambda each: (not each[1], each[0].source != "starter")):
            name = model.id if model.source == "starter" else model.name
            rows.append(Row(model.id, ((name, "" if good else "muted"), (word, "muted" if good else "bad"))))
        words_of = {"stylegan2": "the usual one", "stylegan": "older; can grow step by step"}
        for place, (name, shown) in enumerate(facts.ARCHITECTURES):
            row = Row(f"{_NOTHING}{name}", ((f"nothing, {shown}", ""), (words_of[name], "muted")))
            rows.insert(sum(good for _, good, _ in found) + place, row)
        chosen = self.materials.base(self.answers)
        table = self.query_one(Table)
        table.set_rows(rows, chosen or f"{_NOTHING}{self.answers.architecture}")
        table.styles.height = len(rows) + 1
        self._about()

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key and not self.refusal():
            nothing = event.key.startswith(_NOTHING)
            self.answers.base = "" if nothing else event.key
            if nothing:
                self.answers.architecture = event.key.removeprefix(_NOTHING)
            else:
                self.answers.architecture = facts.architecture_of(self._model(event.key)) or "stylegan2"
            self.post_message(self.Answered())
        self._about()

    def _model(self, key: str) -> Model:
        return next(model for model in self.materials.models or () if model.id == key)

    def _about(self) -> None:
        key = self.query_one(Table).current
        if key is None:
            self.tell("")
        elif key.startswith(_NOTHING):
            self.tell("Random weights: it learns everything anew, which takes many times the steps that a base needs.")
        else:
            model = self._model(key)
            size = words.reflowed(model.manifest.description).partition("\n")[0]
            self.tell(f"What it has learned carries over: fewer pictures and fewer steps are enough. {size}".strip())

    def answer(self) -> str:
        if self.materials.models is None:
            return ""
        base = self.materials.base(self.answers).removeprefix("starter/")
        return base or f"nothing, {dict(facts.ARCHITECTURES)[self.answers.architecture]}"

    def refusal(self) -> str:
        key = self.query_one(Table).current
        if self.materials.models is None:
            return "the library is still being read"
        if key is None or key.startswith(_NOTHING):
            return ""
        size = facts.training_size(self.answers, self.materials.dataset(self.answers))
        good, word = facts.compatible(self._model(key), size)
        return "" if good else f"{self._model(key).name}: {word.removeprefix('✕ ')}"


class OptionsPage(Page):
    """How it is trained."""

    key, title = "options", "How shall it be trained?"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "more", "more options", id="wizard.more", tooltip="All options, or the few that matter most"),
    ]

    def compose(self) -> ComposeResult:
        yield Form(self._fields(), self.answers.values, self.answers.typed)
        yield Static(classes="told", markup=False)

    def _fields(self) -> list[Field]:
        names = (*TOP, *MORE) if self.answers.more else TOP
        return [image_fields()[name] for name in names]

    @property
    def first(self) -> Widget:
        return self.query_one(Form)

    def enter(self) -> None:
        self._about()

    def _about(self) -> None:
        more = "m  the few that matter most" if self.answers.more else f"m  {len(MORE)} more options"
        self.tell(more)

    def action_more(self) -> None:
        """All options, or the few that matter most."""
        self.answers.more = not self.answers.more
        self.query_one(Form).set_fields(self._fields())
        self._about()

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        self.post_message(self.Answered())

    def answer(self) -> str:
        return facts.options_line(self.answers.values)

    def refusal(self) -> str:
        form = self.query_one(Form)
        for name in self.answers.typed:
            if name not in [each.name for each in form.fields]:
                self.action_more()  # what is wrong is among those that are put away
                break
        return form.problem


class NameInput(Input):
    """The run's name; enter starts the run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "start", id="wizard.start", tooltip="Make the run and start it"),
    ]


class SummaryPage(Page):
    """All of it, what it will take, and its name."""

    key, title = "summary", "Start it like this?"

    def compose(self) -> ComposeResult:
        with Horizontal(id="summary-name-row"):
            yield Static("name", id="summary-name-label", markup=False)
            yield NameInput(id="summary-name", max_length=80)
        yield Static(id="summary-table", classes="about", markup=False)
        yield Static(classes="told", markup=False)

    @property
    def first(self) -> Widget:
        return self.query_one(Input)

    def enter(self) -> None:
        from tui.training_services import next_name

        name = self.query_one(Input)
        name.placeholder = next_name(self.materials.taken)
        name.value = self.answers.name

    def show(self, lines: list[tuple[str, str]], took: list[tuple[str, str]], tone: str) -> None:
        """The answers as a table, and what it will take below."""
        around = self.parent
        assert isinstance(around, Widget)
        width, wide = max(30, around.size.width - 4), 11
        parts = []
        for label, text in lines:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", "$text"))
        parts.append(("\n", "$text"))
        for label, text in took:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", tone))
        self.query_one("#summary-table", Static).update(Content.assemble(*parts))

    @property
    def name_given(self) -> str:
        """The run's name."""
        name = self.query_one(Input)
        return name.value.strip() or name.placeholder

    @on(Input.Changed)
    def _named(self, event: Input.Changed) -> None:
        event.stop()
        self.answers.name = event.value
        self.post_message(self.Answered())

    def answer(self) -> str:
        return self.answers.name.strip()


PAGES = (KindPage, DatasetPage, PreparationPage, BasePage, OptionsPage, SummaryPage)
