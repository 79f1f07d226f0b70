"""What checkpoints of every kind have in common on disk: how a damaged one is told, and that files reach the disk."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from core.errors import Refused

FORMAT = 1
TRAINING = "training.pt"
"""Optimisers and counters: tensors and plain data only."""


class Damaged(Refused):
    """A checkpoint whose files are not what was written."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """What goes wrong in the block is told of the checkpoint in `folder`.

    Raises:
        Damaged: It is not whole.
        Refused: The disk did not let it be read.
    """
    try:
        yield
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError, SafetensorError) as error:
        what, do = f"checkpoint {folder.name} cannot be read", "Resume from an earlier checkpoint"
        kind = Refused if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) else Damaged
        raise kind(what, str(error), do) from error


def write_rest(folder: Path, rest: dict[str, Any], run: dict[str, Any]) -> None:
    """Write what is not weights: `rest`, and what the run keeps with it."""
    torch.save({"format": FORMAT, "run": run, **rest}, folder / TRAINING)
    flush(folder / TRAINING)


def read_rest(folder: Path) -> dict[str, Any]:
    """What `write_rest` wrote; within `reading`.

    Raises:
        Refused: It is of a format this program does not know.
    """
    state: dict[str, Any] = torch.load(folder / TRAINING, weights_only=True, map_location="cpu")
    if state["format"] != FORMAT:
        raise Refused(f"checkpoint {folder.name} is of format {state['format']}", "", "Update Tarmac")
    return state


def flush(path: Path) -> None:
    """Bring a file to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
