"""What the discriminator sees instead of the bare pictures, so that a few hundred of them are enough.

Moves and turns, changes of colour and, if asked for, filtering, noise and a hole, each with probability p, for real and
generated pictures alike and differentiable twice. How often follows the discriminator: when it has begun to know the
training pictures by heart, p rises; it is capped, since a generator starts to copy changes that nearly every picture
shows.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", sections 2 and 3, appendix B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from core.ml.training.image import augment_colour, augment_geometry, augment_image


class Draws(Protocol):
    """Where random parameters come from. All are float32 on the CPU."""

    def happens(self, count: int, p: float) -> Tensor:
        """Which of `count` pictures are changed, bool [count], each with probability p."""

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 up to 1."""

    def normal(self, *shape: int) -> Tensor:
        """Numbers from N(0, 1)."""


class Chance:
    """Random parameters from a generator on the CPU."""

    def __init__(self, source: torch.Generator) -> None:
        self.source = source

    def happens(self, count: int, p: float) -> Tensor:
        """See Draws."""
        return torch.rand(count, generator=self.source) < p

    def uniform(self, *shape: int) -> Tensor:
        """See Draws."""
        return torch.rand(shape, generator=self.source)

    def normal(self, *shape: int) -> Tensor:
        """See Draws."""
        return torch.randn(shape, generator=self.source)


@dataclass(frozen=True)
class Augmentation:
    """Kinds of changes, each switched on or off.

    Attributes:
        flip: Mirror half of the chosen pictures (not where sides differ).
        quarter: Turn by quarters.
        shift: Move by whole pixels, up to an eighth of the side.
        scale: Grow or shrink, binary logarithm N(0, 0.2²).
        rotate: Turn by any angle, before and after `stretch`.
        stretch: Wider and lower or the reverse, binary logarithm N(0, 0.2²).
        drift: Move by any distance, N(0, 0.125²) of the side.
        brightness: Add N(0, 0.2²), of the picture's range -1 to 1.
        contrast: Multiply, binary logarithm N(0, 0.5²).
        luma: Reverse light and dark, keeping the hue.
        hue: Turn the hue by any angle.
        saturation: Multiply the saturation, binary logarithm N(0, 1).
        bands: Amplify four frequency bands at random.
        noise: Add noise of a deviation |N(0, 0.1²)|.
        hole: Blacken a square of half the side.
    """

    flip: bool = True
    quarter: bool = True
    shift: bool = True
    scale: bool = True
    rotate: bool = True
    stretch: bool = True
    drift: bool = True
    brightness: bool = True
    contrast: bool = True
    luma: bool = True
    hue: bool = True
    saturation: bool = True
    bands: bool = False
    noise: bool = False
    hole: bool = False

    def __call__(self, images: Tensor, p: float, source: torch.Generator | Draws) -> Tensor:
        """Change a batch.

        Args:
            images: [N, C, H, W], nominally -1 to 1; of four channels the last (opacity) keeps its values.
            p: Probability of each kind of change, 0 to 1.
            source: Of the random parameters (on the CPU).
        """
        if p <= 0.0:
            return images
        draws = Chance(source) if isinstance(source, torch.Generator) else source
        n, _, height, width = images.shape
        images = augment_geometry.moved(images, self._moves(n, p, height, width, draws))
        images = augment_colour.recoloured(images, self._colours(n, p, draws))
        if self.bands:
            images = augment_image.filtered(images, augment_image.band_gains(n, p, draws))
        if self.noise:
            deviation = draws.normal(n).abs() * 0.1 * draws.happens(n, p)
            images = images + draws.normal(*images.shape).to(images) * deviation.to(images).reshape(n, 1, 1, 1)
        if self.hole:
            images = augment_image.holed(images, draws.happens(n, p), draws.uniform(2, n))
        return images

    def _moves(self, n: int, p: float, height: int, width: int, draws: Draws) -> augment_geometry.Moves:
        moves = augment_geometry.Moves(n)
        if self.flip:
            moves.flip(draws.happens(n, p) & (draws.uniform(n) >= 0.5))
        if self.quarter:
            moves.quarter(torch.floor(draws.uniform(n) * 4) * draws.happens(n, p))
        if self.shift:
            steps = (draws.uniform(2, n) * 2 - 1) * 0.125 * draws.happens(n, p)
            moves.shift(torch.round(steps[0] * width), torch.round(steps[1] * height))
        if self.scale:
            factor = torch.exp2(draws.normal(n) * 0.2 * draws.happens(n, p))
            moves.scale(factor, factor)
        # Twice with this probability is once with p.
        p_turn = 1.0 - math.sqrt(max(0.0, 1.0 - p))
        if self.rotate:
            moves.rotate((draws.uniform(n) * 2 - 1) * math.pi * draws.happens(n, p_turn))
        if self.stretch:
            factor = torch.exp2(draws.normal(n) * 0.2 * draws.happens(n, p))
            moves.scale(factor, 1.0 / factor)
        if self.rotate:
            moves.rotate((draws.uniform(n) * 2 - 1) * math.pi * draws.happens(n, p_turn))
        if self.drift:
            steps = draws.normal(2, n) * 0.125 * draws.happens(n, p)
            moves.drift(steps[0] * width, steps[1] * height)
        return moves

    def _colours(self, n: int, p: float, draws: Draws) -> augment_colour.Colours:
        colours = augment_colour.Colours(n)
        if self.brightness:
            colours.add(draws.normal(n) * 0.2 * draws.happens(n, p))
        if self.contrast:
            colours.multiply(torch.exp2(draws.normal(n) * 0.5 * draws.happens(n, p)))
        if self.luma:
            colours.reverse(draws.happens(n, p) & (draws.uniform(n) >= 0.5))
        if self.hue:
            colours.turn((draws.uniform(n) * 2 - 1) * math.pi * draws.happens(n, p))
        if self.saturation:
            colours.saturate(torch.exp2(draws.normal(n) * draws.happens(n, p)))
        return colours


FULL = Augmentation()
GEOMETRY = Augmentation(brightness=False, contrast=False, luma=False, hue=False, saturation=False)
PRESETS: dict[str, Augmentation | None] = {"full": FULL, "geometry": GEOMETRY, "off": None}
"""By the names that a run's plan uses."""


@dataclass
class Strength:
    """The probability p, moved so that the discriminator stays unsure of the training pictures.

    Attributes:
        p: Now.
        target: Wanted mean sign of the scores of real pictures.
        images: How many pictures it takes to go from 0 to 1.
        cap: Highest p.
    """

    p: float = 0.0
    target: float = 0.6
    images: int = 100_000
    cap: float = 0.8

    def follow(self, mean_sign: float, images: int) -> None:
        """Move after `images` pictures whose real scores had this mean sign (-1 to 1)."""
        step = images / self.images * (mean_sign > self.target) - images / self.images * (mean_sign < self.target)
        self.p = min(self.cap, max(0.0, self.p + step))
