"""From what a plan leaves open to settings that an image model can be trained with: each rule is written down once.

Sources of the rules: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix C.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from core.errors import InvalidInput
from core.ml.training.image.augment import FULL, PRESETS
from core.ml.training.image.precision import choose_precision
from core.ml.training.image.recipe import ImageRecipe, Precision
from core.ml.training.image.stylegan1_recipe import GAMMA, rate_at
from core.runs.plan import ImageOptions, RunPlan
from core.runs.plan_file import options_of

GROUP = 4
"""Pictures that the minibatch standard deviation compares."""
WARM_UP = 200
"""Steps that a fresh discriminator learns alone beside a trained generator."""


@dataclass(frozen=True)
class Widths:
    """Sizes of networks that are made from nothing."""

    z_dim: int
    w_dim: int
    mapping_layers: int
    channel_base: int
    channel_max: int


def resolve(plan: RunPlan, *, size: int, device: torch.device, world: int = 1) -> ImageOptions:
    """The plan's settings with nothing left open.

    Args:
        plan: What was asked for.
        size: Side of the dataset's pictures.
        device: Where it is trained.
        world: Ranks that share a batch.

    Raises:
        InvalidInput: A setting is impossible; names it.
    """
    options: ImageOptions = options_of(plan)
    gpu = device.type == "cuda"
    side = options.size or size
    if side & (side - 1) or side < 8:
        raise InvalidInput(f"size {side} cannot be trained", "it is not a power of two of at least 8", "Prepare again")
    if side > size:
        raise InvalidInput(
            f"size {side} cannot be trained", f"the dataset's pictures are {size} pixels", "Prepare again"
        )
    batch = options.batch or suggested_batch(side, gpu) * (world if gpu else 1)
    batch = shared(batch, world)
    precision = choose_precision(device, options.precision, options.architecture)
    if precision == "float16" and not gpu:
        raise InvalidInput("precision float16 needs a GPU", "", "Choose float32 or bfloat16")
    return replace(
        options,
        size=side,
        batch=batch,
        rate=options.rate or published_rate(options.architecture, side),
        gamma=options.gamma or (0.0002 * side * side / batch if options.architecture == "stylegan2" else GAMMA),
        ema_kimg=options.ema_kimg or batch * 10 / 32,
        precision=precision,
        path_weight=options.path_weight if options.architecture == "stylegan2" else 0.0,
        compile=options.compile and gpu,
    )


def published_rate(architecture: str, size: int) -> float:
    """Adam's learning rate."""
    if architecture == "stylegan2":
        return 0.0025 if size < 1024 else 0.002
    return rate_at(size)


def suggested_batch(size: int, gpu: bool) -> int:
    """Pictures a step for each rank: as published on a GPU, what a processor can wait for elsewhere."""
    if gpu:
        return max(4, min(32, 4096 // size))
    return 16 if size <= 32 else 8 if size <= 128 else 4


def shared(batch: int, world: int) -> int:
    """The largest batch not above `batch` that ranks can share in whole groups; at least one picture each."""
    each = max(1, batch // world)
    return world * (each - each % GROUP if each >= GROUP else each)


def intervals(plan: RunPlan) -> tuple[int, int, int]:
    """Steps between samples, checkpoints and scores: about 40, 10 and 5 of them in a short run.

    Of texts about 20 samples: writing one takes as long as a step, or longer.
    """
    samples = 20 if plan.kind == "text" else 40
    return (
        plan.sample_every or max(1, min(250, plan.steps // samples)),
        plan.save_every or max(1, min(1000, plan.steps // 10)),
        plan.score_every or max(1, min(2000, plan.steps // 5)),
    )


def widths(options: ImageOptions, device: torch.device) -> Widths:
    """What suits the size: as published on a GPU, an eighth to a quarter of it on a processor."""
    if device.type == "cuda":
        return Widths(512, 512, 2, options.channels or (16384 if options.size < 512 else 32768), 512)
    return Widths(128, 128, 2, options.channels or 4096, 128)


def recipe_of(plan: RunPlan, options: ImageOptions, *, transfer: bool = False, warm_up: bool = False) -> ImageRecipe:
    """Resolved options as settings of the loop.

    Args:
        plan: For steps and seed.
        options: From `resolve`.
        transfer: From a base the augmentation moves faster, as published.
        warm_up: Let the discriminator learn alone first.
    """
    kinds = PRESETS[options.augment]
    precision: Precision = options.precision  # type: ignore[assignment]
    return ImageRecipe(
        steps=plan.steps,
        batch=options.batch,
        generator_rate=options.rate,
        discriminator_rate=options.rate,
        gamma=options.gamma,
        path_weight=options.path_weight,
        mixing=options.mixing,
        ema_images=options.ema_kimg * 1000.0,
        # Also from a base, unlike published: a run of a few thousand pictures would end before its average has moved.
        ema_rampup=0.05,
        alone=min(WARM_UP, plan.steps // 4) if warm_up else 0,
        precision=precision,
        mirror=options.mirror,
        freeze_d=options.freeze_d,
        augmentation=kinds or FULL,
        adapt=kinds is not None,
        adapt_target=options.augment_target,
        adapt_images=100_000 if transfer else 500_000,
        adapt_cap=options.augment_cap,
        seed=plan.seed,
    )
