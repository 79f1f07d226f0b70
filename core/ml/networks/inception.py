"""Inception-v3 as the Fréchet inception distance needs it: the layout of `pt_inception-2015-12-05-6726825d`.

Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016), section 6, in the variation
of the 2015 TensorFlow graph that FID is defined by: average pools count only pixels inside, the last block pools by
maximum, 1008 classes, pictures resized by TensorFlow 1's bilinear rule.

For inference only. Batch normalisation is folded into the convolutions when weights are read, and the 1 x 1
convolutions of a block that read the same input are computed as one. Names of weights are the published ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 299
"""Edge of the pictures that the network looks at."""
CLASSES = 1008
TAPS = ("64", "192", "768", "2048", "logits_unbiased")
"""Places where features can be taken, in order; each is a number of channels, averaged over the picture."""
FEATURES = "2048"
"""The tap that FID and KID use."""
EPSILON = 1e-3

Shapes = dict[str, tuple[int, ...]]


class Unit(nn.Module):
    """Convolution, batch normalisation, ReLU; the middle one is folded into the first.

    Args:
        in_channels, out_channels: Widths.
        kernel: Edge, or (height, width).
        stride: Of both directions.
        padding: Zeros on each side, or (above and below, left and right).
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.stride, self.padding = stride, padding
        self.register_buffer("weight", torch.empty(out_channels, in_channels, height, width))
        self.register_buffer("bias", torch.empty(out_channels))

    def linear(self, x: Tensor) -> Tensor:
        """Without the ReLU: [N, I, H, W] to [N, O, ...]."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] to [N, O, ...]."""
        return F.relu_(self.linear(x))

    def published(self) -> Shapes:
        """What the published file holds for this unit, by the end of its name."""
        width = (len(self.bias),)
        parts = dict.fromkeys(("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"), width)
        return {"conv.weight": tuple(self.weight.shape), **parts}

    def fold(self, parts: Mapping[str, Tensor]) -> None:
        """Take published parts; in float64, so that folding costs no accuracy."""
        exact = {name: tensor.double() for name, tensor in parts.items()}
        gain = exact["bn.weight"] / (exact["bn.running_var"] + EPSILON).sqrt()
        weight = (exact["conv.weight"] * gain[:, None, None, None]).float()
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = (exact["bn.bias"] - exact["bn.running_mean"] * gain).float()


class _Block(nn.Module):
    """Units side by side. `entries` names the 1 x 1 units that read the block's input and are computed as one."""

    entries: tuple[str, ...] = ()
    joined_weight: Tensor
    joined_bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Buffers, so that they move with the network; made by `join`. Never on the meta device: not all blocks join.
        self.register_buffer("joined_weight", torch.empty(0, device="cpu"), persistent=False)
        self.register_buffer("joined_bias", torch.empty(0, device="cpu"), persistent=False)

    def entry(self, x: Tensor) -> list[Tensor]:
        """The outputs of the entry units, without ReLU, in order."""
        widths = [len(unit.bias) for unit in self._entry_units()]
        return list(torch.split(F.conv2d(x, self.joined_weight, self.joined_bias), widths, dim=1))

    def join(self) -> None:
        """Lay the entry units' weights into one."""
        units = self._entry_units()
        weight = torch.cat([unit.weight for unit in units])
        self.joined_weight = weight.contiguous(memory_format=torch.channels_last)
        self.joined_bias = torch.cat([unit.bias for unit in units])

    def _entry_units(self) -> list[Unit]:
        return [cast(Unit, self.get_submodule(name)) for name in self.entries]


