"""Who finds the subjects for auto-crop, as forms offer it: words and values; no widget, no disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.datasets.cropping import AUTO, CONTRAST
from core.library.subjects import finders
from tui.training.options import Field

if TYPE_CHECKING:
    from core.library.models import Model

_ABOUT = "What tells a subject from its background. A model sees what colours alone do not tell, and takes longer."


def subject_field(models: Sequence[Model], subject: str) -> Field | None:
    """The line of a form; None where there is nothing to choose, since no model finds subjects.

    Args:
        models: The library's.
        subject: What holds now: "auto", "contrast", or the id or name of a model, which may be gone.
    """
    known = {_called(model, models): model for model in finders(models)}
    value = value_of(models, subject)
    gone = value not in (AUTO, CONTRAST, *known)
    if not known and not gone:
        return None
    best = next(iter(known), "")
    choices = [(AUTO, f"{best}, the best there is" if best else "contrast, since there is no model")]
    choices += [(CONTRAST, "what differs from the picture's border")]
    choices += [(name, _sort(model)) for name, model in known.items()]
    choices += [(value, "not in the library any more")] if gone else []
    return Field("subject", "found by", value, _ABOUT, choices=tuple(choices))


def value_of(models: Sequence[Model], subject: str) -> str:
    """What a form calls a model that is named by its id or its name."""
    if subject in (AUTO, CONTRAST):
        return subject
    known = finders(models)
    found = [each for each in known if each.id == subject] or [each for each in known if each.name == subject]
    return _called(found[0], models) if found else subject


def looks(models: Sequence[Model], subject: str) -> str:
    """The name of the model that looks; "" where the contrast does."""
    known = finders(models)
    if subject == CONTRAST or not known:
        return ""
    return known[0].name if subject == AUTO else value_of(models, subject)


def _called(model: Model, models: Sequence[Model]) -> str:
    """Its name; its id where that is no word for it alone."""
    alone = sum(each.name == model.name for each in models) == 1
    return model.name if alone and model.name not in (AUTO, CONTRAST) else model.id


def _sort(model: Model) -> str:
    if "segment" not in (model.spec.commands if model.spec is not None else {}):
        return "finds objects in boxes"
    if model.architecture.get("foreground") == 1:
        return "tells one foreground from the background"
    return f"knows {model.architecture.get('labels', 'some')} labels"
