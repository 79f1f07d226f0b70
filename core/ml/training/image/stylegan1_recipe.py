"""The published settings of the first StyleGAN, as a recipe for our training loop.

Karras et al. 2019, "A Style-Based Generator Architecture for GANs", section 2 and appendix C: non-saturating logistic
loss with R1 of weight 10 at every step, Adam with β1 = 0 and β2 = 0.99, a learning rate of 0.001 that rises from 128
pixels on, styles mixed in 90 % of the pictures, mirrored pictures. Batches and the average's decay are those of Karras
et al. 2018, appendix A.1.
"""

from __future__ import annotations

from core.ml.training.image.recipe import ImageRecipe

GAMMA = 10.0
"""Weight of R1; the loss has half of it."""

STYLE_MIXING = 0.9
"""Share of the generated pictures whose styles come from two latents, the first layers from one (section 3.1)."""

EMA_IMAGES = 10_000.0
"""Half-life of the averaged weights in pictures: a decay of 0.999 at 16 pictures a step is 11,000."""

_RATES = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}
_BATCHES = {256: 14, 512: 6, 1024: 3}


def rate_at(resolution: int) -> float:
    """Adam's learning rate of both players while pictures of that resolution are trained."""
    return _RATES.get(min(resolution, 1024), 0.001)


def batch_at(resolution: int) -> int:
    """Pictures per step on one GPU; fewer than 4 or a multiple of 4, for the minibatch standard deviation."""
    batch = _BATCHES.get(min(resolution, 1024), 16)
    return batch if batch < 4 else batch - batch % 4


def stylegan1_recipe(steps: int, resolution: int, *, batch: int | None = None, seed: int = 0) -> ImageRecipe:
    """Settings for a training at one resolution.

    Args:
        steps: Batches that both players see.
        resolution: Edge of the pictures; decides the rates.
        batch: Pictures per step; `batch_at` by default.
        seed: Of all random numbers.

    R1 comes at every step, as a step of its own after the discriminator's; the loop halves the rate for that.
    """
    return ImageRecipe(
        steps=steps,
        batch=batch_at(resolution) if batch is None else batch,
        generator_rate=rate_at(resolution),
        discriminator_rate=rate_at(resolution),
        gamma=GAMMA,
        r1_interval=1,
        path_weight=0.0,
        ema_images=EMA_IMAGES,
        ema_rampup=None,
        mixing=STYLE_MIXING,
        mirror=True,
        adapt=False,
        seed=seed,
    )
