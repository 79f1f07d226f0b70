"""How near a projection comes, and what it costs, with the starter and one CPU thread.

For each picture: the root mean square difference (0 to 255) of a random picture of the model, of the best of 64 random
ones, of the place that the projection finds, and of the nearest w that starts there and need not have a z. Pictures
are the model's own and portraits that it was trained on, where the font is installed; more may be named.

Usage: python -m tests.bench.projection [--count 6] [--steps 200] [--truncation 0.7] [PICTURE ...]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.datasets.drawing.emoji import draw_portraits
from core.errors import TarmacError
from core.library.models import STARTERS
from core.ml.adapters.stylegan_files import read_generator
from core.ml.latent.projection import Search, difference, prepare, project, warmth
from core.ml.networks.fast_synthesis import FastSynthesis

Pixels = NDArray[np.uint8]


class Model:
    """The starter, drawn the fast way."""

    def __init__(self, psi: float) -> None:
        self.generator = read_generator(STARTERS / "portraits")
        self.draw: Callable[[Tensor], Tensor] = FastSynthesis(self.generator.synthesis)
        self.psi = psi

    @torch.inference_mode()
    def pictures(self, ws: Tensor) -> Pixels:
        """Styles to uint8 [N, R, R, C]."""
        pixels: Pixels = (self.draw(ws) * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return pixels

    def of(self, z: Tensor) -> Pixels:
        """z [N, z_dim] to uint8 [N, R, R, C]."""
        return self.pictures(self.generator.mapping(z, truncation_psi=self.psi))

    def nearest_w(self, z: Tensor, target: Pixels, steps: int) -> Pixels:
        """The picture of the nearest w that gradient descent finds from where `z` is."""
        wanted = torch.from_numpy(target.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        w = self.generator.mapping(z[None], truncation_psi=self.psi)[:, :1].clone().requires_grad_()
        adam = torch.optim.Adam([w], lr=0.1, betas=(0.9, 0.99))
        best, least = w.detach().clone(), float("inf")
        for step in range(steps):
            adam.param_groups[0]["lr"] = 0.1 * warmth(step / steps)
            images = self.generator.synthesis(w.expand(-1, self.generator.num_ws, -1), noise_mode="const")
            loss = difference(images, wanted).sum()
            if float(loss.detach()) < least:
                best, least = w.detach().clone(), float(loss.detach())
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
        return self.pictures(best.expand(-1, self.generator.num_ws, -1))[0]


def apart(one: Pixels, other: Pixels) -> float:
    """Root mean square difference, 0 to 255."""
    return float(np.sqrt(np.square(one.astype(np.float64) - other).mean()))


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", metavar="PICTURE", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=6, help="pictures of each kind")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--truncation", type=float, default=0.7)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = Model(options.truncation)
    side, source = model.generator.img_resolution, torch.Generator().manual_seed(5)
    own = model.of(torch.randn(options.count, model.generator.z_dim, generator=source))
    targets = [(f"own {number}", one) for number, one in enumerate(own)]
    try:
        portraits = draw_portraits(side).images
        rows = np.random.default_rng(3).choice(len(portraits), options.count, replace=False)
        targets += [(f"portrait {row}", portraits[row]) for row in rows]
    except TarmacError as error:
        print(error, file=sys.stderr)
    for path in options.pictures:
        with Image.open(path) as image:
            targets.append((path.name[:20], prepare(np.array(image.convert("RGBA")), side, 3)))
    others = model.of(torch.randn(64, model.generator.z_dim, generator=source))
    print(f"{'picture':<20} {'random':>7} {'best/64':>7} {'found':>7} {'in w':>7} {'CPU s':>6}")
    for name, target in targets:
        strangers = [apart(other, target) for other in others]
        started = time.process_time()
        *_, last = project(model.generator, model.draw, target, Search(options.steps), options.truncation)
        spent = time.process_time() - started
        near, free = model.of(last.z[None])[0], model.nearest_w(last.z, target, options.steps)
        print(
            f"{name:<20} {np.mean(strangers):7.1f} {min(strangers):7.1f} {apart(near, target):7.2f} "
            f"{apart(free, target):7.2f} {spent:6.1f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
