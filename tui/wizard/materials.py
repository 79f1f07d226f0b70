"""What the wizard has to choose from, and what of it suits where nobody has chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui.wizard.kinds import KINDS

if TYPE_CHECKING:
    from core.library.models import Model
    from core.runs.text_bases import TextBase
    from tui.training.services import DatasetFacts
    from tui.wizard.answers import Answers


@dataclass
class Materials:
    """What there is to choose from; None while it is read.

    Attributes:
        datasets: Of every kind.
        models: The library's.
        text_bases: What a text training can begin from, on this machine as it is now.
        taken: Names of the runs that there are.
    """

    datasets: list[DatasetFacts] | None = None
    models: list[Model] | None = None
    text_bases: list[TextBase] | None = None
    taken: list[str] = field(default_factory=list)

    def kinds(self) -> dict[str, str]:
        """The kind of an experiment on each dataset or from each model, by id."""
        datasets = {each.id: each.kind for each in self.datasets or ()}
        return {each.id: "text" if each.kind == "text" else "image" for each in self.models or ()} | datasets

    def dataset(self, answers: Answers) -> DatasetFacts | None:
        """The chosen dataset, else the one that suits: the newest of one's own that is ready, else a starter."""
        kind = KINDS[answers.kind]
        good = [each for each in self.datasets or () if each.kind == kind.name and kind.advice(each)[1] != "bad"]
        chosen = [each for each in good if each.id == answers.dataset]
        own = [each for each in good if each.source != "starter" and each.ready]
        starters = sorted((each for each in good if each.source == "starter"), key=lambda each: not each.ready)
        return next(iter([*chosen, *own, *starters, *good]), None)

    def base(self, answers: Answers) -> str:
        """The chosen base, else the one that suits, else none ("")."""
        return KINDS[answers.kind].base(answers, self)

    def text_base(self, base: str) -> TextBase | None:
        """What is known of a base of text, "" for none."""
        return next((each for each in self.text_bases or () if each.id == base), None)
