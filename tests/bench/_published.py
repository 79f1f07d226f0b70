"""StyleGAN2's networks as they were published, for measurements: float32, NCHW, one operation after the other.

A weight tensor per sample (N x O x I x 3 x 3), modulated and demodulated, one grouped convolution over the batch folded
into channels, and a separate 4 x 4 filter. Modules and parameter names are ours, and only how a forward pass is
computed is replaced; derivatives are PyTorch's own. Written from Karras et al. 2020, sections 2.2 and 3.1 and
appendix B.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.discriminator import ConvLayer, Discriminator, DiscriminatorBlock
from core.ml.networks.ops import EPSILON, LEAK, SQRT2, minibatch_std
from core.ml.networks.stylegan2 import NoiseMode, SynthesisBlock, SynthesisLayer, SynthesisNetwork


def published_filter(x: Tensor, taps: Tensor, before: int, after: int) -> Tensor:
    """The 4 x 4 low-pass with gain 4, in NCHW."""
    x = F.pad(x, [before, after, before, after])
    return F.conv2d(x, (taps * 4)[None, None].repeat(x.shape[1], 1, 1, 1), groups=x.shape[1])


def published_convolution(
    x: Tensor, weight: Tensor, styles: Tensor, taps: Tensor, *, up: bool = False, demodulate: bool = True
) -> Tensor:
    """Modulated convolution with one weight per sample: [N, I, H, W] to [N, O, ...]."""
    n, i, h, w = x.shape
    o, k = weight.shape[0], weight.shape[-1]
    per_sample = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        per_sample = per_sample * (per_sample.square().sum([2, 3, 4], keepdim=True) + EPSILON).rsqrt()
    x = x.reshape(1, n * i, h, w)
    if not up:
        return F.conv2d(x, per_sample.reshape(n * o, i, k, k), padding=k // 2, groups=n).reshape(n, o, h, w)
    x = F.conv_transpose2d(x, per_sample.transpose(1, 2).reshape(n * i, o, k, k), stride=2, groups=n)
    return published_filter(x.reshape(n, o, 2 * h + 1, 2 * w + 1), taps, 1, 1)


def published_synthesis(network: SynthesisNetwork, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
    """w [N, num_ws, w_dim] to pictures, with the parameters of `network`."""
    index = 0
    x: Tensor | None = None
    img: Tensor | None = None
    for resolution in network.resolutions:
        block: SynthesisBlock = getattr(network, f"b{resolution}")
        if x is None:
            x = block.const[None].repeat(len(ws), 1, 1, 1)
        else:
            x = _layer(block.conv0, x, ws[:, index], noise_mode)
            index += 1
        x = _layer(block.conv1, x, ws[:, index], noise_mode)
        index += 1
        styles = block.torgb.affine(ws[:, index]) * block.torgb.weight_gain
        rgb = published_convolution(x, block.torgb.weight, styles, block.resample_filter, demodulate=False)
        rgb = rgb + block.torgb.bias[None, :, None, None]
        if img is not None:
            n, c, h, w = img.shape
            stuffed = F.pad(img.reshape(n, c, h, 1, w, 1), [0, 1, 0, 0, 0, 1]).reshape(n, c, 2 * h, 2 * w)
            rgb = rgb + published_filter(stuffed, block.resample_filter, 2, 1)
        img = rgb
    assert img is not None
    return img


class PublishedSynthesis(SynthesisNetwork):
    """A generator's second part that draws so."""

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "random", dtype: torch.dtype | None = None) -> Tensor:
        """See SynthesisNetwork; always in the format of the weights."""
        return published_synthesis(self, ws, noise_mode)


class PublishedDiscriminator(Discriminator):
    """The residual discriminator without classes, filter by filter."""

    def forward(self, img: Tensor, c: Tensor | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """See Discriminator; always in the format of the picture."""
        x = img
        for resolution in self.resolutions:
            block: DiscriminatorBlock = getattr(self, f"b{resolution}")
            if resolution == self.img_resolution:
                x = _convolved(block.fromrgb, x)
            skip = block.skip
            straight = _filtered(x, skip.resample_filter, 1)[:, :, ::2, ::2]
            straight = F.conv2d(straight, skip.weight * skip.weight_gain) * 0.5**0.5
            x = straight + _convolved(block.conv1, _convolved(block.conv0, x)) * 0.5**0.5
        end = self.b4
        x = minibatch_std(x, end.mbstd_group_size, end.mbstd_num_channels)
        scores: Tensor = end.out(end.fc(_convolved(end.conv, x).flatten(1)))
        return scores


def _layer(part: SynthesisLayer, x: Tensor, w: Tensor, noise_mode: NoiseMode) -> Tensor:
    x = published_convolution(x, part.weight, part.affine(w), part.resample_filter, up=part.up)
    noise = part.noise(noise_mode, len(x))
    if noise is not None:
        x = x + noise
    return F.leaky_relu(x + part.bias[None, :, None, None], LEAK) * SQRT2


def _convolved(part: ConvLayer, x: Tensor) -> Tensor:
    weight = part.weight * part.weight_gain
    if part.down:
        x = F.conv2d(_filtered(x, part.resample_filter, 2), weight, stride=2)
    else:
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    assert part.bias is not None
    return F.leaky_relu(x + part.bias[None, :, None, None], LEAK) * SQRT2


def _filtered(x: Tensor, taps: Tensor, pad: int) -> Tensor:
    return published_filter(x, taps / 4, pad, pad)
