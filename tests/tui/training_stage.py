"""What the tests of the place Training stand on: runs, datasets and estimates from memory, curves that look real."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import TarmacError
from core.interface.pictures import encode
from core.runs.events import Checkpoint, Ended, Sample, Score, Warned
from core.runs.plan import RunPlan
from core.runs.text_bases import TextBase
from core.runs.view import Curve, RunView
from tests.tui.stage import LONG_AGO, StageServices
from tui.training.services import Estimate, Progress, TextPiece, TrainingServices

if TYPE_CHECKING:
    from core.library.models import Library
    from tui.training.services import Pixels

NOW = 1_795_000_000.0
"""Unix seconds at which the screens' clock stands."""


@dataclass(frozen=True)
class FakeDataset:
    """A dataset that is not on the disk."""

    id: str
    name: str
    kind: str = "image"
    folder: Path = Path("/nowhere")
    source: str = "library"
    count: int = 0
    size: int = 0
    problem: str | None = None
    about: Mapping[str, object] = field(default_factory=dict)
    ready: bool = False


PORTRAITS = FakeDataset("starter/portraits", "portraits", source="starter", count=738, size=64, ready=True)
UNDRAWN = FakeDataset(
    "starter/sneakers", "sneakers", source="starter", about={"description": "Sneakers drawn by code."}
)
RAW = FakeDataset("20261120-100000-cats", "cats", count=120)
SMALL = FakeDataset("20261120-100001-few", "few", count=12, size=64, ready=True)

PYTHON = FakeDataset("starter/python", "python", "text", source="starter", about={"description": "Python's library."})
ESSAYS = FakeDataset(
    "20261121-100000-essays", "essays", "text", count=812, about={"report": {"bytes": 3_400_000}}, ready=True
)
NOTES = FakeDataset("20261121-100001-notes", "notes", "text", count=3, about={"report": {"bytes": 19_000}}, ready=True)

_THERE = 16 * 10**9
_CAUSAL = (
    ("starter/gpt2-python", "starter/gpt2-python", "starter", 5_100_000, 256, "PSF-2.0", True, 0.3, 0.1),
    ("20261120-090000-gpt2", "gpt2", "library", 124_439_808, 1024, "MIT", True, 3.3, 1.2),
    ("gpt2-medium", "gpt2-medium", "hub", 354_823_168, 1024, "MIT", True, 24.9, 8.1),
    ("gpt2-large", "gpt2-large", "hub", 774_030_080, 1024, "MIT", False, 15.1, 4.8),
    ("20261120-090002-gpt2-xl", "gpt2-xl", "library", 1_557_611_200, 1024, "MIT", True, 31.2, 18.4),
    ("", "random weights", "", 4_300_000, 256, "", True, 0.4, 0.0),
)
BASES = [
    TextBase(
        id_, name, source, parameters, 4 * parameters, context, 50_257, licence, here, int(full * 1e9), int(lora * 1e9),
        _THERE, "" if here else "Run `hf download openai-community/gpt2-large`",
    )
    for id_, name, source, parameters, context, licence, here, full, lora in _CAUSAL
]  # fmt: skip
"""One of each sort: fits, fits with LoRA only, is not here, is too large."""


