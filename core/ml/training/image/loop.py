"""Training a StyleGAN on pictures: the adversarial loop.

Non-saturating loss, lazy R1 and path-length regularisation, style mixing, adaptive augmentation, averaged weights, each
as published (Karras et al. 2020, twice). A training is a value that can be saved after any step and goes on from there
to the bit: weights, optimisers, averages and counters are its state, and the random numbers of a step are a function
of seed, step and rank. Several ranks (ranks.py) share every batch.

One batch of generated pictures serves both players unless the recipe says otherwise, and so does what the discriminator
makes of them: its scores are computed once, changed by the same draws, and differentiated twice, with respect to the
pictures for the generator and to the weights for the discriminator. Neither player moves in between.

An anchor may say which picture latents stand for (a guided start); its reconstruction loss is then added, so that the
adversarial game sharpens what was learned before and does not wander off. With an anchor the game may also be played in
pairs: each generated picture against the one that its latent stands for. What the two show is then no longer part of
the comparison, only how well it is drawn, and a fresh discriminator finds that out within a hundred steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.ml.networks.convolution import without_weight_gradients
from core.ml.networks.discriminator import frozen_layers
from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.image.anchor import Anchor
from core.ml.training.image.augment import Strength
from core.ml.training.image.losses import (
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
from core.ml.training.image.reals import Pictures, Reals
from core.ml.training.image.recipe import ImageRecipe
from core.ml.training.ranks import Ranks

_DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class ImageTraining:
    """A training that stands after `step` steps.

    Args:
        generator: To be trained, in place.
        discriminator: To be trained, in place.
        pictures: To learn from; pairs come from the anchor instead.
        recipe: Settings.
        average: Start of the averaged generator; a copy of `generator` by default.
        anchor: See the module.
        ranks: Those that train together; each is given the weights of the first.
        compiled: Makes a faster callable of a network, for where gradients are taken once only.

    Attributes:
        step, images, shown: Steps done; pictures that the generator drew for its own steps; real pictures shown.
        seconds: Spent in steps.
        loading: Seconds of them in which training pictures were fetched, since this object was made.
        grow: If set, called before each step with `images`: brings growing networks to their stage.

    Raises:
        ValueError: The recipe asks for pairs and there is no anchor, or the batch cannot be shared.
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
        ranks: Ranks | None = None,
        compiled: Callable[[nn.Module], Callable[..., Tensor]] | None = None,
    ) -> None:
        self.generator, self.discriminator, self.recipe = generator, discriminator, recipe
        self.anchor, self.ranks = anchor, ranks or Ranks()
        if recipe.paired and anchor is None:
            raise ValueError("pairs need an anchor")
        if recipe.batch % self.ranks.world:
            raise ValueError(f"a batch of {recipe.batch} cannot be shared by {self.ranks.world} ranks")
        self.average = copy.deepcopy(average or generator).requires_grad_(False)
        self.grow: Callable[[int], None] | None = None
        self.batch = recipe.batch // self.ranks.world
        self.device = next(generator.parameters()).device
        self._dtype = _DTYPES[recipe.precision]
        for network in (generator, discriminator, self.average):
            self.ranks.same(network)
        generator.mapping.requires_grad_(recipe.mapping)
        self._frozen = frozen_layers(discriminator, recipe.freeze_d)
        self._let_discriminator_learn(True)
        self._draw = compiled(generator.synthesis) if compiled else generator.synthesis
        self._judge = compiled(discriminator) if compiled else discriminator
        # Compiled code gives its intermediate results away with the first derivative.
        self._one_pass = recipe.shared_fakes and compiled is None
        interval = recipe.path_interval if recipe.path_weight else None
        self._for_g = torch.optim.Adam(generator.parameters(), **lazy_adam(recipe.generator_rate, interval))  # type: ignore[arg-type]
        rate_d = lazy_adam(recipe.discriminator_rate, recipe.r1_interval)
        self._for_d = torch.optim.Adam(discriminator.parameters(), **rate_d)  # type: ignore[arg-type]
        self.strength = Strength(recipe.strength, recipe.adapt_target, recipe.adapt_images, recipe.adapt_cap)
        self.reals = Reals(pictures, seed=recipe.seed, mirror=recipe.mirror, classes=discriminator.c_dim)
        self._source = torch.Generator()
        self._path_mean = torch.zeros((), device=self.device, dtype=next(generator.parameters()).dtype)
        self._sign = 0.0
        self.step = 0
        self.images = 0
        self.shown = 0
        self.seconds = 0.0
        self.loading = 0.0

    def run(self) -> dict[str, float]:
        """One step of both players. Returns the losses and what else is worth a curve, means over all ranks."""
        recipe, began = self.recipe, time.monotonic()
        self._reseed()
        if self.grow is not None:
            self.grow(self.images)
        told: dict[str, Tensor] = {}
        learning = self.step >= recipe.alone
        z, labels = self._latents(self.batch), self._labels(self.batch)
        with torch.set_grad_enabled(learning):
            fakes = self._fakes(z, labels, move_mean=learning)
        reals, real_labels = self._reals(z)
        path = learning and recipe.path_weight and self.step % recipe.path_interval == 0
        if learning and self._one_pass:
            told |= self._both_steps(z, labels, fakes, reals, real_labels)
            del fakes
            if path:
                told |= self._path_step()
        else:
            if learning:
                told |= self._generator_step(z, labels, fakes, reals)
                if path:
                    told |= self._path_step()
            fakes = fakes.detach()
            if not recipe.shared_fakes:
                z, labels = self._latents(self.batch), self._labels(self.batch)
                with torch.no_grad():
                    fakes = self._fakes(z, labels, move_mean=learning)
            told |= self._discriminator_step(fakes, labels, reals, real_labels)
        if self.step % recipe.r1_interval == 0:
            told |= self._r1_step(reals, real_labels)
        if learning:
            self.ranks.average([self.generator.mapping.w_avg, self._path_mean])
            beta = ema_beta(recipe.batch, recipe.ema_images, self.images, recipe.ema_rampup)
            update_ema(self.average, self.generator, beta)
            self.images += recipe.batch
        numbers = torch.stack([value.detach().float() for value in told.values()])
        self.ranks.average([numbers])
        found = dict(zip(told, numbers.tolist(), strict=True))
        self._adapt(found["real_sign"])
        found["p"] = self.strength.p
        self.step += 1
        self.shown += recipe.batch
        self.seconds += time.monotonic() - began
        return found

    @property
    def optimisers(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        """The generator's and the discriminator's."""
        return self._for_g, self._for_d

    def set_rates(self, factor: float) -> None:
        """Learn at the recipe's rates times `factor` from now on."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = optimiser.defaults["lr"] * factor

    def finite(self) -> bool:
        """Whether all weights are numbers."""
        norms = [
            torch.stack(torch._foreach_norm(list(network.parameters()))).sum()
            for network in (self.generator, self.discriminator, self.average)
        ]
        return bool(torch.isfinite(torch.stack(norms)).all())

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict(),
            "for_g": self._for_g.state_dict(),
            "for_d": self._for_d.state_dict(),
            "numbers": {
                "p": self.strength.p,
                "sign": self._sign,
                "path_mean": float(self._path_mean),
                "step": self.step,
                "images": self.images,
                "shown": self.shown,
                "seconds": self.seconds,
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        for name in ("generator", "discriminator", "average"):
            getattr(self, name).load_state_dict(state[name])
        self._for_g.load_state_dict(state["for_g"])
        self._for_d.load_state_dict(state["for_d"])
        numbers = state["numbers"]
        self._path_mean.fill_(numbers["path_mean"])
        self.strength.p, self._sign = numbers["p"], numbers["sign"]
        self.step, self.images, self.shown = (int(numbers[name]) for name in ("step", "images", "shown"))
        self.seconds = numbers["seconds"]

    def _generator_step(self, z: Tensor, labels: Tensor | None, fakes: Tensor, reals: Tensor) -> dict[str, Tensor]:
        self._let_discriminator_learn(False)
        if self.recipe.paired:
            fake_scores, real_scores = self._pair(fakes, reals)
            loss = relativistic_loss(fake_scores, real_scores).mean()
        else:
            loss = generator_loss(self._scores(fakes, labels)).mean()
        told = {"generator": loss.detach()}
        if self.anchor is not None:
            apart = self.anchor.loss(z, fakes)
            told["anchor"] = apart.detach()
            loss = loss + self.recipe.anchor * apart
        self._learn(self._for_g, self.generator, loss)
        self._let_discriminator_learn(True)
        return told

    def _both_steps(
        self, z: Tensor, labels: Tensor | None, fakes: Tensor, reals: Tensor, real_labels: Tensor | None
    ) -> dict[str, Tensor]:
        """The generator's and the discriminator's step from one pass over the generated pictures.

        Each graph is let go as soon as it has given its gradients, so that no more of them lie in memory than when the
        players take turns.
        """
        self._for_g.zero_grad(set_to_none=True)
        self._for_d.zero_grad(set_to_none=True)
        seen = fakes.detach().requires_grad_(True)
        learning = [each for each in self.discriminator.parameters() if each.requires_grad]
        if self.recipe.paired:
            fake_scores, real_scores = self._pair(seen, reals)
            loss = relativistic_loss(fake_scores, real_scores).mean()
            loss_d = relativistic_loss(real_scores, fake_scores).mean()
        else:
            fake_scores = self._scores(seen, labels)
            loss = generator_loss(fake_scores).mean()
            loss_d = F.softplus(fake_scores).mean()
        with without_weight_gradients():
            (gradient,) = torch.autograd.grad(loss, seen, retain_graph=True)
        torch.autograd.backward(loss_d, inputs=learning)
        told = {"generator": loss.detach()}
        sign, loss_d, loss = fake_scores.detach(), loss_d.detach(), loss.detach()
        if self.anchor is None:
            fakes.backward(gradient)  # type: ignore[no-untyped-call]
        else:
            apart = self.anchor.loss(z, fakes)
            told["anchor"] = apart.detach()
            torch.autograd.backward([fakes, self.recipe.anchor * apart], [gradient, None])
        self._move(self._for_g, self.generator)
        if self.recipe.paired:
            sign = real_scores.detach() - sign
        else:
            real_scores = self._scores(reals, real_labels)
            loss_real = F.softplus(-real_scores).mean()
            loss_real.backward()  # type: ignore[no-untyped-call]
            loss_d, sign = loss_d + loss_real.detach(), real_scores.detach()
        self._move(self._for_d, self.discriminator)
        return told | {"discriminator": loss_d, "real_sign": sign.sign().mean()}

    def _path_step(self) -> dict[str, Tensor]:
        recipe = self.recipe
        part = max(1, self.batch // recipe.path_shrink)
        ws = self._styles(self._latents(part), self._labels(part), move_mean=True)
        if not ws.requires_grad:
            ws.requires_grad_(True)
        images = self.generator.synthesis(ws, noise_mode=recipe.noise, dtype=self._dtype)
        lengths = path_lengths(images, ws, self._path_noise(images.shape).to(images))
        penalty, self._path_mean = path_length_penalty(lengths, self._path_mean)
        self._learn(self._for_g, self.generator, penalty.mean() * (recipe.path_weight * recipe.path_interval))
        return {"path": penalty.mean()}

    def _discriminator_step(
        self, fakes: Tensor, labels: Tensor | None, reals: Tensor, real_labels: Tensor | None
    ) -> dict[str, Tensor]:
        if self.recipe.paired:
            fake_scores, real_scores = self._pair(fakes, reals)
            loss = relativistic_loss(real_scores, fake_scores).mean()
            sign = real_scores.detach() - fake_scores.detach()
        else:
            fake_scores, real_scores = self._scores(fakes, labels), self._scores(reals, real_labels)
            loss = discriminator_loss(fake_scores, real_scores).mean()
            sign = real_scores.detach()
        self._learn(self._for_d, self.discriminator, loss)
        return {"discriminator": loss, "real_sign": sign.sign().mean()}

    def _r1_step(self, reals: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        seen = reals.detach().requires_grad_(True)
        penalty = r1_penalty(self._scores(seen, labels, twice=True), seen).mean()
        self._learn(self._for_d, self.discriminator, penalty * (self.recipe.gamma / 2 * self.recipe.r1_interval))
        return {"r1": penalty}

    def _learn(self, optimiser: torch.optim.Optimizer, network: nn.Module, loss: Tensor) -> None:
        """One step down `loss`, the same on all ranks."""
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._move(optimiser, network)

    def _move(self, optimiser: torch.optim.Optimizer, network: nn.Module) -> None:
        """One step down the gradients that `network` has, the same on all ranks."""
        self.ranks.average_gradients(network.parameters())
        clean_gradients(network.parameters())
        optimiser.step()

    def _fakes(self, z: Tensor, labels: Tensor | None, *, move_mean: bool) -> Tensor:
        ws = self._styles(z, labels, move_mean=move_mean)
        drawn: Tensor = self._draw(ws, noise_mode=self.recipe.noise, dtype=self._dtype)
        return drawn

    def _styles(self, z: Tensor, labels: Tensor | None, *, move_mean: bool) -> Tensor:
        """Latents to w [N, num_ws, w_dim], some of them mixed with another latent's."""
        recipe, n = self.recipe, len(z)
        psi: float | Tensor = 1.0
        if self.anchor is not None:
            psi = self.anchor.truncations(n, self._source).to(self.device)
        ws: Tensor = self.generator.mapping(z, labels, truncation_psi=psi, update_w_avg=move_mean and recipe.mapping)
        if recipe.mixing <= 0.0:
            return ws
        # One draw decides for the whole batch, as published.
        chosen, cut = torch.rand(2, generator=self._source).tolist()
        if chosen >= recipe.mixing:
            return ws
        first = 1 + int(cut * (ws.shape[1] - 1))
        other = self.generator.mapping(self._latents(n), labels, truncation_psi=psi)
        return torch.cat([ws[:, :first], other[:, first:]], dim=1)

    def _pair(self, fakes: Tensor, reals: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of both sides, changed alike."""
        state = self._source.get_state()
        fake_scores = self._scores(fakes, None)
        self._source.set_state(state)
        return fake_scores, self._scores(reals, None)

    def _scores(self, images: Tensor, labels: Tensor | None, *, twice: bool = False) -> Tensor:
        """Scores [N, 1]; `twice` where gradients of gradients will be taken."""
        changed = self.recipe.augmentation(images, self.strength.p, self._source)
        scores: Tensor = (self.discriminator if twice else self._judge)(changed, labels, dtype=self._dtype)
        return scores

    def _adapt(self, sign: float) -> None:
        """Move the augmentation every fourth step by the mean sign of the last four."""
        self._sign += sign / 4
        if self.step % 4 == 3:
            if self.recipe.adapt:
                self.strength.follow(self._sign, 4 * self.recipe.batch)
            self._sign = 0.0

    def _reseed(self) -> None:
        """Start the random numbers of this step: a function of seed, step and rank."""
        words = np.random.SeedSequence([self.recipe.seed, self.step, self.ranks.rank]).generate_state(2, np.uint64)
        self._source.manual_seed(int(words[0] >> np.uint64(1)))
        torch.manual_seed(int(words[1] >> np.uint64(1)))

    def _latents(self, batch: int) -> Tensor:
        return torch.randn(batch, self.generator.z_dim, generator=self._source).to(self.device)

    def _labels(self, batch: int) -> Tensor | None:
        """Classes for generated pictures, as frequent as among the training pictures; None without classes."""
        if not self.reals.classes:
            return None
        found = self.reals.labels_at(torch.rand(batch, generator=self._source))
        return None if found is None else found.to(self.device)

    def _path_noise(self, shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=self._source)

    def _reals(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """This rank's part of the next batch, or the pictures that z stands for."""
        if self.recipe.paired and self.anchor is not None:
            return self.anchor.pictures(z).to(self.device), None
        began = time.monotonic()
        images, labels = self.reals.take(self.shown + self.ranks.rank * self.batch, self.batch)
        self.loading += time.monotonic() - began
        return images.to(self.device), None if labels is None else labels.to(self.device)

    def _let_discriminator_learn(self, learn: bool) -> None:
        self.discriminator.requires_grad_(learn)
        for layer in self._frozen if learn else ():
            layer.requires_grad_(False)
