"""The wizard asks what pictures start from: a model of the library, or nothing and an architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from tui import words
from tui.widgets.table import Column, Row, Table
from tui.widgets.wizard.page import Page
from tui.wizard import images as facts

if TYPE_CHECKING:
    from core.library.models import Model

_NOTHING = "nothing:"


class ImageBasePage(Page):
    """What it starts from, and with which architecture."""

    key, title, kind = "base", "What shall it start from?", "image"

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
        table.set_rows(rows, chosen or f"{_NOTHING}{self.answers.image.architecture}")
        table.styles.height = len(rows) + 1
        self._about()

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        event.stop()
        if event.key and not self.refusal():
            nothing = event.key.startswith(_NOTHING)
            self.answers.image.base = "" if nothing else event.key
            if nothing:
                self.answers.image.architecture = event.key.removeprefix(_NOTHING)
            else:
                self.answers.image.architecture = facts.architecture_of(self._model(event.key)) or "stylegan2"
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
        return base or f"nothing, {dict(facts.ARCHITECTURES)[self.answers.image.architecture]}"

    def refusal(self) -> str:
        key = self.query_one(Table).current
        if self.materials.models is None:
            return "the library is still being read"
        if key is None or key.startswith(_NOTHING):
            return ""
        size = facts.training_size(self.answers, self.materials.dataset(self.answers))
        good, word = facts.compatible(self._model(key), size)
        return "" if good else f"{self._model(key).name}: {word.removeprefix('✕ ')}"