class FakeTraining(TrainingServices):
    """Answers from memory and remembers what it was asked for."""

    def __init__(self, views: list[RunView] | None = None) -> None:
        super().__init__(Path("/nowhere"))
        self.views = views or []
        self.found: list[FakeDataset] = [PORTRAITS, UNDRAWN, RAW, SMALL]
        self.bases = list(BASES)
        self.asked: list[tuple[object, ...]] = []
        self.plans: list[RunPlan] = []
        self.looks = 0
        self.failure: TarmacError | None = None
        self.measured = asyncio.Event()
        """Set to let estimates come."""
        self.side = 64

    def change(self, run_id: str, **changes: object) -> None:
        """A run goes on."""
        self.views = [replace(view, **changes) if view.id == run_id else view for view in self.views]  # type: ignore[arg-type]

    def look(self) -> list[RunView]:
        self.looks += 1
        if self.failure is not None:
            raise self.failure
        return list(self.views)

    def create(self, plan: RunPlan) -> str:
        self.plans.append(plan)
        run_id = f"20261125-17{len(self.plans):02}00-new"
        self.views = [RunView(run_id, Path("/nowhere") / run_id, plan), *self.views]
        return run_id

    async def start(self, run_id: str, changes: Mapping[str, object] | None = None) -> None:
        self.asked.append(("start", run_id, dict(changes)) if changes else ("start", run_id))
        if self.failure is not None:
            raise self.failure
        self.change(run_id, state="starting", phase="importing torch", end=None)

    async def revive(self) -> list[RunView]:
        self.asked.append(("revive",))
        lost = [view for view in self.views if view.state == "lost"]
        for view in lost:
            self.change(view.id, state="starting")
        return lost

    async def ask_engines(self) -> None:
        self.asked.append(("engines",))

    def stop(self, run_id: str) -> None:
        self.asked.append(("stop", run_id))
        self.change(run_id, state="stopping")

    def extend(self, run_id: str, steps: int) -> None:
        self.asked.append(("extend", run_id, steps))

    def branch(self, run_id: str, step: int, name: str) -> str:
        self.asked.append(("branch", run_id, step, name))
        return self.create(RunPlan(name, "image", "starter/portraits", parent=run_id, parent_step=step))

    def remove(self, run_id: str) -> None:
        self.asked.append(("remove", run_id))
        self.views = [view for view in self.views if view.id != run_id]

    def adopt_checkpoint(self, library: Library, view: RunView, step: int) -> str:
        self.asked.append(("adopt", view.id, step))
        return "starter/portraits"

    def datasets(self) -> list[FakeDataset]:
        return list(self.found)

    def pictures(self, dataset: object, count: int, side: int) -> list[Pixels]:
        return [np.full((side, side, 3), 9 * number, np.uint8) for number in range(count)]

    def texts(self, dataset: object, count: int, length: int) -> list[TextPiece]:
        assert isinstance(dataset, FakeDataset)
        self.asked.append(("texts", dataset.id, count))
        words = "The first line of it.\n\n\tAnd a second one, which is longer than a narrow page is wide: " + "so " * 60
        return [TextPiece(number * 100, words[:length], 4200) for number in range(count)]

    def text_bases(self, library: object) -> list[TextBase]:
        return list(self.bases)

    async def bring_base(self, name: str, library: object, progress: Progress) -> str:
        self.asked.append(("bring", name))
        progress("converting", 0.5)
        return f"20261125-170000-{name}"

    async def prepare(
        self, dataset: object, size: int, crop: str, progress: Progress, subject: str = "auto"
    ) -> FakeDataset:
        assert isinstance(dataset, FakeDataset)
        self.asked.append(("prepare", dataset.id, size, crop, *([subject] if subject != "auto" else [])))
        progress("cutting", 0.5)
        ready = replace(dataset, ready=True, size=size, count=dataset.count or 700)
        self.found = [ready if each.id == dataset.id else each for each in self.found]
        return ready

    async def estimate(self, plan: RunPlan, progress: Progress) -> Estimate:
        progress("measuring 20 steps", 0.4)
        await self.measured.wait()
        found = Estimate(2520.0, 1_900_000_000, 24 * 10**9, 310_000_000, 88 * 10**9, "20 steps of 32 timed on gpu7")
        if plan.kind == "image":
            return found
        return replace(found, per_second=1832.4, chosen={"batch": 8, "context": 256, "tokens": 434_859})


class TrainingStage(StageServices):
    """The stage with a training of its own."""

    fake: FakeTraining

    @property
    def training(self) -> TrainingServices:  # type: ignore[override]
        return self.fake


def stage(home: Path, views: list[RunView] | None = None) -> TrainingStage:
    """The stage's models, and these runs."""
    from tests.tui.stage import furnish

    furnished = furnish(home)
    services = TrainingStage(furnished.home, furnished.starters)
    services.fake = FakeTraining(views)
    return services


