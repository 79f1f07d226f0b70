"""What the discriminator sees instead of the bare pictures, so that a few hundred of them are enough.

Flips, whole-pixel shifts and small changes of light and colour, each with probability p, for real and generated
pictures alike and differentiable. How often follows the discriminator: when it has begun to know the training pictures
by heart, p rises; it is capped, since a generator starts to copy changes that nearly every picture shows.

Sources: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", sections 2, 3, appendix B;
Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Kinds of changes.

    Attributes:
        flip: Mirror half of the pictures (not for pictures whose sides differ).
        shift: Largest shift as a share of the side; edges repeat the border pixels.
        brightness: Standard deviation of what is added, in units of the picture's range -1 to 1.
        contrast: Standard deviation of the contrast's binary logarithm.
        saturation: Standard deviation of the saturation's binary logarithm.
    """

    flip: bool = True
    shift: float = 0.125
    brightness: float = 0.2
    contrast: float = 0.35
    saturation: float = 0.5

    def __call__(self, images: Tensor, p: float, source: torch.Generator) -> Tensor:
        """Change a batch.

        Args:
            images: [N, C, H, W], nominally -1 to 1.
            p: Probability of each kind of change, 0 to 1.
            source: Of the random numbers (on the CPU).
        """
        if p <= 0.0:
            return images
        n, channels = images.shape[:2]

        def chosen() -> Tensor:
            return (torch.rand(n, 1, 1, 1, generator=source) < p).to(images.device)

        def normal() -> Tensor:
            return torch.randn(n, 1, 1, 1, generator=source).to(images)

        if self.flip:
            images = torch.where(chosen() & (normal() < 0), images.flip(3), images)
        if self.shift:
            images = self._shifted(images, chosen(), source)
        if self.brightness:
            images = images + torch.where(chosen(), normal() * self.brightness, 0.0)
        if self.contrast:
            images = images * torch.where(chosen(), torch.exp2(normal() * self.contrast), 1.0)
        if self.saturation and channels >= 3:
            factor = torch.where(chosen(), torch.exp2(normal() * self.saturation), 1.0)
            colours, rest = images[:, :3], images[:, 3:]
            grey = colours.mean(1, keepdim=True)
            images = torch.cat([grey + (colours - grey) * factor, rest], 1)
        return images

    def _shifted(self, images: Tensor, chosen: Tensor, source: torch.Generator) -> Tensor:
        n, channels, height, width = images.shape
        reach = round(self.shift * min(height, width))
        if not reach:
            return images
        steps = torch.randint(-reach, reach + 1, (2, n, 1), generator=source).to(images.device)
        steps = steps * chosen.reshape(1, n, 1)
        rows = (torch.arange(height, device=images.device) + steps[0]).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) + steps[1]).clamp(0, width - 1)
        images = images.gather(2, rows[:, None, :, None].expand(n, channels, height, width))
        return images.gather(3, columns[:, None, None, :].expand(n, channels, height, width))


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
        step = images / self.images
        self.p = min(self.cap, max(0.0, self.p + (step if mean_sign > self.target else -step)))
