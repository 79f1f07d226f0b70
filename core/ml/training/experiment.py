"""An experiment between its steps: it asks for the run's wish, trains, tells, samples, scores, saves and goes back.

Step 0 is sampled, scored and saved, so that there is always something to compare with and to go back to. Only the first
rank tells and writes; the others take the same steps. What is trained, drawn, scored and written is each kind's own.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from core.datasets.manifest import Manifest as Dataset
from core.errors import StorageError
from core.library.manifest import Manifest
from core.ml.training import guards
from core.ml.training.options import intervals
from core.ml.training.outcome import Outcome
from core.ml.training.pace import Pace
from core.ml.training.ranks import Ranks
from core.ml.training.telling import Means, memory_used
from core.runs.events import Checkpoint, Metrics, Phase, Sample, Score, Stopping, Warned
from core.runs.plan import RunPlan
from core.runs.recorder import Fenced, Recorder

_GO, _STOP, _FENCED, _INTERRUPTED = range(4)


@dataclass(frozen=True)
class Attempt:
    """Under what conditions an experiment is carried out.

    Attributes:
        plan: What to do.
        recorder: The run.
        ranks: Those that train together.
        device: Where.
        interrupted: Whether a signal asks to end without a wish.
        tell_seconds: Between two metrics events.
    """

    plan: RunPlan
    recorder: Recorder
    ranks: Ranks
    device: torch.device
    interrupted: Callable[[], bool] = lambda: False
    tell_seconds: float = 2.0


@dataclass(frozen=True)
class Sources:
    """Where an experiment takes its material from.

    Attributes:
        dataset: Folder of the prepared data.
        base: Folder of a model to start from; None for random weights.
        checkpoint: Folder of a checkpoint to go on from, before which the base is not looked at; None for none.
    """

    dataset: Path
    base: Path | None = None
    checkpoint: Path | None = None

    @property
    def licence(self) -> str:
        """Of the data, as far as the dataset says; what is made of them derives from it."""
        return str(Dataset.read(self.dataset).about.get("licence", ""))


class Training(Protocol):
    """What takes the steps."""

    step: int
    """Steps done."""
    loading: float
    """Seconds in which data were fetched, since this object was made."""

    def run(self) -> dict[str, float]:
        """One step; curves by name, means over all ranks."""

    def set_rates(self, factor: float) -> None:
        """Learn at the recipe's rates times `factor` from now on."""

    def finite(self) -> bool:
        """Whether all weights are numbers."""

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""


