"""What the wizard was told so far, and the plan that follows from it. Kept when the wizard is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.runs.plan import RunPlan
from tui.training_options import PLAN_FIELDS, Field, Value, image_fields

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.training_services import DatasetFacts

SIZES = (32, 64, 128, 256, 512, 1024)
CROPS = (
    ("centre", "a square from the middle of each picture"),
    ("random", "another square in each epoch: for textures and scenes"),
    ("none", "the whole picture, with bars beside it"),
    ("auto", "finds the subject, and brings all to the same place and size"),
)
ARCHITECTURES = (("stylegan2", "StyleGAN2"), ("stylegan", "StyleGAN"))
"""What can be trained: as a plan names it, and as people do."""
USUAL_SIZE = 64
"""Of starters that are drawn, and where nothing else is known."""

LEAST = 50
_FEW, _RIGHT, _MANY = 500, 5000, 25_000


@dataclass
class Answers:
    """One experiment in planning.

    Attributes:
        kind: "image".
        dataset: Id; None for the one that suits.
        size, crop: How it is prepared, where it is not.
        base: Id of a model, "" for none; None for the one that suits.
        architecture: Where there is no base.
        values: Options that were changed, by name.
        typed: What stands in fields of the form, by name, where it is no value.
        name: Empty for the next number.
        more: The form shows all its options.
    """

    kind: str = "image"
    dataset: str | None = None
    size: int = USUAL_SIZE
    crop: str = "centre"
    base: str | None = None
    architecture: str = "stylegan2"
    values: dict[str, Value] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    name: str = ""
    more: bool = False

    def plan(self, name: str, dataset: DatasetFacts) -> RunPlan:
        """The plan of these answers.

        Args:
            name: For people.
            dataset: The one that was chosen; the rest must have been answered.
        """
        own = {key: value for key, value in self.values.items() if key in PLAN_FIELDS}
        options: dict[str, object] = {"architecture": self.architecture}
        options |= {key: value for key, value in self.values.items() if key not in PLAN_FIELDS}
        return RunPlan(name, self.kind, dataset.id, self.base or "", options=options, **own)  # type: ignore[arg-type]


def value_of(values: Mapping[str, Value], field: Field) -> Value:
    """An option's value, its default where nobody changed it."""
    return values.get(field.name, field.default)


def options_line(values: Mapping[str, Value]) -> str:
    """The options in a line: the steps, then what differs from the defaults."""
    told = []
    for name, each in image_fields().items():
        value = value_of(values, each)
        if name == "steps":
            told.append(f"{value:,} steps")
        elif value != each.default:
            told.append(f"{each.label} {each.shown(value)}")
    return ", ".join(told)


def advice(dataset: DatasetFacts) -> tuple[str, str]:
    """(words, tone) about training on a dataset, by the number of its pictures; "bad" where it is refused."""
    if dataset.problem:
        return f"✕ {dataset.problem}", "bad"
    if not dataset.count and dataset.source == "starter":
        return "drawn when first used", "muted"
    if dataset.count < LEAST:
        return f"✕ too few, {LEAST} needed", "bad"
    if dataset.count < _FEW:
        return "! few: less variety", "busy"
    if dataset.count <= _RIGHT:
        return f"right size ({_FEW}–{_RIGHT:,})", "good"
    return ("plenty", "good") if dataset.count <= _MANY else ("large: more steps pay", "good")


def needs_questions(dataset: DatasetFacts) -> bool:
    """Whether somebody has to say how it is prepared: a starter is drawn as it should be."""
    return not dataset.ready and dataset.source != "starter"


def training_size(answers: Answers, dataset: DatasetFacts | None) -> int:
    """Side in pixels of what is trained on."""
    return dataset.size if dataset is not None and dataset.ready and dataset.size else answers.size


def compatible(model: Model, size: int) -> tuple[bool, str]:
    """Whether training can start from a model, and a word about it."""
    if model.problem:
        return False, "✕ broken"
    architecture = architecture_of(model)
    if architecture is None:
        return False, f"✕ {model.adapter} cannot be trained here"
    side = model.architecture.get("img_resolution")
    names = dict(ARCHITECTURES)
    if not isinstance(side, int):
        return True, names[architecture]
    if side == size:
        return True, f"{names[architecture]} {side}×{side}, fits"
    return True, f"{names[architecture]} {side}×{side}, {'grown' if side < size else 'cut'} to {size}"


def architecture_of(model: Model) -> str | None:
    """Which of `ARCHITECTURES` a model has; None if another."""
    names = [name for name, _ in ARCHITECTURES]
    return next((name for name in (model.architecture.get("name"), model.adapter) if name in names), None)
