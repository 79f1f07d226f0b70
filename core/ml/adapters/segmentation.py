"""Runs an image segmentation network: a picture to labels of its pixels, or to how much of it is the subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from core.errors import OutOfMemory, Refused, out_of_memory
from core.interface import Interface
from core.library.interfaces import segmentation_interface
from core.library.scenery import background_of
from core.library.subjects import SUBJECT
from core.ml.adapters.vision_loading import Vision, load_vision
from core.ml.hardware import choose_device, device_name
from core.workers.adapter import Answer, Request

_MOST_SCORES = 2**26
"""Numbers of a map of scores that is made as large as the picture; a larger map is made in labels afterwards."""


def load(path: Path, options: Mapping[str, object], device: str = "auto") -> SegmentationModel:
    """The adapter of the model in folder `path`. See `core.ml.adapters.load` for the errors."""
    if options:
        raise Refused("model cannot be run", f"it has no option {next(iter(options))!r}")
    target = choose_device(device)
    vision = load_vision(path, target)
    if vision.task == "boxes":
        raise Refused(f"{path.name} cannot be run", "it finds objects and segments nothing", "Import it again")
    return SegmentationModel(vision, target)


class SegmentationModel:
    """The adapter (`core.workers.adapter.Adapter`) of a segmentation network.

    Args:
        vision: The network; its task is "semantic" or "masks".
        device: Where it is.
    """

    interface: Interface
    info: dict[str, object]

    def __init__(self, vision: Vision, device: torch.device) -> None:
        self.vision, self._device = vision, device
        self.interface = segmentation_interface(vision.labels)
        self._background = list(background_of(vision.labels))
        self.info = vision_info(vision, device) | {"background": [vision.labels[each] for each in self._background]}

    def max_batch(self, command: str) -> int:
        """Pictures are shown one by one: what is found in one does not depend on its company, to the last bit."""
        return 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer "segment" (ids uint8 [h, w]) or "subject" (levels uint8 [h, w, 1])."""
        for index, request in enumerate(requests):
            pixels = cast("NDArray[np.uint8]", request.inputs["image"])
            with memory_told("looking at the picture"):
                scores = self._scores(pixels)
                if command == SUBJECT:
                    outputs = {SUBJECT: grey(1 - scores[self._background].sum(dim=0), pixels.shape[:2])}
                else:
                    outputs = {"segmentation": _ids(scores, pixels.shape[:2])}
            yield Answer(index, cast("dict[str, object]", outputs), 1.0)

    @torch.inference_mode()
    def _scores(self, pixels: NDArray[np.uint8]) -> Tensor:
        """How probable each label is at each place, float32 [labels, H, W], as large as the network tells it."""
        shown = self.vision.shown.tensor(pixels).to(self._device)
        found = self.vision.model(pixel_values=shown)
        if self.vision.task == "masks":
            return _of_masks(found)
        logits: Tensor = found.logits[0].float()
        if logits.shape[0] == 1:
            subject = logits.sigmoid()
            return torch.cat([1 - subject, subject])
        return logits.softmax(dim=0)


def _of_masks(found: object) -> Tensor:
    """Labels from masks with labels (Cheng et al. 2021, section 3.4), float32 [labels, H, W]; never more than 1 in all.

    Where no mask is sure, all labels together may come to less than 1; the rest belongs to nothing.
    """
    classes = getattr(found, "class_queries_logits", None)
    masks = getattr(found, "masks_queries_logits", None)
    if classes is None or masks is None:  # as DETR calls them
        classes, masks = found.logits, found.pred_masks  # type: ignore[attr-defined]
    known = classes[0].float().softmax(dim=-1)[:, :-1]  # the last one is "no object"
    scores = torch.einsum("ql,qhw->lhw", known, masks[0].float().sigmoid())
    return scores / scores.sum(dim=0, keepdim=True).clamp(min=1)


def _ids(scores: Tensor, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The likeliest label of each pixel of a picture of that height and width, uint8 [h, w]."""
    height, width = shape
    factor = min(1.0, (_MOST_SCORES / (scores.shape[0] * height * width)) ** 0.5)
    size = max(1, round(height * factor)), max(1, round(width * factor))
    large = functional.interpolate(scores[None], size=size, mode="bilinear", align_corners=False)[0]
    ids = large.argmax(dim=0).to(torch.uint8).cpu().numpy()
    if ids.shape != (height, width):
        ids = np.asarray(Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST))
    return ids


def grey(share: Tensor, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A map of shares 0 to 1 [H, W] as a grey picture uint8 [h, w, 1] of that height and width."""
    height, width = shape
    levels = (share.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    if levels.shape != (height, width):
        levels = np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BILINEAR))
    return levels[:, :, None]


def vision_info(vision: Vision, device: torch.device) -> dict[str, object]:
    """Plain data about a loaded network. `native.side`: no longer side of a picture makes a difference."""
    return {
        "device": str(device),
        "device_name": device_name(device),
        "dtype": "float32",
        "architecture": vision.architecture,
        "parameters": vision.parameters,
        "memory_bytes": vision.bytes,
        "native": {"side": vision.shown.side, "labels": len(vision.labels)},
    }


@contextmanager
def memory_told(what: str) -> Iterator[None]:
    """Say it in our words when the memory does not suffice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        do = "Choose a smaller model, or the CPU"
        raise OutOfMemory(what, "there is not enough memory", do) from None
