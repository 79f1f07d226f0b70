"""Which token comes next: greedy, or drawn from the likeliest ones with a generator of the request's own."""

from __future__ import annotations

from collections.abc import Sequence

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
        top_k: Only this many of the likeliest tokens are drawn from (Fan et al. 2018, section 5.4); 0: all.
        penalty: Logits of tokens that were seen are divided by it where they are positive and multiplied where they
            are negative (Keskar et al. 2019, section 4.1); 1 changes nothing.
    """

    def __init__(self, temperature: float, top_p: float, seed: int, top_k: int = 0, penalty: float = 1.0) -> None:
        self._temperature, self._top_p = temperature, top_p
        self._top_k, self._penalty = top_k, penalty
        self._random = torch.Generator("cpu").manual_seed(seed)

    def __call__(self, logits: Tensor, seen: Sequence[int] = ()) -> int:
        """The next id, for float32 logits [vocabulary] (minus infinity: never) after the ids that were `seen`.

        Raises:
            Refused: The logits are no numbers: the weights are broken.
        """
        logits = logits.cpu()
        if self._penalty != 1 and seen:
            logits = _penalised(logits, seen, self._penalty)
        best = int(logits.argmax())
        if not torch.isfinite(logits[best]):
            raise Refused(
                "the model computes no numbers", f"its best logit is {float(logits[best])}", "Import it again"
            )
        if self._temperature <= 0 or self._top_p <= 0:
            return best
        chances = torch.softmax((logits.double() - logits[best]) / self._temperature, 0)
        point = torch.rand((), generator=self._random, dtype=torch.float64)
        if 0 < self._top_k < len(chances):
            top, ids = chances.topk(self._top_k)
            sums = (top / top.sum()).cumsum(0)
            kept = len(sums) if self._top_p >= 1 else int(torch.searchsorted(sums, self._top_p)) + 1
            return int(ids[_at(sums[:kept], point)])
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


def _penalised(logits: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    ids = torch.tensor(sorted(set(seen)), dtype=torch.int64)
    values = logits[ids]
    return logits.index_put((ids,), torch.where(values > 0, values / penalty, values * penalty))
