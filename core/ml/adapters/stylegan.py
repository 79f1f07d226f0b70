"""Runs a StyleGAN2 generator: latent vector and truncation to picture, in batches, with the stored noise.

A model folder holds model.toml, whose [architecture] builds the network, and weights.safetensors under the published
names. Both are data; anything that does not fit is refused with the first difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from core.errors import OutOfMemory, Refused
from core.interface import Interface
from core.library.interfaces import image_gan_interface
from core.library.manifest import FILE_NAME, Manifest
from core.ml.adapters.synthesis_choice import choose_synthesis
from core.ml.hardware import choose_device, device_name, out_of_memory
from core.ml.networks.fast_synthesis import FastSynthesis
from core.ml.networks.stylegan2 import Generator, channels_at
from core.workers.adapter import Answer, Request

WEIGHTS = "weights.safetensors"

# What [architecture] may say: the smallest and largest whole number, and the default (None: it must be there).
_SIZES: dict[str, tuple[int, int, int | None]] = {
    "z_dim": (1, 8192, None),
    "c_dim": (0, 65536, 0),
    "w_dim": (1, 8192, None),
    "img_resolution": (4, 4096, None),
    "img_channels": (1, 4, 3),
    "mapping_layers": (1, 64, None),
    "channel_base": (4, 1 << 20, None),
    "channel_max": (1, 8192, None),
}


def load(path: Path, options: Mapping[str, object], device: str = "auto") -> StyleGAN2:
    """The adapter of the model in folder `path`. See `core.ml.adapters.load` for the errors."""
    if options:
        raise Refused("model cannot be run", f"it has no option {next(iter(options))!r}")
    target = choose_device(device)
    generator = read_generator(path)
    with _memory_told("loading the model"):
        return StyleGAN2(generator, target)


def read_architecture(settings: Mapping[str, object]) -> dict[str, int | float]:
    """The keyword arguments of `Generator` from a manifest's [architecture].

    Raises:
        Refused: It is another network's, or a setting is missing, unknown or impossible.
    """

    def refuse(why: str) -> Refused:
        return Refused(f"{FILE_NAME} cannot be used", f"[architecture] {why}", "Import the model again")

    found = dict(settings)
    name = found.pop("name", "stylegan2")
    if name != "stylegan2":
        raise refuse(f"is of {name!r}, not stylegan2")
    arguments: dict[str, int | float] = {}
    for key, (least, most, default) in _SIZES.items():
        value = found.pop(key, default)
        if value is None:
            raise refuse(f"lacks {key}")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise refuse(f"has {key} = {value!r}, not a whole number from {least} to {most}")
        arguments[key] = value
    clamp = found.pop("conv_clamp", None)
    if clamp is not None:
        if isinstance(clamp, bool) or not isinstance(clamp, int | float) or not clamp > 0:
            raise refuse(f"has conv_clamp = {clamp!r}, not a number above 0")
        arguments["conv_clamp"] = float(clamp)
    found.pop("num_ws", None)  # follows from the resolution
    if found:
        raise refuse(f"has the unknown setting {next(iter(found))!r}")
    resolution = int(arguments["img_resolution"])
    if resolution & (resolution - 1):
        raise refuse(f"has img_resolution = {resolution}, not a power of two")
    if channels_at(resolution, int(arguments["channel_base"]), int(arguments["channel_max"])) < 1:
        raise refuse(f"leaves no feature maps at {resolution} pixels")
    return arguments


def read_generator(path: Path) -> Generator:
    """The generator in folder `path`, float32 on the CPU, ready for inference.

    Raises:
        Refused: A file is missing, broken or does not fit the other.
    """
    arguments = read_architecture(Manifest.read(path).architecture)

    def refuse(why: str) -> Refused:
        return Refused(f"{WEIGHTS} cannot be used", why, "Import the model again")

    # On the meta device a network costs nothing, so a wrong file is refused before memory is asked for.
    with torch.device("meta"):
        generator = Generator(**arguments)  # type: ignore[arg-type]
    expected = {name: list(tensor.shape) for name, tensor in generator.state_dict().items()}
    try:
        with safe_open(path / WEIGHTS, framework="pt", device="cpu") as weights:
            names = set(weights.keys())
            for name, shape in expected.items():
                if name not in names:
                    raise refuse(f"it lacks {name}")
                there = list(weights.get_slice(name).get_shape())
                if there != shape:
                    raise refuse(f"{name} has the shape {there}, the manifest asks for {shape}")
            if extra := sorted(names - expected.keys()):
                raise refuse(f"it holds {extra[0]!r}, which the network does not have")
            state = {name: weights.get_tensor(name).float() for name in expected}
    except FileNotFoundError:
        raise refuse("it is missing") from None
    except SafetensorError as error:
        raise refuse(f"it is not a whole safetensors file ({error})") from error
    except OSError as error:
        raise refuse(error.strerror or str(error)) from error
    generator.load_state_dict(state, assign=True)
    return generator.eval().requires_grad_(False)


class StyleGAN2:
    """The adapter (`core.workers.adapter.Adapter`) of a StyleGAN2 generator.

    Args:
        generator: Float32, on the CPU; it is taken over.
        device: Where it will run.
    """

    interface: Interface
    info: dict[str, object]

    def __init__(self, generator: Generator, device: torch.device) -> None:
        self.generator = generator.to(device)
        self.device = device
        self.interface = image_gan_interface(
            generator.z_dim, generator.img_resolution, generator.img_channels, generator.c_dim
        )
        self._synthesis, self._dtype = choose_synthesis(generator, device)
        held = [*generator.parameters(), *generator.buffers()]
        kept = self._synthesis.memory_bytes if isinstance(self._synthesis, FastSynthesis) else 0
        self.info = {
            "device": str(device),
            "device_name": device_name(device),
            "dtype": str(self._dtype).removeprefix("torch."),
            "architecture": "stylegan2",
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
        """Pictures for "generate", each as uint8 [R, R, C]; cancelled requests are left out between batches."""
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

    @torch.inference_mode()
    def _draw(self, inputs: Sequence[Mapping[str, object]]) -> list[np.ndarray]:
        """Checked inputs to pictures."""
        size = self.generator.img_resolution
        with _memory_told(f"drawing {len(inputs)} pictures of {size} × {size}"):
            z = torch.from_numpy(np.stack([np.asarray(one["z"], dtype=np.float32) for one in inputs]))
            psi = torch.tensor([float(one["truncation"]) for one in inputs])  # type: ignore[arg-type]
            c = None
            if self.generator.c_dim:
                labels = torch.tensor([int(str(one["label"])) for one in inputs])
                c = torch.nn.functional.one_hot(labels, self.generator.c_dim).float().to(self.device)
            ws = self.generator.mapping(z.to(self.device), c, truncation_psi=psi.to(self.device))
            images = self._synthesis(ws)
            pixels = (images * 127.5 + 128).nan_to_num(0.0).clamp(0, 255).to(torch.uint8)
            return [picture.copy() for picture in pixels.permute(0, 2, 3, 1).cpu().numpy()]


def _batch_for(generator: Generator, device: torch.device) -> int:
    """Pictures per batch: about half a second of one CPU core, or a tenth of a GPU's."""
    multiply_adds = 0
    for name, parameter in generator.synthesis.named_parameters():
        if parameter.ndim == 4:  # a convolution; its block's name tells the resolution it works at
            resolution = int(name.split(".")[0].removeprefix("b")) // (2 if "conv0" in name else 1)
            multiply_adds += parameter.numel() * resolution**2
    budget, most = (20e9, 16) if device.type == "cpu" else (2000e9, 64)
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
