"""The generator of the first StyleGAN: synthesis by adaptive instance normalisation.

Karras, Laine and Aila 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks" (arXiv
1812.04948): section 2 and figure 1b, section 3.2 (noise), appendix C (resampling, initial values, the learning rate of
the mapping). Widths, equalised learning rate and growing are Karras et al. 2018, "Progressive Growing of GANs" (arXiv
1710.10196), sections 2 and 4.1, table 2.

It has the face of `core.ml.networks.stylegan2`, so that training, exploring and mixing are the same. A stage of growth
below the last is drawn at full size, each pixel enlarged.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.ml.networks.growth import Growth, Stage, enlarged
from core.ml.networks.mapping import NoiseMode, StyleGenerator, channels_at, num_ws_of, resolutions_to
from core.ml.networks.ops import EPSILON, LEAK, SQRT2, FullyConnected, normal


def binomial_filter() -> Tensor:
    """The 3 x 3 binomial filter that follows every enlargement and precedes every reduction, float32, sum 1."""
    return torch.tensor([[row * column / 16.0 for column in (1.0, 2.0, 1.0)] for row in (1.0, 2.0, 1.0)])


def blurred(x: Tensor, taps: Tensor) -> Tensor:
    """[N, C, H, W] low-passed by `taps` [3, 3]; beyond the edges lie zeros."""
    channels = x.shape[1]
    return F.conv2d(x, taps.to(x.dtype).expand(channels, 1, -1, -1), padding=1, groups=channels)


def spread(weight: Tensor) -> Tensor:
    """The kernel [.., .., k + 1, k + 1] that does what [.., .., k, k] does after each pixel became a 2 x 2 square."""
    return F.avg_pool2d(F.pad(weight, [1, 1, 1, 1]), 2, stride=1) * 4.0


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Each feature map brought to mean 0 and deviation 1, then to a style (section 2, equation 1).

    Args:
        x: [N, C, H, W].
        scale, shift: [N, C], float32 at least.
        epsilon: Added to the variance.
    """
    # A map that hardly varies is divided by next to nothing: bfloat16 would leave nothing but its rounding errors.
    exact = x if x.dtype == scale.dtype else x.to(scale.dtype)
    centred = exact - exact.mean(dim=(2, 3), keepdim=True)
    factor = scale * (centred.square().mean(dim=(2, 3)) + epsilon).rsqrt()
    return torch.addcmul(shift[:, :, None, None], centred, factor[:, :, None, None]).to(x.dtype)


