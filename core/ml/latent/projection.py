"""Finds the latent vector whose picture is nearest to a given one.

z itself is searched, not w: the explorer's planes are fields of z. The mapping network scales z to one length, so the
search stays on the sphere |z| = √dim, where the prior has nearly all its mass. Many random places are looked at first,
then mixtures of the best of them, and the best few are refined by Adam (Kingma and Ba 2015) through mapping and
synthesis; the difference of pictures is measured on all sizes from full to 4 x 4, so that what is in the wrong place
still pulls. The noise is the stored one, as it is when the place is looked at later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from core.ml.networks.stylegan2 import Generator

MOST_CANDIDATES = 1024
RATE, BETAS = 0.08, (0.9, 0.99)


@dataclass(frozen=True)
class Found:
    """The best place so far.

    Attributes:
        z: Float32 [z_dim] on the CPU, of length √z_dim.
        progress: Share of the search that is done, 0 to 1.
        step: Steps of refinement done; 0 while places are looked at.
    """

    z: Tensor
    progress: float
    step: int


@dataclass(frozen=True)
class Search:
    """How to search.

    Attributes:
        steps: Of refinement.
        seed: Of everything random.
        starts: Places that are refined side by side at first; half of them are given up twice.
        batch: Pictures that are drawn at once while places are looked at.
    """

    steps: int
    seed: int = 0
    starts: int = 4
    batch: int = 16

    @property
    def candidates(self) -> int:
        """Places that are looked at before the refinement, which takes about as long."""
        return max(self.batch, min(MOST_CANDIDATES, self.steps * self.starts))


def project(
    generator: Generator,
    draw: Callable[[Tensor], Tensor],
    target: NDArray[np.uint8],
    search: Search,
    psi: float,
    label: Tensor | None = None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Found]:
    """Search, telling the best place after every batch and every step; the last one is the result.

    Args:
        generator: Float32, in evaluation mode.
        draw: ws [N, num_ws, w_dim] to pictures [N, C, R, R], the fast way; needs no gradients.
        target: uint8 [R, R, C], as `prepare` makes it.
        search: How to.
        psi: Truncation of the pictures.
        label: One-hot [1, c_dim] of a conditional generator.
        cancelled: Asked before every batch and every step; the search ends early if so.
    """
    device = generator.mapping.w_avg.device
    wanted = torch.from_numpy(target.astype(np.float32)).permute(2, 0, 1)[None].to(device) / 127.5 - 1
    source = torch.Generator().manual_seed(search.seed)

    def styles(z: Tensor) -> Tensor:
        c = None if label is None else label.to(device).expand(len(z), -1)
        ws: Tensor = generator.mapping(z.to(device), c, truncation_psi=torch.full([len(z)], psi))
        return ws

    places = Places(search, generator.z_dim, source)
    while not places.done:
        if cancelled():
            return
        z = places.next()
        with torch.inference_mode():
            scores = difference(draw(styles(z)), wanted).tolist()
        places.tell(z, scores)
        yield Found(places.best(1)[0], 0.5 * places.share, 0)

    z = places.best(search.starts).clone()
    best, least = z[0].clone(), math.inf
    adam = Adam(z)
    for step in range(search.steps + 1):  # the last one only judges
        if cancelled():
            return
        with torch.enable_grad():
            tried = z.clone().requires_grad_()
            images = generator.synthesis(styles(tried), noise_mode="const", dtype=torch.float32)
            losses = difference(images, wanted)
            (slope,) = torch.autograd.grad(losses.sum(), tried)
        found = losses.detach().cpu()
        if float(found.min()) < least:
            least, best = float(found.min()), z[found.argmin()].clone()
        share = step / search.steps
        keep = survivors(search.starts, share)
        if keep < len(z):
            order = found.argsort()[:keep]
            z, slope = z[order], slope[order]
            adam.keep(order)
        z = on_sphere(z - adam.step(slope.cpu(), RATE * cooling(share)))
        yield Found(best, 0.5 + 0.5 * share, step)


class Places:
    """Proposes places to look at: the first half at random, then mixtures of the best so far with random ones."""

    KEPT = 16

    def __init__(self, search: Search, dim: int, source: torch.Generator) -> None:
        self._search, self._dim, self._source = search, dim, source
        self._z = torch.empty(0, dim)
        self._scores = torch.empty(0)
        self._seen = 0

    @property
    def share(self) -> float:
        return min(1.0, self._seen / self._search.candidates)

    @property
    def done(self) -> bool:
        return self._seen >= self._search.candidates

    def next(self) -> Tensor:
        count = min(self._search.batch, self._search.candidates - self._seen)
        fresh = torch.randn(count, self._dim, generator=self._source)
        if self.share >= 0.4:
            parents = torch.randint(len(self._z), [count], generator=self._source)
            angle = torch.rand(count, 1, generator=self._source) * 0.4 * math.pi
            fresh = self._z[parents] * angle.cos() + fresh * angle.sin()
        return on_sphere(fresh)

    def tell(self, z: Tensor, scores: list[float]) -> None:
        self._seen += len(z)
        self._z = torch.cat([self._z, z])
        self._scores = torch.cat([self._scores, torch.tensor(scores)])
        order = self._scores.argsort()[: self.KEPT]
        self._z, self._scores = self._z[order], self._scores[order]

    def best(self, count: int) -> Tensor:
        return self._z[:count]


class Adam:
    def __init__(self, like: Tensor) -> None:
        self._mean, self._square, self._steps = torch.zeros_like(like), torch.zeros_like(like), 0

    def keep(self, rows: Tensor) -> None:
        self._mean, self._square = self._mean[rows], self._square[rows]

    def step(self, slope: Tensor, rate: float) -> Tensor:
        self._steps += 1
        first, second = BETAS
        self._mean.lerp_(slope, 1 - first)
        self._square.lerp_(slope.square(), 1 - second)
        mean = self._mean / (1 - first**self._steps)
        square = self._square / (1 - second**self._steps)
        return rate * mean / (square.sqrt() + 1e-8)


def difference(images: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures [N, C, R, R] are from `wanted` [1, C, R, R]: mean squares, averaged over sizes down to 4 x 4."""
    apart = images.float().clamp(-1, 1) - wanted
    total = apart.square().mean(dim=(1, 2, 3))
    levels = 1
    while apart.shape[-1] > 4:
        apart = F.avg_pool2d(apart, 2)
        total = total + apart.square().mean(dim=(1, 2, 3))
        levels += 1
    return total / levels


def survivors(starts: int, share: float) -> int:
    return max(1, starts >> (2 if share >= 0.4 else 1 if share >= 0.15 else 0))


def cooling(share: float) -> float:
    return min(1.0, share / 0.05 + 0.1) * (0.5 + 0.5 * math.cos(math.pi * max(0.0, share - 0.3) / 0.7))


def on_sphere(z: Tensor) -> Tensor:
    """Each row scaled to the length √dim."""
    return F.normalize(z, dim=1) * z.shape[1] ** 0.5


def prepare(picture: NDArray[np.uint8], resolution: int, channels: int) -> NDArray[np.uint8]:
    image = Image.fromarray(picture, "RGBA")
    if channels != 4:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
        image = image.convert("L" if channels == 1 else "RGB")
    fitted = np.asarray(ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS))
    return fitted[:, :, None] if fitted.ndim == 2 else fitted
