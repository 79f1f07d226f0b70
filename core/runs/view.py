"""A run as a screen shows it: the plan, and everything that the journal has told so far, folded into one value.

`follow` (reading.py) makes a new value for each batch of events; a value never changes, so that a screen can keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.runs.events import Checkpoint, Ended, Sample, Score, Warned
from core.runs.plan import RunPlan

STATES = ("queued", "starting", "running", "stopping", "stopped", "finished", "failed", "lost")
ACTIVE = ("queued", "starting", "running", "stopping")


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        steps: Rising.
        values: As many; thinned out evenly where there are more than a few thousand.
    """

    steps: Sequence[int] = ()
    values: Sequence[float] = ()


@dataclass(frozen=True)
class RunView:
    """A run now.

    Attributes:
        id: "20261125-170355-sneakers".
        folder: Its folder.
        plan: As it was made, but with the steps and options that were changed since.
        state: One of `STATES`. "lost": a trainer should be running and nothing of it can be found.
        step: Last step told.
        phase: What is being done, when it is not training.
        host: Where the newest attempt runs or ran.
        attempt: Its number, 0 before the first.
        started, changed: Unix seconds of the first attempt and of the last event; 0 if none.
        per_second, memory, eta: As last told (see `events.Metrics`).
        chosen: What the trainer chose (see `events.Started`).
        latest: Newest value of every curve.
        curves: By name.
        samples: By step, each step once.
        scores: In order; the best of each metric is marked.
        checkpoints: Those that are still there, by step.
        warnings: In order.
        end: How the newest attempt ended; None while it runs.
        model: Id of the model that it made.
    """

    id: str
    folder: Path
    plan: RunPlan
    state: str = "queued"
    step: int = 0
    phase: str = ""
    host: str = ""
    attempt: int = 0
    started: float = 0.0
    changed: float = 0.0
    per_second: float = 0.0
    memory: int = 0
    eta: float | None = None
    chosen: Mapping[str, object] = field(default_factory=dict)
    latest: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    scores: Sequence[Score] = ()
    checkpoints: Sequence[Checkpoint] = ()
    warnings: Sequence[Warned] = ()
    end: Ended | None = None
    model: str = ""

    @property
    def name(self) -> str:
        """What its owner calls it; others may be called the same."""
        return self.plan.name

    @property
    def active(self) -> bool:
        """Whether something of it is running or will by itself."""
        return self.state in ACTIVE
