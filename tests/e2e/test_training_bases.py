"""`tarmac train image` from every kind of beginning, a few steps each: the model that comes of it opens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from core.runs.store import Runs
from tests import foreign, kills
from tests.e2e.tiny import write_gan

WAIT = 300.0


def tarmac(*words: str) -> str:
    """stdout of a command that goes well."""
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *words], capture_output=True, text=True, check=False, timeout=WAIT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _nvidia(resolution: int) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        tarmac("models", "import", str(write_gan(folder / "base.pkl", resolution)), "--name", "base")
        return ["--base", "base"]

    return make


def _rosinality(folder: Path) -> list[str]:
    state, _ = foreign.tiny_generator(seed=2, resolution=16)
    tarmac("models", "import", str(foreign.write_rosinality(folder / "base.pt", state)), "--name", "base")
    return ["--base", "base"]


def _classes(folder: Path) -> list[str]:
    return ["--conditional", "--channels", "64"]


def _growing(folder: Path) -> list[str]:
    return ["--architecture", "stylegan", "--growing", "--channels", "64"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(_nvidia(16), id="NVIDIA's, of the same size"),
        pytest.param(_nvidia(8), id="grown"),
        pytest.param(_nvidia(32), id="cut"),
        pytest.param(_rosinality, id="rosinality's"),
        pytest.param(_classes, id="by class"),
        pytest.param(_growing, id="growing StyleGAN"),
    ],
)
def test_the_model_opens(
    home: Path, tmp_path: Path, beginning: Callable[[Path], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(kills.REPOSITORY))
    classes = ("cups", "shoes") if beginning is _classes else ()
    kills.picture_dataset(home, "slopes", classes=classes)
    words = ["train", "image", "--dataset", "slopes", "--steps", "4", "--batch", "4", "--threads", "1", "--watch"]
    told = tarmac(*words, "--save-every", "4", "--score-every", "4", *beginning(tmp_path))
    (run,) = Runs().runs()
    assert run.state == "finished", told
    out = tmp_path / "walk.png"
    tarmac("explore", run.model, "--grid", "2x2", "--seed", "1", "--out", str(out))
    with Image.open(out) as sheet:
        assert sheet.width == sheet.height >= 32
