"""Training a StyleGAN2 on pictures: the adversarial loop.

Non-saturating loss, lazy R1 and optional lazy path-length regularisation, adaptive augmentation, averaged weights.
One batch of generated pictures serves both players. A training is a value that can be saved after any step and goes on
from there to the bit: weights, optimisers, averages, augmentation strength and every random stream are in its state.

An anchor may say which picture latents stand for (a guided start); its reconstruction loss is then added, so that the
adversarial game sharpens what was learned before and does not wander off. With an anchor the game may also be played in
pairs: each generated picture against the one that its latent stands for. What the two show is then no longer part of
the comparison, only how well it is drawn, and a fresh discriminator finds that out within a hundred steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.ml.networks.stylegan2 import Discriminator, Generator, NoiseMode
from core.ml.training.augment import Augmentation, Strength
from core.ml.training.losses import (
    clean_gradients,
    discriminator_loss,
    ema_beta,
    generator_loss,
    lazy_adam,
    path_length_penalty,
    path_lengths,
    r1_penalty,
    relativistic_loss,
    update_ema,
)
from core.ml.training.state import load_state, save_state


@dataclass(frozen=True)
class ImageRecipe:
    """Settings of one training.

    Attributes:
        steps: Batches that both players see.
        batch: Pictures per step; a multiple of 4 (or less than 4) for the minibatch standard deviation.
        generator_rate, discriminator_rate: Adam's learning rates.
        gamma: Weight of R1; the published rule is 0.0002 x resolution squared / batch.
        r1_interval: Steps between R1 penalties.
        path_weight: Weight of the path-length regularisation, 0 for none.
        path_interval: Steps between path-length penalties.
        ema_images: Half-life of the averaged weights in pictures.
        ema_rampup: The half-life is at most this share of the pictures seen; None to average from the first step on.
        alone: First steps in which only the discriminator learns (after a guided start it knows nothing yet).
        anchor: Weight of the anchor's reconstruction loss.
        paired: Compare each generated picture with the anchor's of the same latent, by the difference of their scores.
        mapping: Whether the mapping network learns and moves its mean; False keeps what every latent means.
        noise: "random" noise maps in the generator, or its stored ones ("const").
        precision: Of the feature maps, "float32" or "bfloat16"; weights, losses and pictures are float32 either way.
        augmentation: Kinds of changes that the discriminator sees.
        strength: First probability of each change; `adapt` moves it.
        adapt: Whether the probability follows the discriminator.
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
    ema_images: float = 5_000.0
    ema_rampup: float | None = 0.05
    alone: int = 0
    anchor: float = 0.0
    paired: bool = False
    mapping: bool = True
    noise: NoiseMode = "random"
    precision: Literal["float32", "bfloat16"] = "float32"
    augmentation: Augmentation = field(default_factory=Augmentation)
    strength: float = 0.0
    adapt: bool = True
    seed: int = 0


