"""StyleGAN2 synthesis for CPUs: the same pictures as `SynthesisNetwork` with about a third of the arithmetic.

Inference with the stored noise only. Weights are prepared once, feature maps stay [N, H, W, C], noise, bias, gain and
activation are applied to each part of a map while it is in the cache, and memory is reused from layer to layer.

In bfloat16 the operands of the products, and the maps between layers, are rounded; the transforms of the minimal
filtering, noise, bias and activation are computed in float32, and the picture is added up in it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.ml.networks.ops import EPSILON, LEAK, SQRT2, upsample2d
from core.ml.networks.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork, ToRGB
from core.ml.networks.winograd import Convolution, Finish, TransposedConvolution, Workspace

# Below these the transforms cost more than the multiplications they save (measured, tests/bench/synthesis.py).
MIN_SIZE, MIN_CHANNELS = 8, 128

CACHED = 1 << 22
"""Elements of a feature map up to which samples are drawn together; a larger one would not stay in the cache."""

PART = 1 << 17
"""Elements of a feature map that are finished together, for the same reason."""


class FastSynthesis:
    """Stands in for `network(ws, noise_mode="const", dtype=dtype)`.

    Args:
        network: Float32 on the CPU. Its convolution weights are read now and must not change afterwards.
        dtype: float32 or bfloat16, see above.
    """

    def __init__(self, network: SynthesisNetwork, dtype: torch.dtype = torch.float32) -> None:
        self.network, self.dtype = network, dtype
        self._workspace = Workspace()
        self._ways: dict[SynthesisLayer, Convolution | TransposedConvolution | DirectConvolution] = {}
        self._energy: dict[SynthesisLayer, Tensor] = {}
        for layer in network.modules():
            if isinstance(layer, SynthesisLayer):
                self._ways[layer] = self._way(layer)
                self._energy[layer] = layer.weight.detach().square().sum(dim=[2, 3]).t().contiguous()

    def _way(self, layer: SynthesisLayer) -> Convolution | TransposedConvolution | DirectConvolution:
        """How the layer's convolution is computed."""
        weight = layer.weight.detach()
        size = layer.resolution // (2 if layer.up else 1)
        wide = size >= MIN_SIZE and weight.shape[1] >= MIN_CHANNELS
        if wide and not layer.up:
            return Convolution(weight, self._workspace, self.dtype)
        # bfloat16's products are too cheap for the many small transforms of the doubling layers (measured).
        if wide and self.dtype == torch.float32:
            return TransposedConvolution(weight, layer.resample_filter, self._workspace)
        return DirectConvolution(weight, layer.resample_filter if layer.up else None, size, self.dtype)

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
                    self._draw(index, None if x is None else x[part], None if img is None else img[part], w, splits + 1)
                    for part, w in zip(groups, ws.split(together), strict=True)
                ]
            )
        # Two maps take turns; after a split other ones do, as the larger batch's is still needed.
        if x is None:
            x = block.const.to(self.dtype).permute(1, 2, 0).expand(len(ws), -1, -1, -1)
        else:
            doubled = self._workspace.take(f"doubled {splits}", len(ws), size, size, out, dtype=self.dtype)
            x = self._layer(block.conv0, x, ws[:, 2 * index - 1], doubled)
        result = self._workspace.take(f"features {splits}", len(ws), size, size, out, dtype=self.dtype)
        x = self._layer(block.conv1, x, ws[:, 2 * index], result)
        rgb = _to_rgb(block.torgb, x, ws[:, 2 * index + 1])
        img = rgb if img is None else upsample2d(img, block.resample_filter).add_(rgb)
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


class DirectConvolution:
    """A 3 x 3 convolution by PyTorch's own kernels, doubling the size and low-passed if there are `taps`.

    Either the features are multiplied by the styles, or the weights, once per sample: whichever are fewer.

    Args:
        weight: [O, I, 3, 3], float32; as `conv2d_resample` wants it, without correlation if there are taps.
        taps: Low-pass filter [4, 4].
        size: Edge of the incoming maps.
        dtype: Of the incoming maps and the products.
    """

    def __init__(self, weight: Tensor, taps: Tensor | None, size: int, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.taps = None if taps is None else (taps * 4).to(dtype).expand(weight.shape[0], 1, -1, -1)
        self.shared = 9 * weight.shape[0] > size**2
        self.weight = weight.to(dtype) if self.shared else weight
        self.memory_bytes = 0 if self.weight is weight else self.weight.nbytes

    def __call__(self, x: Tensor, styles: Tensor, finish: Finish) -> None:
        """`x` [N, H, H, I] times `styles` [N, I], convolved, given to `finish`."""
        if self.shared:
            y = self._convolve((x * styles[:, None, None]).to(self.dtype), self.weight)
            finish(y, slice(0, len(y)), slice(0, y.shape[1]))
            return
        for index, style in enumerate(styles):
            y = self._convolve(x[index : index + 1], (self.weight * style[:, None, None]).to(self.dtype))
            finish(y, slice(index, index + 1), slice(0, y.shape[1]))

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """[N, H, H, I] to [N, R, R, O]."""
        x = x.permute(0, 3, 1, 2)
        if self.taps is None:
            return F.conv2d(x, weight, padding=1).permute(0, 2, 3, 1)
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        return F.conv2d(y, self.taps, padding=1, groups=y.shape[1]).permute(0, 2, 3, 1)


def _to_rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    """[N, R, R, I] to [N, C, R, R], float32."""
    if x.dtype == torch.float32:
        img: Tensor = layer(x.permute(0, 3, 1, 2), w)
        return img
    # With so few columns bfloat16's matrix product is ten times as fast this way round (measured).
    rgb = torch.matmul(x.flatten(1, 2), layer.matrix(w).transpose(1, 2).to(x.dtype))
    return layer.finished(rgb.transpose(1, 2).float().unflatten(2, x.shape[1:3]).contiguous())
