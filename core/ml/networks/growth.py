"""How far a progressively grown network has grown: its resolution, and how much of its newest layers is faded in.

Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", section 2 and
appendix A. The stage is a buffer, so that it is saved, restored and averaged with the weights that it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Stage(NamedTuple):
    """A stage of growth.

    Attributes:
        resolution: Edge in pixels of what the network draws or looks at now.
        fade: Share of the layers of that resolution against those of half of it, 0 to 1; 1 when they stand alone.
    """

    resolution: int
    fade: float = 1.0


class Growth(nn.Module):
    """The stage of one network; fully grown at first.

    Args:
        resolutions: All that it can have, rising.
    """

    state: Tensor

    def __init__(self, resolutions: Sequence[int]) -> None:
        super().__init__()
        self.resolutions = tuple(resolutions)
        self.register_buffer("state", torch.tensor([float(self.resolutions[-1]), 1.0]))
        self._read: tuple[Tensor, int, Stage] | None = None

    @property
    def stage(self) -> Stage:
        """The stage now.

        Raises:
            ValueError: The buffer was loaded with a stage that this network cannot have.
        """
        state = self.state
        # Looking into a tensor waits for the device, so it is done only after a change.
        version = -1 if state.is_inference() else state._version
        if self._read is None or self._read[0] is not state or self._read[1] != version or version < 0:
            resolution, fade = (float(number) for number in state.tolist())
            self._read = state, version, self._checked(resolution, fade)
        return self._read[2]

    def grow_to(self, resolution: int, fade: float = 1.0) -> None:
        """Stand at that stage from now on.

        Raises:
            ValueError: The network has no such resolution, or the fade is not from 0 to 1.
        """
        stage = self._checked(resolution, fade)
        with torch.no_grad():
            self.state.copy_(torch.tensor([float(stage.resolution), stage.fade]))

    def _checked(self, resolution: float, fade: float) -> Stage:
        if resolution not in self.resolutions:
            raise ValueError(f"resolution {resolution:g} is none of {', '.join(map(str, self.resolutions))}")
        if not 0.0 <= fade <= 1.0:
            raise ValueError(f"fade {fade} is not from 0 to 1")
        return Stage(int(resolution), float(fade))


def enlarged(images: Tensor, factor: int) -> Tensor:
    """[N, C, H, W] with each pixel `factor` times as wide and high."""
    return images if factor == 1 else F.interpolate(images, scale_factor=float(factor), mode="nearest")


def reduced(images: Tensor, factor: int) -> Tensor:
    """[N, C, H, W] with each square of `factor` x `factor` pixels averaged to one."""
    return images if factor == 1 else F.avg_pool2d(images, factor)


def shown_at(images: Tensor, stage: Stage) -> Tensor:
    """Training pictures as the discriminator must see them at a stage, at their full size.

    Generated pictures of a stage have its resolution, and while its layers fade in, only that share of what half the
    resolution cannot show. Training pictures without the same treatment would be told apart by that alone.

    Args:
        images: [N, C, R, R].
        stage: Of a network of resolution R or more than `stage.resolution`.
    """
    factor = images.shape[-1] // stage.resolution
    seen = enlarged(reduced(images, factor), factor)
    if stage.fade == 1.0:
        return seen
    coarse = enlarged(reduced(images, 2 * factor), 2 * factor)
    return coarse + (seen - coarse) * stage.fade
