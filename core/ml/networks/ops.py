"""The operations that the StyleGAN family is made of, in plain PyTorch and differentiable to any order.

Images are [N, C, H, W]; any memory layout works, channels-last is the fast one on CPUs and tensor cores.
Sources: Karras et al., "A Style-Based Generator Architecture for GANs" (2019) and "Analyzing and Improving the Image
Quality of StyleGAN" (2020), sections 2 and B; Karras et al., "Progressive Growing of GANs" (2018), section 4.1 for the
equalised learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.ml.networks.convolution import convolve, filtered, spread
from core.ml.networks.pointwise import LEAK as LEAK

SQRT2 = 2.0**0.5
EPSILON = 1e-8


def low_pass_filter() -> Tensor:
    """The 4 x 4 binomial filter of all re-sampling, float32, sum 1."""
    # Written out, because arithmetic on the meta device imports torch's compiler, which takes seconds.
    return torch.tensor([[row * column / 64.0 for column in (1.0, 3.0, 3.0, 1.0)] for row in (1.0, 3.0, 3.0, 1.0)])


def normal(*shape: int, std: float = 1.0) -> Tensor:
    """Initial weights of `shape`, float32, from N(0, std²) by torch's own generator.

    On the meta device nothing is drawn: doing it there would import torch's compiler, which takes seconds.
    """
    weights = torch.empty(shape)
    return weights if weights.is_meta else weights.normal_(std=std)


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Each row of `x` [N, C] scaled to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    linear: bool = False,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Bias per channel (dimension 1), leaky ReLU unless `linear`, gain (√2 or 1 by default), clamp to ±`clamp`."""
    if gain is None:
        gain = 1.0 if linear else SQRT2
    if bias is not None:
        x = x + bias.to(x.dtype).reshape([1, -1] + [1] * (x.ndim - 2))
    if not linear:
        x = F.leaky_relu(x, LEAK)
    if gain != 1.0:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def upfirdn2d(
    x: Tensor,
    taps: Tensor | None,
    *,
    up: int | tuple[int, int] = 1,
    down: int | tuple[int, int] = 1,
    padding: int | Sequence[int] = 0,
    correlate: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Insert zeros, pad or crop, filter, keep every n-th sample.

    Args:
        x: [N, C, H, W].
        taps: Filter [fh, fw], or [f] for a separable one that is applied along both axes with √gain each.
        up, down: One factor, or (x, y).
        padding: One number, or (left, right, top, bottom) with respect to the zero-stuffed image; negative crops.
        correlate: Slide the filter as it is; by default it is flipped (true convolution).
        gain: Multiplies the result.
    """
    up_x, up_y = (up, up) if isinstance(up, int) else up
    down_x, down_y = (down, down) if isinstance(down, int) else down
    left, right, top, bottom = [padding] * 4 if isinstance(padding, int) else padding
    n, c, h, w = x.shape
    if up_x > 1 or up_y > 1:
        x = F.pad(x.reshape(n, c, h, 1, w, 1), [0, up_x - 1, 0, 0, 0, up_y - 1]).reshape(n, c, h * up_y, w * up_x)
    if left or right or top or bottom:
        x = F.pad(x, [left, right, top, bottom])
    if taps is None:
        return x[:, :, ::down_y, ::down_x] * gain
    taps = (taps * gain ** (taps.ndim / 2)).to(x.dtype)
    if not correlate:
        taps = taps.flip(list(range(taps.ndim)))
    if taps.ndim == 2:
        if (down_x > 1 or down_y > 1) and x.dtype == torch.bfloat16 and x.requires_grad and x.device.type == "cpu":
            # The gradient of such a convolution takes eight times as long in bfloat16 as in float32 there.
            y = F.conv2d(x.float(), taps.float().expand(c, 1, -1, -1), stride=(down_y, down_x), groups=c)
            return y.to(x.dtype)
        return F.conv2d(x, taps.expand(c, 1, -1, -1), stride=(down_y, down_x), groups=c)
    x = F.conv2d(x, taps[None, :].expand(c, 1, 1, -1), stride=(1, down_x), groups=c)
    return F.conv2d(x, taps[:, None].expand(c, 1, -1, 1), stride=(down_y, 1), groups=c)


def upsample2d(x: Tensor, taps: Tensor) -> Tensor:
    """Twice the size, low-passed, same mean."""
    size = taps.shape[-1]
    before, after = (size + 1) // 2, (size - 2) // 2
    return upfirdn2d(x, taps, up=2, padding=(before, after, before, after), gain=4.0)


def downsample2d(x: Tensor, taps: Tensor) -> Tensor:
    """Half the size, low-passed."""
    size = taps.shape[-1]
    return low_pass(x, taps, (size - 1) // 2, (size - 2) // 2, down=2)


def conv2d_resample(
    x: Tensor, weight: Tensor, taps: Tensor, *, up: bool = False, down: bool = False, correlate: bool = True
) -> Tensor:
    """A same-size convolution that also doubles or halves the size, low-passed.

    Args:
        x: [N, I, H, W].
        weight: [O, I, k, k] with k odd.
        taps: Low-pass filter [f, f].
        up, down: At most one of them.
        correlate: `weight` is meant as machine learning libraries use it; else spatially flipped (true convolution).
    """
    kernel, size = weight.shape[-1], taps.shape[-1]
    weight = weight.to(x.dtype)
    pad = kernel // 2
    if up:
        if kernel == 1:
            return upsample2d(convolve(x, weight), taps)
        # A transposed convolution inserts the zeros and correlates with the flipped kernel in one go.
        flipped = weight.flip([2, 3]) if correlate else weight
        y = spread(x, flipped.transpose(0, 1), stride=2)
        before, after = pad + (size + 1) // 2 - (kernel - 1), pad + (size - 2) // 2 - (kernel - 2)
        return low_pass(y, taps, before, after, gain=4.0)
    if not correlate:
        weight = weight.flip([2, 3])
    if down:
        if kernel == 1:
            return convolve(downsample2d(x, taps), weight)
        before, after = pad + (size - 1) // 2, pad + (size - 2) // 2
        x = low_pass(x, taps, before, after)
        if (x.shape[2] - kernel) % 2 or (x.shape[3] - kernel) % 2:
            return F.conv2d(x, weight, stride=2)
        return convolve(x, weight, stride=2)
    return convolve(x, weight, padding=pad)


def low_pass(x: Tensor, taps: Tensor, before: int, after: int, *, down: int = 1, gain: float = 1.0) -> Tensor:
    """`x` [N, C, H, W] padded on the near and far sides of both axes, filtered, every `down`-th sample kept."""
    if before != after or before < 0 or (down == 2 and (x.shape[2] % 2 or x.shape[3] % 2 or taps.shape[-1] % 2)):
        return upfirdn2d(x, taps, down=down, padding=(before, after, before, after), gain=gain)
    return filtered(x, taps.flip([0, 1]) * gain, stride=down, padding=before)


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """The factor [N, O] that brings each output channel back to unit deviation.

    It needs the sum of squared weights per pair of channels only, so no weight tensor per sample is ever built.
    """
    return (styles.square() @ weight.square().sum(dim=[2, 3]).t() + EPSILON).rsqrt()


def minibatch_std(x: Tensor, group_size: int | None, num_channels: int = 1) -> Tensor:
    """`x` [N, C, H, W] with `num_channels` more channels: the deviation within groups of samples (Karras 2018).

    Sample i belongs to group i mod (N / group size). `None` makes the whole batch one group. N must be divisible by
    the smaller of N and `group_size`.
    """
    n, c, h, w = x.shape
    group = n if group_size is None else min(group_size, n)
    y = x.reshape(group, -1, num_channels, c // num_channels, h, w)
    y = (y - y.mean(dim=0)).square().mean(dim=0)
    y = (y + EPSILON).sqrt().mean(dim=[2, 3, 4])
    y = y.reshape(-1, num_channels, 1, 1).repeat(group, 1, h, w)
    return torch.cat([x, y], dim=1)


class FullyConnected(nn.Module):
    """A dense layer with equalised learning rate.

    Args:
        in_features, out_features: Widths.
        linear: No activation (leaky ReLU with gain √2 otherwise).
        lr_multiplier: Stored parameters are this much larger than those in effect.
        bias_init: First value of the bias in effect.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        linear: bool = False,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.linear = linear
        self.weight = nn.Parameter(normal(out_features, in_features, std=1.0 / lr_multiplier))
        self.bias = nn.Parameter(torch.full([out_features], bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / in_features**0.5
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """[N, in] to [N, out]."""
        bias = (self.bias * self.bias_gain).to(x.dtype)
        x = torch.addmm(bias, x, (self.weight * self.weight_gain).to(x.dtype).t())
        return x if self.linear else F.leaky_relu(x, LEAK) * SQRT2
