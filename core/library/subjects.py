"""Models that see where the subject of a picture is: what they take and give, and which of a library is best at it.

Auto-crop asks for the command `subject`; whatever model has it can be used, however it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.interface.command import Command, Interface
from core.interface.types import Any, Image, Number, Segmentation

if TYPE_CHECKING:
    from core.library.models import Model

SUBJECT = "subject"
"""The command: a picture in, a grey picture of the same size out."""

MOST_LABELS = 256
"""A segmentation's ids are bytes."""


def segmentation_interface(labels: Sequence[str]) -> Interface:
    """Picture to labels of its pixels: the interface of a segmentation model.

    Args:
        labels: Their names, at most 256; ids are their places.
    """
    segment = Command(
        name="segment",
        inputs={"image": Image(description="Any size")},
        outputs={
            "segmentation": Segmentation(
                label_to_id={label: place for place, label in enumerate(labels)},
                description="What each pixel shows; as large as the picture",
            )
        },
        description="Tell what each pixel of a picture shows",
    )
    return Interface({}, {command.name: command for command in (segment, _subject())})


def detection_interface() -> Interface:
    """Picture to labelled boxes: the interface of an object detection model."""
    detect = Command(
        name="detect",
        inputs={
            "image": Image(description="Any size"),
            "threshold": Number(default=0.5, min=0, max=1, step=0.01, description="Least score that is told"),
        },
        outputs={
            "objects": Any(
                description="The surest first: label, score and box [xmin, ymin, xmax, ymax] in shares of the sides"
            )
        },
        description="Find the objects in a picture",
    )
    return Interface({}, {command.name: command for command in (detect, _subject())})


def _subject() -> Command:
    return Command(
        name=SUBJECT,
        inputs={"image": Image(description="Any size")},
        outputs={SUBJECT: Image(channels=1, default_output_format="PNG", description="White where the subject is")},
        description="Tell the subject of a picture from its background",
    )


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
