"""A model of the library finds the subjects: in a real worker process, better than contrast, and dying under way."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core.datasets.adding import prepare_dataset
from core.datasets.cropping import Preparation
from core.datasets.jobs import JOBS
from core.datasets.library import Datasets
from core.datasets.manifest import Manifest
from core.datasets.preparing import read_boxes
from core.datasets.preview import before_and_after
from core.datasets.scanning import scan, write_index
from core.datasets.segmenting import Finder, choose
from core.datasets.store import PictureStore
from core.datasets.subject import Box, find_subject, overlap
from core.errors import NotFound, Refused
from core.interface import Interface
from core.library.interfaces import segmentation_interface, text_interface
from core.library.manifest import Manifest as ModelManifest
from core.library.models import Library
from tests.core.datasets.drawings import cluttered
from tests.core.ml.vision_models import BINARY, saved, trained

pytestmark = pytest.mark.slow  # a network is trained first

COUNT = 54
AUTO = Preparation(size=32, crop="auto")
Stage = tuple[Path, list[Box]]


def put_model(home: Path, name: str, kind: str, interface: Interface) -> Path:
    """An empty model folder of the library."""
    folder = home / "models" / f"20260101-000000-{name}"
    folder.mkdir(parents=True)
    settings: dict[str, object] = {"foreground": 1, "labels": 2, "background": "background"}
    origin = {"sha256": "0123abcd"}
    ModelManifest(
        name=name, kind=kind, adapter=kind, interface=interface.spec(), architecture=settings, origin=origin
    ).write(folder)
    return folder


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A data folder with a model that has learned shapes, and pictures of shapes where contrast tells little."""
    place = tmp_path_factory.mktemp("home")
    saved(trained(), put_model(place, "shapes", "segmentation", segmentation_interface(BINARY)))
    put_model(place, "writer", "causal-lm", text_interface(64)).joinpath("config.json").write_text("{}")
    random = np.random.default_rng(42)
    source, boxes = place / "pictures", []
    source.mkdir()
    for number in range(COUNT):
        pixels, _, box = cluttered(random)
        Image.fromarray(pixels).save(source / f"{number:02}.png")
        boxes.append(box)
    folder = place / "datasets" / "20260101-000000-hard"
    folder.mkdir(parents=True)
    found = scan([source])
    write_index(folder, found.records, [source])
    Manifest("hard", count=len(found.kept), about={"origin": {"sources": [str(source)]}}).write(folder)
    return place, boxes


def dataset(stage: Stage) -> Path:
    return stage[0] / "datasets" / "20260101-000000-hard"


def overlaps(stage: Stage) -> float:
    """Mean overlap of the boxes that were found with the true ones."""
    found = read_boxes(dataset(stage))
    assert len(found) == COUNT
    return float(np.mean([overlap(found[number].box, box) for number, box in enumerate(stage[1])]))


def job(stage: Stage, subject: str, folder: Path | None = None) -> dict[str, object]:
    """What `prepare_dataset` asks of the process."""
    place = folder or stage[0] / "models" / "20260101-000000-shapes"
    finder = Finder("20260101-000000-shapes", "shapes", "segmentation", str(place))
    return {
        "folder": str(dataset(stage)),
        "preparation": {"size": 32, "crop": "auto", "subject": subject},
        "base_size": None,
        "finder": finder.__dict__,
    }


async def test_a_model_finds_what_contrast_does_not(stage: Stage) -> None:
    """One worker for all pictures; another finder makes another store, and the manifest says who it was."""
    JOBS["prepare"](job(stage, "contrast") | {"finder": None}, lambda what, share: None)
    by_contrast = Manifest.read(dataset(stage)).about["subjects"]
    assert isinstance(by_contrast, dict)
    poor, first = overlaps(stage), Manifest.read(dataset(stage))
    told: list[str] = []
    made = await prepare_dataset(
        "hard", AUTO, datasets=Datasets(stage[0]), progress=lambda what, share: told.append(what)
    )
    by_model = made.about["subjects"]
    assert isinstance(by_model, dict)
    good, second = overlaps(stage), Manifest.read(dataset(stage))
    assert by_contrast["by"] == "contrast"
    assert {key: by_model[key] for key in ("by", "by_name", "weights")} == {
        "by": "20260101-000000-shapes", "by_name": "shapes", "weights": "0123abcd",
    }  # fmt: skip
    assert poor < 0.3
    assert good > 0.6
    assert float(str(by_model["alignment_after"])) > float(str(by_contrast["alignment_after"])) + 0.15
    assert first.fingerprint != second.fingerprint
    assert second.generation == first.generation + 1
    assert [what for what in told if what.startswith("loading")] == ["loading shapes"]
    assert any(what.startswith(f"preparing {COUNT} of {COUNT}") for what in told)
    by = [json.loads(line)["by"] for line in (dataset(stage) / "boxes.jsonl").read_text().splitlines()]
    assert by.count("contrast") == by_model["unseen"]
    assert by.count("model") > 40

    JOBS["prepare"](job(stage, "20260101-000000-shapes"), lambda what, share: None)
    third = Manifest.read(dataset(stage))
    assert third.fingerprint == second.fingerprint  # asked by name it sees the same, to the last bit
    assert dict(third.about["preparation"])["subject"] == "20260101-000000-shapes"  # type: ignore[call-overload]
    sheet, rows = before_and_after(dataset(stage), 4, 48)
    assert len(rows) == 4
    assert sheet.ndim == 3


