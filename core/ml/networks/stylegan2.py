"""The StyleGAN2 generator: mapping network, and synthesis network with skip connections to RGB.

Parameter and buffer names are the published ones, so foreign weights load by name.
Sources: Karras et al. 2019 and 2020 ("Analyzing and Improving the Image Quality of StyleGAN", section 2, appendix B).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from core.ml.networks.discriminator import Discriminator
from core.ml.networks.ops import (
    SQRT2,
    FullyConnected,
    conv2d_resample,
    demodulation,
    low_pass_filter,
    normal,
    normalize_2nd_moment,
    upsample2d,
)
from core.ml.networks.pointwise import activated, modulated, projected

__all__ = ["Discriminator", "Generator", "NoiseMode", "channels_at", "num_ws_of"]

NoiseMode = Literal["const", "random", "none"]


def channels_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Width of the feature maps at one resolution."""
    return min(channel_base // resolution, channel_max)


def num_ws_of(resolution: int) -> int:
    """How many w vectors a generator of that resolution takes: 2 log2(R) - 2."""
    return 2 * (resolution.bit_length() - 1) - 2


def resolutions_to(resolution: int) -> list[int]:
    """4, 8, ... up to `resolution`; a ValueError when that is not a power of two from 4 upwards."""
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"resolution {resolution} is not a power of two of at least 4")
    return [4 << i for i in range(resolution.bit_length() - 2)]


class MappingNetwork(nn.Module):
    """z (and a class label) to w.

    Args:
        z_dim: Width of z.
        c_dim: Number of classes, 0 for none.
        w_dim: Width of w and of all layers in between.
        num_ws: How often w is repeated.
        num_layers: Dense layers.
        lr_multiplier: Of all dense layers.
        w_avg_beta: Decay of the running mean of w.
    """

    w_avg: Tensor

    def __init__(
        self,
        *,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 8,
        lr_multiplier: float = 0.01,
        w_avg_beta: float = 0.995,
    ) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim, self.num_ws, self.num_layers = z_dim, c_dim, w_dim, num_ws, num_layers
        self.w_avg_beta = w_avg_beta
        if c_dim:
            self.embed = FullyConnected(c_dim, w_dim, linear=True)
        width = z_dim + (w_dim if c_dim else 0)
        for index in range(num_layers):
            setattr(self, f"fc{index}", FullyConnected(width, w_dim, lr_multiplier=lr_multiplier))
            width = w_dim
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        *,
        truncation_psi: float | Tensor = 1.0,
        truncation_cutoff: int | None = None,
        update_w_avg: bool = False,
    ) -> Tensor:
        """Map latents.

        Args:
            z: Float [N, z_dim], not normalised.
            c: One-hot labels [N, c_dim]; unused without classes.
            truncation_psi: Towards the mean w: w_avg + psi (w - w_avg). A number, or a tensor [N].
            truncation_cutoff: Truncate only the first so many layers.
            update_w_avg: Move the running mean towards the mean of this batch (training).

        Returns:
            [N, num_ws, w_dim].
        """
        w = normalize_2nd_moment(z)
        if self.c_dim:
            if c is None:
                raise ValueError("a conditional generator needs labels")
            w = torch.cat([w, normalize_2nd_moment(self.embed(c))], dim=1)
        for index in range(self.num_layers):
            layer: FullyConnected = getattr(self, f"fc{index}")
            w = layer(w)
        if update_w_avg:
            self.w_avg.copy_(w.detach().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        ws = w[:, None].expand(-1, self.num_ws, -1)
        if isinstance(truncation_psi, Tensor):
            truncation_psi = truncation_psi.to(ws).reshape(-1, 1, 1)
        elif truncation_psi == 1.0:
            return ws
        near = self.w_avg + (ws - self.w_avg) * truncation_psi
        if truncation_cutoff is None:
            return near
        return torch.cat([near[:, :truncation_cutoff], ws[:, truncation_cutoff:]], dim=1)


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


class Generator(nn.Module):
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
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = SynthesisNetwork(
            w_dim=w_dim,
            img_resolution=img_resolution,
            img_channels=img_channels,
            channel_base=channel_base,
            channel_max=channel_max,
            conv_clamp=conv_clamp,
        )
        self.num_ws = self.synthesis.num_ws
        self.mapping = MappingNetwork(
            z_dim=z_dim,
            c_dim=c_dim,
            w_dim=w_dim,
            num_ws=self.num_ws,
            num_layers=mapping_layers,
            w_avg_beta=w_avg_beta,
        )

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        *,
        truncation_psi: float | Tensor = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "random",
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """z [N, z_dim] (and one-hot labels [N, c_dim]) to pictures [N, C, R, R]; see the two networks."""
        ws = self.mapping(z, c, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff)
        img: Tensor = self.synthesis(ws, noise_mode=noise_mode, dtype=dtype)
        return img
