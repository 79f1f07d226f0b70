"""Finds the latent vector whose picture is nearest to a given one.

z itself is searched, not w: the explorer's planes are fields of z. The mapping network scales z to one length, so the
search stays on the sphere |z| = √dim, where the prior has nearly all its mass. First many places are looked at, random
ones and then mixtures of the best with random ones; that finds the right region where the mapping is steep and slopes
say little. Then the best few are refined by Adam (Kingma and Ba 2015) through mapping and synthesis. Noise is the
stored one throughout, as it is when the place is looked at later, and no other network is needed.
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

from core.ml.networks.architectures import StyleGenerator

MOST_CANDIDATES = 1024
"""More places than these are never looked at."""

RATE, BETAS = 0.08, (0.9, 0.99)
"""Adam's rate, for a z whose components are about one, and the decays of its two means."""

_NO_PICTURE = 4.0
"""The difference of a picture without numbers: that of white from black."""


@dataclass(frozen=True)
class Search:
    """How to search.

    Attributes:
        steps: Of refinement, at least 1.
        seed: Of everything random.
        starts: Places that are refined side by side at first.
        batch: Pictures that are drawn at once while places are looked at.
    """

    steps: int
    seed: int = 0
    starts: int = 4
    batch: int = 16

    @property
    def candidates(self) -> int:
        """Places that are looked at: as many as take about as long as the refinement."""
        return max(self.batch, min(MOST_CANDIDATES, self.steps * self.starts))


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


