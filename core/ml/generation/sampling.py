"""Which token comes next: greedy, or drawn from the likeliest ones with a generator of the request's own.

Many rows are drawn for at once; each gets what it would get alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
        presence: Taken off the logit of every token that was drawn before.
        frequency: Taken off it once more for each time that it was drawn.
        bias: Added to the logits of these ids.
    """

    def __init__(
        self,
        temperature: float,
        top_p: float,
        seed: int,
        top_k: int = 0,
        penalty: float = 1.0,
        *,
        presence: float = 0.0,
        frequency: float = 0.0,
        bias: Mapping[int, float] | None = None,
    ) -> None:
        self.temperature, self.top_p, self.top_k = temperature, top_p, top_k
        self._penalty, self._presence, self._frequency = penalty, presence, frequency
        self._bias = dict(bias or {})
        self._drawn: dict[int, int] = {}
        self._random = torch.Generator("cpu").manual_seed(seed)

    @property
    def greedy(self) -> bool:
        """Whether it takes the likeliest token and asks for no chance."""
        return self.temperature <= 0 or self.top_p <= 0

    def __call__(self, logits: Tensor, seen: Sequence[int] = ()) -> int:
        """The next id, for float32 logits [vocabulary] (minus infinity: never) after the ids that were `seen`.

        Raises:
            Refused: The logits are no numbers: the weights are broken.
        """
        (number,) = draw([self], logits[None], [seen])
        if isinstance(number, Refused):
            raise number
        return number

    def point(self) -> Tensor:
        """The next random number, float64 in [0, 1)."""
        return torch.rand((), generator=self._random, dtype=torch.float64)

    def adjusted(self, logits: Tensor, seen: Sequence[int]) -> Tensor:
        """Float32 logits [vocabulary] with penalties and bias; the same tensor where there are none."""
        if self._penalty != 1 and seen:
            logits = _penalised(logits, seen, self._penalty)
        if self._drawn and (self._presence or self._frequency):
            ids = torch.tensor(list(self._drawn), dtype=torch.int64)
            counts = torch.tensor(list(self._drawn.values()), dtype=torch.float32)
            logits = logits.index_add(0, ids, -(self._presence + self._frequency * counts))
        if self._bias:
            ids = torch.tensor(list(self._bias), dtype=torch.int64)
            logits = logits.index_add(0, ids, torch.tensor(list(self._bias.values()), dtype=torch.float32))
        return logits

    def took(self, number: int) -> None:
        """Remember what was drawn."""
        if self._presence or self._frequency:
            self._drawn[number] = self._drawn.get(number, 0) + 1


def draw(samplers: Sequence[Sampler], logits: Tensor, seen: Sequence[Sequence[int]]) -> list[int | Refused]:
    """The next id of each row, as its sampler would draw it alone.

    Args:
        samplers: One for each row.
        logits: Float32 [rows, vocabulary]; minus infinity: never.
        seen: The ids before, of each row.

    Returns:
        The ids; an error where a row's logits are no numbers.
    """
    logits = logits.cpu()
    rows = [sampler.adjusted(row, ids) for sampler, row, ids in zip(samplers, logits, seen, strict=True)]
    if any(new.data_ptr() != old.data_ptr() for new, old in zip(rows, logits)):
        logits = torch.stack(rows)
    # NumPy's is ten times as fast; both take the first of equals, and what is no number before any number.
    likeliest = torch.from_numpy(logits.numpy().argmax(1))
    best = logits.gather(1, likeliest[:, None])[:, 0]
    finite = torch.isfinite(best).tolist()
    numbers: list[int | Refused] = list(likeliest.tolist())
    chance: dict[str, list[int]] = {"all": [], "few": [], "nucleus": []}
    for index, sampler in enumerate(samplers):
        if not finite[index]:
            why = f"its best logit is {float(best[index])}"
            numbers[index] = Refused("the model computes no numbers", why, "Import it again")
        elif not sampler.greedy:
            few = 0 < sampler.top_k < logits.shape[1]
            chance["few" if few else "all" if sampler.top_p >= 1 else "nucleus"].append(index)
    for kind, places in chance.items():
        if places:
            chosen = [samplers[index] for index in places]
            whole = places == list(range(len(samplers)))
            warmth = torch.tensor([[sampler.temperature] for sampler in chosen], dtype=torch.float64)
            some, top = (logits, best) if whole else (logits[places], best[places])
            chances = torch.softmax((some.double() - top[:, None]) / warmth, 1)
            points = torch.stack([sampler.point() for sampler in chosen])[:, None]
            numbers_of = {"all": _of_all, "few": _of_few, "nucleus": _of_nucleus}[kind](chosen, chances, points)
            for index, drawn in zip(places, numbers_of, strict=True):
                numbers[index] = drawn
    for sampler, number in zip(samplers, numbers):
        if isinstance(number, int):
            sampler.took(number)
    return numbers


def _of_all(samplers: Sequence[Sampler], chances: Tensor, points: Tensor) -> list[int]:
    sums = chances.cumsum(1)
    return _at(sums, sums[:, -1:], points)[:, 0].tolist()


def _of_few(samplers: Sequence[Sampler], chances: Tensor, points: Tensor) -> list[int]:
    """Of each row's `top_k` likeliest; rows may differ in how many."""
    numbers = []
    for sampler, row, point in zip(samplers, chances, points):
        top, ids = row[None].topk(sampler.top_k)
        sums = top.cumsum(1)
        numbers += _among(ids, sums, sums[:, -1:] * sampler.top_p, point[None])
    return numbers


def _of_nucleus(samplers: Sequence[Sampler], chances: Tensor, points: Tensor) -> list[int]:
    shares = torch.tensor([[sampler.top_p] for sampler in samplers], dtype=torch.float64)
    few = min(FIRST_LOOK, chances.shape[1])
    top, ids = chances.topk(few)
    sums = top.cumsum(1)
    numbers = _among(ids, sums, shares, points)
    for index in (sums[:, -1:] < shares).nonzero()[:, 0].tolist() if few < chances.shape[1] else ():
        every, ids = chances[index : index + 1].sort(descending=True)
        numbers[index] = _among(ids, every.cumsum(1), shares[index : index + 1], points[index : index + 1])[0]
    return numbers


def _among(ids: Tensor, sums: Tensor, shares: Tensor, points: Tensor) -> list[int]:
    """Drawn from the first of `ids` [rows, n], whose running sums reach the shares [rows, 1]."""
    last = torch.searchsorted(sums, shares).clamp_(max=sums.shape[1] - 1)
    places = torch.minimum(_at(sums, sums.gather(1, last), points), last)
    numbers: list[int] = ids.gather(1, places)[:, 0].tolist()
    return numbers


def _at(sums: Tensor, totals: Tensor, points: Tensor) -> Tensor:
    """The places [rows, 1] in running sums [rows, n] where the share `points` (0–1) of `totals` is passed."""
    return torch.searchsorted(sums, points * totals, right=True).clamp_(max=sums.shape[1] - 1)


def _penalised(logits: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    ids = torch.tensor(sorted(set(seen)), dtype=torch.int64)
    values = logits[ids]
    return logits.index_put((ids,), torch.where(values > 0, values / penalty, values * penalty))
