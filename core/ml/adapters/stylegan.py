"""Runs a StyleGAN or StyleGAN2 generator.

Pictures of latent vectors in batches, with the stored noise, plain or with styles mixed and edited; the principal
directions of its styles; and the latent vector of a given picture.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import OutOfMemory, Refused, out_of_memory
from core.interface import Interface
from core.library.interfaces import image_gan_interface
from core.ml.adapters.stylegan_files import WEIGHTS, read_architecture, read_generator
from core.ml.adapters.synthesis_choice import choose_synthesis
from core.ml.hardware import choose_device, device_name
from core.ml.latent.directions import StyleDirections
from core.ml.latent.projection import Search, prepare, project
from core.ml.latent.styles import Styler, layer_range
from core.ml.networks.architectures import StyleGenerator, name_of
from core.ml.networks.fast_synthesis import FastSynthesis
from core.workers.adapter import Answer, Request

MOST_STARTS = 4
"""Places that a projection refines side by side, where a batch may be that large."""

PART_STEPS, PART_SECONDS = 10, 0.3
"""How often a projection tells how far it is: whichever comes first."""

PART_SHARE = 5
"""Where drawing the picture of a part is slow, the next waits for so many times as long."""

__all__ = ["WEIGHTS", "StyleGAN", "load", "read_architecture", "read_generator"]


def load(path: Path, options: Mapping[str, object], device: str = "auto") -> StyleGAN:
    """The adapter of the model in folder `path`. See `core.ml.adapters.load` for the errors."""
    if options:
        raise Refused("model cannot be run", f"it has no option {next(iter(options))!r}")
    target = choose_device(device)
    generator = read_generator(path)
    with _memory_told("loading the model"):
        return StyleGAN(generator, target)


class StyleGAN:
    """The adapter (`core.workers.adapter.Adapter`) of a StyleGAN or StyleGAN2 generator.

    Args:
        generator: Float32, on the CPU; it is taken over.
        device: Where it will run.
    """

    interface: Interface
    info: dict[str, object]

    def __init__(self, generator: StyleGenerator, device: torch.device) -> None:
        self.generator = generator.to(device)
        self.device = device
        self.interface = image_gan_interface(
            generator.z_dim, generator.img_resolution, generator.img_channels, generator.c_dim, generator.w_dim
        )
        self._synthesis, self._dtype = choose_synthesis(generator, device)
        self._directions = StyleDirections(generator)
        self._styles = Styler(generator, self._directions)
        held = [*generator.parameters(), *generator.buffers()]
        kept = self._synthesis.memory_bytes if isinstance(self._synthesis, FastSynthesis) else 0
        self.info = {
            "device": str(device),
            "device_name": device_name(device),
            "dtype": str(self._dtype).removeprefix("torch."),
            "architecture": name_of(generator),
            "parameters": sum(parameter.numel() for parameter in generator.parameters()),
            "memory_bytes": sum(tensor.numel() * tensor.element_size() for tensor in held) + kept,
            "native": {
                "z_dim": generator.z_dim,
                "w_dim": generator.w_dim,
                "num_ws": generator.num_ws,
                "resolution": generator.img_resolution,
                "channels": generator.img_channels,
                "classes": generator.c_dim,
            },
        }
        self._max_batch = _batch_for(generator, device)

    def max_batch(self, command: str) -> int:
        """As many pictures as keep the first of them from waiting long."""
        return self._max_batch

    def run(self, command: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """Answer "generate", "styled", "directions" or "project"; pictures are uint8 [R, R, C].

        Cancelled requests are left out between batches; a projection ends between two of its steps.
        """
        if command in ("generate", "styled"):
            return self._pictures(requests)
        answer = self._strengths if command == "directions" else self._project
        return (part for index, request in enumerate(requests) for part in answer(index, request))

    def _pictures(self, requests: Sequence[Request]) -> Iterator[Answer]:
        waiting = list(enumerate(requests))
        while waiting:
            batch: list[tuple[int, Request]] = []
            while waiting and len(batch) < self._max_batch:
                index, request = waiting.pop(0)
                if not request.cancelled():
                    batch.append((index, request))
            if batch:
                pictures = self._draw([request.inputs for _, request in batch])
                for (index, _), picture in zip(batch, pictures, strict=True):
                    yield Answer(index, {"image": picture})

    def _strengths(self, index: int, request: Request) -> Iterator[Answer]:
        count = self.generator.num_ws
        layers = layer_range("layers", request.inputs["layers"], count) or slice(0, count)
        with _memory_told("finding the principal directions"):
            yield Answer(index, {"strengths": list(self._directions.of(layers).strengths)})

    def _project(self, index: int, request: Request) -> Iterator[Answer]:
        """Parts with the best place so far, every `PART_STEPS` steps or `PART_SECONDS`, and the last one."""
        inputs = request.inputs
        size = self.generator.img_resolution
        target = prepare(cast(NDArray[np.uint8], inputs["image"]), size, self.generator.img_channels)
        search = Search(
            steps=int(cast(int, inputs["steps"])),
            seed=int(cast(int, inputs["seed"])),
            starts=min(MOST_STARTS, self._max_batch),
            batch=self._max_batch,
        )
        told, steps, pause, found = time.monotonic(), 0, PART_SECONDS, None
        with _memory_told(f"projecting a picture to {size} × {size}"):
            labels = self._styles.labels([inputs])
            psi = float(cast(float, inputs["truncation"]))
            for found in project(
                self.generator, self._synthesis, target, search, psi, labels, cancelled=request.cancelled
            ):
                now = time.monotonic()
                if found.step - steps >= PART_STEPS or now - told >= pause:
                    part = self._nearest(inputs, found.z, target)
                    told, steps = time.monotonic(), found.step
                    pause = max(PART_SECONDS, PART_SHARE * (told - now))
                    yield Answer(index, part, found.progress, final=False)
            if found is not None and not request.cancelled():
                yield Answer(index, self._nearest(inputs, found.z, target))

    def _nearest(self, inputs: Mapping[str, object], z: Tensor, target: NDArray[np.uint8]) -> dict[str, object]:
        """The outputs of a projection: z, its picture as "generate" draws it, and how far that is from `target`."""
        place = {"z": z.numpy(), **{name: inputs[name] for name in ("truncation", "label") if name in inputs}}
        (picture,) = self._draw([place])
        apart = picture.astype(np.float64) - target
        return {"z": place["z"], "image": picture, "distance": float(np.sqrt(np.square(apart).mean()))}

    @torch.inference_mode()
    def _draw(self, inputs: Sequence[Mapping[str, object]]) -> list[np.ndarray]:
        """Checked inputs to pictures."""
        size = self.generator.img_resolution
        with _memory_told(f"drawing {len(inputs)} pictures of {size} × {size}"):
            images = self._synthesis(self._styles(inputs))
            pixels = (images * 127.5 + 128).nan_to_num(0.0).clamp(0, 255).to(torch.uint8)
            return [picture.copy() for picture in pixels.permute(0, 2, 3, 1).cpu().numpy()]


def _batch_for(generator: StyleGenerator, device: torch.device) -> int:
    """Pictures per batch: about half a second of one CPU core, or a tenth of a GPU's.

    On a core, 8 at a time draw a picture of 64 x 64 as fast as 16 (3.7 and 3.9 ms on an AMD EPYC, alone 8.0), and
    smaller batches keep requests in step: while 8 are drawn, the next 8 arrive.
    """
    multiply_adds = 0
    for name, parameter in generator.synthesis.named_parameters():
        if parameter.ndim == 4:  # a convolution; its block's name tells the resolution it works at
            doubles = "conv0" in name or "layer0" in name
            resolution = int(name.split(".")[0].removeprefix("b")) // (2 if doubles else 1)
            multiply_adds += parameter.numel() * resolution**2
    budget, most = (20e9, 8) if device.type == "cpu" else (2000e9, 64)
    return int(max(1, min(most, budget // multiply_adds)))


@contextmanager
def _memory_told(doing: str) -> Iterator[None]:
    """Turn a lack of memory into the error that the worker knows, and give back what was cached."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(f"not enough memory for {doing}", "", "Close other models or choose a smaller one") from None
