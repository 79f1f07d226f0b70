"""The state of a training on disk: whole or not at all, and only ever tensors and plain data."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from core.errors import Refused
from core.paths import replacing


def save_state(path: Path, plan: dict[str, Any], state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts of them) under the plan it belongs to.

    Raises:
        StorageError: The disk is full, read-only or gone; the old state is still there.
    """
    with replacing(path) as file:
        torch.save({"plan": plan, "state": state}, file)


def load_state(path: Path, plan: dict[str, Any]) -> dict[str, Any] | None:
    """The state saved under the same plan; None when nothing is saved yet.

    Raises:
        Refused: The file cannot be read as one, or belongs to another plan.
    """
    if not path.exists():
        return None
    try:
        kept = torch.load(path, weights_only=True)
        saved, state = kept["plan"], kept["state"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise Refused(f"{path} is no training state", str(error), "Delete it to begin again") from error
    if saved != plan:
        raise Refused(f"{path} belongs to another plan", "its settings differ", "Delete it to begin again")
    return dict(state)
