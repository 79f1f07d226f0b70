"""Segmentation and detection models in Hugging Face layout: weights become safetensors, code is never taken."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import InvalidInput, Refused
from core.library.scenery import background_of
from core.ml import threads
from core.ml.adapters import detection, picture_input, segmentation
from core.ml.adapters.vision_loading import task_of
from core.ml.checkpoints import hugging_face, safetensors_files
from core.ml.checkpoints.convert import Converted, Progress
from core.ml.checkpoints.hugging_face import first_line
from core.ml.checkpoints.problems import Unreadable, shown
from core.ml.checkpoints.tensors import FLOATS, Tensor
from core.workers.adapter import Request

_TRIED = (150, 200)
"""Height and width of the picture that a model is tried with."""


def claims(config: Mapping[str, object]) -> bool:
    """Whether a config.json is one of a network that tells what is where in a picture."""
    return task_of(config) is not None


def convert(path: Path, staging: Path, progress: Progress) -> Converted:
    """Convert the folder of a segmentation or detection model; see `core.ml.checkpoints.convert.convert`."""
    progress("reading", None)
    config = hugging_face.settings(path / "config.json")
    hugging_face.check_kind(config)
    found = task_of(config)
    if found is None:
        raise Unreadable(f"it is a {shown(config.get('model_type'))} model that tells nothing of places in a picture")
    task, name = found
    hugging_face.check_settings(config)
    _fetch_nothing(config)
    tensors, sha256, form = hugging_face.weights(path, progress)
    hugging_face.write_json(staging / "config.json", config)
    _copy_input(path, staging)
    threads.size_thread_pools()
    with hugging_face.quiet():
        _check_size(staging, name, tensors)
        safetensors_files.write(
            staging / hugging_face.WEIGHTS, tensors, {"format": "pt"}, lambda share: progress("writing", share)
        )
        progress("checking", None)
        adapter = _check_adapter(staging, task)
    labels = adapter.vision.labels
    behind = background_of(labels, areas=task != "boxes")
    kind = "detection" if task == "boxes" else "segmentation"
    return Converted(
        name=hugging_face.name_of(path),
        kind=kind,
        adapter=kind,
        architecture={
            "name": adapter.info["architecture"],
            "parameters": adapter.info["parameters"],
            "labels": len(labels),
            "foreground": len(labels) - len(behind),
            "background": ", ".join(labels[place] for place in behind),
        },
        interface=adapter.interface,
        origin={"file": shown(path.name, 200), "sha256": sha256, "format": form},
    )


def _fetch_nothing(config: dict[str, object]) -> None:
    """Let a network that stands on another one bring its weights itself, and say what it cannot do without."""
    inner = config.get("backbone_config")
    for table in (config, inner) if isinstance(inner, dict) else (config,):
        if "use_pretrained_backbone" in table:
            table["use_pretrained_backbone"] = False
    timm = config.get("use_timm_backbone") or (isinstance(inner, dict) and inner.get("model_type") == "timm_backbone")
    if timm and importlib.util.find_spec("timm") is None:
        raise Unreadable("it needs the library timm, which is not installed", "Run `pip install timm`")


def _copy_input(path: Path, staging: Path) -> None:
    """How it wants to be shown a picture; newer versions keep that in processor_config.json."""
    for name, part in ((picture_input.FILE, None), ("processor_config.json", "image_processor")):
        if (path / name).is_file():
            told: Any = hugging_face.settings(path / name)
            told = told if part is None else told.get(part)
            if isinstance(told, dict):
                return hugging_face.write_json(staging / picture_input.FILE, told)
    return None


def _check_size(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    """The settings must not ask for much more than there is; counted without memory."""
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model = getattr(transformers, name)(config)
    except ImportError as error:  # MaskFormer's kind has its loss matched by scipy, even where nothing is trained
        raise Unreadable(f"it needs a library that is not installed ({shown(first_line(error), 80)})") from None
    except Exception as error:  # whatever a crafted configuration makes a model's constructor do
        raise Unreadable(f"its config.json builds no model ({shown(first_line(error), 80)})") from None
    wanted = int(sum(parameter.numel() for parameter in model.parameters()))
    given = sum(tensor.size for tensor in tensors.values() if tensor.tag in FLOATS)
    if wanted > given * 1.01 + 1000:
        raise Unreadable(f"its config.json asks for {wanted:,} numbers, its weights hold {given:,}")


def _check_adapter(folder: Path, task: str) -> segmentation.SegmentationModel | detection.DetectionModel:
    """Load it as a worker will, and have it look at a picture."""
    try:
        adapter: segmentation.SegmentationModel | detection.DetectionModel
        load = detection.load if task == "boxes" else segmentation.load
        adapter = load(folder, {}, "cpu")
        picture = np.random.default_rng(0).integers(0, 256, (*_TRIED, 3), dtype=np.uint8)
        for name, command in adapter.interface.commands.items():
            for answer in adapter.run(name, [Request(command.check_inputs({"image": picture}), lambda: False)]):
                command.check_outputs(answer.outputs)
    except (Refused, InvalidInput) as error:
        raise Unreadable(f"{error.what}: {error.why}" if error.why else error.what, error.do) from None
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise Unreadable(f"its network does not run ({shown(first_line(error), 80)})") from None
    if not all(bool(torch.isfinite(each).all()) for each in adapter.vision.model.parameters()):
        raise Unreadable("its weights hold numbers that are not finite")
    return adapter
