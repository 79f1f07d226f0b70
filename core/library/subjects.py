"""Models that see where the subject of a picture is, and which of a library is best at it.

Auto-crop asks for the command `subject`; whatever model has it can be used, however it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.library.models import Model

SUBJECT = "subject"
"""The command: a picture in, a grey picture of the same size out."""


def finds_subjects(model: Model) -> bool:
    """Whether auto-crop can ask this model."""
    command = None if model.problem or model.spec is None else model.spec.commands.get(SUBJECT)
    return (
        command is not None
        and [kind.type_name for kind in command.inputs.values()] == ["image"]
        and getattr(command.outputs.get(SUBJECT), "channels", 0) == 1
    )


def finders(models: Sequence[Model]) -> list[Model]:
    """The models that find subjects, the best first.

    A net that tells one foreground from the background was made for this very question; then come those that know
    many labels, then those that know boxes only. Of the same sort the one that came last.
    """

    def sort(model: Model) -> int:
        if "segment" not in (model.spec.commands if model.spec is not None else {}):
            return 2
        return 0 if model.architecture.get("foreground") == 1 else 1

    found = sorted((model for model in models if finds_subjects(model)), key=lambda model: model.id, reverse=True)
    return sorted(found, key=sort)
