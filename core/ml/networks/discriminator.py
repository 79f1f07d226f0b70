"""The StyleGAN2 discriminator: residual, plain ("orig") or with RGB skips, optionally conditional by projection.

Parameter and buffer names are the published ones. Sources: Karras et al. 2020, section 3.1 and appendix B; minibatch
standard deviation from Karras et al. 2018; projection from Miyato & Koyama, "cGANs with Projection Discriminator".
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from core.ml.networks.ops import (
    SQRT2,
    FullyConnected,
    bias_act,
    conv2d_resample,
    downsample2d,
    low_pass_filter,
    minibatch_std,
    normal,
    normalize_2nd_moment,
)
from core.ml.networks.pointwise import activated

Architecture = Literal["resnet", "orig", "skip"]


class ConvLayer(nn.Module):
    """A convolution with equalised learning rate, bias and leaky ReLU; halves the size when `down`."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        bias: bool = True,
        linear: bool = False,
        down: bool = False,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.linear, self.down, self.conv_clamp = linear, down, conv_clamp
        self.register_buffer("resample_filter", low_pass_filter())
        self.weight = nn.Parameter(normal(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1.0 / (in_channels * kernel_size**2) ** 0.5
        self.act_gain = 1.0 if linear else SQRT2

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """[N, I, R, R] to [N, O, R or R/2, ...]; `gain` scales the output and the clamp."""
        act_gain = self.act_gain * gain
        # Activation and convolution commute with a positive gain: fold it into the small tensors.
        x = conv2d_resample(x, self.weight * (self.weight_gain * act_gain), self.resample_filter, down=self.down)
        bias = None if self.bias is None else self.bias * act_gain
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        if self.linear or bias is None:
            return bias_act(x, bias, linear=self.linear, gain=1.0, clamp=clamp)
        x = activated(x, None, bias, None)
        return x if clamp is None else x.clamp(-clamp, clamp)


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator, to half of it."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        *,
        img_channels: int,
        architecture: Architecture,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.register_buffer("resample_filter", low_pass_filter())
        if in_channels == 0 or architecture == "skip":
            self.fromrgb = ConvLayer(img_channels, mid_channels, kernel_size=1, conv_clamp=conv_clamp)
        self.conv0 = ConvLayer(mid_channels, mid_channels, kernel_size=3, conv_clamp=conv_clamp)
        self.conv1 = ConvLayer(mid_channels, out_channels, kernel_size=3, down=True, conv_clamp=conv_clamp)
        if architecture == "resnet":
            self.skip = ConvLayer(mid_channels, out_channels, kernel_size=1, bias=False, linear=True, down=True)

    def forward(self, x: Tensor | None, img: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Features (None at first) and picture to features of half the size and, for "skip", the smaller picture."""
        if img is not None and hasattr(self, "fromrgb"):
            seen = self.fromrgb(img.to(dtype))
            x = seen if x is None else x + seen
            img = downsample2d(img, self.resample_filter) if self.architecture == "skip" else None
        assert x is not None
        if self.architecture != "resnet":
            return self.conv1(self.conv0(x)), img
        straight: Tensor = self.skip(x, gain=0.5**0.5)
        return straight + self.conv1(self.conv0(x), gain=0.5**0.5), img


class LabelMapping(nn.Module):
    """A class label to the vector that the features are projected on."""

    def __init__(self, c_dim: int, width: int, num_layers: int = 8, lr_multiplier: float = 0.01) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.embed = FullyConnected(c_dim, width, linear=True)
        for index in range(num_layers):
            setattr(self, f"fc{index}", FullyConnected(width, width, lr_multiplier=lr_multiplier))

    def forward(self, c: Tensor) -> Tensor:
        """One-hot [N, c_dim] to [N, width]."""
        x = normalize_2nd_moment(self.embed(c))
        for index in range(self.num_layers):
            layer: FullyConnected = getattr(self, f"fc{index}")
            x = layer(x)
        return x


class DiscriminatorEpilogue(nn.Module):
    """4 x 4 features to a score."""

    def __init__(
        self,
        in_channels: int,
        *,
        cmap_dim: int,
        img_channels: int,
        architecture: Architecture,
        mbstd_group_size: int | None,
        mbstd_num_channels: int,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.cmap_scale: float = max(cmap_dim, 1) ** -0.5
        self.architecture = architecture
        self.mbstd_group_size, self.mbstd_num_channels = mbstd_group_size, mbstd_num_channels
        if architecture == "skip":
            self.fromrgb = ConvLayer(img_channels, in_channels, kernel_size=1)
        self.conv = ConvLayer(in_channels + mbstd_num_channels, in_channels, kernel_size=3, conv_clamp=conv_clamp)
        self.fc = FullyConnected(in_channels * 16, in_channels)
        self.out = FullyConnected(in_channels, cmap_dim or 1, linear=True)

    def forward(self, x: Tensor, img: Tensor | None, cmap: Tensor | None) -> Tensor:
        """[N, C, 4, 4] to [N, 1]."""
        if self.architecture == "skip":
            assert img is not None
            x = x + self.fromrgb(img.to(x.dtype))
        if self.mbstd_num_channels:
            x = minibatch_std(x, self.mbstd_group_size, self.mbstd_num_channels)
        score: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        if cmap is None:
            return score
        return (score * cmap).sum(dim=1, keepdim=True) * self.cmap_scale


class Discriminator(nn.Module):
    """StyleGAN2's discriminator.

    Args:
        c_dim: Number of classes, 0 for none.
        img_resolution: Edge in pixels, a power of two from 8 upwards (4 is the epilogue alone).
        img_channels: 3, 1 or 4.
        architecture: "resnet", "orig" or "skip".
        channel_base, channel_max: Feature maps at resolution r: min(channel_base / r, channel_max).
        conv_clamp: Clamp activations to ± this; None for none.
        mbstd_group_size: Samples per group of the minibatch standard deviation; None for the whole batch.
        mbstd_num_channels: Channels it adds; 0 leaves it out.
    """

    def __init__(
        self,
        *,
        c_dim: int = 0,
        img_resolution: int,
        img_channels: int = 3,
        architecture: Architecture = "resnet",
        channel_base: int = 16384,
        channel_max: int = 512,
        conv_clamp: float | None = None,
        mbstd_group_size: int | None = 4,
        mbstd_num_channels: int = 1,
    ) -> None:
        super().__init__()
        if img_resolution < 8 or img_resolution & (img_resolution - 1):
            raise ValueError(f"resolution {img_resolution} is not a power of two of at least 8")
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        self.resolutions = [img_resolution >> i for i in range(img_resolution.bit_length() - 3)]
        widths = {r: min(channel_base // r, channel_max) for r in [*self.resolutions, 4]}
        for resolution in self.resolutions:
            block = DiscriminatorBlock(
                widths[resolution] if resolution < img_resolution else 0,
                widths[resolution],
                widths[resolution // 2],
                img_channels=img_channels,
                architecture=architecture,
                conv_clamp=conv_clamp,
            )
            setattr(self, f"b{resolution}", block)
        cmap_dim = widths[4] if c_dim else 0
        if c_dim:
            self.mapping = LabelMapping(c_dim, cmap_dim)
        self.b4 = DiscriminatorEpilogue(
            widths[4],
            cmap_dim=cmap_dim,
            img_channels=img_channels,
            architecture=architecture,
            mbstd_group_size=mbstd_group_size,
            mbstd_num_channels=mbstd_num_channels,
            conv_clamp=conv_clamp,
        )

    def forward(self, img: Tensor, c: Tensor | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Scores.

        Args:
            img: [N, C, R, R], nominally -1 to 1.
            c: One-hot labels [N, c_dim]; unused without classes.
            dtype: Of the feature maps above 4 x 4; by default that of the picture.

        Returns:
            [N, 1], larger is more real.
        """
        x: Tensor | None = None
        picture: Tensor | None = img.contiguous(memory_format=torch.channels_last)
        for resolution in self.resolutions:
            x, picture = getattr(self, f"b{resolution}")(x, picture, dtype or img.dtype)
        assert x is not None
        cmap = self.mapping(c) if self.c_dim else None
        scores: Tensor = self.b4(x.to(img.dtype), picture, cmap)
        return scores


def frozen_layers(discriminator: nn.Module, count: int) -> list[nn.Module]:
    """The first `count` layers of a discriminator: fromrgb, conv0, conv1, skip, then three a block; never the last one.

    Source: Mo, Cho & Shin 2020, "Freeze the Discriminator"; numbered as in the published training.
    """
    layers: list[nn.Module] = []
    blocks = [(name, child) for name, child in discriminator.named_children() if name.startswith("b") and name != "b4"]
    for _, block in blocks:
        layers += [getattr(block, name) for name in ("fromrgb", "conv0", "conv1", "skip") if hasattr(block, name)]
    return layers[:count]
