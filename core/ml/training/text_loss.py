"""The mean loss of a batch of token rows, and its gradients."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class Loss(Protocol):
    """Adds the gradients of a batch's loss to those of the model."""

    def __call__(self, rows: Tensor, share: float) -> Tensor:
        """Of int64 rows [n, context + 1], `share` of a whole step: their mean loss (nats a token) times `share`."""


def loss_of(model: nn.Module, precision: str) -> Loss:
    """What suits the model."""
    return _Plain(model, precision)


class _Plain:
    """The network's own logits."""

    def __init__(self, model: nn.Module, precision: str) -> None:
        self._model: Any = model
        self._half = precision == "bfloat16"

    def __call__(self, rows: Tensor, share: float) -> Tensor:
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=self._half):
            logits = self._model(rows[:, :-1]).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten()) * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()
