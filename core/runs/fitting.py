"""Whether an image can be trained as a plan says, on its dataset and from its base: asked before a run is made.

The training looks again when it begins, for files may have changed; what can be known now is refused now.
"""

from __future__ import annotations

from core.datasets.library import Dataset
from core.errors import InvalidInput, Refused
from core.library.models import Model
from core.runs.plan import ImageOptions, RunPlan
from core.runs.plan_file import options_of

LEAST_SIDE = 8
"""Pixels of the smallest picture that is trained."""

ADAPTERS = ("stylegan2", "stylegan1")
"""Models that an image training can begin from."""


def check_image(plan: RunPlan, dataset: Dataset, base: Model | None) -> None:
    """Refuse what cannot be trained.

    Raises:
        InvalidInput: An option that is impossible, or impossible with this dataset.
        Refused: The base does not fit.
    """
    options: ImageOptions = options_of(plan)
    check_size(options.size or dataset.size)
    if options.size > dataset.size:
        why = f"the pictures of {dataset.name} are {dataset.size} pixels"
        raise InvalidInput(f"size is {options.size}", why, f"Give at most {dataset.size}, or prepare them larger")
    if 0 < options.channels < (options.size or dataset.size):
        why = "layers would have less than one feature map"
        raise InvalidInput(f"channels is {options.channels}", why, "Give at least the size, or leave it open")
    if options.conditional and not dataset.classes:
        why = f"{dataset.name} has no classes"
        raise InvalidInput(
            "conditional is on", why, "Turn it off, or add the pictures with a sub-folder for each class"
        )
    if options.growing and not plan.base and options.architecture != "stylegan":
        why = f"{options.architecture} does not grow"
        raise InvalidInput("growing is on", why, "Turn it off, or choose the architecture stylegan")
    if base is not None:
        _check_base(options, dataset, base)


def check_size(side: int) -> None:
    """Refuse a side that no network draws.

    Raises:
        InvalidInput: It is not a power of two, or too small.
    """
    if side < LEAST_SIDE or side & (side - 1):
        near = sorted({max(LEAST_SIDE, 1 << side.bit_length() - 1), max(LEAST_SIDE, 1 << side.bit_length())})
        do = f"Give {' or '.join(map(str, near))}"
        raise InvalidInput(f"size is {side}", f"it must be a power of two of at least {LEAST_SIDE}", do)


def _check_base(options: ImageOptions, dataset: Dataset, base: Model) -> None:
    def refuse(why: str, do: str = "Choose another base") -> Refused:
        return Refused(f"{base.name} cannot be the base", why, do)

    if base.adapter not in ADAPTERS:
        raise refuse("it is no image model that can be trained", "Choose a StyleGAN, or leave the base out")
    channels, classes = (_whole(base.architecture.get(key)) for key in ("img_channels", "c_dim"))
    if channels and channels != dataset.channels:
        raise refuse(f"it draws {channels} channels, {dataset.name} has {dataset.channels}")
    if classes and not options.conditional:
        raise refuse(f"it draws {classes} classes", "Train with classes (conditional), or choose another base")
    width = _whole(base.architecture.get("channel_base"))
    if options.channels and width and options.channels != width:
        raise refuse(f"its channels are {width}, not {options.channels}", "Leave channels open, or choose another base")


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
