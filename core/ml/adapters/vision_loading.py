"""A vision network in Hugging Face layout, loaded without running anything that its folder brings.

Three ways to tell what is where are known: labels of pixels ("semantic"), masks with labels ("masks": MaskFormer's
kind) and boxes with labels ("boxes").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import OutOfMemory, Refused, out_of_memory
from core.library.interfaces import MOST_LABELS
from core.library.scenery import clean_labels
from core.ml.adapters.picture_input import PictureInput
from core.ml.generation.loading import read_config

MOST_NAMED = 10_000
"""Labels of a detector: no published one knows more."""


@dataclass(frozen=True)
class Vision:
    """A network that is ready.

    Attributes:
        model: transformers' network, set to evaluation, on its device.
        task: "semantic", "masks" or "boxes".
        labels: Names of its classes; of a network with a single output "background" and that one's name.
        shown: How it wants to be shown a picture.
        architecture: The model type of config.json.
        parameters: How many numbers its weights have.
        bytes: That they take.
    """

    model: Any
    task: str
    labels: tuple[str, ...]
    shown: PictureInput
    architecture: str
    parameters: int
    bytes: int


def task_of(config: Mapping[str, object]) -> tuple[str, str] | None:
    """What the network of a config.json tells ("semantic", "masks", "boxes"), and the class of transformers that does.

    None where it is none of these. The class is named in `architectures`; without that the model type decides.
    """
    from transformers.models.auto import modeling_auto as known

    masks = known.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES | known.MODEL_FOR_INSTANCE_SEGMENTATION_MAPPING_NAMES
    tasks = {
        "semantic": known.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES,
        "masks": masks,
        "boxes": known.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES,
    }
    kind, named = config.get("model_type"), config.get("architectures")
    for task, classes in tasks.items():
        if isinstance(kind, str) and kind in classes:
            if isinstance(named, list) and named:
                if classes[kind] in named:
                    return task, classes[kind]
            elif kind not in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
                return task, classes[kind]
    return None


def load_vision(folder: Path, device: torch.device) -> Vision:
    """Load the network of a folder.

    Raises:
        Refused: It is none that is known, the files do not fit each other, or there are too many labels.
        OutOfMemory: It does not fit.
    """
    if not (folder / "config.json").is_file():
        raise Refused(f"{folder.name} cannot be run", "there is no config.json", "Import the model again")
    try:
        config = read_config(folder)
        found = task_of(config)
        if found is None:
            raise Refused(f"{folder.name} cannot be run", f"a {config['model_type']} of this sort tells no places")
        model, missing = _network(folder, found[1])
        if missing:
            raise Refused("the weights are incomplete", f"there is no tensor {missing}", "Copy the model again")
        labels = _labels(model.config, found[0])
        usual = getattr(model.config, "image_size", 0)
        shown = PictureInput.read(folder, usual if isinstance(usual, int) else 0)
        model = model.to(device).eval().requires_grad_(False)
        numbers = [parameter.numel() for parameter in model.parameters()]
        held = sum(each.numel() * each.element_size() for each in (*model.parameters(), *model.buffers()))
        return Vision(model, found[0], labels, shown, str(config["model_type"]), sum(numbers), held)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        do = "Choose a smaller model, or the CPU"
        raise OutOfMemory("loading the model", "there is not enough memory", do) from None


def _network(folder: Path, name: str) -> tuple[Any, str]:
    """The network, float32, and the name of the first tensor that is missing ("" for none)."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model, report = getattr(transformers, name).from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (ValueError, KeyError, OSError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        if out_of_memory(error):
            raise
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise Refused("this model cannot be loaded", reason, "Copy the model again") from error
    return model, min(report["missing_keys"], default="")


def _labels(config: Any, task: str) -> tuple[str, ...]:
    """The names of the classes, clean and different.

    Raises:
        Refused: There are none, or too many.
    """
    named = config.id2label or {}
    count = len(named)
    most = MOST_NAMED if task == "boxes" else MOST_LABELS
    if not 0 < count <= most:
        raise Refused("this model cannot be used", f"it has {count:,} labels, and 1 to {most:,} are possible")
    labels = [str(named.get(place, f"label {place}")) for place in range(count)]
    if count == 1 and task == "semantic":
        labels = ["background", "subject" if labels[0] in ("LABEL_0", "0") else labels[0]]
    return clean_labels(labels)
