"""`make cars-into-sneakers`, in small: two real trainings of three steps, and their film."""

from __future__ import annotations

import json
import os
import shutil
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


def demonstrate(film: Path, steps: int = STEPS) -> str:
    """What make prints."""
    own = [f"STEPS={steps}", f"SIZE={SIZE}", "BASE=", f"FILM={film}", f"VENV={sys.prefix}"]
    done = subprocess.run(
        ["make", "-C", REPOSITORY, "-o", f"{sys.prefix}/.installed", "cars-into-sneakers", *own],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="not installed: make")
def test_cars_turn_into_sneakers(home: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("cars", "sneakers")):
        few_pictures(home, name, seed)
    # Broken off before it began: it goes on.
    name = "portraits-into-cars"
    plan = RunPlan(
        name, "image", "starter/cars", steps=STEPS, sample_every=1, score_every=STEPS, options={"size": SIZE}
    )
    cars = Runs().create(plan)
    film = tmp_path / "film.gif"
    demonstrate(film)

    sneakers, again = Runs().runs()
    assert again.id == cars.id
    assert [(run.plan.name, run.state, run.step) for run in (again, sneakers)] == [
        (name, "finished", STEPS), ("cars-into-sneakers", "finished", STEPS)
    ]  # fmt: skip
    assert sneakers.plan.dataset == "starter/sneakers"
    assert sneakers.plan.base == again.model != ""
    with film.open("rb") as file:
        said = json.loads(find_text(file) or "")
    # The same vectors: the sneakers begin with the very pictures that the cars ended with.
    assert [(run["name"], run["continues"], run["steps"]) for run in said["runs"]] == [
        (name, False, [0, 1, 2, 3]), ("cars-into-sneakers", True, [1, 2, 3])
    ]  # fmt: skip

    film.unlink()
    demonstrate(film)  # trained already
    assert film.exists()
    assert [(run.id, run.attempt, run.step) for run in Runs().runs()] == [
        (run.id, run.attempt, STEPS) for run in (sneakers, again)
    ]
    demonstrate(film, STEPS + 1)  # longer
    assert [(run.state, run.step) for run in Runs().runs()] == [("finished", STEPS + 1)] * 2
