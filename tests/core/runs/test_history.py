"""The sheets of runs in order: which are there, where one run goes on from another, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import InvalidInput, Refused
from core.runs.events import Sample
from core.runs.history import history, read
from core.runs.plan import RunPlan
from core.runs.view import RunView


def drawn(seed: int, width: int = 32, height: int = 16) -> np.ndarray:
    """A sheet that no other seed looks like."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def run(folder: Path, name: str, sheets: dict[int, np.ndarray], columns: int = 4, rows: int = 2) -> RunView:
    """A finished run with these sheets by step."""
    place = folder / "runs" / f"20261125-100000-{name}"
    (place / "samples").mkdir(parents=True)
    samples = []
    for step, pixels in sheets.items():
        Image.fromarray(pixels).save(place / "samples" / f"step-{step:07}.png")
        samples.append(Sample(step, f"step-{step:07}.png", columns, rows))
    plan = RunPlan(name, "image", "starter/cars")
    return RunView(place.name, place, plan, state="finished", samples=tuple(samples))


def test_one_run(tmp_path: Path) -> None:
    cars = run(tmp_path, "cars", {step: drawn(step) for step in (0, 10, 20)})
    found = history([cars])
    assert [(sheet.run, sheet.name, sheet.step) for sheet in found] == [
        ("20261125-100000-cars", "cars", step) for step in (0, 10, 20)
    ]
    assert [sheet.turn for sheet in found] == [True, False, True]
    assert {(sheet.columns, sheet.rows, sheet.size, sheet.tile) for sheet in found} == {(4, 2, (32, 16), (8, 8))}
    assert (read(found[1]) == drawn(10)).all()


def test_a_run_goes_on_where_the_other_ended(tmp_path: Path) -> None:
    cars = run(tmp_path, "cars", {0: drawn(0), 10: drawn(1)})
    # Another batch or precision changes a picture by a step or two.
    again = (drawn(1).astype(int) + np.random.default_rng(9).integers(-2, 3, drawn(1).shape)).clip(0, 255)
    sneakers = run(tmp_path, "sneakers", {0: again.astype(np.uint8), 5: drawn(2)})
    found = history([cars, sneakers])
    assert [(sheet.name, sheet.step) for sheet in found] == [("cars", 0), ("cars", 10), ("sneakers", 5)]
    assert [sheet.turn for sheet in found] == [True, True, True]
    assert not any(sheet.leap for sheet in found)


def test_a_run_that_begins_elsewhere_keeps_its_beginning(tmp_path: Path) -> None:
    cars = run(tmp_path, "cars", {0: drawn(0), 10: drawn(1)})
    for name, begin in (("sneakers", drawn(3)), ("larger", drawn(1, 64, 32))):
        found = history([cars, run(tmp_path, name, {0: begin, 5: drawn(2)})])
        assert [(sheet.name, sheet.step, sheet.leap) for sheet in found] == [
            ("cars", 0, False), ("cars", 10, False), (name, 0, True), (name, 5, False)
        ]  # fmt: skip


def test_sheets_that_are_gone_are_left_out(tmp_path: Path) -> None:
    cars = run(tmp_path, "cars", {step: drawn(step) for step in (0, 10, 20)})
    (cars.folder / "samples" / "step-0000010.png").unlink()
    (cars.folder / "secret.png").write_bytes((cars.folder / "samples" / "step-0000000.png").read_bytes())
    told = (*cars.samples, Sample(30, "../secret.png", 4, 2), Sample(40, "words.txt"))
    assert [sheet.step for sheet in history([replace(cars, samples=told)])] == [0, 20]


def test_refusals(tmp_path: Path) -> None:
    empty = run(tmp_path, "empty", {})
    with pytest.raises(Refused, match=r"empty has no sample sheets.*runs resume"):
        history([empty])
    with pytest.raises(Refused, match=r"no sample sheets.*Wait for"):
        history([replace(empty, state="running")])
    one = run(tmp_path, "one", {0: drawn(0)})
    with pytest.raises(Refused, match=r"one has no history yet.*needs two"):
        history([one])
    with pytest.raises(InvalidInput, match="named twice"):
        history([one, one])
    torn = run(tmp_path, "torn", {0: drawn(0), 5: drawn(1)})
    path = torn.folder / "samples" / "step-0000005.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match=r"step-0000005\.png cannot be read: .*torn"):
        read(history([torn])[1])
    path.write_bytes(b"nothing")
    with pytest.raises(Refused, match=r"step-0000005\.png cannot be read: .*Delete it"):
        history([torn])
    Image.fromarray(drawn(1, 64, 16)).save(path)
    sheets = history([torn])
    Image.fromarray(drawn(1)).save(path)
    with pytest.raises(Refused, match="replaced"):
        read(sheets[1])
