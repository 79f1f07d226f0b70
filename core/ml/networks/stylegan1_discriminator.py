"""The discriminator of the first StyleGAN: that of progressive growing, with low-passed reductions.

Karras et al. 2018, "Progressive Growing of GANs" (arXiv 1710.10196), sections 2, 3 (minibatch standard deviation) and
4.1, table 2; reductions by Karras et al. 2019 (arXiv 1812.04948), appendix C. A stage of growth below the last looks at
full-size pictures averaged down. With classes, the score of the picture's own class counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.ml.networks.growth import Growth, Stage, reduced
from core.ml.networks.mapping import channels_at, resolutions_to
from core.ml.networks.ops import LEAK, SQRT2, FullyConnected, minibatch_std, normal
from core.ml.networks.stylegan1 import binomial_filter, blurred, spread


class ConvolutionLayer(nn.Module):
    """A convolution with equalised learning rate, bias and leaky ReLU; when `down`, low-passed and to half the size."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3, down: bool = False) -> None:
        super().__init__()
        self.down = down
        self.weight = nn.Parameter(normal(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = SQRT2 / (in_channels * kernel_size**2) ** 0.5
        if down:
            self.register_buffer("resample_filter", binomial_filter())

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, R, R] to [N, O, R or R/2, ...]."""
        weight = self.weight * self.weight_gain
        if self.down:
            # The mean of four neighbouring results is one result of the kernel spread over them.
            kernel = (spread(weight) / 4.0).to(x.dtype)
            x = F.conv2d(blurred(x, self.resample_filter), kernel, stride=2, padding=1)
        else:
            x = F.conv2d(x, weight.to(x.dtype), padding=self.weight.shape[-1] // 2)
        return F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), LEAK)


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator, to half of it; `fromrgb` is where pictures of that resolution enter."""

    def __init__(self, channels: int, out_channels: int, img_channels: int) -> None:
        super().__init__()
        self.fromrgb = ConvolutionLayer(img_channels, channels, kernel_size=1)
        self.conv0 = ConvolutionLayer(channels, channels)
        self.conv1 = ConvolutionLayer(channels, out_channels, down=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features to features of half the size."""
        halved: Tensor = self.conv1(self.conv0(x))
        return halved


class DiscriminatorEpilogue(nn.Module):
    """4 x 4 features to scores."""

    def __init__(
        self, channels: int, img_channels: int, scores: int, mbstd_group_size: int | None, mbstd_num_channels: int
    ) -> None:
        super().__init__()
        self.mbstd_group_size, self.mbstd_num_channels = mbstd_group_size, mbstd_num_channels
        self.fromrgb = ConvolutionLayer(img_channels, channels, kernel_size=1)
        self.conv = ConvolutionLayer(channels + mbstd_num_channels, channels)
        self.fc = FullyConnected(channels * 16, channels)
        self.out = FullyConnected(channels, scores, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, 4, 4] to [N, scores]."""
        if self.mbstd_num_channels:
            x = minibatch_std(x, self.mbstd_group_size, self.mbstd_num_channels)
        scores: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        return scores


class Discriminator(nn.Module):
    """The first StyleGAN's discriminator.

    Args:
        c_dim: Number of classes, 0 for none.
        img_resolution: Edge in pixels, a power of two from 4 upwards.
        img_channels: 3, 1 or 4.
        channel_base, channel_max: Feature maps at resolution r: min(channel_base / r, channel_max).
        mbstd_group_size: Samples per group of the minibatch standard deviation; None for the whole batch.
        mbstd_num_channels: Channels it adds; 0 leaves it out.
    """

    def __init__(
        self,
        *,
        c_dim: int = 0,
        img_resolution: int,
        img_channels: int = 3,
        channel_base: int = 16384,
        channel_max: int = 512,
        mbstd_group_size: int | None = 4,
        mbstd_num_channels: int = 1,
    ) -> None:
        super().__init__()
        rising = resolutions_to(img_resolution)
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        self.resolutions = rising[::-1]
        self.growth = Growth(rising)
        widths = {resolution: channels_at(resolution, channel_base, channel_max) for resolution in rising}
        for resolution in self.resolutions[:-1]:
            block = DiscriminatorBlock(widths[resolution], widths[resolution // 2], img_channels)
            setattr(self, f"b{resolution}", block)
        self.b4 = DiscriminatorEpilogue(widths[4], img_channels, c_dim or 1, mbstd_group_size, mbstd_num_channels)

    @property
    def stage(self) -> Stage:
        """How far it has grown."""
        return self.growth.stage

    def grow_to(self, resolution: int, fade: float = 1.0) -> None:
        """Look at `resolution` from now on, its layers faded in to `fade`; see `core.ml.networks.growth`."""
        self.growth.grow_to(resolution, fade)

    def forward(self, img: Tensor, c: Tensor | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Scores.

        Args:
            img: [N, C, R, R], nominally -1 to 1, of full size at every stage.
            c: One-hot labels [N, c_dim]; unused without classes.
            dtype: Of the feature maps above 4 x 4; by default that of the picture.

        Returns:
            [N, 1], larger is more real.
        """
        stage, dtype = self.stage, dtype or img.dtype
        picture = reduced(img, self.img_resolution // stage.resolution).contiguous(memory_format=torch.channels_last)
        x: Tensor = getattr(self, f"b{stage.resolution}").fromrgb(picture.to(dtype))
        for resolution in self.resolutions[self.resolutions.index(stage.resolution) : -1]:
            x = getattr(self, f"b{resolution}")(x)
            if resolution == stage.resolution and stage.fade < 1.0:
                below = getattr(self, f"b{resolution // 2}").fromrgb(reduced(picture, 2).to(dtype))
                x = below + (x - below) * stage.fade
        scores: Tensor = self.b4(x.to(img.dtype))
        if not self.c_dim:
            return scores
        if c is None:
            raise ValueError("a conditional discriminator needs labels")
        return (scores * c).sum(dim=1, keepdim=True)
