"""The mean loss of a batch of token rows, and its gradients.

Half of the time beside the matrix products goes into the logits: a float32 copy of them, their logarithm, and two more
arrays of that size on the way back. `Headed` computes the last product, the loss and its gradients in one go, some rows
at a time, so that the logits of a step never exist as a whole. It asks nothing of a network but that its logits are a
plain product of its last hidden states, which is looked at.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

MOST_LOGITS = {"cpu": 2**26, "cuda": 2**28}
"""Logits that are computed at once."""


class Loss(Protocol):
    """Adds the gradients of a batch's loss to those of the model."""

    def __call__(self, rows: Tensor, share: float) -> Tensor:
        """Of int64 rows [n, context + 1], `share` of a whole step: their mean loss (nats a token) times `share`."""


def loss_of(model: Any, precision: str, *, compiled: bool = False) -> Loss:
    """What suits the model.

    Args:
        model: See `TextTraining`.
        precision: Of the products, "float32" or "bfloat16".
        compiled: Whether to compile the network (torch.compile).
    """
    parts = _parts(model)
    if parts is None:
        return Whole(torch.compile(model) if compiled else model, precision)
    body, head = parts
    return Headed(torch.compile(body) if compiled else body, head, precision)


class Whole:
    """The loss of the network's own logits.

    Args:
        model: See `TextTraining`.
        precision: See `loss_of`.
    """

    def __init__(self, model: Any, precision: str) -> None:
        self._model = model
        self._half = precision == "bfloat16"

    def __call__(self, rows: Tensor, share: float) -> Tensor:
        """See `Loss`."""
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=self._half):
            logits = self._model(rows[:, :-1]).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten()) * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


class Headed:
    """The loss of a network whose logits are `head` of the last hidden states of `body`.

    Args:
        body: Gives an object with `last_hidden_state` [batch, context, width].
        head: A product without bias.
        precision: See `loss_of`.
    """

    def __init__(self, body: Any, head: nn.Linear, precision: str) -> None:
        self._body = body
        self._weight: Any = head.weight
        self._half = precision == "bfloat16"

    def __call__(self, rows: Tensor, share: float) -> Tensor:
        """See `Loss`."""
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=self._half):
            hidden: Tensor = self._body(rows[:, :-1]).last_hidden_state
        loss, gradient = self._head(hidden.detach().flatten(0, 1), rows[:, 1:].flatten(), share)
        hidden.backward(gradient.view_as(hidden))  # type: ignore[no-untyped-call]
        return loss

    @torch.no_grad()
    def _head(self, hidden: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Loss, and its gradient with respect to hidden [n, width]; the weight's is added to it."""
        kind = torch.bfloat16 if self._half else torch.float32
        scale = share / len(targets)
        weight, x = self._weight.to(kind), hidden.to(kind)
        scaled = x * scale
        total = torch.zeros((), device=x.device)
        gradient = torch.empty_like(x)
        size = max(1, MOST_LOGITS.get(x.device.type, 2**26) // len(weight))
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            chances = torch.log_softmax(x[part] @ weight.T, -1, dtype=torch.float32)
            places = targets[part, None]
            total -= chances.gather(1, places).sum()
            chances.exp_()
            # What is known of the right token exactly stays so: one is taken off before rounding.
            chances.scatter_add_(1, places, torch.full_like(places, -1, dtype=torch.float32))
            apart = chances.to(kind)
            torch.mm(apart, weight, out=gradient[part])
            if self._weight.requires_grad:
                self._learn(apart.T @ scaled[part])
        return total * scale, (gradient * scale).to(hidden.dtype)

    def _learn(self, gradient: Tensor) -> None:
        if self._weight.grad is None:
            self._weight.grad = gradient.to(self._weight.dtype)
        else:
            self._weight.grad += gradient


def _parts(model: Any) -> tuple[Any, nn.Linear] | None:
    """Body and head of a network of transformers whose logits are nothing but their product; None for others."""
    body = getattr(model, str(getattr(model, "base_model_prefix", "") or "-"), None)
    head: Any = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if not isinstance(body, nn.Module) or type(head) is not nn.Linear or getattr(head, "bias", None) is not None:
        return None
    device, training = head.weight.device, model.training
    model.eval()
    with torch.no_grad():
        rows = torch.arange(2, device=device)[None]
        logits, hidden = model(rows).logits, body(rows).last_hidden_state
        same = torch.allclose(head(hidden), logits, rtol=1e-4, atol=1e-4)
    model.train(training)
    return (body, head) if same else None
