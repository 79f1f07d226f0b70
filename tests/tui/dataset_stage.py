"""What the tests of the place Datasets stand on: datasets from memory, jobs that go on when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.datasets.adjustments import Adjustment
from core.datasets.cropping import Preparation
from core.datasets.library import Dataset
from core.datasets.review import Look
from core.datasets.scanning import Record
from core.datasets.subject import Subject
from core.errors import Refused, TarmacError
from tests.tui.stage import LONG_AGO
from tests.tui.training_stage import FakeTraining, TrainingStage
from tui.dataset_services import DatasetServices, Progress

if TYPE_CHECKING:
    from tui.dataset_services import Pixels

NOWHERE = Path("/nowhere/datasets")
CARS = Dataset(
    "starter/cars", "cars", "image", NOWHERE / "starter-cars-64", "starter", 1000, 64,
    created=LONG_AGO, size_bytes=12_300_000, ready=True,
    about={"description": "Cars drawn by code.", "licence": "Apache-2.0", "preparation": {"size": 64, "crop": "drawn"}},
)  # fmt: skip
UNDRAWN = Dataset(
    "starter/sneakers", "sneakers", "image", NOWHERE / "starter-sneakers-64", "starter", 1000,
    about={"description": "Sneakers drawn by code.", "licence": "Apache-2.0"},
)  # fmt: skip
CATS = Dataset(
    "20261120-100000-cats", "cats", "image", NOWHERE / "20261120-100000-cats", "library", 812, 128,
    created=LONG_AGO, size_bytes=40_000_000, ready=True, classes=("black", "white"),
    about={
        "origin": {"sources": ["/pictures/cats", "/pictures/more.zip"]},
        "preparation": {"size": 128, "crop": "auto", "excluded": 2, "failed": 0},
        "subjects": {"found": 808, "unsure": 4, "alignment_before": 0.31, "alignment_after": 0.87},
        "report": {
            "files": 824, "kept": 812, "near_duplicates": 5, "level": "right",
            "advice": "812 pictures: right (500 to 5,000)", "left_out": {"broken": 7, "duplicate": 5},
            "notes": {"turned": 12},
        },
    },
)  # fmt: skip
RAW = Dataset(
    "20261119-100000-few", "few", "image", NOWHERE / "20261119-100000-few", "library", 120,
    created=LONG_AGO, size_bytes=20_000,
    about={"report": {"level": "few", "advice": "120 pictures: few", "files": 120}},
)  # fmt: skip
TORN = Dataset(
    "20261118-100000-torn", "20261118-100000-torn", "image", NOWHERE / "torn", "library",
    problem="dataset.toml is missing",
)  # fmt: skip
ALL = (CARS, UNDRAWN, CATS, RAW, TORN)


class FakeDatasets(DatasetServices):
    """Answers from memory and remembers what it was asked for. Jobs wait for `go`."""

    def __init__(self, found: Sequence[Dataset] = ALL) -> None:
        super().__init__(NOWHERE)
        self.found = list(found)
        self.asked: list[tuple[object, ...]] = []
        self.go = asyncio.Event()
        self.failure: TarmacError | None = None
        self.gate: asyncio.Event | None = None
        self.decided: dict[int, Adjustment] = {}
        self.stopped = 0
        self.unreadable: set[int] = set()

    def datasets(self) -> list[Dataset]:
        return list(self.found)

    def kind_of(self, path: Path) -> str:
        if "missing" in path.name:
            raise Refused(f"{path} is not there")
        return "zip" if path.suffix == ".zip" else "folder"

    async def _work(self, progress: Progress, told: str) -> None:
        progress(told, 0.4)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if self.failure is not None:
            raise self.failure

    async def add(
        self, paths: Sequence[Path], name: str | None, classes: bool, drop_near: bool, progress: Progress
    ) -> Dataset:
        self.asked.append(("add", [str(path) for path in paths], name, classes, drop_near))
        await self._work(progress, "looking at 40 of 100, 38 good, 2 left out, 45 MB/s")
        name = name or paths[0].stem
        new = replace(RAW, id=f"20261125-120000-{name}", name=name, count=98)
        self.found.append(new)
        return new

    async def prepare(self, dataset_id: str, preparation: Preparation | None, progress: Progress) -> Dataset:
        self.asked.append(("prepare", dataset_id, preparation))
        await self._work(progress, "preparing 40 of 100, 90 pictures/s")
        (place,) = [index for index, each in enumerate(self.found) if each.id == dataset_id]
        chosen = preparation or Preparation(128, "auto")
        about = {**self.found[place].about, "preparation": {"size": chosen.size, "crop": chosen.crop}}
        self.found[place] = replace(self.found[place], ready=True, size=chosen.size, about=about)
        return self.found[place]

    def suggested_size(self, dataset: Dataset) -> int:
        return 256

    def pictures(self, dataset: Dataset, rows: Sequence[int] | int, side: int) -> tuple[list[Pixels], list[str]]:
        rows = range(rows) if isinstance(rows, int) else rows
        shown = [np.full((side, side, 3), (7 * row % 256, 120, 255 - 7 * row % 256), np.uint8) for row in rows]
        return shown, [f"{dataset.name}-{row}.png" for row in rows]

    def files(self, dataset: Dataset) -> list[Record]:
        kept = [Record(number, 0, str(number), f"{number}.png", width=640, height=480) for number in range(20)]
        return [
            *kept,
            Record(20, 0, "20", "broken.png", "broken", "no known picture format"),
            Record(21, 0, "21", "evil\n\x1b[31mred\x9b.jpg", "broken", "bad \x1b[2J bytes"),
            Record(22, 0, "22", "copy.png", "duplicate", "the same as 1.png", like=1),
            Record(23, 0, "23", "nearly.png", width=640, height=480, like=2),
        ]

    def looks(self, dataset: Dataset) -> tuple[list[Look], bool]:
        found = []
        for number in range(12):
            sure = 0.1 + 0.07 * number
            subject = Subject((100.0, 100.0, 300.0, 260.0), sure)
            decided = self.decided.get(number)
            found.append(Look(number, f"{number}.png", number, 640, 480, subject, decided))
        return found, bool(self.decided)

    async def sources(
        self, dataset: Dataset, numbers: Sequence[int], side: int, progress: Progress | None = None
    ) -> dict[int, Pixels]:
        if self.failure is not None:
            raise self.failure
        readable = [number for number in numbers if number not in self.unreadable]
        return {number: np.full((48, 64, 3), 60 + 9 * number % 160, np.uint8) for number in readable}

    def decide(self, dataset: Dataset, decided: Mapping[int, Adjustment], names: Mapping[int, str]) -> None:
        self.decided = dict(decided)

    def remove(self, dataset_id: str) -> None:
        self.asked.append(("remove", dataset_id))
        self.found = [each for each in self.found if each.id != dataset_id]


class DatasetStage(TrainingStage):
    """The stage with datasets of its own."""

    sets: FakeDatasets

    @property
    def datasets(self) -> DatasetServices:  # type: ignore[override]
        return self.sets


def stage(home: Path, found: Sequence[Dataset] = ALL) -> DatasetStage:
    """The stage's models, no runs, and these datasets."""
    from tests.tui.stage import furnish

    furnished = furnish(home)
    services = DatasetStage(furnished.home, furnished.starters)
    services.fake = FakeTraining()
    services.sets = FakeDatasets(found)
    return services
