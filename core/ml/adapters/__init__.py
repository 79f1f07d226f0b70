"""Which adapter runs which kind of model: the only names a manifest can choose from."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused

if TYPE_CHECKING:
    from core.workers.adapter import Adapter

_MODULES = {
    "stylegan1": "core.ml.adapters.stylegan",
    "stylegan2": "core.ml.adapters.stylegan",
    "causal-lm": "core.ml.adapters.causal_lm",
    "segmentation": "core.ml.adapters.segmentation",
    "detection": "core.ml.adapters.detection",
}
"""Each module has `load(path, options, device) -> Adapter`. Only the one that is asked for is imported."""


def load(adapter: str, path: Path, options: Mapping[str, object], device: str = "auto") -> Adapter:
    """A model, loaded and ready to run.

    Args:
        adapter: Registered name: "stylegan1", "stylegan2", "causal-lm", "segmentation" or "detection".
        path: Folder of the model.
        options: Set-up options of the model's interface.
        device: "auto" or a name of PyTorch's: "cpu", "cuda", "cuda:1", "mps".

    Raises:
        Refused: Unknown adapter or device, or the folder's files are not what they should be.
        OutOfMemory: The model does not fit.
    """
    if adapter not in _MODULES:
        known = ", ".join(sorted(_MODULES))
        raise Refused("model cannot be run", f"it asks for the adapter {adapter!r}; there are {known}", "Update Tarmac")
    if "torch" not in sys.modules:  # a fresh worker: nobody has settled its threads yet
        from core.ml.threads import size_thread_pools

        size_thread_pools()
    loaded: Adapter = importlib.import_module(_MODULES[adapter]).load(path, options, device)
    return loaded


def warm(adapters: tuple[str, ...] = tuple(_MODULES)) -> None:
    """Import what `load` will need for these adapters, so that a worker that waits for its model starts at once."""
    if "torch" not in sys.modules:
        from core.ml.threads import size_thread_pools

        size_thread_pools()
    for adapter in adapters:
        importlib.import_module(_MODULES[adapter])