class BlockA(_Block):
    """Mixed_5b to 5d, 35 x 35: widths 64, 64, 96 and `pool`."""

    entries = ("branch1x1", "branch5x5_1", "branch3x3dbl_1", "branch_pool")

    def __init__(self, in_channels: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Unit(in_channels, 64)
        self.branch5x5_1 = Unit(in_channels, 48)
        self.branch5x5_2 = Unit(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Unit(in_channels, 64)
        self.branch3x3dbl_2 = Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, padding=1)
        self.branch_pool = Unit(in_channels, pool)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, 35, 35] to [N, 224 + pool, 35, 35]."""
        one, five, three, pool = self.entry(x)
        five = self.branch5x5_2(F.relu(five))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(F.relu(three)))
        return torch.cat([F.relu(one), five, three, F.relu(_average(pool))], 1)


class BlockB(_Block):
    """Mixed_6a, 35 x 35 to 17 x 17."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = Unit(in_channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = Unit(in_channels, 64)
        self.branch3x3dbl_2 = Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, 35, 35] to [N, 480 + I, 17, 17]."""
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, F.max_pool2d(x, 3, 2)], 1)


class BlockC(_Block):
    """Mixed_6b to 6e, 17 x 17: factorised 7 x 7 convolutions of `width` channels."""

    entries = ("branch1x1", "branch7x7_1", "branch7x7dbl_1", "branch_pool")

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        wide, high = ((1, 7), (0, 3)), ((7, 1), (3, 0))
        self.branch1x1 = Unit(in_channels, 192)
        self.branch7x7_1 = Unit(in_channels, width)
        self.branch7x7_2 = Unit(width, width, wide[0], padding=wide[1])
        self.branch7x7_3 = Unit(width, 192, high[0], padding=high[1])
        self.branch7x7dbl_1 = Unit(in_channels, width)
        self.branch7x7dbl_2 = Unit(width, width, high[0], padding=high[1])
        self.branch7x7dbl_3 = Unit(width, width, wide[0], padding=wide[1])
        self.branch7x7dbl_4 = Unit(width, width, high[0], padding=high[1])
        self.branch7x7dbl_5 = Unit(width, 192, wide[0], padding=wide[1])
        self.branch_pool = Unit(in_channels, 192)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, 17, 17] to [N, 768, 17, 17]."""
        one, seven, double, pool = self.entry(x)
        seven = self.branch7x7_3(self.branch7x7_2(F.relu(seven)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(F.relu(double)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([F.relu(one), seven, double, F.relu(_average(pool))], 1)


class BlockD(_Block):
    """Mixed_7a, 17 x 17 to 8 x 8."""

    entries = ("branch3x3_1", "branch7x7x3_1")

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = Unit(in_channels, 192)
        self.branch3x3_2 = Unit(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Unit(in_channels, 192)
        self.branch7x7x3_2 = Unit(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Unit(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Unit(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, 17, 17] to [N, 512 + I, 8, 8]."""
        three, seven = self.entry(x)
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(F.relu(seven))))
        return torch.cat([self.branch3x3_2(F.relu(three)), seven, F.max_pool2d(x, 3, 2)], 1)


class BlockE(_Block):
    """Mixed_7b and 7c, 8 x 8.

    Args:
        in_channels: Width.
        maximum: Pool by maximum (the last block), which must come before its convolution; else by average, which
            may come after it.
    """

    def __init__(self, in_channels: int, *, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.entries = ("branch1x1", "branch3x3_1", "branch3x3dbl_1", *(() if maximum else ("branch_pool",)))
        self.branch1x1 = Unit(in_channels, 320)
        self.branch3x3_1 = Unit(in_channels, 384)
        self.branch3x3_2a = Unit(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Unit(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Unit(in_channels, 448)
        self.branch3x3dbl_2 = Unit(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Unit(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Unit(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Unit(in_channels, 192)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, 8, 8] to [N, 2048, 8, 8]."""
        one, three, double, *pool = self.entry(x)
        three = F.relu(three)
        double = self.branch3x3dbl_2(F.relu(double))
        pooled = self.branch_pool(F.max_pool2d(x, 3, 1, 1)) if self.maximum else F.relu(_average(pool[0]))
        parts = [F.relu(one), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        return torch.cat([*parts, self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), pooled], 1)


class InceptionV3(nn.Module):
    """The network. Its weights are nothing until `read_published` has been called."""

    fc_weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Unit(64, 80)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, 128)
        self.Mixed_6c = BlockC(768, 160)
        self.Mixed_6d = BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, maximum=False)
        self.Mixed_7c = BlockE(2048, maximum=True)
        self.register_buffer("fc_weight", torch.empty(CLASSES, 2048))

    def published(self) -> Shapes:
        """Names and shapes of the published file's numbers, but for counters that mean nothing here."""
        shapes: Shapes = {"fc.weight": (CLASSES, 2048), "fc.bias": (CLASSES,)}
        for name, unit in self._units():
            shapes |= {f"{name}.{part}": shape for part, shape in unit.published().items()}
        return shapes

    def read_published(self, state: Mapping[str, Tensor]) -> InceptionV3:
        """Take the weights of a published file (names and shapes of `published`, any float type); returns itself."""
        for name, unit in self._units():
            unit.fold({part: state[f"{name}.{part}"] for part in unit.published()})
        self.fc_weight = state["fc.weight"].float()
        for block in self.children():
            if isinstance(block, _Block) and block.entries:
                block.join()
        return self.eval()

    def _units(self) -> Iterator[tuple[str, Unit]]:
        return ((name, module) for name, module in self.named_modules() if isinstance(module, Unit))

    def forward(self, pictures: Tensor, taps: Collection[str] = (FEATURES,)) -> dict[str, Tensor]:
        """Features of pictures.

        Args:
            pictures: [N, 3, H, W], uint8 or float from 0 to 255, of any size.
            taps: Some of `TAPS`; nothing after the last of them is computed.

        Returns:
            For each tap float32 [N, channels].
        """
        found: dict[str, Tensor] = {}

        def done(tap: str, x: Tensor) -> bool:
            if tap in taps:
                found[tap] = x.mean((2, 3))
            return len(found) == len(taps)

        x = resize(pictures.float(), SIZE).sub_(128).div_(128).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        if done("64", x):
            return found
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        if done("192", x):
            return found
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        if done("768", x):
            return found
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        if not done("2048", x):
            found["logits_unbiased"] = x.mean((2, 3)) @ self.fc_weight.t()
        return found


def resize(pictures: Tensor, size: int) -> Tensor:
    """Bilinear as TensorFlow 1 did it by default: pixel i is taken at i * old / new, with no half-pixel centres and no
    low-pass filter. [N, C, H, W] float to [N, C, size, size].
    """
    for axis in (2, 3):
        old = pictures.shape[axis]
        if old == size:
            continue
        # In float32, as there: at these places rounding decides nothing, the weight beside it goes to 0 or 1.
        place = torch.arange(size, dtype=torch.float32, device=pictures.device) * (old / size)
        before = place.long().clamp_(max=old - 1)
        after = (before + 1).clamp_(max=old - 1)
        share = (place - before).reshape([-1, 1] if axis == 2 else [-1])
        lower = pictures.index_select(axis, before)
        pictures = lower + (pictures.index_select(axis, after) - lower) * share
    return pictures


def _average(x: Tensor) -> Tensor:
    """Mean of the 3 x 3 neighbours that are inside. It commutes with a 1 x 1 convolution, bias included."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
