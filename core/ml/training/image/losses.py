"""What StyleGAN2 minimises, and the small rules around it: lazy regularisation and the average of the weights.

All losses come per sample, so that a caller can log, weight and average them. Sources: Goodfellow et al. 2014
(non-saturating logistic loss); Mescheder et al. 2018 (R1); Karras et al. 2020, "Analyzing and Improving the Image
Quality of StyleGAN", section 3.1 (lazy regularisation), 3.2 and appendix B (path length).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.ml.networks.convolution import without_weight_gradients


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-log sigmoid of the score of generated images; shape of `fake_logits`."""
    return F.softplus(-fake_logits)


def discriminator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """-log(1 - sigmoid(fake)) - log sigmoid(real); shape of the logits."""
    return F.softplus(fake_logits) + F.softplus(-real_logits)


def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """-log sigmoid of how far one score lies above the other, pair by pair; shape of the logits.

    The discriminator minimises it with the real pictures as the better ones, the generator with its own (Jolicoeur-
    Martineau 2018; Huang et al. 2024, "The GAN is dead; long live the GAN!", section 2).
    """
    return F.softplus(worse - better)


def r1_penalty(real_logits: Tensor, real_images: Tensor) -> Tensor:
    """Squared norm of the gradient of the real score with respect to the image, [N].

    Args:
        real_logits: [N, 1], computed from `real_images`.
        real_images: [N, C, H, W] with `requires_grad`; the images before augmentation.

    Multiply by gamma / 2.
    """
    with without_weight_gradients():
        (gradient,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return gradient.square().sum(dim=[1, 2, 3])


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """How far the picture moves per step in w, in a random direction of picture space, [N].

    Args:
        images: [N, C, H, W], computed from `ws`.
        ws: [N, num_ws, w_dim] with a gradient.
        noise: N(0, 1) like `images`.
    """
    scaled = noise / (images.shape[2] * images.shape[3]) ** 0.5
    with without_weight_gradients():
        (gradient,) = torch.autograd.grad((images * scaled).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_length_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Squared deviation of the path lengths [N] from their running mean.

    Args:
        lengths: From `path_lengths`.
        mean: Running mean before this batch, a scalar.
        decay: Share of this batch in the new mean.

    Returns:
        Penalty [N] (multiply by the weight, usually 2) and the new running mean, detached. The batch enters the mean
        before the difference is taken, and its gradient flows through it.
    """
    moved = mean.lerp(lengths.mean(), decay)
    return (lengths - moved).square(), moved.detach()


def lazy_adam(
    rate: float, interval: int | None, *, betas: tuple[float, float] = (0.0, 0.99), epsilon: float = 1e-8
) -> dict[str, object]:
    """Settings for Adam when a regularisation runs only every `interval` iterations and shares the optimiser.

    With it the optimiser takes interval + 1 steps where it would have taken interval, so rate and memory shrink by
    c = interval / (interval + 1). The regularisation's own loss is multiplied by `interval`. None: no correction.
    """
    c = 1.0 if interval is None else interval / (interval + 1)
    return {"lr": rate * c, "betas": (betas[0] ** c, betas[1] ** c), "eps": epsilon}


def clean_gradients(parameters: Iterable[nn.Parameter], bound: float = 1e5) -> None:
    """Make the gradients fit for a step, in place.

    Not-a-number becomes 0 and infinities ±`bound`. A trained parameter that the loss did not reach (a bias, in the
    regularisers) gets a gradient of 0 rather than none, so that Adam counts the step for it as for all others: that is
    how the published training behaves, and results differ by several per cent without it.
    """
    for parameter in parameters:
        if parameter.grad is not None:
            torch.nan_to_num(parameter.grad, nan=0.0, posinf=bound, neginf=-bound, out=parameter.grad)
        elif parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)


def ema_beta(batch: int, half_life_images: float, seen_images: int, rampup: float | None = 0.05) -> float:
    """Decay of the weight average for one step.

    Args:
        batch: Images per step.
        half_life_images: Half-life in images (published: batch * 10 / 32 thousand).
        seen_images: Images before this step; with `rampup` the half-life is at most this share of them. So the first
            step copies.
    """
    if rampup is not None:
        half_life_images = min(half_life_images, seen_images * rampup)
    return float(0.5 ** (batch / max(half_life_images, 1e-8)))


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, beta: float) -> None:
    """Move the parameters of `average` towards those of `network`, keeping `beta` of them; copy the buffers."""
    averages: list[Tensor] = list(average.parameters())
    parameters: list[Tensor] = list(network.parameters())
    if len(averages) != len(parameters):
        raise ValueError("these are two different networks")
    torch._foreach_lerp_(averages, parameters, 1.0 - beta)
    for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(buffer)
