"""What an experiment with pictures starts with: those opened, open settings chosen, networks made, the loop set up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from core.errors import Refused
from core.library.manifest import Manifest
from core.ml.allocation import keep_freed_memory
from core.ml.hardware import device_name
from core.ml.threads import set_threads
from core.ml.training.checkpoint_files import reading
from core.ml.training.experiment import Sources
from core.ml.training.image import growing
from core.ml.training.image.bases import NAMES, Networks, build, from_base, new_networks
from core.ml.training.image.files import read_checkpoint
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.reals import Averaged, open_pictures
from core.ml.training.options import recipe_of, resolve, widths
from core.ml.training.ranks import Ranks
from core.runs.events import Phase
from core.runs.plan import ImageOptions, RunPlan
from core.runs.plan_file import options_of


@dataclass(frozen=True)
class ImageSources(Sources):
    """Where an experiment with pictures takes its material from.

    Attributes:
        pictures: Opened already, instead of those in `dataset`.
    """

    pictures: Any = None


@dataclass
class Setup:
    """An experiment that can take its first step.

    Attributes:
        pictures: As they are trained on.
        options: Nothing left open.
        architecture: [architecture] of the models that come of it.
        classes: Classes that are learned; 0 for none.
        training: On its device, before its first step of this attempt.
        kept: What the run kept with the checkpoint.
        said: Sentences for the user.
        licence: Of the pictures, as far as the dataset says.
    """

    pictures: Any
    options: ImageOptions
    architecture: dict[str, Any]
    classes: int
    training: ImageTraining
    kept: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    licence: str = ""

    def chosen(self) -> dict[str, object]:
        """For people: all options as they are trained, the device, and what there is to say."""
        told: dict[str, object] = asdict(self.options)
        told |= {"device": device_name(self.training.device), "pictures": len(self.pictures)}
        return told | ({"notes": list(self.said)} if self.said else {})


def set_up(
    plan: RunPlan,
    sources: ImageSources,
    *,
    ranks: Ranks,
    device: torch.device,
    tell: Callable[[Phase], None],
) -> Setup:
    """Prepare an experiment, at the place where its checkpoint was written if there is one.

    Raises:
        TarmacError: Something cannot be used; says what and why.
    """
    tell(Phase("opening the dataset"))
    pictures = open_pictures(sources.dataset) if sources.pictures is None else sources.pictures
    first = pictures[np.zeros(1, np.int64)]
    size, channels = int(first.shape[1]), int(first.shape[3])
    licence = sources.licence if sources.pictures is None else ""
    classes = _classes(plan, pictures)
    plan = replace(plan, options={**plan.options, **_of_base(sources)})
    transfer = bool(plan.base) or sources.base is not None
    options = resolve(plan, size=size, device=device, world=ranks.world)
    if options.size < size:
        pictures = Averaged(pictures, options.size)
    state: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    if sources.checkpoint is not None:
        tell(Phase("reading the checkpoint"))
        state, kept = read_checkpoint(sources.checkpoint)
        with reading(sources.checkpoint):
            architecture = dict(Manifest.read(sources.checkpoint).architecture)
            networks = Networks(architecture, *build(architecture))
            drawn = architecture["img_resolution"], architecture["c_dim"]
        if drawn != (options.size, classes):
            why = f"it draws {drawn[0]} pixels and {drawn[1]} classes"
            raise Refused("the checkpoint does not fit the dataset", why, "Export it as a model and train from that")
    elif sources.base is not None:
        tell(Phase("reading the base"))
        networks = from_base(sources.base, options, channels, classes, plan.seed)
    else:
        tell(Phase("making the networks"))
        networks = new_networks(options, widths(options, device), channels, classes, plan.seed)
    # Another number of threads adds up in another order: what goes on to the bit goes on with the same.
    options = replace(options, threads=set_threads(options.threads or int(kept.get("threads", 0)), device, ranks.world))
    if device.type == "cpu":
        keep_freed_memory()
    recipe = recipe_of(plan, options, transfer=transfer, warm_up=networks.warm_up)
    if kept:
        recipe = replace(recipe, alone=int(kept.get("alone", 0)))
    training = ImageTraining(
        networks.generator.to(device),
        networks.discriminator.to(device),
        pictures,
        recipe,
        ranks=ranks,
        compiled=torch.compile if options.compile else None,
    )
    if options.growing and options.architecture == "stylegan" and not transfer:
        _let_grow(training, options, plan.steps)
    if sources.checkpoint is not None:
        with reading(sources.checkpoint):
            training.restore(state)
    return Setup(pictures, options, networks.architecture, classes, training, kept, networks.said, licence)


def _of_base(sources: Sources) -> dict[str, object]:
    """The option that says the architecture of what the run starts from; none where it starts from nothing."""
    folder = sources.checkpoint or sources.base
    if folder is None:
        return {}
    with reading(folder) if sources.checkpoint is not None else nullcontext():
        name = str(Manifest.read(folder).architecture.get("name", "stylegan2"))
    return {"architecture": next((ours for ours, theirs in NAMES.items() if theirs == name), name)}


def _classes(plan: RunPlan, pictures: Any) -> int:
    if not options_of(plan).conditional:
        return 0
    labels = getattr(pictures, "labels", None)
    if labels is None:
        raise Refused("the dataset has no classes", "", "Turn conditional off, or add one folder for each class")
    return len(getattr(pictures, "classes", ())) or int(np.max(labels)) + 1


def _let_grow(training: ImageTraining, options: ImageOptions, steps: int) -> None:
    """Grow in the first part of the run: each resolution is trained and faded in for equally long, the last twice."""
    doublings = max(0, options.size.bit_length() - 4)
    part = max(options.batch, steps * options.batch // (2 * doublings + 2))
    schedule = growing.Schedule(last=options.size, stable_images=part, fade_images=part)
    players: Any = (training.generator, training.discriminator)

    def grow(images: int) -> None:
        growing.advance(players, growing.growth_at(images, schedule), training.optimisers)

    training.grow = grow
