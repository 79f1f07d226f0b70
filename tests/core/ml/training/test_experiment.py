"""What ranks must agree on whatever each of them sees on the disk, and what data hand on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from core.datasets.manifest import Manifest as Dataset
from core.errors import TarmacError
from core.ml.training.carrying_out import _check_sight
from core.ml.training.experiment import Attempt, Experiment, Sources
from core.ml.training.outcome import Outcome
from core.ml.training.ranks import Ranks
from core.runs.events import Sample, Score, Warned
from core.runs.plan import RunPlan
from tests.core.ml.training.recording import Remembered


@dataclass(frozen=True)
class Second(Ranks):
    """The second of two, whose first says what the script says; how much was asked for is remembered."""

    rank: int = 1
    world: int = 2
    says: list[list[int]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def told(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(len(numbers))
        return self.says.pop(0)

    def average(self, tensors: Any) -> None:
        pass


class Still:
    """A training that takes no steps."""

    step, loading = 0, 0.0

    def finite(self) -> bool:
        return True

    def set_rates(self, factor: float) -> None:
        pass


class Nothing(Experiment):
    """An experiment with it."""

    def sample(self) -> tuple[Sample, list[Warned | None]]:
        raise AssertionError("only the first rank draws")

    def score(self) -> Iterator[Score]:
        raise AssertionError("only the first rank scores")

    def watch(self, values: Mapping[str, float]) -> Warned | None:
        return None

    def write(self, folder: Path, kept: dict[str, Any]) -> int:
        raise AssertionError("only the first rank writes")

    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}

    def make(self, checkpoint: Path, model: Path) -> None:
        pass

    def judge(self, score: Score) -> Warned | None:
        return None


def test_a_rank_that_looks_late_waits_at_the_same_places(tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 5, leading=False)
    (tmp_path / "checkpoints" / "0").mkdir()  # the first rank was quick: it is there already
    ranks = Second(says=[[1], [0], [1, 5], [0]])  # a beginning; saved; a wish to stop; saved
    attempt = Attempt(RunPlan("r", "image", "d", steps=5), recorder, ranks, torch.device("cpu"))
    training: Any = Still()
    assert Nothing(attempt, training, {}, rate=0.1, amount=1).go() == Outcome("stopped", 0)
    assert ranks.asked == [1, 1, 2, 1]


def test_a_rank_that_does_not_see_the_checkpoint_says_so(tmp_path: Path) -> None:
    _check_sight(Second(says=[[4]]), [(2, tmp_path), (4, tmp_path)])
    for seen in ([], [(2, tmp_path)]):
        with pytest.raises(TarmacError, match="rank 1 does not see the checkpoint"):
            _check_sight(Second(says=[[4]]), seen)


def test_the_licence_of_data_is_that_of_what_is_made_of_them(tmp_path: Path) -> None:
    Dataset("dots", about={"licence": "CC0-1.0"}).write(tmp_path)
    assert Sources(tmp_path).licence == "CC0-1.0"