class Killer:
    """Kills the worker when so many pictures are done."""

    def __init__(self, after: int) -> None:
        self.after, self.killed, self.told = after, 0, list[str]()

    def __call__(self, what: str, share: float | None) -> None:
        self.told.append(what)
        if what.startswith(f"preparing {self.after} of") and not self.killed:
            (worker,) = psutil.Process().children()
            assert "core.workers.child" in worker.cmdline()
            self.killed = worker.pid
            os.kill(worker.pid, signal.SIGKILL)


def test_a_worker_that_dies_ends_what_was_asked_of_it_by_name(stage: Stage) -> None:
    """The old data stays, and the sentence says what can be done."""
    before, killer = Manifest.read(dataset(stage)), Killer(5)
    with pytest.raises(Refused, match=r"hard cannot be prepared with shapes: .* died: killed by SIGKILL.*contrast"):
        JOBS["prepare"](job(stage, "20260101-000000-shapes"), killer)
    assert killer.killed
    assert Manifest.read(dataset(stage)) == before
    assert not list(dataset(stage).glob(".part*"))
    assert psutil.Process().children() == []


def test_a_worker_that_dies_gives_way_to_contrast_where_it_was_taken_by_itself(stage: Stage) -> None:
    """For all pictures alike, and the manifest says why."""
    killer = Killer(5)
    JOBS["prepare"](job(stage, "auto"), killer)
    subjects = Manifest.read(dataset(stage)).about["subjects"]
    assert isinstance(subjects, dict)
    assert (subjects["by"], subjects["instead_of"]) == ("contrast", "shapes")
    assert "SIGKILL" in subjects["why_not"]
    assert "shapes cannot be used; by contrast instead" in killer.told
    assert {found.by for found in read_boxes(dataset(stage)).values()} == {"contrast"}
    assert len(PictureStore.open(dataset(stage))) == COUNT
    assert psutil.Process().children() == []


def test_a_model_that_does_not_load(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot be prepared with shapes: .*no config\.json"):
        JOBS["prepare"](job(stage, "20260101-000000-shapes", tmp_path), lambda what, share: None)
    assert psutil.Process().children() == []


def test_looking_without_preparing(stage: Stage) -> None:
    found = JOBS["find"](job(stage, "auto") | {"numbers": [3, 7], "side": 160}, lambda what, share: None)["subjects"]
    assert isinstance(found, dict)
    assert sorted(found) == ["3", "7"]
    for number, (box, sure, by) in found.items():
        with Image.open(stage[0] / "pictures" / f"{int(number):02}.png") as image:
            scale = min(1.0, 160 / max(image.size))
        assert overlap(tuple(edge / scale for edge in box), stage[1][int(number)]) > 0.5
        assert by == "model"
        assert sure > 0.35


def test_who_looks(stage: Stage) -> None:
    library = Library(stage[0], starters=stage[0] / "none")
    assert choose(replace(AUTO, crop="centre"), library, "cpu")[1] is None
    assert choose(replace(AUTO, subject="contrast"), library, "cpu")[1] is None
    best = choose(AUTO, library, "cpu")[1]
    assert best is not None
    assert (best.name, best.device) == ("shapes", "cpu")
    named, finder = choose(replace(AUTO, subject="shapes"), library, "cpu")
    assert (named.subject, finder) == ("20260101-000000-shapes", best)
    with pytest.raises(NotFound, match="shape"):
        choose(replace(AUTO, subject="shape-net"), library, "cpu")
    with pytest.raises(Refused, match="writer finds no subjects"):
        choose(replace(AUTO, subject="writer"), library, "cpu")
    nobody = Library(stage[0] / "empty", starters=stage[0] / "none")
    assert choose(AUTO, nobody, "cpu") == (AUTO, None)


def test_where_a_model_sees_nothing_the_contrast_is_asked() -> None:
    pixels = np.full((120, 160, 3), 200, np.uint8)
    pixels[30:90, 40:110] = (20, 60, 120)
    found = find_subject(pixels, lambda given: np.full(given.shape[:2], 0.4, np.float32))
    assert found.by == "contrast"
    assert overlap(found.box, (40, 30, 110, 90)) > 0.8
