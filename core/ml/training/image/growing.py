"""Progressive growing: at which stage networks stand after so many pictures, and bringing them there.

Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", section 2 and appendix
A.1: the first resolution is trained for a while; then the layers of twice the resolution are faded in, trained for a
while, and so on. The stage follows from the pictures seen alone, so a training that goes on stands where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from core.ml.networks.growth import Stage


@dataclass(frozen=True)
class Schedule:
    """When to grow.

    Attributes:
        last: Resolution at the end, a power of two.
        first: Resolution at the beginning; 8 in Karras et al. 2019, 4 in 2018. Larger than `last` counts as `last`.
        stable_images: Pictures of each resolution before the next is begun (published: 800,000).
        fade_images: Pictures while the next fades in (published: 800,000); 0 to switch at once.

    Raises:
        ValueError: A resolution is no power of two from 4 upwards, or a number of pictures is below 0.
    """

    last: int
    first: int = 8
    stable_images: int = 800_000
    fade_images: int = 800_000

    def __post_init__(self) -> None:
        for resolution in (self.first, self.last):
            if resolution < 4 or resolution & (resolution - 1):
                raise ValueError(f"resolution {resolution} is not a power of two of at least 4")
        if self.stable_images < 0 or self.fade_images < 0:
            raise ValueError("numbers of pictures are not below 0")

    @property
    def images(self) -> int:
        """Pictures until the last resolution stands alone; what is trained after them is all its own."""
        doublings = max(0, self.last.bit_length() - self.first.bit_length())
        return doublings * (self.stable_images + self.fade_images)


def growth_at(images_seen: int, schedule: Schedule) -> Stage:
    """The stage (resolution, fade) of the step that begins after so many pictures."""
    if images_seen >= schedule.images:
        return Stage(schedule.last, 1.0)
    round_, inside = divmod(max(0, images_seen), schedule.stable_images + schedule.fade_images)
    resolution = schedule.first << round_
    if inside < schedule.stable_images:
        return Stage(resolution, 1.0)
    return Stage(2 * resolution, (inside - schedule.stable_images) / schedule.fade_images)


class GrowingNetwork(Protocol):
    """A generator or discriminator that grows."""

    @property
    def stage(self) -> Stage:
        """How far it has grown."""

    def grow_to(self, resolution: int, fade: float = 1.0) -> None:
        """Stand at that stage from now on."""


def advance(networks: Iterable[GrowingNetwork], stage: Stage, optimisers: Iterable[torch.optim.Optimizer] = ()) -> bool:
    """Bring networks to a stage before a step.

    With a new resolution optimisers forget what they know: Adam's mean squares of weights that had no gradients so far
    are near 0 and count as long known, so that the first steps of the new layers would be many times too long.

    Returns:
        Whether the resolution is a new one.
    """
    grown = False
    for network in networks:
        if network.stage != stage:
            grown = grown or network.stage.resolution != stage.resolution
            network.grow_to(*stage)
    if grown:
        for optimiser in optimisers:
            optimiser.state.clear()
    return grown
