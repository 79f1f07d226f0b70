"""A guided start for an image GAN whose training pictures form a table of factors.

Where the data says what varies (role x person x skin), a generator need not discover it. The latent sphere is divided
beforehand: some directions of z choose the role by their signs, one chooses the person, one the skin. The mapping
network is set up to compute exactly that division, with ramps of a chosen width between the cells; so every z has a
picture, and the synthesis network can be trained by plain reconstruction before any discriminator judges it. The idea
is that of GLO (Bojanowski et al. 2018, "Optimizing the Latent Space of Generative Networks") with codes that are given
rather than learned, so that they are distributed like the prior from the first step to the last.

Cells that touch hold similar roles: crossing a border changes as little as it can.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.ml.networks.ops import LEAK, FullyConnected
from core.ml.networks.stylegan2 import MappingNetwork

_GAIN = math.sqrt(2.0)

# A matrix [out, in] and an offset [out], before the leaky ReLU; whoever reads a layer takes its gain out.
_Affine = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Place:
    """What latents mean.

    Attributes:
        role: int64 [N].
        person: int64 [N].
        skin: float32 [N, skins], weights that add up to 1; neighbouring tones blend.
        depth: float32 [N], distance to the nearest border between two different cells, in ramp widths (1: none near).
    """

    role: Tensor
    person: Tensor
    skin: Tensor
    depth: Tensor


class Guide:
    """The division of the latent sphere, and the pictures that belong to its cells.

    Args:
        images: uint8 [n, S, S, 3].
        rows: int64 [roles, persons, skins], rows of `images`; at most 64 roles.
        z_dim: Width of z.
        ramp: Half the width of the ramp at a border, in units of one latent component's standard deviation.
        seed: Of the directions.
    """

    def __init__(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64], z_dim: int, ramp: float = 0.03, seed: int = 0
    ) -> None:
        self.roles, self.persons, self.skins = rows.shape
        self.bits = max(1, math.ceil(math.log2(self.roles)))
        used = self.bits + 2
        if z_dim < used:
            raise ValueError(f"z_dim must be at least {used} for {self.roles} roles, not {z_dim}")
        if (rows < 0).any():
            raise ValueError("every combination of factors needs a picture")
        self.images, self.rows, self.z_dim, self.ramp = images, torch.from_numpy(rows), z_dim, ramp
        drawn = np.random.default_rng(seed).standard_normal((z_dim, z_dim))
        self.directions = torch.from_numpy(np.linalg.qr(drawn)[0].T[:used].astype(np.float32))
        small = images.reshape(len(images), 16, images.shape[1] // 16, 16, images.shape[2] // 16, 3)
        look = small.mean((2, 4), dtype=np.float64)[rows].mean((1, 2)).reshape(self.roles, -1)
        self.words = torch.from_numpy(arrange(look, self.bits, seed))
        quantiles = NormalDist().inv_cdf
        self.person_borders = torch.tensor([quantiles(i / self.persons) for i in range(1, self.persons)])
        self.skin_knots = torch.tensor([quantiles((i + 0.5) / self.skins) for i in range(self.skins)])

    def with_ramp(self, ramp: float) -> Guide:
        """The same division with borders of another width."""
        other = copy.copy(self)
        other.ramp = ramp
        return other

    def place(self, z: Tensor) -> Place:
        """What each z [N, z_dim] means."""
        s = self._coordinates(z)
        flags = s[:, : self.bits] > 0
        powers = 2 ** torch.arange(self.bits)
        word = (flags * powers).sum(1)
        role = self.words[word]
        # A border counts only where the cell beyond it holds another role.
        beyond = self.words[word[:, None] ^ powers]
        borders = [torch.where(beyond == role[:, None], math.inf, s[:, : self.bits].abs())]
        at = s[:, self.bits, None]
        borders.append((at - self.person_borders).abs())
        depth = (torch.cat(borders, 1).amin(1) / self.ramp).clamp(max=1.0)
        return Place(role, (at > self.person_borders).sum(1), self._tones(s[:, self.bits + 1]), depth)

    def pictures(self, place: Place) -> Tensor:
        """The pictures of these places, float32 [N, 3, S, S], -1 to 1; tones in between are blends of two."""
        rows = self.rows[place.role, place.person]
        weight, tone = place.skin.topk(min(2, self.skins), dim=1)
        taken = torch.from_numpy(self.images[rows.gather(1, tone).numpy()]).float()
        mixed = (taken * weight[:, :, None, None, None]).sum(1) / 127.5 - 1.0
        return mixed.permute(0, 3, 1, 2)

    @torch.no_grad()
    def set_up(self, mapping: MappingNetwork, seed: int = 0) -> None:
        """Give a mapping network of three layers the weights that compute the division.

        Layer 0 makes ramps, layer 1 joins the signs to words, layer 2 adds one random vector per factor. What the
        layers have no use for keeps a small random start, so that training can use the other directions of z.
        """
        width = len(mapping.w_avg)
        steps = self.bits + self.persons - 1
        need = max(2 * steps + self.skins, 2**self.bits + steps + self.skins)
        if mapping.num_layers != 3 or width < need or mapping.z_dim != self.z_dim:
            raise ValueError(f"the mapping network must have 3 layers, at least {need} wide, and z_dim {self.z_dim}")
        source = torch.Generator().manual_seed(seed)
        first, hinge = self._ramps(width, source)
        second, passed = self._join(width, hinge, source)
        third = self._embed(width, passed, source)
        for index, (weight, bias) in enumerate((first, second, third)):
            _assign(getattr(mapping, f"fc{index}"), weight, bias)
        mapping.w_avg.copy_(mapping(torch.randn(8192, self.z_dim, generator=source))[:, 0].mean(0))

    @torch.no_grad()
    def narrow(self, mapping: MappingNetwork, ramp: float) -> None:
        """Narrow the borders of a mapping network that was set up with this guide's ramp, and move nothing else.

        Setting it up anew would shift every w: what the layers have no use for sees the distance to a border in ramps.
        Here that is held back by as much as the ramps become steeper, so beside a border a synthesis network is shown
        what it was trained on.

        Args:
            mapping: To be changed, in place; its mean w stays.
            ramp: Half the new width, as in `Guide`.
        """
        steps = self.bits + self.persons - 1
        factor = self.ramp / ramp
        first, second = getattr(mapping, "fc0"), getattr(mapping, "fc1")  # noqa: B009
        first.weight[: 2 * steps] *= factor
        sign = torch.tensor([1.0, -1.0]).repeat(steps)
        offset = first.bias[: 2 * steps] * first.bias_gain
        first.bias[: 2 * steps] = (sign + (offset - sign) * factor) / first.bias_gain
        second.weight[2**self.bits + steps + self.skins :, : 2 * steps] /= factor

    def _coordinates(self, z: Tensor) -> Tensor:
        return z * z.square().mean(1, keepdim=True).rsqrt() @ self.directions.T

    def _tones(self, s: Tensor) -> Tensor:
        """Piecewise linear hats over the knots."""
        knots = self.skin_knots
        if len(knots) == 1:
            return torch.ones(len(s), 1)
        s = s.clamp(knots[0], knots[-1])[:, None]
        gaps = knots.diff()
        rising = torch.cat([torch.ones_like(s), (s - knots[:-1]) / gaps], 1)
        falling = torch.cat([(knots[1:] - s) / gaps, torch.ones_like(s)], 1)
        return torch.minimum(rising, falling).clamp(0.0, 1.0)

    def _ramps(self, width: int, source: torch.Generator) -> tuple[_Affine, _Affine]:
        """Layer 0, and how to read signs (-1 to 1), person steps (-1 to 1) and skin hinges from what it gives."""
        matrix = torch.randn(width, self.z_dim, generator=source) / math.sqrt(self.z_dim)
        offset = torch.zeros(width)
        reads = torch.zeros(self.bits + self.persons - 1 + self.skins, width)
        shifts = torch.zeros(len(reads))
        steps = [(bit, 0.0) for bit in range(self.bits)] + [(self.bits, float(t)) for t in self.person_borders]
        for number, (direction, border) in enumerate(steps):
            for side, sign in ((2 * number, 1.0), (2 * number + 1, -1.0)):
                matrix[side] = self.directions[direction] / self.ramp
                offset[side] = sign - border / self.ramp
            # lrelu(x + 1) - lrelu(x - 1) runs from 2 leak to 2.
            scale = 1.0 / ((1.0 - LEAK) * _GAIN)
            reads[number, 2 * number], reads[number, 2 * number + 1] = scale, -scale
            shifts[number] = -(1.0 + LEAK) / (1.0 - LEAK)
        for knot in range(self.skins):
            unit = 2 * len(steps) + knot
            matrix[unit] = self.directions[self.bits + 1]
            offset[unit] = -self.skin_knots[knot]
            reads[len(steps) + knot, unit] = 1.0 / _GAIN
        return (matrix, offset), (reads, shifts)

    def _join(self, width: int, hinge: _Affine, source: torch.Generator) -> tuple[_Affine, _Affine]:
        """Layer 1, and how to read roles, person steps and skin hinges from what it gives."""
        reads, shifts = hinge
        signs = 2.0 * ((torch.arange(2**self.bits)[:, None] >> torch.arange(self.bits)) & 1) - 1.0
        words, rest = 2**self.bits, len(reads)
        matrix = torch.randn(width, width, generator=source) / width
        offset = torch.zeros(width)
        # A word is on where all signs agree; on a ramp two words fade into each other.
        agree, level = signs / 2.0, 1.0 - self.bits / 2.0
        matrix[:words] = agree @ reads[: self.bits]
        offset[:words] = agree @ shifts[: self.bits] + level
        # Everything else is lifted above zero, where the activation is linear.
        lift = torch.full((rest,), 8.0)
        matrix[words : words + rest] = reads
        offset[words : words + rest] = shifts + lift
        # lrelu(x) - leak x = (1 - leak) relu(x), and x is linear in the lifted signs.
        relu = torch.zeros(words, width)
        relu[:, :words] = torch.eye(words) / _GAIN
        relu[:, words : words + self.bits] = -LEAK * agree / _GAIN
        relu_shift = -LEAK * (level - agree @ lift[: self.bits])
        out = torch.zeros(self.roles + rest - self.bits, width)
        out_shift = torch.zeros(len(out))
        for word in range(words):
            out[self.words[word]] += relu[word] / (1.0 - LEAK)
            out_shift[self.words[word]] += relu_shift[word] / (1.0 - LEAK)
        out[self.roles :, words + self.bits : words + rest] = torch.eye(rest - self.bits) / _GAIN
        out_shift[self.roles :] = -lift[self.bits :]
        return (matrix, offset), (out, out_shift)

    def _embed(self, width: int, passed: _Affine, source: torch.Generator) -> _Affine:
        """Layer 2: one random vector per role, person step and skin hinge."""
        reads, shifts = passed
        scale = torch.cat(
            [torch.full((self.roles,), 1.2), torch.full((self.persons - 1,), 0.4), torch.full((self.skins,), 0.25)]
        )
        vectors = torch.randn(width, len(reads), generator=source) * scale
        return vectors @ reads + torch.randn(width, width, generator=source) / width, vectors @ shifts


def arrange(look: NDArray[np.float64], bits: int, seed: int, rounds: int = 60_000) -> NDArray[np.int64]:
    """Which role each word of signs stands for, so that words one sign apart stand for similar roles.

    Every role has one word or two (or more where there are more than twice as many words). Simulated annealing over
    exchanges; a minute detail of the result does not matter, its repeatability does.

    Args:
        look: [roles, features], how the roles look.
        bits: Signs of a word.
        seed: Of the annealing.
        rounds: Exchanges that are tried.

    Returns:
        int64 [2**bits].
    """
    rng = np.random.default_rng(seed)
    apart = np.sqrt(((look[:, None] - look[None]) ** 2).mean(-1))
    count, roles = 2**bits, len(look)
    words = np.concatenate([rng.permutation(roles) for _ in range(-(-count // roles))])[:count]
    powers = 2 ** np.arange(bits)
    heat = float(apart.mean())
    for turn in range(rounds):
        a, b = rng.integers(count, size=2)
        if words[a] == words[b]:
            continue
        near_a, near_b = words[a ^ powers], words[b ^ powers]
        change = (
            apart[words[b], near_a].sum() + apart[words[a], near_b].sum()
            - apart[words[a], near_a].sum() - apart[words[b], near_b].sum()
        )  # fmt: skip
        if bin(int(a ^ b)).count("1") == 1:
            change += 2 * apart[words[a], words[b]]
        if change < 0 or rng.random() < math.exp(-change / max(1e-9, heat * (1 - turn / rounds))):
            words[a], words[b] = words[b], words[a]
    return words.astype(np.int64)


def _assign(layer: FullyConnected, weight: Tensor, bias: Tensor) -> None:
    """Make a dense layer compute `weight` and `bias` whatever its learning-rate multiplier."""
    layer.weight.copy_(weight / layer.weight_gain)
    layer.bias.copy_(bias / layer.bias_gain)