def curves(steps: int, seed: int = 1, every: int = 10) -> dict[str, Curve]:
    """Losses, p and the sign of the real scores as a StyleGAN2 with adaptive augmentation tells them."""
    random = np.random.default_rng(seed)
    at = np.arange(every, steps + 1, every)
    way = at / 3000

    def noisy(mean: np.ndarray, wide: float) -> Curve:
        noise = np.convolve(random.normal(0, wide, len(at) + 8), np.ones(9) / 3, "valid")
        return Curve(tuple(at.tolist()), tuple(np.round(mean + noise, 5).tolist()))

    return {
        "generator": noisy(0.9 + 1.1 * (1 - np.exp(-3 * way)), 0.11),
        "discriminator": noisy(1.25 - 0.55 * (1 - np.exp(-4 * way)), 0.06),
        "r1": noisy(0.06 + 0.25 * np.exp(-5 * way), 0.006),
        "p": noisy(0.004 + 0.42 * (1 - np.exp(-2.2 * way)), 0.0008),
        "real_sign": noisy(0.25 + 0.35 * (1 - np.exp(-3 * way)), 0.02),
    }


def scores(steps: int, every: int = 200) -> tuple[Score, ...]:
    """A Fréchet distance that falls and then wavers."""
    at = range(0, steps + 1, every)
    values = [28 + 190 * math.exp(-step / 420) + 3.5 * math.sin(step / 130) for step in at]
    low = min(values)
    return tuple(
        Score(step, "fid_2k_discriminator", round(value, 2), best=value == low) for step, value in zip(at, values)
    )


def run(
    folder: Path,
    run_id: str = "20261125-150000-sneakers",
    *,
    name: str = "Training experiment 5",
    state: str = "running",
    step: int = 1387,
    steps: int = 3000,
    base: str = "starter/portraits",
    **changes: object,
) -> RunView:
    """A run in the middle of its work; its folder's sheets are as `put_sheets` makes them."""
    sampled = range(0, step + 1, 100)
    view = RunView(
        id=run_id,
        folder=folder / run_id,
        plan=RunPlan(name, "image", "starter/sneakers", base, steps, {"augment_cap": 0.8}, created=LONG_AGO),
        state=state,
        step=step,
        host="gpu7",
        attempt=1,
        started=NOW - 7300,
        changed=NOW,
        per_second=214.0,
        memory=31 * 2**30,
        eta=4320.0 if state == "running" else None,
        latest={name: curve.values[-1] for name, curve in curves(step).items()} if step >= 10 else {},
        curves=curves(step) if step >= 10 else {},
        samples=tuple(Sample(at, f"{at:06}.png", 7, 4) for at in sampled),
        scores=scores(step),
        checkpoints=tuple(Checkpoint(at, f"{at:06}", at == 1200) for at in (600, 1200) if at <= step),
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def several(folder: Path) -> list[RunView]:
    """A run in each of the states that matter."""
    ended = Ended(
        "failed", 212, "the GPU ran out of memory", "batch 32 needs 90 GB", "Take a smaller batch", {"batch": 8}
    )
    return [
        run(folder),
        run(folder, "20261125-140000-emoji", name="emoji food", state="starting", step=0, phase="importing torch"),
        run(folder, "20261124-090000-faces", name="faces", state="stopped", step=800, end=Ended("stopped", 800)),
        run(
            folder, "20261123-090000-done", name="portraits, finer", state="finished", step=3000,
            model="starter/portraits", end=Ended("finished", 3000),
        ),
        run(
            folder, "20261122-090000-cats", name="cats", state="failed", step=212, steps=5000, base="", end=ended,
            warnings=(Warned("out-of-memory", "the GPU ran out of memory"),),
        ),
    ]  # fmt: skip


def put_sheets(view: RunView, side: int = 16) -> None:
    """Sample sheets as files, each of another colour."""
    (view.folder / "samples").mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(view.samples):
        sheet = np.zeros((sample.rows * side, sample.columns * side, 3), np.uint8)
        sheet[:] = (8 * number % 256, 120, 255 - 8 * number % 256)
        (view.folder / "samples" / sample.file).write_bytes(encode(sheet))
    (view.folder / "log.txt").write_text("importing torch\nreading the base\nstep 1387\n", encoding="utf-8")
