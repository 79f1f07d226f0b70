"""What checkpoints of every kind have in common on disk: how a damaged one is told, and that files reach the disk."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from core.errors import Refused, out_of_memory
from core.paths import private_dir, storage_errors

FORMAT = 1
TRAINING = "training.pt"
"""Optimisers and counters: tensors and plain data only."""


class Damaged(Refused):
    """A checkpoint whose files are not what was written."""


_SIGNS = (
    *(OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError),
    *(pickle.UnpicklingError, SafetensorError, Refused),
)
"""What readers raise over files that are not what was written."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """What goes wrong in the block is told of the checkpoint in `folder`. A lack of memory is not its fault.

    Raises:
        Damaged: It is not whole.
        Refused: The disk did not let it be read.
    """
    try:
        yield
    except Damaged:
        raise
    except _SIGNS as error:
        if out_of_memory(error):
            raise
        what, do = f"checkpoint {folder.name} cannot be read", "Resume from an earlier checkpoint"
        why = f"{error.what}: {error.why}" if isinstance(error, Refused) and error.why else str(error)
        raise (Refused if _by_the_disk(error) else Damaged)(what, why or type(error).__name__, do) from error


def _by_the_disk(error: BaseException) -> bool:
    """Whether the disk said no: not that a file is missing, nor what libraries raise without a reason of the system."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno not in (None, errno.ENOENT)


def write_rest(folder: Path, rest: dict[str, Any], run: dict[str, Any]) -> None:
    """Write what is not weights: `rest`, and what the run keeps with it."""
    torch.save({"format": FORMAT, "run": run, **rest}, folder / TRAINING)
    flush(folder / TRAINING)


def read_rest(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `write_rest` wrote.

    Raises:
        Damaged: It is not whole.
        Refused: It is of a format this program does not know, or the disk did not let it be read.
    """
    with reading(folder):
        state: dict[str, Any] = torch.load(folder / TRAINING, weights_only=True, map_location="cpu")
        number = state["format"]
    if number != FORMAT:
        raise Refused(f"checkpoint {folder.name} is of format {number}", "", "Update Tarmac")
    with reading(folder):
        return state, dict(state["run"])


def take(checkpoint: Path, out: Path, needed: Sequence[str], others: Sequence[str] = ()) -> None:
    """Copy files of a checkpoint into the folder of a model, which is made if it is not there.

    Raises:
        Refused: One that is needed is missing.
        StorageError: The disk is full, read-only or gone.
    """
    private_dir(out)
    with storage_errors(out):
        for name in needed:
            if not (checkpoint / name).exists():
                raise Refused(f"checkpoint {checkpoint.name} is not whole", f"it lacks {name}")
        for name in dict.fromkeys((*needed, *others)):
            shutil.copyfile(checkpoint / name, out / name)
            flush(out / name)


def flush(path: Path) -> None:
    """Bring a file to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
