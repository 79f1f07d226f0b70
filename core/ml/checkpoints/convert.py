"""From a foreign file or folder to a folder of ours: weights in safetensors and what the manifest says.

Reading is `read_generator` and below, which touch nothing but the file's bytes; `convert` adds the check by the real
network and the writing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.interface.command import Interface
from core.library.interfaces import image_gan_interface
from core.ml.checkpoints import (
    generator,
    nvidia,
    rosinality,
    rosinality_stylegan1,
    safetensors_files,
    sniff,
    stylegan1,
    tensorflow,
    torch_files,
)
from core.ml.checkpoints.generator import Found
from core.ml.checkpoints.interpreter import Budget
from core.ml.checkpoints.problems import Unreadable, shown
from core.ml.checkpoints.source import digest, map_file
from core.ml.checkpoints.tensors import Tensor, from_array
from core.ml.checkpoints.vocabulary import NetworkVocabulary, Persisted, TensorFlowNetwork, read_pickle

Progress = Callable[[str, float | None], None]
"""Told what is being done and the share done, 0 to 1, or None where nobody can say."""

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Converted:
    """What a conversion found out; with the files it wrote, all that a manifest needs."""

    name: str
    kind: str
    adapter: str
    architecture: Mapping[str, object]
    interface: Interface
    origin: Mapping[str, object]
    card: Mapping[str, object] = field(default_factory=dict)
    """What a manifest in the folder said for people: author, licence, description, scores, recipe."""

    def to_json(self) -> dict[str, object]:
        """Plain data for the pipe to the parent."""
        return {
            "name": self.name,
            "kind": self.kind,
            "adapter": self.adapter,
            "architecture": dict(self.architecture),
            "interface": self.interface.spec(),
            "origin": dict(self.origin),
            "card": dict(self.card),
        }


def convert(path: Path, staging: Path, progress: Progress = lambda text, fraction: None) -> Converted:
    """Convert `path` into files in the empty folder `staging`.

    Raises:
        Unreadable: It is not one of the supported formats, damaged, or hostile. `staging` may then hold partial files.
        StorageError: The disk said no.
    """
    if path.is_dir():
        from core.ml.checkpoints import folders

        return folders.convert(path, staging, progress)
    return convert_generator(path, staging, progress)


def convert_generator(
    path: Path, staging: Path, progress: Progress, settings: Mapping[str, object] | None = None
) -> Converted:
    """Convert one file that holds a StyleGAN or StyleGAN2 generator; see `convert`.

    Args:
        settings: What a manifest beside the file says of it; taken for what is not in the weights themselves.
    """
    progress("reading", None)
    data = map_file(path)
    found = read_generator(data)
    if settings is not None and found.clamp is None:
        found.clamp = generator.clamp_of(settings.get("conv_clamp"))
    if settings is not None:
        found.settings = {**settings, **found.settings}
    complete = stylegan1.complete if found.network == "stylegan1" else generator.complete
    weights, architecture = complete(found)
    progress("checking", None)
    from core.ml import threads
    from core.ml.checkpoints import check

    threads.size_thread_pools()
    network = check.build(architecture, weights)
    if "mapping.w_avg" not in weights:
        weights["mapping.w_avg"] = check.average_w(network)
        network = check.build(architecture, weights)
    check.check_picture(network)
    progress("writing", 0.0)
    tensors = {name: from_array(_smallest(array)) for name, array in weights.items()}
    safetensors_files.write(staging / WEIGHTS, tensors, progress=lambda share: progress("writing", share))
    sha256 = digest(data, lambda share: progress("checksum", share))
    numbers = {name: value for name, value in architecture.items() if isinstance(value, int)}
    return Converted(
        name=path.stem,
        kind="image-gan",
        adapter=found.network,
        architecture=architecture,
        interface=image_gan_interface(
            numbers["z_dim"], numbers["img_resolution"], numbers["img_channels"], numbers["c_dim"], numbers["w_dim"]
        ),
        origin={"file": shown(path.name, 200), "sha256": sha256, "format": found.format},
    )


def read_generator(data: memoryview) -> Found:
    """The generator in the bytes of a file of any supported format.

    Raises:
        Unreadable: There is none, or the file is damaged or hostile.
    """
    kind = sniff.sniff(data)
    budget = Budget()
    if kind == "pickle":
        content = read_pickle(data, NetworkVocabulary(budget, torch_files.read_stream), budget)
        found = nvidia.find(content) or tensorflow.find(content)
        if found is None:
            raise _unknown(content)
        return found
    if kind == "safetensors":
        content = dict(safetensors_files.read(data)[0])
    elif kind == "archive":
        content = torch_files.read_archive(data, budget)
    else:
        content = torch_files.read_stream(data, budget)
    found = rosinality.find(content) or rosinality_stylegan1.find(content) or _published(content)
    if found is None:
        raise _unknown(content)
    return found


def _published(content: object) -> Found | None:
    """A state dict that has the names of our networks already."""
    if type(content) is not dict or not any(
        type(name) is str and name.startswith(("synthesis.b4.", "synthesis.input.")) for name in content
    ):
        return None
    weights: dict[str, Tensor] = {}
    for name, tensor in content.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise Unreadable("its generator holds something other than numbers")
        weights[name] = tensor
    if stylegan1.CONSTANT in weights:
        return Found(weights, "StyleGAN state dict", network="stylegan1")
    return Found(weights, "StyleGAN2 state dict")


def _unknown(content: object) -> Unreadable:
    """A sentence for weights that are not a generator's."""
    if type(content) is dict:
        if "GAN" in content and "version" in content:
            return Unreadable("it is a checkpoint of lucidrains' stylegan2-pytorch, which is not supported")
        texts = ("transformer.", "model.layers.", "lm_head.", "h.0.", "wte.", "gpt_neox.")
        if any(type(name) is str and name.startswith(texts) for name in content):
            return Unreadable("it holds the weights of a text model alone", "Import the folder with its config.json")
        for value in content.values():
            if isinstance(value, Persisted | TensorFlowNetwork):
                return Unreadable("it holds networks, but no generator")
    if type(content) in (tuple, list) and any(isinstance(part, TensorFlowNetwork) for part in content):  # type: ignore[attr-defined]
        return Unreadable("it holds TensorFlow networks, but not the three of a StyleGAN snapshot")
    return Unreadable("it holds no StyleGAN generator", sniff.SUPPORTED)


def _smallest(array: np.ndarray) -> np.ndarray:
    """float16 if that keeps every number exactly, else the float32 that it is."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array
