"""The settings of one adversarial training of pictures: everything that decides its numbers, besides the networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.ml.networks.stylegan2 import NoiseMode
from core.ml.training.image.augment import FULL, Augmentation

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class ImageRecipe:
    """Settings of one training.

    Attributes:
        steps: Batches that both players see.
        batch: Pictures per step, all ranks together; for each rank a multiple of 4 (or less than 4), for the minibatch
            standard deviation.
        generator_rate, discriminator_rate: Adam's learning rates.
        gamma: Weight of R1; the published rule is 0.0002 x resolution squared / batch.
        r1_interval: Steps between R1 penalties, each weighted by this number.
        path_weight: Weight of the path-length regularisation, 0 for none.
        path_interval: Steps between path-length penalties.
        path_shrink: The penalty is taken from this part of a batch.
        mixing: Probability that a picture's coarse styles are of another latent than its fine ones.
        ema_images: Half-life of the averaged weights in pictures.
        ema_rampup: The half-life is at most this share of the pictures seen; None to average from the first step on.
        alone: First steps in which only the discriminator learns (beside a trained generator it knows nothing yet).
        anchor: Weight of the anchor's reconstruction loss.
        paired: Compare each generated picture with the anchor's of the same latent, by the difference of their scores.
        mapping: Whether the mapping network learns and moves its mean; False keeps what every latent means.
        noise: "random" noise maps in the generator, or its stored ones ("const").
        precision: Of the feature maps; weights, losses and pictures are float32 all the same.
        shared_fakes: Both players see the same generated pictures, which saves a third of the generator's work; the
            published training draws new ones for the discriminator.
        mirror: Show the mirrored training pictures too.
        freeze_d: Layers of the discriminator that do not learn, counted from the highest resolution: its RGB layer,
            then three a block.
        augmentation: Kinds of changes that the discriminator sees.
        strength: First probability of each change; `adapt` moves it.
        adapt: Whether the probability follows the discriminator.
        adapt_target: Mean sign of the real scores that it is steered to.
        adapt_images: Pictures that it takes from 0 to 1.
        adapt_cap: It never exceeds this.
        seed: Of all random numbers.
    """

    steps: int
    batch: int = 16
    generator_rate: float = 0.0025
    discriminator_rate: float = 0.0025
    gamma: float = 0.05
    r1_interval: int = 16
    path_weight: float = 0.0
    path_interval: int = 4
    path_shrink: int = 2
    mixing: float = 0.0
    ema_images: float = 5_000.0
    ema_rampup: float | None = 0.05
    alone: int = 0
    anchor: float = 0.0
    paired: bool = False
    mapping: bool = True
    noise: NoiseMode = "random"
    precision: Precision = "float32"
    shared_fakes: bool = True
    mirror: bool = False
    freeze_d: int = 0
    augmentation: Augmentation = field(default_factory=lambda: FULL)
    strength: float = 0.0
    adapt: bool = True
    adapt_target: float = 0.6
    adapt_images: int = 100_000
    adapt_cap: float = 0.8
    seed: int = 0
