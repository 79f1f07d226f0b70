"""From latent vectors to styles by layer: truncation, mixing and edits.

A generator takes one w for each of its style layers, counted from 0, the coarsest; layer k of a StyleGAN2 feeds one
convolution and, at the end of each resolution, the step to RGB before it, layer k of the first StyleGAN the k-th
instance normalisation. Truncation in some layers only and styles
from two sources are Karras et al. 2019, "A Style-Based Generator Architecture for GANs", sections 3.1 and B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import InvalidInput
from core.ml.latent.directions import StyleDirections
from core.ml.networks.architectures import StyleGenerator


class Styler:
    """Maps the inputs of "generate" and "styled" to styles.

    Args:
        generator: Its mapping network maps.
        directions: The directions that edits move along.
    """

    def __init__(self, generator: StyleGenerator, directions: StyleDirections) -> None:
        self.generator, self.directions = generator, directions

    @torch.inference_mode()
    def __call__(self, inputs: Sequence[Mapping[str, object]]) -> Tensor:
        """Styles [N, num_ws, w_dim] of N requests, on the generator's device.

        Each is truncated, then mixed, then edited. Inputs without extras, or with empty ones, are mapped exactly as
        the mapping network with its own truncation does.

        Raises:
            InvalidInput: A range of layers is none of this generator's.
        """
        w_avg, count = self.generator.mapping.w_avg, self.generator.num_ws
        psi = self._psi(inputs).to(w_avg.device)
        labels = self.labels(inputs)
        ws = self._mapped([one["z"] for one in inputs], labels)
        ws = w_avg + (ws - w_avg) * psi
        ranges = [layer_range("mix_layers", one.get("mix_layers", ()), count) for one in inputs]
        if rows := [row for row, layers in enumerate(ranges) if layers is not None]:
            # Mapped apart, so that the others of the batch are what they would be without them.
            others = self._mapped([inputs[row]["mix"] for row in rows], None if labels is None else labels[rows])
            for row, other in zip(rows, others, strict=True):
                layers = cast(slice, ranges[row])
                ws[row, layers] = (w_avg + (other - w_avg) * psi[row])[layers]
        for row, one in enumerate(inputs):
            layers = layer_range("edit_layers", one.get("edit_layers", ()), count) or slice(0, count)
            amounts = cast("Sequence[float]", one.get("edits", ()))
            if any(amounts):
                ws[row, layers] += self.directions.of(layers).move(amounts).to(ws)
        return ws

    def labels(self, inputs: Sequence[Mapping[str, object]]) -> Tensor | None:
        """The inputs' labels, one-hot [N, c_dim]; None for a generator without classes."""
        if not self.generator.c_dim:
            return None
        labels = torch.tensor([int(str(one["label"])) for one in inputs])
        return F.one_hot(labels, self.generator.c_dim).float().to(self.generator.mapping.w_avg.device)

    def _mapped(self, latents: Sequence[object], labels: Tensor | None) -> Tensor:
        z = torch.from_numpy(np.stack([np.asarray(one, dtype=np.float32) for one in latents]))
        ws: Tensor = self.generator.mapping(z.to(self.generator.mapping.w_avg.device), labels)
        return ws

    def _psi(self, inputs: Sequence[Mapping[str, object]]) -> Tensor:
        """How far each layer's w stays from the mean, [N, num_ws, 1]."""
        psi = torch.ones(len(inputs), self.generator.num_ws, 1)
        for row, one in enumerate(inputs):
            layers = layer_range("truncation_layers", one.get("truncation_layers", ()), self.generator.num_ws)
            psi[row, layers or slice(None)] = float(cast(float, one["truncation"]))
        return psi


def layer_range(name: str, value: object, count: int) -> slice | None:
    """The style layers that [first, last] names, both inclusive; None for [].

    Raises:
        InvalidInput: It is neither, or a layer is none of the `count` there are.
    """
    ends = list(cast("Sequence[int]", value))
    if not ends:
        return None
    if len(ends) != 2 or not 0 <= ends[0] <= ends[1] < count:
        raise InvalidInput(f"{name} cannot be {ends}", f"allowed is [first, last] with layers from 0 to {count - 1}")
    return slice(int(ends[0]), int(ends[1]) + 1)
