"""Events folded into what a run looks like: curves, samples, scores, and where it stands by its own account.

A training that died goes on from its last checkpoint and tells some steps twice: what is told again replaces what was.
A warning of what an attempt died of is over when a later attempt trains; the journal and the log keep it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.runs.events import (
    Attempt,
    Checkpoint,
    Ended,
    Event,
    Metrics,
    Phase,
    Queued,
    Sample,
    Score,
    Started,
    Stopping,
    Warned,
)
from core.runs.plan import RunPlan
from core.runs.view import Curve, RunView

MOST_POINTS = 4096
"""Points of a curve; beyond it every second one goes."""

_OF_AN_END = ("died", "out-of-memory", "gpu-gone", "disk-full", "read-only", "not-told")
"""Codes of warnings that are about how an attempt went or ended, not about what is learned."""

_OF_THE_DISK = ("disk-full", "read-only")


class _Line:
    """A curve that grows: all points until there are too many, then every second, every fourth ..."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[float] = []
        self._newest: tuple[int, float] | None = None
        self._every = 1
        self._seen = 0

    def add(self, step: int, value: float) -> None:
        self.cut(step - 1)
        self._newest = (step, value)
        if self._seen % self._every == 0:
            self._steps.append(step)
            self._values.append(value)
        self._seen += 1
        if len(self._steps) > MOST_POINTS:
            self._every *= 2
            del self._steps[1::2], self._values[1::2]

    def cut(self, step: int) -> None:
        """Forget what comes after `step`."""
        if self._newest is not None and self._newest[0] > step:
            self._newest = None
        while self._steps and self._steps[-1] > step:
            del self._steps[-1], self._values[-1]

    @property
    def latest(self) -> float | None:
        if self._newest is not None:
            return self._newest[1]
        return self._values[-1] if self._values else None

    def curve(self) -> Curve:
        steps, values = list(self._steps), list(self._values)
        if self._newest is not None and (not steps or steps[-1] < self._newest[0]):
            steps.append(self._newest[0])
            values.append(self._newest[1])
        return Curve(tuple(steps), tuple(values))


class Story:
    """What the journal has told so far."""

    def __init__(self) -> None:
        self.state = "planned"
        """"planned" (never started), "queued", "starting", "running", "stopping", or the state of the newest end."""
        self.end: Ended | None = None
        self.queued = 0.0
        """When it was last given to a launcher, Unix seconds; 0 if never."""
        self.number = 0
        self._step = 0
        self._phase = ""
        self._host = ""
        self._started = 0.0
        self._changed = 0.0
        self._rates: tuple[float, int, float | None] = (0.0, 0, None)
        self._chosen: dict[str, object] = {}
        self._lines: dict[str, _Line] = {}
        self._samples: dict[int, Sample] = {}
        self._scores: dict[tuple[str, int], Score] = {}
        self._checkpoints: dict[int, Checkpoint] = {}
        self._warnings: list[Warned] = []
        self._earlier = 0
        """How many of the warnings are older than the newest attempt."""
        self._model = ""

    def take(self, at: float, event: Event) -> None:
        """One more event."""
        self._changed = max(self._changed, at)
        if isinstance(event, Queued):
            self.state, self.end, self.queued, self._phase = "queued", None, at, ""
        elif isinstance(event, Attempt):
            self.state, self.end, self._phase = "starting", None, ""
            self.number, self._host = event.number, event.host
            self._started = self._started or at
            self._earlier = len(self._warnings)
        elif isinstance(event, Phase):
            self._phase = event.doing
        elif isinstance(event, Started):
            self.state, self._phase, self._step, self._chosen = "running", "", event.step, dict(event.chosen)
            for line in self._lines.values():
                line.cut(event.step)
        elif isinstance(event, Metrics):
            self._metrics(event)
        elif isinstance(event, Sample):
            self._samples[event.step] = event
        elif isinstance(event, Score):
            self._scores[event.metric, event.step] = event
        elif isinstance(event, Checkpoint):
            self._checkpoints[event.step] = event
            self._forget(_OF_THE_DISK, len(self._warnings))
        elif isinstance(event, Warned):
            self._warnings.append(event)
        elif isinstance(event, Stopping):
            self.state, self._step = "stopping", max(self._step, event.step)
        elif isinstance(event, Ended) and event.state != "fenced":
            self.state, self.end, self._phase = event.state, event, ""
            if event.state == "finished":
                self._forget(_OF_AN_END, self._earlier)
            self._step = max(self._step, event.step) if event.state != "finished" else event.step
            self._model = event.model or self._model
            self._rates = (*self._rates[:2], None)

    def _forget(self, codes: Sequence[str], first: int) -> None:
        """Warnings with one of `codes` among the first `first` are over."""
        kept = [
            (index, warning)
            for index, warning in enumerate(self._warnings)
            if index >= first or warning.code not in codes
        ]
        self._earlier = sum(index < self._earlier for index, _ in kept)
        self._warnings = [warning for _, warning in kept]

    def _metrics(self, event: Metrics) -> None:
        self._forget(_OF_AN_END, self._earlier)
        self._step, self._phase = event.step, ""
        self._rates = (event.per_second, event.memory, event.eta)
        for name, value in event.values.items():
            self._lines.setdefault(name, _Line()).add(event.step, value)

    def view(self, id_: str, folder: Path, plan: RunPlan, state: str, present: frozenset[int]) -> RunView:
        """The run as a value.

        Args:
            id_: Its id.
            folder: Its folder.
            plan: Its plan, changes included.
            state: What the outside knows it to be.
            present: Steps of the checkpoints that are on the disk.
        """
        latest = {name: line.latest for name, line in self._lines.items()}
        return RunView(
            id=id_,
            folder=folder,
            plan=plan,
            state=state,
            step=self._step,
            phase=self._phase,
            host=self._host,
            attempt=self.number,
            started=self._started,
            changed=self._changed,
            per_second=self._rates[0],
            memory=self._rates[1],
            eta=self._rates[2],
            chosen=dict(self._chosen),
            latest={name: value for name, value in latest.items() if value is not None},
            curves={name: line.curve() for name, line in self._lines.items()},
            samples=tuple(self._samples[step] for step in sorted(self._samples)),
            scores=_marked(sorted(self._scores.values(), key=lambda score: score.step)),
            checkpoints=_one_best([self._checkpoint(step) for step in sorted(present)]),
            warnings=tuple(self._warnings),
            end=self.end,
            model=self._model,
        )

    def _checkpoint(self, step: int) -> Checkpoint:
        """As it was told; one whose trainer died between publishing and telling is there all the same."""
        return self._checkpoints.get(step) or Checkpoint(step, str(step))


def _one_best(checkpoints: list[Checkpoint]) -> tuple[Checkpoint, ...]:
    """Each was told to be the best when it was: only the last of these still is."""
    best = max((each.step for each in checkpoints if each.best), default=None)
    return tuple(replace(each, best=each.step == best) for each in checkpoints)


def _marked(scores: list[Score]) -> tuple[Score, ...]:
    """`scores` with the best of each metric, and no other, marked."""
    best: dict[str, Score] = {}
    for score in scores:
        if math.isnan(score.value):
            continue
        known = best.get(score.metric)
        if known is None or (score.value > known.value if score.higher else score.value < known.value):
            best[score.metric] = score
    return tuple(replace(score, best=best.get(score.metric) is score) for score in scores)
