"""StyleGAN2 synthesis for CPUs: the same pictures as `SynthesisNetwork` in a third of the time or less.

Inference with the stored noise only. Weights are prepared once, feature maps stay [N, H, W, C], noise, bias, gain and
activation are applied to each part of a map while it is in the cache, and memory is reused from layer to layer.

In bfloat16 the operands of the products, and the maps between layers, are rounded; the transforms of the minimal
filtering, noise, bias and activation are computed in float32, and the picture is added up in it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.direct import DirectConvolution, SpreadConvolution
from core.ml.networks.ops import EPSILON, LEAK, SQRT2
from core.ml.networks.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork, ToRGB
from core.ml.networks.winograd import Convolution, TransposedConvolution, Workspace

# Measured with tests/bench/synthesis.py. Below these minimal filtering costs more than the products it saves ...
MIN_SIZE = 8
MIN_CHANNELS = {torch.float32: 128, torch.bfloat16: 256}
# ... and up to this size a doubling layer mostly waits for its weights.
MAX_SPREAD = 8

EXACT = 16
"""Resolution up to which all is float32: these layers cost little, and all later ones inherit their errors."""

CACHED = 1 << 22
"""Elements of a feature map up to which samples are drawn together; a larger one would not stay in the cache."""

PART = 1 << 17
"""Elements of a feature map that are finished together, for the same reason."""

_Way = Convolution | TransposedConvolution | DirectConvolution | SpreadConvolution


class FastSynthesis:
    """Stands in for `network(ws, noise_mode="const", dtype=dtype)`.

    Args:
        network: Float32 on the CPU. Its convolution weights are read now and must not change afterwards.
        dtype: float32 or bfloat16, see above.
        filtering: Use minimal filtering where it is faster; in bfloat16 it is less exact than the direct method.
    """

    def __init__(self, network: SynthesisNetwork, dtype: torch.dtype = torch.float32, filtering: bool = True) -> None:
        self.network, self.dtype, self.filtering = network, dtype, filtering
        self._workspace = Workspace()
        self._ways: dict[SynthesisLayer, _Way] = {}
        self._energy: dict[SynthesisLayer, Tensor] = {}
        for layer in network.modules():
            if isinstance(layer, SynthesisLayer):
                self._ways[layer] = self._way(layer)
                self._energy[layer] = layer.weight.detach().square().sum(dim=[2, 3]).t().contiguous()

    def _way(self, layer: SynthesisLayer) -> _Way:
        """How the layer's convolution is computed."""
        weight, dtype = layer.weight.detach(), self._format(layer.resolution)
        size = layer.resolution // (2 if layer.up else 1)
        filtered = self.filtering and size >= MIN_SIZE and weight.shape[1] >= MIN_CHANNELS[dtype]
        if not layer.up:
            return Convolution(weight, self._workspace, dtype) if filtered else DirectConvolution(weight, size, dtype)
        if size <= MAX_SPREAD:
            return SpreadConvolution(weight, layer.resample_filter, dtype)
        # bfloat16's products are too cheap for the many small transforms of the doubling layers.
        if filtered and dtype == torch.float32:
            return TransposedConvolution(weight, layer.resample_filter, self._workspace)
        return DirectConvolution(weight, size, dtype, layer.resample_filter)

    def _format(self, resolution: int) -> torch.dtype:
        """What the products and feature maps of that size are rounded to."""
        return torch.float32 if resolution <= EXACT else self.dtype

    @property
    def memory_bytes(self) -> int:
        """What the prepared weights take."""
        return sum(way.memory_bytes for way in self._ways.values())

    @torch.inference_mode()
    def __call__(self, ws: Tensor) -> Tensor:
        """[N, num_ws, w_dim] float32 to pictures [N, C, R, R], nominally -1 to 1."""
        return self._draw(0, None, None, ws, 0)

    def _draw(self, index: int, x: Tensor | None, img: Tensor | None, ws: Tensor, splits: int) -> Tensor:
        """The pictures, from block number `index` on: its input [N, H, H, I], the picture so far, all of w."""
        block: SynthesisBlock = getattr(self.network, f"b{self.network.resolutions[index]}")
        out, size = block.conv1.weight.shape[0], block.conv1.resolution
        together = max(1, CACHED // (size * size * out))
        if len(ws) > together:
            groups = [slice(start, start + together) for start in range(0, len(ws), together)]
            return torch.cat(
                [
                    self._draw(
                        index,
                        None if x is None else x[group],
                        None if img is None else img[group],
                        ws[group],
                        splits + 1,
                    )
                    for group in groups
                ]
            )
        dtype = self._format(size)
        # Two maps take turns; after a split other ones do, as the larger batch's is still needed.
        if x is None:
            x = block.const.to(dtype).permute(1, 2, 0).expand(len(ws), -1, -1, -1)
        else:
            doubled = self._workspace.take(f"doubled {splits}", len(ws), size, size, out, dtype=dtype)
            x = self._layer(block.conv0, x, ws[:, 2 * index - 1], doubled)
        result = self._workspace.take(f"features {splits}", len(ws), size, size, out, dtype=dtype)
        x = self._layer(block.conv1, x, ws[:, 2 * index], result)
        rgb = _to_rgb(block.torgb, x, ws[:, 2 * index + 1])
        img = rgb if img is None else _upsampled(img, block.resample_filter).add_(rgb)
        last = index + 1 == len(self.network.resolutions)
        return img if last else self._draw(index + 1, x, img, ws, splits)

    def _layer(self, layer: SynthesisLayer, x: Tensor, w: Tensor, result: Tensor) -> Tensor:
        """[N, H, W, I] to `result`, [N, R, R, O]."""
        styles = layer.affine(w)
        factor = (styles.square() @ self._energy[layer] + EPSILON).rsqrt_().mul_(SQRT2)
        # Leaky ReLU commutes with a positive gain, so the √2 rides on the demodulation and the small offset.
        noise = (layer.noise_const * (layer.noise_strength * SQRT2))[:, :, None]
        bias = layer.bias * SQRT2
        height = max(1, PART // (result.shape[2] * result.shape[3]))

        def finish(y: Tensor, samples: slice, rows: slice) -> None:
            for start in range(rows.start, rows.stop, height):
                part = slice(start, min(start + height, rows.stop))
                source = y[:, start - rows.start : part.stop - rows.start]
                shape = source.shape[1:]
                offset = torch.add(noise[part], bias, out=self._workspace.take("offset", *shape))
                for one, scale, target in zip(source, factor[samples], result[samples, part], strict=True):
                    exact = target if target.dtype == torch.float32 else self._workspace.take("finished", *shape)
                    if one.dtype != torch.float32:
                        one = exact.copy_(one)
                    torch.addcmul(offset, one, scale, out=exact)
                    F.leaky_relu_(exact, LEAK)
                    if layer.conv_clamp is not None:
                        exact.clamp_(-layer.conv_clamp, layer.conv_clamp)
                    if exact is not target:
                        target.copy_(exact)

        self._ways[layer](x, styles, finish)
        return result


def _to_rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    """[N, R, R, I] to [N, C, R, R], float32."""
    if x.dtype == torch.float32:
        img: Tensor = layer(x.permute(0, 3, 1, 2), w)
        return img
    # With so few columns bfloat16's matrix product is ten times as fast this way round (measured).
    rgb = torch.matmul(x.flatten(1, 2), layer.matrix(w).transpose(1, 2).to(x.dtype))
    n, height, width, _ = x.shape
    return layer.finished(rgb.float().transpose(1, 2).reshape(n, -1, height, width))


def _upsampled(img: Tensor, taps: Tensor) -> Tensor:
    """`upsample2d` with its 4 x 4 filter, as the one convolution that is fastest here."""
    channels = img.shape[1]
    return F.conv_transpose2d(img, (taps * 4).expand(channels, 1, -1, -1), stride=2, padding=1, groups=channels)
