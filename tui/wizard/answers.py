"""What the wizard was told so far, and the plan that follows from it. Kept when the wizard is left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.runs.plan import RunPlan
from tui.training.options import OPTIONS, PLAN_FIELDS, Field, Value

if TYPE_CHECKING:
    from tui.training.services import DatasetFacts

USUAL_SIZE = 64
"""Side in pixels of starters that are drawn, and where nothing else is known."""
SEPARATOR = "---"
"""A line between two prompts that have empty lines of their own."""


@dataclass
class KindAnswers:
    """What was answered about one kind of experiment.

    Attributes:
        dataset: Id; None for the one that suits.
        base: Id of a model, "" for none; None for the one that suits.
        values: Options that were changed, by name.
        typed: What stands in fields of the form, by name, where it is no value.
        more: The form shows all its options.
    """

    dataset: str | None = None
    base: str | None = None
    values: dict[str, Value] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    more: bool = False

    def options(self) -> dict[str, object]:
        """What a plan's options are besides those of the form."""
        return {}


@dataclass
class ImageAnswers(KindAnswers):
    """About images.

    Attributes:
        size, crop, subject: How the dataset is prepared, where it is not.
        architecture: Where there is no base.
    """

    size: int = USUAL_SIZE
    crop: str = "centre"
    subject: str = "auto"
    architecture: str = "stylegan2"

    def options(self) -> dict[str, object]:
        return {"architecture": self.architecture}


@dataclass
class TextAnswers(KindAnswers):
    """About text.

    Attributes:
        prompts: What stands in their editor.
        method: Taken by itself, where the one in the form is not changed: "lora" where all weights do not fit.
    """

    prompts: str = ""
    method: str = ""

    def options(self) -> dict[str, object]:
        found: dict[str, object] = {"method": self.method} if self.method else {}
        prompts = split_prompts(self.prompts)
        return found | ({"prompts": prompts} if prompts else {})


class Answers:
    """One experiment in planning.

    Args:
        dataset, base: What it is about, where that is known: the kind is theirs.

    Attributes:
        kind: "image" or "text".
        wanted: The dataset or base that decides the kind as soon as it has been read; empty for none.
        image, text: What was answered about each kind.
        name: Empty for the next number.
        asked: The wizard was open before, and its kind is the user's.
    """

    def __init__(self, *, dataset: str | None = None, base: str | None = None) -> None:
        self.kind = "image"
        self.image, self.text = ImageAnswers(), TextAnswers()
        self.name = ""
        self.wanted, self.asked = "", False
        self.want(dataset=dataset, base=base)

    def of(self, kind: str) -> KindAnswers:
        """What was answered about `kind`."""
        return self.text if kind == "text" else self.image

    @property
    def here(self) -> KindAnswers:
        """What was answered about the kind that was chosen."""
        return self.of(self.kind)

    def want(self, *, dataset: str | None = None, base: str | None = None) -> None:
        """Take a dataset or a base from elsewhere; `decide` takes their kind when they have been read."""
        for each in (self.image, self.text):  # where it is of the other kind, it is not among what is offered
            each.dataset = dataset or each.dataset
            each.base = base or each.base
        self.wanted = dataset or base or self.wanted

    def decide(self, kinds: Mapping[str, str]) -> None:
        """The kind of what was wanted, by ids of datasets and models."""
        if self.wanted in kinds:
            self.kind, self.wanted = kinds[self.wanted], ""

    @property
    def dataset(self) -> str | None:
        """Id; None for the one that suits."""
        return self.here.dataset

    @property
    def base(self) -> str | None:
        """Id, "" for none; None for the one that suits."""
        return self.here.base

    def plan(self, name: str, dataset: DatasetFacts) -> RunPlan:
        """The plan of these answers.

        Args:
            name: For people.
            dataset: The one that was chosen; the rest must have been answered.
        """
        here, known = self.here, OPTIONS[self.kind]
        own = {key: here.values.get(key, known.fields[key].default) for key in PLAN_FIELDS}
        unused = (*PLAN_FIELDS, *(known.new if here.base else ()))
        options = here.options() | {key: value for key, value in here.values.items() if key not in unused}
        return RunPlan(name, self.kind, dataset.id, here.base or "", options=options, **own)  # type: ignore[arg-type]


def split_prompts(text: str) -> tuple[str, ...]:
    """The prompts in an editor's text: paragraphs, or what stands between lines of `SEPARATOR` where there are any.

    Empty lines around a prompt are left out; spaces at the beginning and the end of its lines are the user's own.
    """
    lines = rf"^[ \t]*{SEPARATOR}[ \t]*$"
    parts = re.split(lines, text, flags=re.M) if re.search(lines, text, re.M) else re.split(r"\n(?:[ \t]*\n)+", text)
    trimmed = (re.sub(r"^(?:[ \t]*\n)+|(?:\n[ \t]*)+$", "", part) for part in parts)
    return tuple(part for part in trimmed if part.strip())


def value_of(values: Mapping[str, Value], field: Field) -> Value:
    """An option's value, its default where nobody changed it."""
    return values.get(field.name, field.default)


def options_line(kind: str, values: Mapping[str, Value]) -> str:
    """The options in a line: the steps, then what differs from the defaults."""
    told = []
    for name, each in OPTIONS[kind].fields.items():
        value = value_of(values, each)
        if name == "steps":
            told.append(f"{value:,} steps")
        elif value != each.default:
            told.append(f"{each.label} {each.shown(value)}")
    return ", ".join(told)