def project(
    generator: StyleGenerator,
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
        generator: Float32, without gradients of its own.
        draw: Styles [N, num_ws, w_dim] to pictures [N, C, R, R], -1 to 1, the fast way; needs no slopes.
        target: uint8 [R, R, C], as `prepare` makes it.
        search: How to.
        psi: Truncation of the pictures.
        label: One-hot [1, c_dim] of a conditional generator.
        cancelled: Asked before every batch and every step; the search ends early if so.
    """
    device = generator.mapping.w_avg.device
    wanted = torch.from_numpy(target.astype(np.float32)).permute(2, 0, 1)[None].to(device) / 127.5 - 1

    def styles(z: Tensor) -> Tensor:
        labels = None if label is None else label.to(device).expand(len(z), -1)
        ws: Tensor = generator.mapping(z.to(device), labels, truncation_psi=torch.full([len(z)], psi))
        return ws

    places = _Places(search, generator.z_dim)
    while places.share < 1:
        if cancelled():
            return
        tried = places.propose()
        with torch.inference_mode():
            scores = difference(draw(styles(tried)), wanted).tolist()
        places.judge(tried, scores)
        yield Found(places.z[0], 0.5 * places.share, 0)

    z = places.starts()
    best, least = places.z[0], math.inf
    adam = _Adam(z)
    for step in range(search.steps + 1):
        if cancelled():
            return
        with torch.enable_grad():
            tried = z.clone().requires_grad_()
            images = generator.synthesis(styles(tried), noise_mode="const", dtype=torch.float32)
            losses = difference(images, wanted)
            (slopes,) = torch.autograd.grad(losses.sum(), tried)
        scored = losses.detach().cpu()
        if float(scored.min()) < least:
            least, best = float(scored.min()), z[scored.argmin()].clone()
        share = step / search.steps
        yield Found(best, 0.5 + 0.5 * share, step)
        kept = scored.argsort()[: survivors(search.starts, share)]
        z = on_sphere(z[kept] - adam.step(kept, slopes.cpu()[kept].nan_to_num(), RATE * warmth(share)))


class _Places:
    """Proposes places to look at and keeps the best of them, the nearest first."""

    KEPT = 16
    RANDOM = 0.4
    """Share of the places that are random; the others are mixtures."""
    TURN = 0.4 * math.pi
    """The largest angle between a mixture and the good place that it came from."""
    ALIKE = 0.9
    """Places whose cosine is above this count as one start."""

    def __init__(self, search: Search, dim: int) -> None:
        self._search, self._dim = search, dim
        self._source = torch.Generator().manual_seed(search.seed)
        self._looked = 0
        self.z = torch.empty(0, dim)
        self._scores = torch.empty(0)

    @property
    def share(self) -> float:
        """Share of the candidates that were looked at."""
        return self._looked / self._search.candidates

    def propose(self) -> Tensor:
        """The next batch [N, dim]."""
        count = min(self._search.batch, self._search.candidates - self._looked)
        fresh = torch.randn(count, self._dim, generator=self._source)
        if self.share >= self.RANDOM:
            good = self.z[torch.randint(len(self.z), [count], generator=self._source)]
            angle = torch.rand(count, 1, generator=self._source) * self.TURN
            fresh = good * angle.cos() + fresh * angle.sin()
        return on_sphere(fresh)

    def judge(self, z: Tensor, scores: list[float]) -> None:
        """Take in how far the pictures of `z` are."""
        self._looked += len(z)
        every, all_scores = torch.cat([self.z, z]), torch.cat([self._scores, torch.tensor(scores)])
        order = all_scores.argsort(stable=True)[: self.KEPT]
        self.z, self._scores = every[order], all_scores[order]

    def starts(self) -> Tensor:
        """The best places to refine [N, dim], at most as many as asked for, no two of them alike."""
        chosen: list[Tensor] = []
        for place in self.z:
            if all(float(place @ other) < self.ALIKE * self._dim for other in chosen):
                chosen.append(place)
        return torch.stack(chosen[: self._search.starts])


class _Adam:
    """Adam for a batch of places that shrinks. (torch's own imports a compiler when it is first used.)"""

    def __init__(self, like: Tensor) -> None:
        self._mean, self._square, self._steps = torch.zeros_like(like), torch.zeros_like(like), 0

    def step(self, rows: Tensor, slopes: Tensor, rate: float) -> Tensor:
        """How far the places go that were `rows` of the last call's, by their slopes; the others are forgotten."""
        self._steps += 1
        first, second = BETAS
        self._mean = self._mean[rows].lerp(slopes, 1 - first)
        self._square = self._square[rows].lerp(slopes.square(), 1 - second)
        mean = self._mean / (1 - first**self._steps)
        square = self._square / (1 - second**self._steps)
        return rate * mean / (square.sqrt() + 1e-8)


def difference(images: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures are from the wanted one: the mean of the mean squares at full size, half, ... down to 4 x 4.

    The small sizes let a feature in the wrong place pull from far away.

    Args:
        images: [N, C, R, R]; what is outside -1 to 1 counts as these, as it is shown.
        wanted: [1, C, R, R], -1 to 1.

    Returns:
        [N], from 0 to 4.
    """
    apart = images.float().clamp(-1, 1) - wanted
    sizes = [apart.square().mean(dim=(1, 2, 3))]
    while apart.shape[-1] > 4:
        apart = F.avg_pool2d(apart, 2)
        sizes.append(apart.square().mean(dim=(1, 2, 3)))
    result: Tensor = torch.stack(sizes).mean(dim=0).nan_to_num(_NO_PICTURE)
    return result


def survivors(starts: int, share: float) -> int:
    """How many places are still refined after a share of the steps: all, from 0.15 half, from 0.4 a quarter."""
    return max(1, starts >> (2 if share >= 0.4 else 1 if share >= 0.15 else 0))


def warmth(share: float) -> float:
    """The rate after a share of the steps: up within the first twentieth, from 0.3 down to nothing on a cosine."""
    return min(1.0, 0.1 + share / 0.05) * (0.5 + 0.5 * math.cos(math.pi * max(0.0, share - 0.3) / 0.7))


def on_sphere(z: Tensor) -> Tensor:
    """Each row of [N, dim] scaled to the length √dim."""
    scaled: Tensor = F.normalize(z, dim=1) * z.shape[1] ** 0.5
    return scaled


def prepare(picture: NDArray[np.uint8], resolution: int, channels: int) -> NDArray[np.uint8]:
    """The middle square of a picture in a generator's size and channels, as training pictures are prepared.

    Args:
        picture: uint8 [H, W, 4], any size; what is transparent becomes white unless `channels` is 4.
        resolution: Side of the result.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).

    Returns:
        uint8 [resolution, resolution, channels].
    """
    image = Image.fromarray(picture, "RGBA")
    if channels != 4:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
        image = image.convert("L" if channels == 1 else "RGB")
    fitted = np.array(ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS))
    return fitted[:, :, None] if fitted.ndim == 2 else fitted
