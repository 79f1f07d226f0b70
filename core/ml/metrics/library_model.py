"""Scores of a model of the library against a prepared dataset: both are folders, the answer is plain data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import InvalidInput, NotFound, Refused
from core.ml.adapters.stylegan_files import read_generator
from core.ml.adapters.synthesis_choice import choose_synthesis
from core.ml.hardware import choose_device
from core.ml.metrics import inception_weights
from core.ml.metrics.features import DiscriminatorFeatures, FeatureExtractor, InceptionFeatures
from core.ml.metrics.image_scores import Draw, Scores, score_all
from core.ml.networks.architectures import StyleGenerator
from core.paths import cache_dir

FEATURES = ("auto", "inception", "discriminator")
IMAGES = "images.npy"
_PART = 16


def choose_features(
    name: str = "auto",
    device: torch.device | None = None,
    *,
    inception: Path | None = None,
    sha256: str | None = inception_weights.SHA256,
) -> FeatureExtractor:
    """What to compare pictures by.

    Args:
        name: "inception"; "discriminator"; "auto" for Inception where its weights are on this machine.
        device: Where it runs.
        inception: The file of the weights; looked for if None.
        sha256: See `inception_weights.find`.

    Raises:
        InvalidInput: There are no such features.
        NotFound: Inception was asked for and is not here; also for "auto" if a file was named.
        Refused: The file of weights cannot be used.
    """
    if name not in FEATURES:
        raise InvalidInput(f"there are no features called {name!r}", "", f"Choose from {', '.join(FEATURES)}")
    if name != "discriminator":
        try:
            return InceptionFeatures(inception_weights.read(inception, sha256=sha256), device)
        except NotFound:
            if name == "inception" or inception is not None:
                raise
    return DiscriminatorFeatures(device=device)


def score_model(
    model: Path,
    dataset: Path,
    *,
    samples: int,
    seed: int,
    features: FeatureExtractor,
    truncation: float = 1.0,
    device: str = "auto",
    progress: Callable[[str, float], None] = lambda doing, share: None,
) -> Scores:
    """Score a StyleGAN model.

    Args:
        model: Its folder.
        dataset: A folder with images.npy, uint8 [n, S, S, C]; it is mapped, not read whole.
        samples: Pictures to draw; 50,000 is what papers do.
        seed: Of the latents.
        features: What to compare by.
        truncation: 1 is what papers do.
        device: Where the generator runs.
        progress: Told what is done and which share of it.

    Raises:
        Refused: A folder is not what it should be.
        InvalidInput: A number is not allowed.
    """
    reals = open_images(dataset)
    draw = draw_with(read_generator(model), choose_device(device), truncation)
    drawing = f"truncation {truncation:g}, stored noise"
    cache = cache_dir() / "statistics"
    return score_all(draw, reals, features, samples, seed, cache, drawing=drawing, progress=progress)


def open_images(dataset: Path) -> NDArray[np.uint8]:
    """The pictures of a dataset's folder, mapped read-only.

    Raises:
        Refused: There are none.
    """
    try:
        images: NDArray[np.uint8] = np.load(dataset / IMAGES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Refused(f"{dataset} is no picture dataset", str(error), "Prepare it again") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise Refused(f"{dataset} is damaged", f"{IMAGES} holds {images.dtype} {images.shape}", "Prepare it again")
    return images


def draw_with(generator: StyleGenerator, device: torch.device, truncation: float = 1.0) -> Draw:
    """The pictures of a generator as the program shows them: same number format, stored noise; classes drawn evenly.

    The generator is moved to `device` and must not change while it is drawn with.
    """
    generator = generator.to(device)
    synthesis, _ = choose_synthesis(generator, device)

    @torch.inference_mode()
    def draw(seed: int, count: int) -> NDArray[np.uint8]:
        random = torch.Generator().manual_seed(seed)
        z = torch.randn(count, generator.z_dim, generator=random)
        labels = torch.randint(max(generator.c_dim, 1), (count,), generator=random)
        parts = []
        for start in range(0, count, _PART):
            c = torch.eye(generator.c_dim)[labels[start : start + _PART]].to(device) if generator.c_dim else None
            ws = generator.mapping(z[start : start + _PART].to(device), c, truncation_psi=truncation)
            pixels = (synthesis(ws) * 127.5 + 128).nan_to_num(0.0).clamp(0, 255).to(torch.uint8)
            parts.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
        return np.ascontiguousarray(np.concatenate(parts))

    return draw
