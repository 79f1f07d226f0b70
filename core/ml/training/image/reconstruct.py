"""Training a generator by reconstruction: every latent has a picture, and the generator learns to draw it.

The first part of a guided start (see guide.py). Small pictures first: the blocks up to 32 px are learned at half the
cost and grow to the full size afterwards. The noise maps are learned as well: pictures that share one template have
edges in the same places, and a map per layer carries those from the first steps on, where convolutions alone would need
thousands. Exactly resumable: a run that was broken off ends with the same weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.stylegan2 import Generator, SynthesisLayer, ToRGB
from core.ml.training.image.guide import Guide, Place
from core.ml.training.image.losses import ema_beta
from core.ml.training.state import load_state, save_state


@dataclass(frozen=True)
class Stage:
    """Training at one size.

    Attributes:
        resolution: Pixels, a power of two.
        steps: Optimiser steps.
        batch: Pictures per step.
        rate: Adam's learning rate.
        cool: Share of the steps, at the end, in which the rate falls to a twentieth along a cosine.
        ramp: Half the width of the guide's borders; narrow ones come last, when there is something on either side.
        precision: Of the feature maps, "float32" or "bfloat16"; weights, loss and pictures are float32 either way.
    """

    resolution: int
    steps: int
    batch: int = 4
    rate: float = 0.01
    cool: float = 0.0
    ramp: float = 0.03
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Report:
    """Where reconstruction stands: stage and step (from 1), mean absolute error (0 to 2), pictures seen, seconds."""

    stage: int
    step: int
    error: float
    images: int
    seconds: float


def reconstruct(
    build: Callable[[int], Generator],
    guide: Guide,
    stages: tuple[Stage, ...],
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    save_every: int = 200,
) -> Iterator[tuple[Report, Generator]]:
    """Train through all stages, giving a report and the averaged generator after every step.

    A run that its checkpoint shows finished gives its last report again.

    Args:
        build: Makes a generator for a resolution; widths must not depend on it otherwise.
        guide: What latents mean.
        stages: From small to large.
        seed: Of weights and latents.
        checkpoint: Where to keep the state; an existing one of the same stages and seed is gone on from.
        save_every: Steps between checkpoints.

    Raises:
        Refused: The checkpoint belongs to another plan or cannot be read.
    """
    plan = {"stages": [asdict(stage) for stage in stages], "seed": seed}
    saved = load_state(checkpoint, plan) if checkpoint else None
    torch.manual_seed(seed)
    source = torch.Generator().manual_seed(seed)
    previous: Generator | None = None
    images, error, spent, first = 0, math.nan, 0.0, 0
    if saved:
        first, images, error, spent = (saved[key] for key in ("stage", "images", "error", "seconds"))
    for number in range(first, len(stages)):
        stage = stages[number]
        network = build(stage.resolution)
        guide = guide.with_ramp(stage.ramp)
        guide.set_up(network.mapping, seed)
        _quiet(network)
        if previous is not None:
            _take_over(previous, network)
        average = copy.deepcopy(network)
        trained, averaged = _trained(network), _trained(average)
        optimiser = torch.optim.Adam(trained, lr=stage.rate, betas=(0.9, 0.99))
        start, seen = 0, 0
        if saved:
            network.load_state_dict(saved["network"])
            average.load_state_dict(saved["average"])
            optimiser.load_state_dict(saved["optimiser"])
            source.set_state(saved["source"])
            start, seen, saved = saved["step"], saved["seen"], None
        for step in range(start, stage.steps):
            began = time.monotonic()
            for group in optimiser.param_groups:
                group["lr"] = stage.rate * _pace(step, stage)
            now = _step(network, optimiser, guide, stage, source)
            error = now if math.isnan(error) else error + 0.02 * (now - error)
            _follow(averaged, trained, ema_beta(stage.batch, 2000.0, seen, rampup=0.1))
            seen += stage.batch
            images += stage.batch
            spent += time.monotonic() - began
            if checkpoint and ((step + 1) % save_every == 0 or step + 1 == stage.steps):
                counts = {"stage": number, "step": step + 1, "seen": seen, "images": images, "error": error}
                parts = {"network": network.state_dict(), "average": average.state_dict()}
                kept = {"optimiser": optimiser.state_dict(), "source": source.get_state(), "seconds": spent}
                save_state(checkpoint, plan, counts | parts | kept)
            yield Report(number, step + 1, error, images, spent), average
        if start == stage.steps and number + 1 == len(stages):
            yield Report(number, start, error, images, spent), average
        previous = average


def reconstruction_loss(drawn: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Absolute differences of pictures, of their edges and of their smaller copies, [N, C, H, W] to one number.

    Args:
        drawn, wanted: Pictures, -1 to 1.
        weight: [N], how much each picture counts.
    """
    off = (drawn - wanted) * weight[:, None, None, None]
    edges = off.diff(dim=2).abs().mean() + off.diff(dim=3).abs().mean()
    coarse = F.avg_pool2d(off, 2).abs().mean() + F.avg_pool2d(off, 4).abs().mean()
    return off.abs().mean() + 0.5 * edges + 0.5 * coarse


