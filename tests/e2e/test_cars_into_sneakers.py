"""The demonstration of docs/cars_into_sneakers.py, in small: two real trainings of three steps, and their film."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.datasets.library import Datasets
from core.datasets.manifest import Manifest
from core.datasets.writing import write_square
from core.exports.containers import find_text
from core.runs.plan import RunPlan
from core.runs.store import Runs

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "docs" / "cars_into_sneakers.py"
WAIT = 300.0
SIZE, STEPS = 16, 3


def few_pictures(home: Path, name: str, seed: int) -> None:
    """A starter that seems to have been drawn already: sixteen flat pictures."""
    datasets = Datasets(home / "data")
    folder = datasets.staging()
    colours = np.random.default_rng(seed).integers(0, 256, (16, 1, 1, 3), np.uint8)
    images = np.broadcast_to(colours, (16, SIZE, SIZE, 3)).copy()
    write_square(folder, Manifest(name, count=16, size=SIZE, layout="square"), images, [f"{i}" for i in range(16)])
    datasets.adopt_starter(folder, name, SIZE)


def demonstrate(home: Path, folder: Path) -> str:
    """What the script prints."""
    words = ["--steps", str(STEPS), "--size", str(SIZE), "--base", "", "--home", str(home), "--out", "film.gif"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_cars_turn_into_sneakers(home: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("cars", "sneakers")):
        few_pictures(home, name, seed)
    # Broken off before it began: it goes on.
    plan = RunPlan(
        "cars", "image", "starter/cars", steps=STEPS, sample_every=1, score_every=STEPS, options={"size": SIZE}
    )
    cars = Runs(home / "data").create(plan)
    told = demonstrate(home, tmp_path)
    assert f"$ tarmac runs resume {cars.id}" in told
    assert "$ tarmac train image --name sneakers --dataset starter/sneakers" in told

    sneakers, again = Runs(home / "data").runs()
    assert again.id == cars.id
    assert [(run.plan.name, run.state, run.step) for run in (again, sneakers)] == [
        ("cars", "finished", STEPS), ("sneakers", "finished", STEPS)
    ]  # fmt: skip
    assert sneakers.plan.base == again.model != ""
    film = tmp_path / "film.gif"
    assert str(film) in told
    with film.open("rb") as file:
        said = json.loads(find_text(file) or "")
    # The same vectors: the sneakers begin with the very pictures that the cars ended with.
    assert [(run["name"], run["continues"], run["steps"]) for run in said["runs"]] == [
        ("cars", False, [0, 1, 2, 3]), ("sneakers", True, [1, 2, 3])
    ]  # fmt: skip

    film.unlink()
    told = demonstrate(home, tmp_path)
    assert "cars are trained already" in told
    assert "sneakers are trained already" in told
    assert film.exists()
    assert len(Runs(home / "data").runs()) == 2
