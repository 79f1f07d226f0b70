"""The guided start's part in an adversarial training: what it holds on to, and what the discriminator is shown.

After reconstruction (reconstruct.py) a generator knows what every latent stands for, but draws fine parts softly, and
at a border between two cells a mixture. A discriminator can see both. For it to judge those and nothing else, the real
pictures are those of the very latents that the generator drew: roles are as frequent on both sides, skin tones blend on
both, and on a border the real picture is one of the two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.ml.training.image.guide import Guide
from core.ml.training.image.reconstruct import certainty, reconstruction_loss, truncations


class GuideAnchor:
    """Holds a generator to the pictures that the guide gives its latents (see anchor.Anchor)."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide

    def truncations(self, batch: int, source: torch.Generator) -> Tensor:
        """As in reconstruction, [N]."""
        return truncations(batch, source)

    def pictures(self, z: Tensor) -> Tensor:
        """What z [N, z_dim] stands for, float32 [N, 3, S, S], -1 to 1."""
        return self.guide.pictures(self.guide.place(z))

    def loss(self, z: Tensor, drawn: Tensor) -> Tensor:
        """Distance from the pictures drawn for z to the guide's; what lies on a border counts half."""
        place = self.guide.place(z)
        return reconstruction_loss(drawn, self.guide.pictures(place), certainty(place))
