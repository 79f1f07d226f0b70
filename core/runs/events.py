"""What a run's journal tells: one JSON object a line, each with `at` (Unix seconds), `event` and the fields below.

The trainer, the supervisor and the launcher write events; screens, the command line and notifications only read them.
A reader skips events and fields that it does not know. Steps count batches, from 1; step 0 is the base before training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Queued:
    """A launcher has taken the run (or an attempt of it)."""

    launcher: str
    job: str = ""


@dataclass(frozen=True)
class Attempt:
    """A trainer process has begun; `number` counts from 1."""

    number: int
    host: str
    pid: int
    job: str = ""
    reason: str = "start"
    """"start", "resume", "restart" (after a death), "requeue"."""


@dataclass(frozen=True)
class Phase:
    """What is being done before or between steps, for a line on the screen: "importing torch", "reading the base"."""

    doing: str


@dataclass(frozen=True)
class Started:
    """Training goes on from `step`; what was chosen where the plan left it open."""

    step: int
    steps: int
    device: str
    chosen: Mapping[str, object] = field(default_factory=dict)
    """Batch, precision, gamma, threads, sizes ..., by the names of the options."""


@dataclass(frozen=True)
class Metrics:
    """Means since the last one."""

    step: int
    values: Mapping[str, float]
    """Curves by name. Images: "generator", "discriminator", "r1", "path", "p", "real_sign". Text: "loss" (nats a
    token), "rate", "gradient" (its norm)."""
    per_second: float
    """Pictures or tokens a second, sampling and scoring left out."""
    memory: int = 0
    """Bytes: of the GPU, else the process's resident set."""
    eta: float | None = None
    """Seconds to the last step, everything included; None while it is not settled."""


@dataclass(frozen=True)
class Sample:
    """A sheet of the same latents (or prompts: see text_samples.py) as always, as a file below samples/."""

    step: int
    file: str
    columns: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Score:
    """A score of the model as it stands. `metric` is its full name; less is better unless `higher` says otherwise.

    Images: "FID", "FD-D" and the like. Text: "perplexity" of the held-out text (about: context, stride, tokens,
    bits_per_byte, loss), and "memorised" (the share of sampled 50-grams that occur in the training text)."""

    step: int
    metric: str
    value: float
    about: Mapping[str, object] = field(default_factory=dict)
    """Samples, seed, weights, number of real pictures: whatever the figure cannot be read without."""
    higher: bool = False
    best: bool = False
    """The best of the run so far."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint was published: a folder below checkpoints/."""

    step: int
    folder: str
    best: bool = False
    bytes: int = 0


@dataclass(frozen=True)
class Warned:
    """A guard or a handled trouble. `code` is stable: "nan", "overfit", "diverging", "collapse", "disk-full",
    "read-only", "out-of-memory", "gpu-gone", "slow-loader", "damaged" (a checkpoint; an earlier one is taken), "died"
    (a trainer ended and another begins), "not-told" (a notification could not be sent)."""

    code: str
    what: str
    why: str = ""
    do: str = ""
    step: int | None = None
    offer: Mapping[str, object] = field(default_factory=dict)
    """Options that would help, by their names: {"batch": 8}."""


@dataclass(frozen=True)
class Stopping:
    """The wish to stop was seen; the last checkpoint is being written."""

    step: int


@dataclass(frozen=True)
class Ended:
    """An attempt is over. The newest one tells how the run stands."""

    state: str
    """"finished", "stopped" (wished), "interrupted" (a signal without a wish), "failed", "fenced" (a newer attempt)."""
    step: int
    what: str = ""
    why: str = ""
    do: str = ""
    offer: Mapping[str, object] = field(default_factory=dict)
    model: str = ""
    """Id of the model in the library, when the run has made one."""


@dataclass(frozen=True)
class Extended:
    """The number of steps was changed."""

    steps: int


@dataclass(frozen=True)
class Changed:
    """Options were changed before the run goes on: how it is computed from the next attempt on."""

    step: int
    """Of the checkpoint that it goes on from; 0 where it begins anew."""
    options: Mapping[str, object] = field(default_factory=dict)


Event = (
    Queued
    | Attempt
    | Phase
    | Started
    | Metrics
    | Sample
    | Score
    | Checkpoint
    | Warned
    | Stopping
    | Ended
    | Extended
    | Changed
)
KINDS: Mapping[str, type[Event]] = {
    kind.__name__.lower(): kind
    for kind in (
        Queued, Attempt, Phase, Started, Metrics, Sample, Score, Checkpoint, Warned, Stopping, Ended, Extended, Changed
    )
}  # fmt: skip
"""The classes by their `event` word: "metrics" is `Metrics`."""
