"""What a page of the wizard is, and what there is to choose from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tui import wizard_answers as facts
from tui.widgets.table import Table
from tui.widgets.titled import Titled
from tui.wizard_answers import Answers

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.studio import TarmacApp
    from tui.training_services import DatasetFacts


@dataclass
class Materials:
    """What there is to choose from; None while it is read."""

    datasets: list[DatasetFacts] | None = None
    models: list[Model] | None = None
    taken: list[str] = field(default_factory=list)
    """Names of the runs that there are."""

    def dataset(self, answers: Answers) -> DatasetFacts | None:
        """The chosen dataset, else the one that suits: the newest of one's own that is ready, else a starter."""
        good = [each for each in self.datasets or () if facts.advice(each)[1] != "bad"]
        chosen = [each for each in good if each.id == answers.dataset]
        own = [each for each in good if each.source != "starter" and each.ready]
        starters = sorted((each for each in good if each.source == "starter"), key=lambda each: not each.ready)
        return next(iter([*chosen, *own, *starters, *good]), None)

    def base(self, answers: Answers) -> str:
        """The chosen base, else the first that fits best, else none ("")."""
        size = facts.training_size(answers, self.dataset(answers))
        good = [model for model in self.models or () if model.kind == "image-gan" and facts.compatible(model, size)[0]]
        if answers.base is not None and (not answers.base or answers.base in [model.id for model in good]):
            return answers.base
        same = [model for model in good if model.architecture.get("img_resolution") == size]
        starters = [model for model in same if model.source == "starter"]
        return next((model.id for model in [*starters, *same]), "")


class Page(Titled, Vertical):
    """One question."""

    key = ""
    title = ""
    DEFAULT_CSS = """
    Page { height: 1fr; display: none; }
    Page.-here { display: block; }
    Page > .about { height: auto; padding: 0 1; color: $muted; margin-bottom: 1; }
    Page > .told { height: auto; max-height: 4; padding: 0 1; margin: 1 0; }
    Page > Table { height: auto; max-height: 50%; }
    Page > Form { height: auto; max-height: 90%; }
    Page > #summary-name-row { height: 1; margin: 0 1 1 1; }
    #summary-name-label { width: 13; color: $muted; }
    #summary-name { width: 1fr; max-width: 60; }
    Page > GridCanvas { margin: 0 1; }
    """

    app: TarmacApp

    @dataclass
    class Answered(Message):
        """An answer is another one now."""

    def __init__(self, answers: Answers, materials: Materials) -> None:
        super().__init__(classes="pane", id=f"page-{self.key}")
        self.answers, self.materials = answers, materials
        self.set_title(self.title)

    def enter(self) -> None:
        """The page is shown, or what it shows has come."""

    @property
    def first(self) -> Widget:
        """Who has the keys."""
        return self.query_one(Table)

    def answer(self) -> str:
        """In a line; empty while nothing is known."""
        raise NotImplementedError

    def refusal(self) -> str:
        """Why one cannot go on from here; empty when one can."""
        return ""

    def passed(self) -> bool:
        """Whether there is nothing to ask."""
        return False

    def tell(self, text: str, tone: str = "$muted") -> None:
        """Say something below."""
        self.query_one(".told", Static).update(Content.styled(text, tone) if text else "")
