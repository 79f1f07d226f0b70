"""The experiment between its steps: it asks for the run's wish, trains, tells, samples, scores, saves and goes back.

Step 0 is sampled, scored and saved, so that there is always something to compare with and to go back to. Only the first
rank tells and writes; the others take the same steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import StorageError
from core.library.manifest import Manifest
from core.ml.hardware import device_name
from core.ml.training import guards, samples
from core.ml.training.image_files import export_model, manifest_of, read_checkpoint, write_checkpoint
from core.ml.training.image_setup import Sources, set_up
from core.ml.training.options import intervals
from core.ml.training.outcome import Outcome
from core.ml.training.pace import Pace
from core.ml.training.ranks import Ranks
from core.ml.training.scoring import Scorer
from core.ml.training.telling import Means, memory_used
from core.runs.events import Checkpoint, Metrics, Phase, Sample, Started, Stopping, Warned
from core.runs.plan import RunPlan
from core.runs.recorder import Fenced, Recorder

_GO, _STOP, _FENCED, _INTERRUPTED = range(4)


class ImageRun:
    """The experiment between its steps, set up."""

    def __init__(
        self,
        plan: RunPlan,
        recorder: Recorder,
        ranks: Ranks,
        sources: Sources,
        device: torch.device,
        scorer: Callable[[Any], Scorer] | None,
        interrupted: Callable[[], bool],
        tell_seconds: float,
    ) -> None:
        self.plan, self.recorder, self.ranks, self.sources = plan, recorder, ranks, sources
        self.interrupted, self.tell_seconds = interrupted, tell_seconds
        self.setup = set_up(plan, sources, ranks=ranks, device=device, tell=recorder.tell)
        self.options, self.training = self.setup.options, self.setup.training
        self.factor = 1.0
        self.rescues = self.overflows = 0
        self.best: tuple[str, float, int] | None = None
        self.scores: dict[str, object] = {}
        if self.setup.kept:
            self._take_up(self.setup.kept)
        self.began_at = self.training.step
        self.pace, self.means, self.told_at = Pace(), Means(), 0.0
        self.sample_every, self.save_every, self.score_every = intervals(plan)
        z_dim = self.training.generator.z_dim
        self.sheet = samples.plan_sheet(self.options.size, z_dim, self.setup.classes, plan.seed)
        recipe = self.training.recipe
        self.watch_overfit = guards.Overfit(recipe.adapt_cap if recipe.adapt else 0.0)
        self.watch_scores = guards.Diverging()
        self.watch_loader = guards.SlowLoader()
        self.watch_pictures = guards.Collapse(_yardstick(self.setup.pictures))
        self.scorer = scorer(self.setup.pictures) if scorer is not None and ranks.first else None
        self.recorder.tell(Started(self.step, plan.steps, device_name(device), self.setup.chosen()))

    @property
    def step(self) -> int:
        """Steps done."""
        return self.training.step

    def go(self) -> Outcome:
        """Take steps until the goal or another wish."""
        training = self.training
        if self.recorder.last() is None:
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
            began, loaded = time.monotonic(), training.loading
            told = training.run()
            seconds = time.monotonic() - began
            self.pace.step(seconds)
            if self._broken(told, goal):
                outcome = self._rescue(told)
                if outcome is not None:
                    return outcome
                continue
            self.means.add(told, training.recipe.batch, time.monotonic() - began)
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
        export_model(known[step], model, seed=self.plan.seed)
        return replace(outcome, model=model)

    def _take_up(self, kept: dict[str, Any]) -> None:
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
        if asked == _GO and self._anywhere(self.interrupted()):
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
        step = self.training.step
        look = step % 50 == 0 or step % self.save_every == 0 or step >= goal
        return look and not self.training.finite()

    def _rescue(self, told: dict[str, float]) -> Outcome | None:
        """Back to the last checkpoint with half the rate; gives up after a few times without a new checkpoint."""
        training = self.training
        step, curve = training.step, guards.broken(told) or "a weight"
        last = self.recorder.last()
        self.rescues += 1
        if self.rescues > guards.MOST_RESCUES or last is None:
            why = f"{curve} was no longer a number at step {step}, {self.rescues - 1} times after going back"
            return Outcome("failed", step, "the training is not stable", why, "Lower the rate or raise gamma", {
                "rate": self.options.rate * self.factor / 2
            })  # fmt: skip
        factor = self.factor / 2
        state, kept = read_checkpoint(last[1])
        training.restore(state)
        self._take_up(kept)
        self.factor = factor
        training.set_rates(factor)
        rate = self.options.rate * factor
        why = f"{curve} was no longer a number"
        do = f"It goes on from step {last[0]} with half the rate ({rate:g})"
        self.recorder.tell(Warned("nan", "the training was not stable", why, do, step))
        self.means = Means()
        return None

    def _tell(self, goal: int, *, force: bool) -> None:
        training, now = self.training, time.monotonic()
        if not force and now - self.told_at < self.tell_seconds:
            return
        self.told_at = now
        values, per_second = self.means.taken()
        left = goal - training.step
        others = {
            kind: left // every
            for kind, every in (("sample", self.sample_every), ("score", self.score_every), ("save", self.save_every))
        }
        self.recorder.tell(
            Metrics(training.step, values, per_second, memory_used(training.device), self.pace.eta(left, others))
        )
        self._warn(self.watch_overfit.see(training.step, values["p"], values["real_sign"]))

    def _warn(self, warned: Warned | None) -> None:
        if warned is not None:
            self.recorder.tell(warned)

    def _sample(self) -> None:
        training = self.training
        if not self.ranks.first:
            return
        began = time.monotonic()
        pictures = samples.draw(training.average, self.sheet)
        name = f"step-{training.step:07d}.png"
        try:
            samples.write_png(self.recorder.samples / name, samples.sheet(pictures, self.sheet.columns))
        except StorageError as error:
            self._disk(error)
            return
        self.recorder.tell(Sample(training.step, name, self.sheet.columns, self.sheet.rows))
        self._warn(self.watch_pictures.see(training.step, guards.diversity(pictures)))
        self.pace.other("sample", time.monotonic() - began)

    def _score(self) -> bool:
        """Score the averaged weights; whether they are the best so far."""
        training = self.training
        if self.scorer is None:
            return False
        self.recorder.tell(Phase("scoring"))
        began, better = time.monotonic(), False
        training.average.eval()
        for number, score in enumerate(self.scorer(training.average, training.step)):
            if number == 0:
                value = -score.value if score.higher else score.value
                best = None if self.best is None else -self.best[1] if score.higher else self.best[1]
                better = best is None or value < best
                if better:
                    self.best = (score.metric, score.value, training.step)
                self._warn(self.watch_scores.see(training.step, score.metric, score.value, higher=score.higher))
            self.scores[score.metric] = {"value": score.value, "step": training.step, **score.about}
            self.recorder.tell(replace(score, step=training.step, best=number == 0 and better))
        self.pace.other("score", time.monotonic() - began)
        return better

    def _save(self, *, must: bool = False) -> None:
        """Publish a checkpoint, unless this step has one or is broken.

        A disk that says no is told, and training goes on; with `must` it ends.

        Raises:
            Fenced: A newer attempt has begun. On all ranks.
            StorageError: `must`, and the disk said no. On all ranks.
        """
        training, trouble = self.training, 0
        error: StorageError | None = None
        if not training.finite():
            return
        if self.ranks.first and training.step not in dict(self.recorder.checkpoints()):
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
        self.rescues = 0

    def _publish(self) -> None:
        training = self.training
        kept = {
            "factor": self.factor,
            "best": list(self.best) if self.best else [],
            "scores": self.scores,
            "alone": training.recipe.alone,
            "threads": self.options.threads,
        }
        with self.recorder.checkpoint(training.step) as folder:
            size = write_checkpoint(folder, training, self._manifest(), kept)
        name = dict(self.recorder.checkpoints())[training.step].name
        best = self.best is not None and self.best[2] == training.step
        self.recorder.tell(Checkpoint(training.step, name, best, size))
        self._drop()

    def _manifest(self) -> Manifest:
        base = self.sources.base
        lineage: tuple[str, ...] = ()
        if self.plan.base:
            lineage = (*(Manifest.read(base).lineage if base else ()), self.plan.base)
        return manifest_of(
            self.setup.architecture,
            self.training,
            name=self.plan.name,
            licence=self.setup.licence,
            lineage=lineage,
            scores=self.scores,
            about={"dataset": self.plan.dataset, "hardware": device_name(self.training.device)},
        )

    def _drop(self) -> None:
        """Keep the best, the last, and as many of the newest others as the plan says."""
        steps = [step for step, _ in self.recorder.checkpoints()]
        best = self.best[2] if self.best else None
        others = [step for step in steps[:-1] if step != best]
        for step in others[: max(0, len(others) - self.plan.keep)]:
            self.recorder.drop(step)

    def _disk(self, error: StorageError) -> None:
        full = "No space" in error.why or "quota" in error.why.lower()
        self.recorder.tell(Warned("disk-full" if full else "read-only", error.what, error.why, error.do, self.step))


def _yardstick(pictures: Any) -> float:
    """Diversity of real pictures, 0 where there is one only."""
    if len(pictures) < 2:
        return 0.0
    rows = np.unique(np.linspace(0, len(pictures) - 1, min(64, len(pictures))).astype(np.int64))
    return guards.diversity(np.asarray(pictures[rows]))