class StyledLayer(nn.Module):
    """What follows each convolution and the constant: noise, bias, leaky ReLU, and the layer's style.

    Args:
        channels: Feature maps.
        w_dim: Width of w.
        resolution: Edge of the maps in pixels.
        norm_epsilon: Added to their variance before it divides.
    """

    noise_const: Tensor

    def __init__(self, channels: int, *, w_dim: int, resolution: int, norm_epsilon: float) -> None:
        super().__init__()
        self.resolution, self.norm_epsilon = resolution, norm_epsilon
        self.register_buffer("noise_const", normal(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.affine = FullyConnected(w_dim, 2 * channels, linear=True)
        if not self.affine.bias.is_meta:  # arithmetic there would import torch's compiler
            self.affine.bias.data[:channels] = 1.0

    def noise(self, mode: NoiseMode, batch: int) -> Tensor | None:
        """Noise times its strength in each feature map, [1 or N, C, R, R], or None."""
        if mode == "none":
            return None
        strength = self.noise_strength[None, :, None, None]
        if mode == "const":
            return self.noise_const * strength
        size = [batch, 1, self.resolution, self.resolution]
        return torch.randn(size, device=strength.device, dtype=strength.dtype) * strength

    def styled(self, x: Tensor, w: Tensor, noise_mode: NoiseMode, bias: Tensor | None) -> Tensor:
        """[N, C, R, R] and [N, w_dim] to [N, C, R, R]; `bias` [C] is None where it was added already."""
        offset = None if bias is None else bias[:, None, None]
        noise = self.noise(noise_mode, x.shape[0])
        if noise is not None:
            offset = noise if offset is None else noise + offset
        if offset is not None:
            x = x + offset.to(x.dtype)
        scale, shift = self.affine(w).chunk(2, dim=1)
        return adaptive_instance_norm(F.leaky_relu(x, LEAK), scale, shift, self.norm_epsilon)


class ConstantLayer(StyledLayer):
    """Layer 0: the learned constant, the same for every picture, in the style of its own."""

    def __init__(self, channels: int, *, w_dim: int, norm_epsilon: float) -> None:
        super().__init__(channels, w_dim=w_dim, resolution=4, norm_epsilon=norm_epsilon)
        self.const = nn.Parameter(torch.ones(channels, 4, 4))

    def forward(self, w: Tensor, noise_mode: NoiseMode, dtype: torch.dtype) -> Tensor:
        """[N, w_dim] to [N, C, 4, 4]."""
        x = self.const.to(dtype).expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        return self.styled(x, w, noise_mode, self.bias)


class ConvolutionLayer(StyledLayer):
    """A 3 x 3 convolution in a style; when `up`, of each pixel made a 2 x 2 square, and low-passed.

    Args:
        in_channels, out_channels: Feature maps.
        w_dim: Width of w.
        resolution: Edge of the result in pixels.
        up: Double the size.
        norm_epsilon: See `StyledLayer`.
        blurred_bias: With `up`, the bias is low-passed too: it is weaker along the edges.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        up: bool,
        norm_epsilon: float,
        blurred_bias: bool,
    ) -> None:
        super().__init__(out_channels, w_dim=w_dim, resolution=resolution, norm_epsilon=norm_epsilon)
        self.up, self.blurred_bias = up, blurred_bias
        self.weight = nn.Parameter(normal(out_channels, in_channels, 3, 3))
        self.weight_gain = SQRT2 / (in_channels * 9) ** 0.5
        if up:
            self.register_buffer("resample_filter", binomial_filter())

    def forward(self, x: Tensor, w: Tensor, noise_mode: NoiseMode) -> Tensor:
        """[N, I, R or R/2, ...] and [N, w_dim] to [N, O, R, R]."""
        weight = self.weight * self.weight_gain
        if not self.up:
            return self.styled(F.conv2d(x, weight.to(x.dtype), padding=1), w, noise_mode, self.bias)
        # Enlarging and convolving in one go: a transposed convolution lays the turned kernel down at every pixel.
        kernel = spread(weight).flip([2, 3]).transpose(0, 1)
        y = F.conv_transpose2d(x, kernel.to(x.dtype), stride=2, padding=1)
        if not self.blurred_bias:
            return self.styled(blurred(y, self.resample_filter), w, noise_mode, self.bias)
        y = blurred(y + self.bias[:, None, None].to(y.dtype), self.resample_filter)
        return self.styled(y, w, noise_mode, None)


class ToRGB(nn.Module):
    """A linear 1 x 1 convolution: features to image channels, without a style."""

    def __init__(self, in_channels: int, img_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.weight_gain = in_channels**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, R, R] to an image [N, C, R, R], float32 at least."""
        y = F.conv2d(x, (self.weight * self.weight_gain).to(x.dtype))
        return y.to(torch.promote_types(y.dtype, torch.float32)) + self.bias[:, None, None]


class SynthesisBlock(nn.Module):
    """One resolution: two layers, of which the first is the constant or doubles the size, and the step to RGB."""

    layer0: ConstantLayer | ConvolutionLayer

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        img_channels: int,
        norm_epsilon: float,
        blurred_bias: bool,
    ) -> None:
        super().__init__()
        if in_channels == 0:
            self.layer0 = ConstantLayer(out_channels, w_dim=w_dim, norm_epsilon=norm_epsilon)
        else:
            self.layer0 = self._convolution(in_channels, out_channels, w_dim, resolution, norm_epsilon, blurred_bias)
        self.layer1 = self._convolution(out_channels, out_channels, w_dim, resolution, norm_epsilon, None)
        self.torgb = ToRGB(out_channels, img_channels)

    @staticmethod
    def _convolution(
        inputs: int, outputs: int, w_dim: int, resolution: int, norm_epsilon: float, blurred_bias: bool | None
    ) -> ConvolutionLayer:
        """A doubling layer, or with `blurred_bias` None one that keeps the size."""
        return ConvolutionLayer(
            inputs,
            outputs,
            w_dim=w_dim,
            resolution=resolution,
            up=blurred_bias is not None,
            norm_epsilon=norm_epsilon,
            blurred_bias=bool(blurred_bias),
        )

    def forward(self, x: Tensor | None, ws: Tensor, noise_mode: NoiseMode, dtype: torch.dtype) -> Tensor:
        """Features of half the size (None at first) and this block's w [N, 2, w_dim] to features of this size."""
        if isinstance(self.layer0, ConstantLayer):
            x = self.layer0(ws[:, 0], noise_mode, dtype)
        else:
            assert x is not None
            x = self.layer0(x, ws[:, 0], noise_mode)
        features: Tensor = self.layer1(x, ws[:, 1], noise_mode)
        return features


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
        norm_epsilon: float,
        blurred_bias: bool,
    ) -> None:
        super().__init__()
        self.resolutions = resolutions_to(img_resolution)
        self.num_ws = num_ws_of(img_resolution)
        self.w_dim, self.img_resolution, self.img_channels = w_dim, img_resolution, img_channels
        self.growth = Growth(self.resolutions)
        width = 0
        for resolution in self.resolutions:
            out = channels_at(resolution, channel_base, channel_max)
            block = SynthesisBlock(
                width,
                out,
                w_dim=w_dim,
                resolution=resolution,
                img_channels=img_channels,
                norm_epsilon=norm_epsilon,
                blurred_bias=blurred_bias,
            )
            setattr(self, f"b{resolution}", block)
            width = out

    def blocks(self) -> Iterator[tuple[int, SynthesisBlock]]:
        """Resolution and block, from 4 upwards."""
        for resolution in self.resolutions:
            yield resolution, getattr(self, f"b{resolution}")

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "random", dtype: torch.dtype | None = None) -> Tensor:
        """Pictures.

        Args:
            ws: [N, num_ws, w_dim]; two of each resolution. Those above the stage of growth are not looked at.
            noise_mode: "const" uses the stored maps, "random" draws anew, "none" leaves noise out.
            dtype: Of the feature maps; by default that of the weights. Pictures are float32 at least.

        Returns:
            [N, C, R, R], nominally -1 to 1, not clipped.
        """
        if ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws must be [N, {self.num_ws}, {self.w_dim}], not {list(ws.shape)}")
        stage = self.growth.stage
        x: Tensor | None = None
        below: Tensor | None = None
        img: Tensor | None = None
        for index, (resolution, block) in enumerate(self.blocks()):
            x = block(x, ws[:, 2 * index : 2 * index + 2], noise_mode, dtype or ws.dtype)
            if 2 * resolution == stage.resolution and stage.fade < 1.0:
                below = block.torgb(x)
            if resolution == stage.resolution:
                img = block.torgb(x)
                break
        assert img is not None
        if below is not None:
            below = enlarged(below, 2)
            img = below + (img - below) * stage.fade
        return enlarged(img, self.img_resolution // stage.resolution)


class Generator(StyleGenerator):
    """The first StyleGAN's generator.

    Args:
        z_dim: Width of the latent z.
        c_dim: Number of classes, 0 for none.
        w_dim: Width of the intermediate latent w.
        img_resolution: Edge in pixels, a power of two from 4 upwards.
        img_channels: 3, 1 or 4.
        mapping_layers: Depth of the mapping network.
        channel_base, channel_max: Feature maps at resolution r: min(channel_base / r, channel_max).
        w_avg_beta: Decay of the running mean of w.
        norm_epsilon: Added to the variance of a feature map before it divides.
        blurred_bias: The doubling layers low-pass their bias too, as some published networks were trained.
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
        w_avg_beta: float = 0.995,
        norm_epsilon: float = EPSILON,
        blurred_bias: bool = False,
    ) -> None:
        synthesis = SynthesisNetwork(
            w_dim=w_dim,
            img_resolution=img_resolution,
            img_channels=img_channels,
            channel_base=channel_base,
            channel_max=channel_max,
            norm_epsilon=norm_epsilon,
            blurred_bias=blurred_bias,
        )
        super().__init__(synthesis, z_dim=z_dim, c_dim=c_dim, mapping_layers=mapping_layers, w_avg_beta=w_avg_beta)

    @property
    def stage(self) -> Stage:
        """How far it has grown."""
        return self.synthesis.growth.stage

    def grow_to(self, resolution: int, fade: float = 1.0) -> None:
        """Draw at `resolution` from now on, its layers faded in to `fade`; see `core.ml.networks.growth`."""
        self.synthesis.growth.grow_to(resolution, fade)

    def style_affines(self) -> list[FullyConnected]:
        """The step from w to scales and shifts of each style layer; weights [2 channels, w_dim], scales first."""
        layers = [layer for _, block in self.synthesis.blocks() for layer in (block.layer0, block.layer1)]
        return [layer.affine for layer in layers]
