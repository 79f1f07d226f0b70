"""The image starter's maker, on a training of a few steps: the folder it writes is a model that runs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.datasets.emoji import find_font
from core.errors import NotFound
from core.library.manifest import Manifest
from core.ml.adapters.stylegan_files import read_generator
from core.ml.starters import main
from core.ml.training import portraits
from core.ml.training.reconstruct import Stage

try:
    find_font()
    FONT = True
except NotFound:
    FONT = False


@pytest.mark.skipif(not FONT, reason="the Noto Color Emoji font is not installed")
def test_makes_a_model_that_runs(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    stages = (Stage(8, 2), Stage(64, 1))
    folder = portraits.make_portraits(tmp_path / "portraits", stages=stages, samples=8)
    manifest = Manifest.read(folder)
    assert manifest.scores["samples"] == 8
    assert manifest.recipe["pictures_seen"] == 12
    generator = read_generator(folder)
    pictures = portraits.draw(generator, portraits.latents(2, 0), 0.7)
    assert pictures.shape == (2, 64, 64, 3)
    # What is finished is written again without training.
    weights = (folder / "weights.safetensors").read_bytes()
    portraits.make_portraits(folder, stages=stages, samples=8)
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert (folder / "cover.png").stat().st_size > 1000


def test_scores_of_the_training_pictures_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8)
    shown = portraits.Portraits(images, np.arange(20).reshape(20, 1, 1))
    monkeypatch.setattr(portraits, "draw", lambda *_: images[:15])
    scores = portraits.measure(portraits.build(8), shown, 15)
    assert scores["fidelity"] == 1.0
    assert scores["portraits_nearest"] == 0.75
    assert scores["median_distance_to_nearest"] == 0.0
    monkeypatch.setattr(portraits, "draw", lambda *_: np.zeros_like(images))
    scores = portraits.measure(portraits.build(8), shown, 20)
    assert scores["coverage"] == scores["fidelity"] == 0.0


def test_unknown_starter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["landscapes"]) == 2
    assert "portraits, gpt2-python" in capsys.readouterr().err