def truncations(batch: int, source: torch.Generator) -> Tensor:
    """How far to truncate each latent, [N]. It shows the same picture, so that truncation keeps portraits clean."""
    chance, strength = torch.rand(2, batch, generator=source)
    return torch.where(chance < 0.35, torch.ones(()), 0.5 + 0.5 * strength)


def certainty(place: Place) -> Tensor:
    """How much the pictures of these places count, [N]: on a border between two cells none is quite the right one."""
    return 0.5 + 0.5 * place.depth


def shrink(pictures: Tensor, resolution: int) -> Tensor:
    """Pictures [N, C, S, S] averaged down to `resolution`."""
    return pictures if pictures.shape[2] == resolution else F.avg_pool2d(pictures, pictures.shape[2] // resolution)


def _step(
    network: Generator, optimiser: torch.optim.Optimizer, guide: Guide, stage: Stage, source: torch.Generator
) -> float:
    z = torch.randn(stage.batch, guide.z_dim, generator=source)
    place = guide.place(z)
    wanted = shrink(guide.pictures(place), stage.resolution)
    psi = truncations(stage.batch, source)
    with torch.no_grad():
        ws = network.mapping(z, truncation_psi=psi)
    dtype = torch.bfloat16 if stage.precision == "bfloat16" else torch.float32
    drawn = network.synthesis(ws, noise_mode="const", dtype=dtype)
    loss = reconstruction_loss(drawn, wanted, certainty(place))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float((drawn.detach() - wanted).abs().mean())


def _pace(step: int, stage: Stage) -> float:
    """Factor on the rate: a short warm-up, a plateau, a cosine to a twentieth."""
    warm = min(1.0, (step + 1) / 100)
    begin = stage.steps * (1.0 - stage.cool)
    if step < begin:
        return warm
    part = (step - begin) / max(1.0, stage.steps - begin)
    return warm * (0.05 + 0.95 * 0.5 * (1.0 + math.cos(math.pi * part)))


def _quiet(network: Generator) -> None:
    """A start that training need not undo first: faint RGB layers, and noise maps that are switched on and empty."""
    with torch.no_grad():
        for module in network.synthesis.modules():
            if isinstance(module, ToRGB):
                module.weight.mul_(0.1)
            elif isinstance(module, SynthesisLayer):
                module.noise_const.zero_()
                module.noise_strength.fill_(1.0)


def _trained(network: Generator) -> list[Tensor]:
    """What reconstruction trains: the synthesis network, with its noise maps in place of their strengths."""
    found: list[Tensor] = []
    for module in network.synthesis.modules():
        if isinstance(module, SynthesisLayer):
            module.noise_strength.requires_grad_(False)
            found.append(module.noise_const.requires_grad_(True))
    return found + [parameter for parameter in network.synthesis.parameters() if parameter.requires_grad]


@torch.no_grad()
def _follow(averaged: list[Tensor], trained: list[Tensor], beta: float) -> None:
    for mean, now in zip(averaged, trained, strict=True):
        mean.lerp_(now, 1.0 - beta)


def _take_over(small: Generator, large: Generator) -> None:
    """Copy every weight that both synthesis networks have."""
    own, had = large.synthesis.state_dict(), small.synthesis.state_dict()
    large.synthesis.load_state_dict({name: value for name, value in had.items() if name in own}, strict=False)
