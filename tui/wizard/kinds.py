"""What differs between the kinds that the wizard plans: what is said of data and bases, and what suits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.wizard import images as wizard_images
from tui.wizard import texts as wizard_texts

if TYPE_CHECKING:
    from tui.training.services import DatasetFacts, Estimate
    from tui.wizard.answers import Answers
    from tui.wizard.materials import Materials

    Lines = list[tuple[str, str]]


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: As a plan names it.
        word, about, told: For people: its name, what it is in few words, and what it needs.
        advice: (words, tone) about training on a dataset; "bad" where it is refused.
        base: Id of the base that was chosen, else of the one that suits; "" for none.
        settle: Makes answers of what was left to itself, dataset and base excepted.
        summary: (label, text) of the last page, made of the pages' answers by key.
        measured: (label, text) of what was measured, beside time, memory and disk, for so many steps.
    """

    name: str
    word: str
    about: str
    told: str
    advice: Callable[[DatasetFacts], tuple[str, str]]
    base: Callable[[Answers, Materials], str]
    settle: Callable[[Answers, Materials], None]
    summary: Callable[[Answers, Materials, Mapping[str, str]], Lines]
    measured: Callable[[int, Estimate], Lines]


KINDS: Mapping[str, Kind] = {
    "image": Kind(
        "image",
        "images",
        "a StyleGAN learns to draw",
        "A StyleGAN learns to draw pictures like those of a dataset: of faces, cars, sneakers. It wants some hundred "
        "pictures of one subject, all seen alike.",
        wizard_images.advice,
        wizard_images.base,
        wizard_images.settle,
        wizard_images.summary,
        lambda steps, estimate: [],
    ),
    "text": Kind(
        "text",
        "text",
        "a GPT-2 learns to write",
        "A language model learns to write like a collection of texts: prose, verse, code. It wants some hundred "
        "kilobytes of one sort, better megabytes.",
        wizard_texts.advice,
        wizard_texts.base,
        wizard_texts.settle,
        wizard_texts.summary,
        wizard_texts.measured,
    ),
}
"""By name."""


def advice(dataset: DatasetFacts) -> tuple[str, str]:
    """(words, tone) about training on a dataset of any kind."""
    return KINDS[dataset.kind].advice(dataset)
