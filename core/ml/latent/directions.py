"""The principal directions of a generator's styles, found in its weights alone.

Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs" (arXiv 2007.06600), section 3: a move of w
changes a layer's styles by A times the move, A the weight of the affine step; the moves that change them most are the
eigenvectors of AᵀA with the largest eigenvalues. As in the paper's experiments the affine steps of several layers are
stacked, and each row of A has the length one, so that no style counts for more because its numbers are larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import torch
import torch.nn.functional as F
from torch import Tensor

from core.library.interfaces import MOST_DIRECTIONS
from core.ml.networks import stylegan1
from core.ml.networks.architectures import StyleGenerator
from core.ml.networks.ops import FullyConnected
from core.ml.networks.stylegan2 import SynthesisBlock

SAMPLES = 512
"""Mapped vectors that the deviation along a direction is measured with: known to about 3 %."""


@dataclass(frozen=True)
class Directions:
    """The principal directions of some layers, strongest first. All on the CPU."""

    vectors: Tensor
    """Float32 [K, w_dim], orthonormal; the component of largest magnitude is positive."""

    strengths: tuple[float, ...]
    """Each direction's share in the sum of all eigenvalues, 0 to 1, falling."""

    deviations: Tensor
    """Float32 [K]: the standard deviation of w along each."""

    def move(self, amounts: Sequence[float]) -> Tensor:
        """The move of w [w_dim] by `amounts` of standard deviations along the first directions; at most K."""
        steps = torch.tensor([float(amount) for amount in amounts]) * self.deviations[: len(amounts)]
        return steps @ self.vectors[: len(amounts)]


class StyleDirections:
    """Finds the directions of any range of layers when they are first asked for, and keeps them.

    Args:
        generator: Its weights must not change afterwards.
    """

    def __init__(self, generator: StyleGenerator) -> None:
        self._generator = generator
        self._affines = style_affines(generator)
        self._lock = Lock()
        self._found: dict[tuple[int, int], Directions] = {}
        self._centred: Tensor | None = None

    def of(self, layers: slice) -> Directions:
        """The directions of the style layers `layers.start` up to but not including `layers.stop`."""
        with self._lock:
            key = (layers.start, layers.stop)
            if key not in self._found:
                self._found[key] = self._find(layers)
            return self._found[key]

    @torch.inference_mode()
    def _find(self, layers: slice) -> Directions:
        rows = torch.cat([affine.weight.cpu().double() for affine in self._affines[layers]])
        rows = F.normalize(rows, dim=1)  # a row of zeros, a style that never changes, stays one
        values, vectors = torch.linalg.eigh(rows.t() @ rows)  # ascending
        values, vectors = values.flip(0).clamp_min(0), vectors.t().flip(0)
        vectors = vectors[:MOST_DIRECTIONS]
        largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
        vectors = (vectors * largest.sign()).float()
        total = float(values.sum())
        shares = values[:MOST_DIRECTIONS] / total if total > 0 else torch.zeros(len(vectors))
        deviations = (self._samples() @ vectors.t()).std(dim=0)
        return Directions(vectors, tuple(float(share) for share in shares), deviations)

    def _samples(self) -> Tensor:
        """Mapped vectors less their mean, float32 [SAMPLES, w_dim], always the same ones."""
        if self._centred is None:
            mapping = self._generator.mapping
            z = torch.randn(SAMPLES, mapping.z_dim, generator=torch.Generator().manual_seed(0)).to(mapping.w_avg)
            labels = None
            if mapping.c_dim:
                labels = F.one_hot(torch.arange(SAMPLES) % mapping.c_dim, mapping.c_dim).to(mapping.w_avg)
            w = mapping(z, labels)[:, 0].float().cpu()
            self._centred = w - w.mean(dim=0)
        return self._centred


def style_affines(generator: StyleGenerator) -> list[FullyConnected]:
    """The affine step of each style layer.

    Of a StyleGAN2 that of the layer's convolution; of the last layer, which has none, that of the step to RGB. Of the
    first StyleGAN the step to the scales and shifts of the layer's feature maps.
    """
    if isinstance(generator, stylegan1.Generator):
        return generator.style_affines()
    affines: list[FullyConnected] = []
    for resolution in generator.synthesis.resolutions:
        block: SynthesisBlock = getattr(generator.synthesis, f"b{resolution}")
        if not block.first:
            affines.append(block.conv0.affine)
        affines.append(block.conv1.affine)
    affines.append(block.torgb.affine)
    return affines