class Experiment(ABC):
    """The experiment between its steps, set up.

    Args:
        attempt: Its conditions.
        training: At the place where its checkpoint was written.
        kept: What the run kept with that checkpoint.
        rate: The learning rate that was chosen.
        amount: Pictures or tokens of a step.

    Attributes:
        options: Settings with nothing left open.
        steadier: What to do when the numbers go out of bounds.
        quicker: What to do when data come slowly.
    """

    options: Any
    steadier = "Lower the rate"
    quicker = "Keep the data folder on a disk of this machine"

    def __init__(
        self, attempt: Attempt, training: Training, kept: Mapping[str, Any], *, rate: float, amount: int
    ) -> None:
        self.attempt, self.plan, self.recorder, self.ranks = attempt, attempt.plan, attempt.recorder, attempt.ranks
        self.training: Any = training
        self.rate, self.amount = rate, amount
        self.factor, self.goal = 1.0, self.plan.steps
        self.rescues = self.overflows = 0
        self.best: tuple[str, float, int] | None = None
        self.scores: dict[str, object] = {}
        if kept:
            self._take_up(kept)
        self.began_at = training.step
        self.pace, self.means, self.told_at = Pace(), Means(), 0.0
        self.sample_every, self.save_every, self.score_every = intervals(self.plan)
        self.watch_loader = guards.SlowLoader(self.quicker)

    # -- what each kind says

    @abstractmethod
    def sample(self) -> tuple[Sample, list[Warned | None]]:
        """Draw and write the samples of this step; and what guards say of them."""

    @abstractmethod
    def score(self) -> Iterator[Score]:
        """Score the model as it stands; the first score decides which checkpoint is the best."""

    @abstractmethod
    def watch(self, values: Mapping[str, float]) -> Warned | None:
        """What guards say of the curves."""

    @abstractmethod
    def write(self, folder: Path, kept: dict[str, Any]) -> int:
        """Write everything that training goes on from into an empty folder; returns the bytes."""

    @abstractmethod
    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state of the training in a checkpoint, and what the run kept with it."""

    @abstractmethod
    def make(self, checkpoint: Path, model: Path) -> None:
        """Write the model folder of a checkpoint."""

    @abstractmethod
    def judge(self, score: Score) -> Warned | None:
        """What guards say of a score."""

    def head_for(self, goal: int) -> None:
        """So far it is trained now: told before every step, since a run can be extended."""
        self.goal = goal

    # -- between the steps

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.training.step)

    def go(self) -> Outcome:
        """Take steps until the goal or another wish."""
        training = self.training
        # The first rank decides: when another one looks, the checkpoint of step 0 may be there.
        if self._agreed(self.recorder.last() is None):
            self._sample()
            self._score()
            self._save()
        while True:
            wish, goal = self._agree()
            if wish == _FENCED:
                return Outcome("fenced", training.step)
            if wish in (_STOP, _INTERRUPTED):
                self.recorder.tell(Stopping(training.step))
                self._save(must=True)
                return Outcome("stopped" if wish == _STOP else "interrupted", training.step)
            if training.step >= goal:
                self._save(must=True)
                return Outcome("finished", training.step)
            self.head_for(goal)
            began, loaded = time.monotonic(), training.loading
            told = training.run()
            seconds = time.monotonic() - began
            self.pace.step(seconds)
            if self._broken(told, goal):
                outcome = self._rescue(told)
                if outcome is not None:
                    return outcome
                continue
            self.means.add(told, self.amount, time.monotonic() - began)
            self._warn(self.watch_loader.see(training.step, training.loading - loaded, seconds))
            done = training.step >= goal
            if self.ranks.first:
                self._tell(goal, force=done)
                if done or training.step % self.sample_every == 0:
                    self._sample()
                better = self._score() if done or training.step % self.score_every == 0 else False
            else:
                better = False
            if self._agreed(better or training.step % self.save_every == 0):
                self._save()

    def export(self, outcome: Outcome, model: Path) -> Outcome:
        """Write the model folder: the best checkpoint by the score, the last one without scores."""
        self.recorder.tell(Phase("writing the model"))
        known = dict(self.recorder.checkpoints())
        step = self.best[2] if self.best and self.best[2] in known else max(known)
        self.make(known[step], model)
        return replace(outcome, model=model)

    def lineage(self, base: Path | None) -> tuple[str, ...]:
        """Ids of the models that this one is made from."""
        if not self.plan.base:
            return ()
        return (*(Manifest.read(base).lineage if base else ()), self.plan.base)

    def _take_up(self, kept: Mapping[str, Any]) -> None:
        """Go on with what the run kept with a checkpoint."""
        self.factor = float(kept.get("factor", 1.0))
        self.training.set_rates(self.factor)
        best = kept.get("best")
        self.best = (str(best[0]), float(best[1]), int(best[2])) if best else None
        self.scores = dict(kept.get("scores", {}))

    def _agree(self) -> tuple[int, int]:
        """The wish and how far to go, the same on all ranks."""
        wish = (
            {"run": _GO, "stop": _STOP, "fenced": _FENCED}.get(self.recorder.wish(), _GO) if self.ranks.first else _GO
        )
        asked, goal = self.ranks.told([wish, self.recorder.steps() if self.ranks.first else 0])
        if asked == _GO and self._anywhere(self.attempt.interrupted()):
            asked = _INTERRUPTED
        return asked, goal

    def _agreed(self, yes: bool) -> bool:
        """What the first rank says."""
        return bool(self.ranks.told([int(yes)])[0])

    def _anywhere(self, yes: bool) -> bool:
        """Whether any rank says so."""
        if self.ranks.world == 1:
            return yes
        flag = torch.tensor([float(yes)])
        self.ranks.average([flag])
        return float(flag) > 0.0

    def _broken(self, told: dict[str, float], goal: int) -> bool:
        """Whether this step left numbers that are none. Weights are looked at now and then: it takes a moment."""
        if guards.broken(told):
            # In half precision a single overflow is usual; clean_gradients has made nothing of it.
            self.overflows += 1
            return self.training.recipe.precision != "float16" or self.overflows > 8
        self.overflows = 0
        step = self.step
        look = step % 50 == 0 or step % self.save_every == 0 or step >= goal
        return look and not self.training.finite()

    def _rescue(self, told: dict[str, float]) -> Outcome | None:
        """Back to the last checkpoint with half the rate; gives up after a few times without a new checkpoint."""
        step, curve = self.step, guards.broken(told) or "a weight"
        last = self.recorder.last()
        self.rescues += 1
        if self.rescues > guards.MOST_RESCUES or last is None:
            why = f"{curve} was no longer a number at step {step}, {self.rescues - 1} times after going back"
            return Outcome("failed", step, "the training is not stable", why, self.steadier, {
                "rate": self.rate * self.factor / 2
            })  # fmt: skip
        factor = self.factor / 2
        state, kept = self.read(last[1])
        self.training.restore(state)
        self._take_up(kept)
        self.factor = factor
        self.training.set_rates(factor)
        why = f"{curve} was no longer a number"
        do = f"It goes on from step {last[0]} with half the rate ({self.rate * factor:g})"
        self.recorder.tell(Warned("nan", "the training was not stable", why, do, step))
        self.means = Means()
        return None

    def _tell(self, goal: int, *, force: bool) -> None:
        now = time.monotonic()
        if not force and now - self.told_at < self.attempt.tell_seconds:
            return
        self.told_at = now
        values, per_second = self.means.taken()
        left = goal - self.step
        others = {
            kind: left // every
            for kind, every in (("sample", self.sample_every), ("score", self.score_every), ("save", self.save_every))
        }
        memory = memory_used(self.attempt.device)
        self.recorder.tell(Metrics(self.step, values, per_second, memory, self.pace.eta(left, others)))
        self._warn(self.watch(values))

    def _warn(self, warned: Warned | None) -> None:
        if warned is not None:
            self.recorder.tell(warned)

    def _sample(self) -> None:
        if not self.ranks.first:
            return
        began = time.monotonic()
        try:
            sample, warnings = self.sample()
        except StorageError as error:
            self._disk(error)
            return
        self.recorder.tell(sample)
        for warned in warnings:
            self._warn(warned)
        self.pace.other("sample", time.monotonic() - began)

    def _score(self) -> bool:
        """Score the model; whether it is the best so far."""
        if not self.ranks.first:
            return False
        began, better = time.monotonic(), False
        for number, score in enumerate(self.score()):
            if number == 0:
                value = -score.value if score.higher else score.value
                best = math.nan if self.best is None else -self.best[1] if score.higher else self.best[1]
                # One that is no number is never the best, and any other is better.
                better = not math.isnan(value) and not best <= value
                if better:
                    self.best = (score.metric, score.value, self.step)
            self._warn(self.judge(score))
            self.scores[score.metric] = {"value": score.value, "step": self.step, **score.about}
            self.recorder.tell(replace(score, step=self.step, best=number == 0 and better))
        self.pace.other("score", time.monotonic() - began)
        return better

    def _save(self, *, must: bool = False) -> None:
        """Publish a checkpoint, unless this step has one or is broken.

        A disk that says no is told, and training goes on; with `must` it ends.

        Raises:
            Fenced: A newer attempt has begun. On all ranks.
            StorageError: `must`, and the disk said no. On all ranks.
        """
        trouble = 0
        error: StorageError | None = None
        if not self.training.finite():
            return
        if self.ranks.first and self.step not in dict(self.recorder.checkpoints()):
            began = time.monotonic()
            try:
                self._publish()
            except Fenced:
                trouble = 1
            except StorageError as refusal:
                trouble, error = 2, refusal
                if not must:
                    self._disk(refusal)
            self.pace.other("save", time.monotonic() - began)
        # All wait for the first here, and learn how it went.
        trouble = self.ranks.told([trouble])[0]
        if trouble == 1:
            raise Fenced
        if trouble == 2 and must:
            raise error or StorageError("the first rank could not save")
        if not trouble:
            self.rescues = 0

    def _publish(self) -> None:
        kept = {"factor": self.factor, "best": list(self.best) if self.best else [], "scores": self.scores}
        with self.recorder.checkpoint(self.step) as folder:
            size = self.write(folder, kept)
        name = dict(self.recorder.checkpoints())[self.step].name
        best = self.best is not None and self.best[2] == self.step
        self.recorder.tell(Checkpoint(self.step, name, best, size))
        self._drop()

    def _drop(self) -> None:
        """Keep the best, the last, and as many of the newest others as the plan says."""
        steps = [step for step, _ in self.recorder.checkpoints()]
        best = self.best[2] if self.best else None
        others = [step for step in steps[:-1] if step != best]
        for step in others[: max(0, len(others) - self.plan.keep)]:
            self.recorder.drop(step)

    def _disk(self, error: StorageError) -> None:
        full = any(words in error.why.lower() for words in ("no space", "quota", "full"))
        self.recorder.tell(Warned("disk-full" if full else "read-only", error.what, error.why, error.do, self.step))
