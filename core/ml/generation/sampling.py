"""Which token comes next: greedy, or drawn from the likeliest ones with a generator of the request's own."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import Refused

FIRST_LOOK = 256
"""The nucleus is looked for among this many tokens before all are sorted."""


class Sampler:
    """Draws token ids; the same seed and the same logits give the same ids, whatever else the process does.

    Args:
        temperature: 0 takes the likeliest token; above, logits are divided by it.
        top_p: Nucleus sampling (Holtzman et al. 2020, section 3.1): only the likeliest tokens that together reach
            this share of the probability, 0–1, are drawn from (always at least one).
        seed: Of the random numbers.
    """

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        self._temperature, self._top_p = temperature, top_p
        self._random = torch.Generator("cpu").manual_seed(seed)

    def __call__(self, logits: Tensor) -> int:
        """The next id, for float32 logits [vocabulary] (minus infinity: never).

        Raises:
            Refused: The logits are no numbers: the weights are broken.
        """
        logits = logits.cpu()
        best = int(logits.argmax())
        if not torch.isfinite(logits[best]):
            raise Refused(
                "the model computes no numbers", f"its best logit is {float(logits[best])}", "Import it again"
            )
        if self._temperature <= 0 or self._top_p <= 0:
            return best
        chances = torch.softmax((logits.double() - logits[best]) / self._temperature, 0)
        point = torch.rand((), generator=self._random, dtype=torch.float64)
        if self._top_p >= 1:
            return _at(chances.cumsum(0), point)
        few = min(FIRST_LOOK, len(chances))
        top, ids = chances.topk(few)
        sums = top.cumsum(0)
        if few < len(chances) and sums[-1] < self._top_p:
            top, ids = chances.sort(descending=True)
            sums = top.cumsum(0)
        kept = int(torch.searchsorted(sums, self._top_p)) + 1
        return int(ids[_at(sums[:kept], point)])


def _at(sums: Tensor, point: Tensor) -> int:
    """The place in a running sum [n] where the share `point` (0–1) of its total is passed."""
    return min(int(torch.searchsorted(sums, point * sums[-1], right=True)), len(sums) - 1)
