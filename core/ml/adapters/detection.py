"""Runs an object detection network of DETR's kind: a picture to labelled boxes, or to how much of it is the subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import Refused
from core.interface import Interface
from core.library.interfaces import detection_interface
from core.library.scenery import background_of
from core.library.subjects import SUBJECT
from core.ml.adapters.segmentation import grey, memory_told, vision_info
from core.ml.adapters.vision_loading import Vision, load_vision
from core.ml.hardware import choose_device
from core.workers.adapter import Answer, Request

_MOST_OBJECTS = 300
_CELLS = 128
"""Side of the map of the subject."""
_LEAST_SCORE = 0.3
"""A box of less is not drawn into that map: networks of this kind have something to say about every corner."""


def load(path: Path, options: Mapping[str, object], device: str = "auto") -> DetectionModel:
    """The adapter of the model in folder `path`. See `core.ml.adapters.load` for the errors."""
    if options:
        raise Refused("model cannot be run", f"it has no option {next(iter(options))!r}")
    target = choose_device(device)
    vision = load_vision(path, target)
    if vision.task != "boxes":
        raise Refused(f"{path.name} cannot be run", "it finds no objects", "Import it again")
    return DetectionModel(vision, target)


class DetectionModel:
    """The adapter (`core.workers.adapter.Adapter`) of a network that finds objects.

    Args:
        vision: The network; its task is "boxes".
        device: Where it is.
    """

    interface: Interface
    info: dict[str, object]

    def __init__(self, vision: Vision, device: torch.device) -> None:
        self.vision, self._device = vision, device
        self.interface = detection_interface()
        self._background = set(background_of(vision.labels, areas=False))
        self.info = vision_info(vision, device)

    def max_batch(self, command: str) -> int:
        """Pictures are shown one by one: what is found in one does not depend on its company, to the last bit."""
        return 1

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer "detect" or "subject" (levels uint8 [h, w, 1])."""
        for index, request in enumerate(requests):
            pixels = cast("NDArray[np.uint8]", request.inputs["image"])
            with memory_told("looking at the picture"):
                scores, labels, boxes = self._found(pixels)
                outputs: dict[str, object]
                if command == SUBJECT:
                    outputs = {SUBJECT: self._subject(scores, labels, boxes, pixels.shape[:2])}
                else:
                    least = cast(float, request.inputs["threshold"])
                    outputs = {"objects": self._objects(scores, labels, boxes, least)}
            yield Answer(index, outputs, 1.0)

    @torch.inference_mode()
    def _found(self, pixels: NDArray[np.uint8]) -> tuple[Tensor, Tensor, Tensor]:
        """Scores [n], labels [n] and boxes [n, 4] (left, top, right, bottom in shares) on the CPU, surest first."""
        found = self.vision.model(pixel_values=self.vision.shown.tensor(pixels).to(self._device))
        logits = found.logits[0].float()
        known = len(self.vision.labels)
        # With one logit more than there are labels, that one is "no object"; else each label is judged by itself.
        each = logits.softmax(dim=-1)[:, :known] if logits.shape[-1] > known else logits.sigmoid()
        scores, labels = each.max(dim=-1)
        order = scores.argsort(descending=True, stable=True)[:_MOST_OBJECTS]
        x, y, width, height = found.pred_boxes[0].float()[order].unbind(-1)
        boxes = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], dim=-1).clamp(0, 1)
        return scores[order].cpu(), labels[order].cpu(), boxes.cpu()

    def _objects(self, scores: Tensor, labels: Tensor, boxes: Tensor, least: float) -> list[dict[str, object]]:
        return [
            {
                "label": self.vision.labels[label],
                "score": round(score, 4),
                "box": [round(edge, 5) for edge in box],
            }
            for score, label, box in zip(scores.tolist(), labels.tolist(), boxes.tolist(), strict=True)
            if score >= least
        ]

    def _subject(self, scores: Tensor, labels: Tensor, boxes: Tensor, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Each place has the score of the surest box over it."""
        share = torch.zeros(_CELLS, _CELLS)
        for score, label, box in zip(scores.tolist(), labels.tolist(), boxes.tolist(), strict=True):
            if score >= _LEAST_SCORE and label not in self._background:
                left, top, right, bottom = (round(edge * _CELLS) for edge in box)
                part = share[top : max(bottom, top + 1), left : max(right, left + 1)]
                part.clamp_(min=score)
        return grey(share, shape)
