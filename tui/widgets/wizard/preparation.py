"""The wizard asks how pictures become squares of one size."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from tui.training.options import Field
from tui.widgets.form import Form
from tui.widgets.wizard.page import Page
from tui.wizard import images as facts
from tui.wizard.answers import USUAL_SIZE

_SIZE_ABOUT = "Side in pixels of the pictures that it learns to draw. Twice the side has four times the pixels."
_CROP_ABOUT = "How a square is taken from each picture."


class PreparationPage(Page):
    """How pictures become squares of one size."""

    key, title, kind = "preparation", "How shall the pictures be cut?", "image"

    def compose(self) -> ComposeResult:
        self._values: dict[str, bool | int | float | str] = {}
        yield Form(self._fields(), self._values)
        yield Static(classes="told", markup=False)

    def _fields(self) -> list[Field]:
        sizes = tuple((str(size), "") for size in facts.SIZES)
        found = [
            Field("size", "resolution", str(USUAL_SIZE), _SIZE_ABOUT, choices=sizes),
            Field("crop", "crop", "centre", _CROP_ABOUT, choices=facts.CROPS),
        ]
        if self.answers.image.crop == "auto":
            from tui.datasets.subject_finders import subject_field

            field = subject_field(self.materials.models or (), self.answers.image.subject)
            found += [field] if field is not None else []
        return found

    @property
    def first(self) -> Widget:
        return self.query_one(Form)

    def enter(self) -> None:
        form = self.query_one(Form)
        form.values.update({"size": str(self.answers.image.size), "crop": self.answers.image.crop})
        form.set_fields(self._fields())
        form.display = not self.passed()
        self.tell(f"Nothing to ask: {self.answer()}." if self.passed() else "")

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        form = event.form
        self.answers.image.size = int(form.values.get("size", USUAL_SIZE))
        self.answers.image.crop = str(form.values.get("crop", "centre"))
        self.answers.image.subject = str(form.values.get("subject", self.answers.image.subject))
        if event.name == "crop":
            form.set_fields(self._fields())
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
        size = f"{self.answers.image.size}×{self.answers.image.size}"
        if dataset.source == "starter":
            return f"{size}, drawn"
        image = self.answers.image
        by = f" by {image.subject}" if image.crop == "auto" and image.subject != "auto" else ""
        return f"{size}, {image.crop}{by}"
