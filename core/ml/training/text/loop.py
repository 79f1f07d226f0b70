"""Training a causal language model: the loop, plain and resumable, the same for starters and fine-tuning.

A training is a value that can be saved after any step and goes on from there to the bit: weights, optimiser and
counters are its state; what a step reads and what it leaves out (dropout) are functions of seed, step and rank. Several
ranks (ranks.py) share every batch. The numbers are the recipe's (recipe.py).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import InvalidInput
from core.ml.training.muon import Muon, groups
from core.ml.training.ranks import Ranks
from core.ml.training.text.loss import Loss, loss_of
from core.ml.training.text.recipe import Recipe, batch_at, rate_at


class TextTraining:
    """A training that stands after `step` steps.

    Args:
        model: To be trained, in place: takes int64 [batch, context], gives an object with `logits` [batch, context,
            vocabulary]. What needs no gradient stays as it is.
        tokens: The corpus: integers [n], in memory or memory-mapped.
        recipe: Settings; their `steps` may change with `head_for`.
        ranks: Those that train together; each is given the weights of the first.
        loss: Computes a batch's mean loss; by default the fastest that suits the model.

    Attributes:
        step, tokens_seen: Steps done; tokens that were predicted in them.
        seconds: Spent in steps.
        loading: Seconds of them in which tokens were fetched, since this object was made.

    Raises:
        InvalidInput: The batch cannot be shared, or the optimizer is unknown.
    """

    def __init__(
        self,
        model: nn.Module,
        tokens: NDArray[Any],
        recipe: Recipe,
        *,
        ranks: Ranks | None = None,
        loss: Loss | None = None,
    ) -> None:
        self.model, self.tokens, self.recipe, self.ranks = model, tokens, recipe, ranks or Ranks()
        world = self.ranks.world
        if recipe.batch % world:
            raise InvalidInput(f"a batch of {recipe.batch} cannot be shared by {world} ranks", "", f"Take {world}")
        self.ranks.same(model)
        self.learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimiser = _optimizer(model, recipe)
        self.device = self.learned[0].device
        self._loss = loss or loss_of(model, recipe.precision)
        self._factor = 1.0
        self.step = self.tokens_seen = 0
        self.seconds = self.loading = 0.0

    def run(self) -> dict[str, float]:
        """One step. Returns the mean loss (nats a token), the learning rate and the norm of the gradient."""
        recipe, began = self.recipe, time.monotonic()
        rate = rate_at(self.step, recipe) * self._factor
        # Counted, not reckoned from the step: earlier steps may have had another batch.
        read = self.tokens_seen // recipe.context
        rows = batch_at(self.tokens, self.step, recipe, rank=self.ranks.rank, world=self.ranks.world, read=read)
        self.loading += time.monotonic() - began
        rows = rows.to(self.device, non_blocking=True)
        self._reseed()
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in rows.chunk(recipe.accumulate):
            total += self._loss(part, len(part) / len(rows))
        self.ranks.average_gradients(self.learned)
        norm = nn.utils.clip_grad_norm_(self.learned, recipe.clip or math.inf)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        numbers = torch.stack([total, norm.float()])
        self.ranks.average([numbers])
        loss, gradient = numbers.tolist()
        self.step += 1
        self.tokens_seen += recipe.batch * recipe.context
        self.seconds += time.monotonic() - began
        return {"loss": loss, "rate": rate, "gradient": gradient}

    def head_for(self, steps: int) -> None:
        """Train for so many steps in all: it decides when the rate falls."""
        if steps != self.recipe.steps:
            self.recipe = replace(self.recipe, steps=steps)

    def set_rates(self, factor: float) -> None:
        """Learn at the recipe's rates times `factor` from now on."""
        self._factor = factor

    def finite(self) -> bool:
        """Whether all weights that are trained are numbers."""
        with torch.no_grad():
            return bool(torch.isfinite(torch.stack(torch._foreach_norm(list[Tensor](self.learned))).sum()))

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on; tensors are the training's own."""
        numbers = {"step": self.step, "tokens": self.tokens_seen, "seconds": self.seconds}
        return {"model": own_tensors(self.model), "optimiser": self.optimiser.state_dict(), "numbers": numbers}

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken.

        Raises:
            ValueError: It is of another network.
        """
        own = own_tensors(self.model)
        if own.keys() != state["model"].keys():
            raise ValueError(f"only one of it and its network has {min(own.keys() ^ state['model'].keys())}")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(state["model"][name])
        decays = [group["weight_decay"] for group in self.optimiser.param_groups]
        self.optimiser.load_state_dict(state["optimiser"])
        for group, decay in zip(self.optimiser.param_groups, decays, strict=True):
            group["weight_decay"] = decay  # the recipe's, as the rate is, and not what it was
        numbers = state["numbers"]
        self.step, self.tokens_seen = int(numbers["step"]), int(numbers["tokens"])
        self.seconds = float(numbers["seconds"])

    def _reseed(self) -> None:
        """Start the random numbers of this step: a function of seed, step and rank."""
        if self.recipe.dropout:
            words = np.random.SeedSequence([self.recipe.seed, self.step, self.ranks.rank]).generate_state(1, np.uint64)
            torch.manual_seed(int(words[0] >> np.uint64(1)))


def own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """A network's tensors by name, each once: of tied ones, the first name."""
    found: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, tensor in model.state_dict().items():
        key = (tensor.data_ptr(), tensor.shape)
        if key not in seen or not tensor.numel():
            seen.add(key)
            found[name] = tensor
    return found


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW with weight decay for matrices only (biases and norms gain nothing from it), or Muon."""
    if recipe.optimizer == "muon":
        return Muon(groups(model, recipe.weight_decay), recipe.rate, betas=(recipe.beta1, recipe.beta2))
    if recipe.optimizer != "adamw":
        raise InvalidInput("unknown optimizer", repr(recipe.optimizer), "adamw and muon are known")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    kept = [group for group in decayed if group["params"]]
    return torch.optim.AdamW(kept, lr=recipe.rate, betas=(recipe.beta1, recipe.beta2), fused=True)
