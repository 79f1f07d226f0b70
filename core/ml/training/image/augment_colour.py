"""Changing the colours of pictures for the discriminator: every change of a picture is one 4 x 4 matrix, applied once.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B.3.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GREY = torch.full([3], 3.0**-0.5, dtype=torch.float64)
"""The axis of the colour space that runs from black to white."""


class Colours:
    """How the colours of each of `count` pictures change."""

    def __init__(self, count: int) -> None:
        self.matrix = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
        """From (red, green, blue, 1) to the changed colour, [N, 4, 4]."""

    def add(self, amount: Tensor) -> None:
        """Make all channels lighter by `amount` [N]."""
        self.matrix[:, :3, 3] += amount.double()[:, None]

    def multiply(self, factor: Tensor) -> None:
        """Multiply all channels by `factor` [N]."""
        self.matrix[:, :3] *= factor.double()[:, None, None]

    def reverse(self, which: Tensor) -> None:
        """Mirror at the plane of middle grey where `which` [N]: light gets dark, hues stay."""
        along = torch.outer(_GREY, _GREY)
        self._then(torch.eye(3, dtype=torch.float64) - 2.0 * along * which.double()[:, None, None])

    def turn(self, angle: Tensor) -> None:
        """Turn the hue by radians [N]."""
        angle = angle.double()[:, None, None]
        along, across = torch.outer(_GREY, _GREY), torch.linalg.cross(_GREY.expand(3, 3), torch.eye(3).double()).t()
        cosine, sine = torch.cos(angle), torch.sin(angle)
        # Rodrigues' rotation about the grey axis.
        self._then(cosine * torch.eye(3, dtype=torch.float64) + sine * across + (1.0 - cosine) * along)

    def saturate(self, factor: Tensor) -> None:
        """Multiply the distance from grey by `factor` [N]."""
        along = torch.outer(_GREY, _GREY)
        self._then(along + (torch.eye(3, dtype=torch.float64) - along) * factor.double()[:, None, None])

    def _then(self, matrix: Tensor) -> None:
        self.matrix[:, :3] = matrix @ self.matrix[:, :3]


def recoloured(images: Tensor, colours: Colours) -> Tensor:
    """The pictures [N, C, H, W] in changed colours. Grey ones change as their three equal channels would on average."""
    changed = (colours.matrix != torch.eye(4, dtype=torch.float64)).any(dim=(1, 2)).nonzero()[:, 0]
    if not len(changed):
        return images
    matrix = colours.matrix[changed].to(images)
    if len(changed) == len(images):
        return _applied(images, matrix)
    rows = changed.to(images.device)
    return images.index_copy(0, rows, _applied(images.index_select(0, rows), matrix))


def _applied(images: Tensor, matrix: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    if channels < 3:
        mean = matrix[:, :3].mean(dim=1)
        colour = images[:, :1] * mean[:, :3].sum(dim=1).reshape(n, 1, 1, 1) + mean[:, 3].reshape(n, 1, 1, 1)
        return colour if channels == 1 else torch.cat([colour, images[:, 1:]], dim=1)
    colour = torch.baddbmm(matrix[:, :3, 3:], matrix[:, :3, :3], images[:, :3].flatten(2))
    colour = colour.reshape(n, 3, height, width)
    return colour if channels == 3 else torch.cat([colour, images[:, 3:]], dim=1)