class Pictures(Protocol):
    """Training pictures: an array uint8 [n, S, S, C], in memory or mapped from disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]: ...


class Anchor(Protocol):
    """What latents stand for."""

    def pictures(self, z: Tensor) -> Tensor:
        """The pictures that z [N, z_dim] stands for, float32 [N, C, S, S], -1 to 1."""

    def truncations(self, batch: int, source: torch.Generator) -> Tensor:
        """How far to truncate each latent of a batch, [N], 0 to 1."""

    def loss(self, z: Tensor, drawn: Tensor) -> Tensor:
        """How far the pictures drawn for z [N, z_dim] are from what z stands for, one number."""


class ImageTraining:
    """A training that stands after `step` steps.

    Args:
        generator: To be trained, in place.
        discriminator: To be trained, in place.
        pictures: To learn from; pairs come from the anchor instead.
        recipe: Settings.
        average: Start of the averaged generator; a copy of `generator` by default.
        anchor: See the module.

    Raises:
        ValueError: The recipe asks for pairs and there is no anchor.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        pictures: Pictures,
        recipe: ImageRecipe,
        *,
        average: Generator | None = None,
        anchor: Anchor | None = None,
    ) -> None:
        self.generator, self.discriminator, self.pictures, self.recipe = generator, discriminator, pictures, recipe
        self.average = copy.deepcopy(average or generator).requires_grad_(False)
        self.anchor = anchor
        if recipe.paired and anchor is None:
            raise ValueError("pairs need an anchor")
        self.device = next(generator.parameters()).device
        self._dtype = torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32
        generator.mapping.requires_grad_(recipe.mapping)
        interval = recipe.path_interval if recipe.path_weight else None
        self._for_g = torch.optim.Adam(generator.parameters(), **lazy_adam(recipe.generator_rate, interval))  # type: ignore[arg-type]
        rate_d = lazy_adam(recipe.discriminator_rate, recipe.r1_interval)
        self._for_d = torch.optim.Adam(discriminator.parameters(), **rate_d)  # type: ignore[arg-type]
        self.strength = Strength(p=recipe.strength)
        self._source = torch.Generator().manual_seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        self._path_mean = torch.zeros((), device=self.device)
        self._order = torch.empty(0, dtype=torch.int64)
        self._sign = 0.0
        self.step = 0
        self.images = 0
        self.seconds = 0.0

    def run(self) -> dict[str, float]:
        """One step of both players. Returns the losses and what else is worth a curve."""
        recipe, began = self.recipe, time.monotonic()
        told: dict[str, float] = {}
        z = self._latents(recipe.batch)
        learning = self.step >= recipe.alone
        psi: float | Tensor = 1.0
        if self.anchor is not None:
            psi = self.anchor.truncations(recipe.batch, self._source).to(self.device)
        with torch.set_grad_enabled(learning):
            ws = self.generator.mapping(z, truncation_psi=psi, update_w_avg=learning and recipe.mapping)
            fakes = self.generator.synthesis(ws, noise_mode=recipe.noise, dtype=self._dtype)
        reals = self.anchor.pictures(z).to(self.device) if recipe.paired and self.anchor else self._reals(recipe.batch)
        if learning:
            told |= self._generator_step(z, fakes, reals)
            if recipe.path_weight and self.step % recipe.path_interval == 0:
                told |= self._path_step()
        told |= self._discriminator_step(fakes.detach(), reals)
        if learning:
            beta = ema_beta(recipe.batch, recipe.ema_images, self.images, recipe.ema_rampup)
            update_ema(self.average, self.generator, beta)
            self.images += recipe.batch
        self._adapt(told["real_sign"])
        told["p"] = self.strength.p
        self.step += 1
        self.seconds += time.monotonic() - began
        return told

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict(),
            "for_g": self._for_g.state_dict(),
            "for_d": self._for_d.state_dict(),
            "source": self._source.get_state(),
            "torch": torch.get_rng_state(),
            "path_mean": self._path_mean,
            "order": self._order,
            "numbers": {
                "p": self.strength.p,
                "sign": self._sign,
                "step": self.step,
                "images": self.images,
                "seconds": self.seconds,
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        for name in ("generator", "discriminator", "average"):
            getattr(self, name).load_state_dict(state[name])
        self._for_g.load_state_dict(state["for_g"])
        self._for_d.load_state_dict(state["for_d"])
        self._source.set_state(state["source"])
        torch.set_rng_state(state["torch"])
        self._path_mean, self._order = state["path_mean"].to(self.device), state["order"]
        numbers = state["numbers"]
        self.strength.p, self._sign = numbers["p"], numbers["sign"]
        self.step, self.images, self.seconds = numbers["step"], numbers["images"], numbers["seconds"]

    def _generator_step(self, z: Tensor, fakes: Tensor, reals: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        if self.recipe.paired:
            fake_scores, real_scores = self._pair(fakes, reals)
            loss = relativistic_loss(fake_scores, real_scores).mean()
        else:
            loss = generator_loss(self._scores(fakes)).mean()
        told = {"generator": float(loss.detach())}
        if self.anchor is not None:
            apart = self.anchor.loss(z, fakes)
            told["anchor"] = float(apart.detach())
            loss = loss + self.recipe.anchor * apart
        self._for_g.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clean_gradients(self.generator.parameters())
        self._for_g.step()
        self.discriminator.requires_grad_(True)
        return told

    def _path_step(self) -> dict[str, float]:
        half = max(1, self.recipe.batch // 2)
        ws = self.generator.mapping(self._latents(half))
        if not ws.requires_grad:
            ws.requires_grad_(True)
        images = self.generator.synthesis(ws, noise_mode=self.recipe.noise, dtype=self._dtype)
        noise = torch.randn(images.shape, generator=self._source).to(images)
        penalty, self._path_mean = path_length_penalty(path_lengths(images, ws, noise), self._path_mean)
        self._for_g.zero_grad(set_to_none=True)
        (penalty.mean() * self.recipe.path_weight * self.recipe.path_interval).backward()  # type: ignore[no-untyped-call]
        clean_gradients(self.generator.parameters())
        self._for_g.step()
        return {"path": float(penalty.mean().detach())}

    def _discriminator_step(self, fakes: Tensor, reals: Tensor) -> dict[str, float]:
        recipe = self.recipe
        if recipe.paired:
            fake_scores, real_scores = self._pair(fakes, reals)
            loss = relativistic_loss(real_scores, fake_scores).mean()
            sign = real_scores.detach() - fake_scores.detach()
        else:
            fake_scores, real_scores = self._scores(fakes), self._scores(reals)
            loss = discriminator_loss(fake_scores, real_scores).mean()
            sign = real_scores.detach()
        self._for_d.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clean_gradients(self.discriminator.parameters())
        self._for_d.step()
        told = {"discriminator": float(loss.detach()), "real_sign": float(sign.sign().mean())}
        if self.step % recipe.r1_interval == 0:
            seen = reals.detach().requires_grad_(True)
            penalty = r1_penalty(self._scores(seen), seen).mean()
            self._for_d.zero_grad(set_to_none=True)
            (penalty * (recipe.gamma / 2 * recipe.r1_interval)).backward()  # type: ignore[no-untyped-call]
            clean_gradients(self.discriminator.parameters())
            self._for_d.step()
            told["r1"] = float(penalty.detach())
        return told

    def _pair(self, fakes: Tensor, reals: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of both sides, changed alike."""
        state = self._source.get_state()
        fake_scores = self._scores(fakes)
        self._source.set_state(state)
        return fake_scores, self._scores(reals)

    def _scores(self, images: Tensor) -> Tensor:
        changed = self.recipe.augmentation(images, self.strength.p, self._source)
        scores: Tensor = self.discriminator(changed, dtype=self._dtype)
        return scores

    def _adapt(self, sign: float) -> None:
        """Move the augmentation every fourth step by the mean sign of the last four."""
        self._sign += sign / 4
        if self.step % 4 == 3:
            if self.recipe.adapt:
                self.strength.follow(self._sign, 4 * self.recipe.batch)
            self._sign = 0.0

    def _latents(self, batch: int) -> Tensor:
        return torch.randn(batch, self.generator.z_dim, generator=self._source).to(self.device)

    def _reals(self, batch: int) -> Tensor:
        """The next pictures of an endless shuffled round, float32 -1 to 1."""
        while len(self._order) < batch:
            self._order = torch.cat([self._order, torch.randperm(len(self.pictures), generator=self._source)])
        rows, self._order = self._order[:batch].numpy(), self._order[batch:].clone()
        taken = torch.from_numpy(np.ascontiguousarray(self.pictures[rows])).to(self.device)
        return taken.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def train(
    training: ImageTraining, *, checkpoint: Path | None = None, save_every: int = 250
) -> Iterator[tuple[int, dict[str, float]]]:
    """Run a training to its end, giving the step (from 1) and what it told after each.

    Args:
        training: Fresh; an existing checkpoint of the same recipe puts it where that was saved.
        checkpoint: Where its state is kept.
        save_every: Steps between checkpoints.

    Raises:
        Refused: The checkpoint belongs to another recipe or cannot be read.
    """
    plan = asdict(training.recipe)
    saved = load_state(checkpoint, plan) if checkpoint else None
    if saved:
        training.restore(saved)
    while training.step < training.recipe.steps:
        told = training.run()
        if checkpoint and (training.step % save_every == 0 or training.step == training.recipe.steps):
            save_state(checkpoint, plan, training.state())
        yield training.step, told
