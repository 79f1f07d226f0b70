"""What pictures are compared by: a network that was trained on something else, and where its features are taken.

Two of them. Inception with its published weights gives the scores that papers print. A discriminator that was trained
on emoji portraits is always there: it tells better from worse on small pictures of plain things, but its numbers
compare with nothing but each other, and never carry Inception's names.

That discriminator lies beside this file and is nobody's to train: a score keeps its meaning when the portraits starter,
whose discriminator it was first, is made again. Only the layers that features are taken from are kept, in half
precision.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from core.errors import InvalidInput, Refused
from core.ml.metrics.inception_weights import InceptionWeights
from core.ml.networks.discriminator import Discriminator
from core.ml.networks.inception import FEATURES

Uint8 = NDArray[np.uint8]

DISCRIMINATOR = Path(__file__).with_name("discriminator.safetensors")
SIZE, CHANNEL_BASE, CHANNEL_MAX = 64, 2048, 128
"""The architecture of that discriminator."""
EPSILON = 1e-6


class FeatureExtractor(Protocol):
    """Pictures to features; a picture's features do not depend on what else is in the batch.

    Attributes:
        frechet_name: What a Fréchet distance of these features is called.
        kernel_name: What a kernel distance of them is called.
        weights: The network and the first 8 digits of its file's SHA-256, for people.
        identity: All that the features depend on, for caches.
        dims: Numbers in a feature.
        batch: Pictures that it takes at once.
    """

    @property
    def frechet_name(self) -> str: ...
    @property
    def kernel_name(self) -> str: ...
    @property
    def weights(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def dims(self) -> int: ...
    @property
    def batch(self) -> int: ...

    def __call__(self, pictures: Uint8, /) -> NDArray[np.float32]:
        """uint8 [n, H, W, C] with 1, 3 or 4 channels to float32 [n, dims].

        Raises:
            InvalidInput: They are no such pictures.
        """
        ...


class InceptionFeatures:
    """The 2048 numbers that FID and KID are defined on.

    Args:
        weights: As read; the network is moved to `device`.
        device: Where it runs, in float32.
    """

    dims = 2048

    def __init__(self, weights: InceptionWeights, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self._network = weights.network.to(self.device)
        self.frechet_name, self.kernel_name = ("FID", "KID") if weights.published else ("FD-I", "KD-I")
        kind = "Inception 2015-12-05" if weights.published else "Inception with other weights"
        self.weights = f"{kind} {weights.sha256[:8]}"
        self.identity = f"inception {FEATURES} {weights.sha256}"
        self.batch = 8 if self.device.type == "cpu" else 64

    @torch.inference_mode()
    def __call__(self, pictures: Uint8) -> NDArray[np.float32]:
        """See `FeatureExtractor`."""
        found = self._network(_three_channels(pictures).to(self.device))[FEATURES]
        return np.asarray(found.cpu().numpy())


class DiscriminatorFeatures:
    """Features of a discriminator of emoji portraits; FD-D is the "Fréchet distance on discriminator features".

    Pictures are resized to 64 x 64, low-passed. Of all four resolutions the feature maps are scaled to unit length at
    each place across channels (as Zhang et al., "The Unreasonable Effectiveness of Deep Features", 2018, do: otherwise
    brightness decides) and averaged over the picture; the last one, 4 x 4, also over its quarters, so that it counts
    where things are. What follows in the discriminator looks at the whole batch or judges real and drawn, and is left
    out.

    Args:
        path: The discriminator's file, without its last block.
        device: Where it runs, in float32.

    Raises:
        Refused: The file is missing, damaged or another network's.
    """

    frechet_name, kernel_name = "FD-D", "KD-D"
    dims = 64 + 3 * 128 + 4 * 128

    def __init__(self, path: Path = DISCRIMINATOR, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.batch = 32 if self.device.type == "cpu" else 256
        network = Discriminator(img_resolution=SIZE, channel_base=CHANNEL_BASE, channel_max=CHANNEL_MAX)
        try:
            data = path.read_bytes()
            # The last block is not asked.
            last = {name: value for name, value in network.state_dict().items() if name.startswith("b4.")}
            network.load_state_dict(load(data) | last)
        except (OSError, SafetensorError, RuntimeError) as error:
            first = getattr(error, "strerror", None) or str(error).strip().split("\n")[-1].strip()[:200]
            raise Refused(f"{path} cannot be used", first, "Install Tarmac again") from error
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self._network = network.eval().requires_grad_(False).to(self.device)
        digest = hashlib.sha256(data).hexdigest()
        self.weights = f"portraits discriminator {digest[:8]}"
        self.identity = f"discriminator 1 {digest}"

    @torch.inference_mode()
    def __call__(self, pictures: Uint8) -> NDArray[np.float32]:
        """See `FeatureExtractor`."""
        images = _three_channels(pictures).to(self.device).float()
        if images.shape[2:] != (SIZE, SIZE):
            images = F.interpolate(images, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)
        picture: Tensor | None = (images / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        x: Tensor | None = None
        found: list[Tensor] = []
        for resolution in self._network.resolutions:
            x, picture = getattr(self._network, f"b{resolution}")(x, picture, torch.float32)
            assert x is not None
            unit = x * (x.square().sum(1, keepdim=True) + EPSILON).rsqrt()
            found.append(unit.mean((2, 3)))
        found.append(F.adaptive_avg_pool2d(unit, 2).flatten(1))
        return np.asarray(torch.cat(found, 1).cpu().numpy())


def _three_channels(pictures: Uint8) -> Tensor:
    """uint8 [n, H, W, C] to [n, 3, H, W]: grey three times, transparent parts over white."""
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or 0 in pictures.shape or pictures.shape[3] not in (1, 3, 4):
        told = f"{pictures.dtype} {list(pictures.shape)}"
        raise InvalidInput("these pictures cannot be scored", told, "They must be uint8 [n, height, width, 1, 3 or 4]")
    images = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 4:
        alpha = images[:, 3:].float() / 255
        images = (images[:, :3] * alpha + 255 * (1 - alpha)).round().to(torch.uint8)
    return images
