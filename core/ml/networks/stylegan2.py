"""The StyleGAN2 generator: its synthesis network, with skip connections to RGB.

Parameter and buffer names are the published ones, so foreign weights load by name.
Sources: Karras et al. 2019 and 2020 ("Analyzing and Improving the Image Quality of StyleGAN", section 2, appendix B).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.ml.networks.discriminator import Discriminator
from core.ml.networks.mapping import (
    MappingNetwork,
    NoiseMode,
    StyleGenerator,
    channels_at,
    num_ws_of,
    resolutions_to,
)
from core.ml.networks.ops import (
    SQRT2,
    FullyConnected,
    conv2d_resample,
    demodulation,
    low_pass_filter,
    normal,
    upsample2d,
)
from core.ml.networks.pointwise import activated, modulated, projected

__all__ = ["Discriminator", "Generator", "MappingNetwork", "NoiseMode", "channels_at", "num_ws_of"]


class SynthesisLayer(nn.Module):
    """A modulated 3 x 3 convolution with noise, bias and leaky ReLU; doubles the size when `up`."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, *, w_dim: int, resolution: int, up: bool, conv_clamp: float | None
    ) -> None:
        super().__init__()
        self.resolution, self.up, self.conv_clamp = resolution, up, conv_clamp
        self.affine = FullyConnected(w_dim, in_channels, linear=True, bias_init=1.0)
        self.weight = nn.Parameter(normal(out_channels, in_channels, 3, 3))
        self.register_buffer("resample_filter", low_pass_filter())
        self.register_buffer("noise_const", normal(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def noise(self, mode: NoiseMode, batch: int) -> Tensor | None:
        """Noise times its strength, [1 or N, 1, R, R], or None."""
        if mode == "none":
            return None
        if mode == "const":
            return (self.noise_const * self.noise_strength)[None, None]
        drawn = torch.randn(
            [batch, 1, self.resolution, self.resolution], device=self.weight.device, dtype=self.noise_strength.dtype
        )
        return drawn * self.noise_strength

    def forward(self, x: Tensor, w: Tensor, noise_mode: NoiseMode) -> Tensor:
        """[N, I, R or R/2, ...] and [N, w_dim] to [N, O, R, R]."""
        noise = self.noise(noise_mode, x.shape[0])
        styles = self.affine(w)
        # Demodulation scales what comes out, so that all samples share one weight tensor.
        x = modulated(x, styles)
        x = conv2d_resample(x, self.weight, self.resample_filter, up=self.up, correlate=not self.up)
        # Leaky ReLU commutes with a positive gain, so the √2 rides on the small tensors.
        factor = demodulation(self.weight, styles) * SQRT2
        x = activated(x, factor, self.bias * SQRT2, None if noise is None else noise * SQRT2)
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)


class ToRGB(nn.Module):
    """A modulated 1 x 1 convolution without demodulation: features to image channels."""

    def __init__(self, in_channels: int, img_channels: int, *, w_dim: int, conv_clamp: float | None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnected(w_dim, in_channels, linear=True, bias_init=1.0)
        self.weight = nn.Parameter(normal(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.weight_gain = in_channels**-0.5

    def matrix(self, w: Tensor) -> Tensor:
        """The weights [N, C, I] of each sample, from w [N, w_dim]."""
        styles = self.affine(w) * self.weight_gain
        # With so few outputs a matrix per sample is smaller than the features it would take to scale.
        weight: Tensor = self.weight[:, :, 0, 0] * styles[:, None, :]
        return weight

    def finished(self, y: Tensor) -> Tensor:
        """The products [N, C, R, R] with bias and clamp."""
        y = y + self.bias[:, None, None]
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp, self.conv_clamp)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, I, R, R] and [N, w_dim] to an image [N, C, R, R], float32 at least."""
        y = projected(x, self.matrix(w).to(x.dtype))
        return self.finished(y.to(torch.promote_types(y.dtype, torch.float32)))


class SynthesisBlock(nn.Module):
    """One resolution: (the constant or an up-sampling layer), a layer, and the picture so far."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        img_channels: int,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.first = in_channels == 0
        self.register_buffer("resample_filter", low_pass_filter())
        if self.first:
            self.const = nn.Parameter(normal(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, w_dim=w_dim, resolution=resolution, up=True, conv_clamp=conv_clamp
            )
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim=w_dim, resolution=resolution, up=False, conv_clamp=conv_clamp
        )
        self.torgb = ToRGB(out_channels, img_channels, w_dim=w_dim, conv_clamp=conv_clamp)

    def forward(
        self, x: Tensor | None, img: Tensor | None, ws: Tensor, noise_mode: NoiseMode, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Features and picture of half the size, and this block's w [N, 2 or 3, w_dim], to those of this size."""
        if self.first:
            n = ws.shape[0]
            x = self.const.to(dtype).expand(n, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            assert x is not None
            x = self.conv0(x, ws[:, 0], noise_mode)
        x = self.conv1(x, ws[:, -2], noise_mode)
        rgb: Tensor = self.torgb(x, ws[:, -1])
        return x, rgb if img is None else upsample2d(img, self.resample_filter) + rgb


class SynthesisNetwork(nn.Module):
    """w to a picture, from 4 x 4 upwards. Blocks are named b4, b8, ..."""

    def __init__(
        self,
        *,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int,
        channel_max: int,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.resolutions = resolutions_to(img_resolution)
        self.num_ws = num_ws_of(img_resolution)
        self.w_dim, self.img_resolution, self.img_channels = w_dim, img_resolution, img_channels
        width = 0
        for resolution in self.resolutions:
            out = channels_at(resolution, channel_base, channel_max)
            block = SynthesisBlock(
                width, out, w_dim=w_dim, resolution=resolution, img_channels=img_channels, conv_clamp=conv_clamp
            )
            setattr(self, f"b{resolution}", block)
            width = out

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "random", dtype: torch.dtype | None = None) -> Tensor:
        """Pictures.

        Args:
            ws: [N, num_ws, w_dim].
            noise_mode: "const" uses the stored maps, "random" draws anew, "none" leaves noise out.
            dtype: Of the feature maps; by default that of the weights. The picture is added up in float32 at least.

        Returns:
            [N, C, R, R], nominally -1 to 1, not clipped.
        """
        if ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws must be [N, {self.num_ws}, {self.w_dim}], not {list(ws.shape)}")
        x: Tensor | None = None
        img: Tensor | None = None
        index = 0
        for resolution in self.resolutions:
            block: SynthesisBlock = getattr(self, f"b{resolution}")
            taken = 2 if block.first else 3
            # The RGB layer and the next block's first convolution share one w.
            x, img = block(x, img, ws[:, index : index + taken], noise_mode, dtype or ws.dtype)
            index += taken - 1
        assert img is not None
        return img


class Generator(StyleGenerator):
    """StyleGAN2's generator.

    Args:
        z_dim: Width of the latent z.
        c_dim: Number of classes, 0 for none.
        w_dim: Width of the intermediate latent w.
        img_resolution: Edge in pixels, a power of two from 4 upwards.
        img_channels: 3, 1 or 4.
        mapping_layers: Depth of the mapping network.
        channel_base, channel_max: Feature maps at resolution r: min(channel_base / r, channel_max).
        conv_clamp: Clamp activations to ± this; None for none.
        w_avg_beta: Decay of the running mean of w.
    """

    synthesis: SynthesisNetwork

    def __init__(
        self,
        *,
        z_dim: int = 512,
        c_dim: int = 0,
        w_dim: int = 512,
        img_resolution: int,
        img_channels: int = 3,
        mapping_layers: int = 8,
        channel_base: int = 16384,
        channel_max: int = 512,
        conv_clamp: float | None = None,
        w_avg_beta: float = 0.995,
    ) -> None:
        synthesis = SynthesisNetwork(
            w_dim=w_dim,
            img_resolution=img_resolution,
            img_channels=img_channels,
            channel_base=channel_base,
            channel_max=channel_max,
            conv_clamp=conv_clamp,
        )
        super().__init__(synthesis, z_dim=z_dim, c_dim=c_dim, mapping_layers=mapping_layers, w_avg_beta=w_avg_beta)
