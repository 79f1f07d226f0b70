"""What the wizard says about pictures and the models that draw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.training.services import DatasetFacts
    from tui.wizard.answers import Answers
    from tui.wizard.materials import Materials

SIZES = (32, 64, 128, 256, 512, 1024)
CROPS = (
    ("centre", "a square from the middle of each picture"),
    ("random", "another square in each epoch: for textures and scenes"),
    ("none", "the whole picture, with bars beside it"),
    ("auto", "finds the subject, and brings all to the same place and size"),
)
ARCHITECTURES = (("stylegan2", "StyleGAN2"), ("stylegan", "StyleGAN"))
"""What can be trained: as a plan names it, and as people do."""

LEAST = 50
_FEW, _RIGHT, _MANY = 500, 5000, 25_000


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
    return dataset.size if dataset is not None and dataset.ready and dataset.size else answers.image.size


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


def base(answers: Answers, materials: Materials) -> str:
    """The chosen base, else the first that fits best, else none ("")."""
    chosen, size = answers.image.base, training_size(answers, materials.dataset(answers))
    good = [model for model in materials.models or () if model.kind == "image-gan" and compatible(model, size)[0]]
    if chosen is not None and (not chosen or chosen in [model.id for model in good]):
        return chosen
    same = [model for model in good if model.architecture.get("img_resolution") == size]
    starters = [model for model in same if model.source == "starter"]
    return next((model.id for model in [*starters, *same]), "")


def settle(answers: Answers, materials: Materials) -> None:
    """The architecture is the base's."""
    model = next((model for model in materials.models or () if model.id == answers.image.base), None)
    if model is not None:
        answers.image.architecture = architecture_of(model) or answers.image.architecture


def summary(answers: Answers, materials: Materials, told: Mapping[str, str]) -> list[tuple[str, str]]:
    """The lines of the last page."""
    dataset, named = materials.dataset(answers), dict(ARCHITECTURES)[answers.image.architecture]
    data = "–"
    if dataset is not None:
        data = f"{told['dataset']}, " + (f"{dataset.count:,} pictures" if dataset.count else "drawn at the start")
    chosen = answers.image.base
    return [
        ("dataset", data),
        ("preparation", told["preparation"]),
        ("base", f"{chosen}, {named}" if chosen else told["base"]),
        ("options", told["options"]),
    ]
