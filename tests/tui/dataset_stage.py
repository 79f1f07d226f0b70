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
from core.datasets.review import Look as CropLook
from core.datasets.scanning import Record
from core.datasets.subject import Subject
from core.datasets.texts.adding import FoundField, Look
from core.errors import Refused, TarmacError
from tests.tui.stage import LONG_AGO
from tests.tui.training_stage import FakeTraining, TrainingStage
from tui.datasets.services import DatasetServices, Document, Progress

if TYPE_CHECKING:
    from tui.datasets.services import Pixels

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
SCRIPTS = Dataset(
    "20261121-100000-scripts", "scripts", "text", NOWHERE / "20261121-100000-scripts", "library", 1204,
    created=LONG_AGO, size_bytes=4_320_000, ready=True,
    about={
        "origin": {"sources": ["/texts/scripts.jsonl.gz"], "fields": ["code"]},
        "split": {"held_out": 0.05, "seed": 0},
        "report": {
            "files": 14, "kept": 1204, "documents": 1204, "bytes": 4_310_000, "held_out": 61, "held_bytes": 215_000,
            "duplicates": 12, "empty": 1, "broken_lines": 3, "bad_records": 2, "without_field": 0, "cut_lines": 0,
            "level": "right", "advice": "4.3 MB in 1,204 documents: right", "left_out": {"binary": 2, "minified": 1},
            "encodings": {"UTF-8": 13, "Windows-1252": 1},
            "longest": [{"name": "a.jsonl.gz/8", "bytes": 81_200}, {"name": "a.jsonl.gz/2", "bytes": 9_900}],
            "samples": [
                "const fs = require('fs');\n\nfunction readLines(path) {\n  return fs.readFileSync(path, 'utf8');\n}\n",
                "// Returns the sum of all numbers in the list, or zero where there is none of them in it.\n"
                "exports.sum = function (list) {\n\treturn list.reduce((total, number) => total + number, 0);\n};\n",
                "module.exports = { sum, readLines };\n",
            ],
        },
    },
)  # fmt: skip
LIBRARY = Dataset(
    "starter/python", "python", "text", NOWHERE / "starter-python-0", "starter", 0,
    about={"description": "The source of the running Python's own library.", "licence": "PSF-2.0"},
)  # fmt: skip
ALL = (CARS, UNDRAWN, LIBRARY, CATS, RAW, TORN, SCRIPTS)
PICTURES = Look("image", 100, 0, 2, 45_000_000, True)
CODE, DOCS = FoundField("code", "const fs = require"), FoundField("docstring", "Returns the lines")
RECORDS = Look("text", 0, 14, 3, 4_320_000, True, (CODE, DOCS), "code")


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
        self.looked: list[list[str]] = []
        self.seen = asyncio.Event()
        """Set to let looks come."""
        self.seen.set()

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

    async def look(self, paths: Sequence[Path]) -> Look:
        self.looked.append([str(path) for path in paths])
        await self.seen.wait()
        return RECORDS if any("texts" in path.parts for path in paths) else PICTURES

    async def add_text(
        self, paths: Sequence[Path], name: str | None, field: str | None, held_out: float, progress: Progress
    ) -> Dataset:
        self.asked.append(("add_text", [str(path) for path in paths], name, field, held_out))
        await self._work(progress, "file 3 of 14, 800 documents, 3 MB, 21.0 MB/s")
        name = name or paths[0].stem
        new = replace(SCRIPTS, id=f"20261125-120000-{name}", name=name)
        self.found.append(new)
        return new

    def documents(self, dataset: Dataset, *, held: bool) -> Sequence[int]:
        return range(0, dataset.count, 20) if held else range(dataset.count)

    def document(self, dataset: Dataset, number: int, most: int) -> Document:
        text = f"// number {number}\n" + "\n".join(f"line {line} of it" for line in range(90))
        long = 10 * most if number == 8 else len(text)
        return Document(number, text, long, min(long, most), number % 20 == 0)

    async def prepare(self, dataset_id: str, preparation: Preparation | None, progress: Progress) -> Dataset:
        self.asked.append(("prepare", dataset_id, preparation))
        if dataset_id == LIBRARY.id:
            await self._work(progress, "gathering python, 200 documents, 5 MB, 30.0 MB/s")
            self.found = [
                replace(SCRIPTS, id=LIBRARY.id, name="python", source="starter") if each.id == LIBRARY.id else each
                for each in self.found
            ]
            return next(each for each in self.found if each.id == LIBRARY.id)
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

    def looks(self, dataset: Dataset) -> tuple[list[CropLook], bool]:
        found = []
        for number in range(12):
            sure = 0.1 + 0.07 * number
            subject = Subject((100.0, 100.0, 300.0, 260.0), sure)
            decided = self.decided.get(number)
            found.append(CropLook(number, f"{number}.png", number, 640, 480, subject, decided))
        return found, bool(self.decided)

    async def sources(
        self, dataset: Dataset, numbers: Sequence[int], side: int, progress: Progress | None = None
    ) -> dict[int, Pixels]:
        if self.failure is not None:
            raise self.failure
        readable = [number for number in numbers if number not in self.unreadable]
        return {number: np.full((48, 64, 3), 60 + 9 * number % 160, np.uint8) for number in readable}

    async def subjects(
        self, dataset: Dataset, numbers: Sequence[int], side: int, preparation: Preparation, progress: Progress
    ) -> dict[int, Subject]:
        return {number: Subject((8.0, 8.0, 40.0, 40.0), 0.9, "model") for number in numbers}

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
