"""StyleGAN2 synthesis for CPUs: the same pictures as `SynthesisNetwork` with about a third of the arithmetic.

Inference in float32 with the stored noise only. Weights are transformed once (`winograd`), feature maps stay
[N, H, W, C], noise, bias and gain are one addition, and memory is reused from layer to layer.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.ops import EPSILON, LEAK, SQRT2, conv2d_resample, upsample2d
from core.ml.networks.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork, ToRGB
from core.ml.networks.winograd import Convolution, TransposedConvolution, Workspace

# Below these the transforms cost more than the multiplications they save (measured, tests/bench/synthesis.py).
MIN_SIZE, MIN_CHANNELS = 8, 128


class FastSynthesis:
    """Stands in for `network(ws, noise_mode="const")`.

    Args:
        network: Float32 on the CPU. Its convolution weights are read now and must not change afterwards.
    """

    def __init__(self, network: SynthesisNetwork) -> None:
        self.network = network
        self._workspace = Workspace()
        self._plain: dict[SynthesisLayer, Convolution] = {}
        self._doubling: dict[SynthesisLayer, TransposedConvolution] = {}
        self._energy: dict[SynthesisLayer, Tensor] = {}
        for layer in network.modules():
            if isinstance(layer, SynthesisLayer):
                self._prepare(layer)

    def _prepare(self, layer: SynthesisLayer) -> None:
        weight = layer.weight.detach()
        self._energy[layer] = weight.square().sum(dim=[2, 3]).t().contiguous()
        size = layer.resolution // (2 if layer.up else 1)
        if size < MIN_SIZE or weight.shape[1] < MIN_CHANNELS:
            return
        if layer.up:
            self._doubling[layer] = TransposedConvolution(weight, self._workspace)
        else:
            self._plain[layer] = Convolution(weight, self._workspace)

    @property
    def memory_bytes(self) -> int:
        """What the transformed weights take."""
        plain = sum(kept.memory_bytes for kept in self._plain.values())
        return plain + sum(kept.memory_bytes for kept in self._doubling.values())

    @torch.inference_mode()
    def __call__(self, ws: Tensor) -> Tensor:
        """[N, num_ws, w_dim] float32 to pictures [N, C, R, R], nominally -1 to 1."""
        index = 0
        x: Tensor | None = None
        img: Tensor | None = None
        for resolution in self.network.resolutions:
            block: SynthesisBlock = getattr(self.network, f"b{resolution}")
            if x is None:
                x = block.const.permute(1, 2, 0).expand(ws.shape[0], -1, -1, -1)
            else:
                x = self._layer(block.conv0, x, ws[:, index])
                index += 1
            x = self._layer(block.conv1, x, ws[:, index])
            index += 1
            rgb = _to_rgb(block.torgb, x, ws[:, index])
            img = rgb if img is None else upsample2d(img, block.resample_filter).add_(rgb)
        assert img is not None
        return img

    def _layer(self, layer: SynthesisLayer, x: Tensor, w: Tensor) -> Tensor:
        """[N, H, W, I] to [N, R, R, O], new."""
        styles = layer.affine(w)
        size = layer.resolution
        if layer in self._plain:
            y = self._plain[layer](x, styles)
        elif layer in self._doubling:
            y = self._doubling[layer](x, styles)
            taps = (layer.resample_filter * 4).expand(y.shape[3], 1, -1, -1)
            blurred = F.conv2d(y.permute(0, 3, 1, 2), taps, groups=y.shape[3])
            y = blurred.permute(0, 2, 3, 1)[:, :size, :size]
        else:
            scaled = (x * styles[:, None, None]).permute(0, 3, 1, 2)
            y = conv2d_resample(scaled, layer.weight, layer.resample_filter, up=layer.up, correlate=not layer.up)
            y = y.permute(0, 2, 3, 1)
        factor = (styles.square() @ self._energy[layer] + EPSILON).rsqrt_().mul_(SQRT2)
        offset = (layer.noise_const * layer.noise_strength)[:, :, None].add(layer.bias).mul_(SQRT2)
        result = y if y.is_contiguous() else torch.empty(y.shape)
        for source, scale, target in zip(y, factor, result, strict=True):
            torch.addcmul(offset, source, scale, out=target)
            F.leaky_relu_(target, LEAK)
            if layer.conv_clamp is not None:
                target.clamp_(-layer.conv_clamp, layer.conv_clamp)
        return result


def _to_rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    """[N, R, R, I] to [N, C, R, R]."""
    img: Tensor = layer(x.permute(0, 3, 1, 2), w)
    return img
