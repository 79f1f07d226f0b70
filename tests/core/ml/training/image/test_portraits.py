"""The image starter's maker, on a training of a few steps: the folder it writes is a model that runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.datasets.drawing.emoji import find_font
from core.errors import NotFound
from core.library.manifest import Manifest
from core.library.models import STARTERS
from core.ml.adapters.stylegan_files import read_generator
from core.ml.starters import main
from core.ml.training.image import portraits
from core.ml.training.image.by_itself import train
from core.ml.training.image.guide import Guide
from core.ml.training.image.recipe import ImageRecipe
from core.ml.training.image.reconstruct import Stage

try:
    find_font()
    FONT = True
except NotFound:
    FONT = False


@pytest.mark.skipif(not FONT, reason="the Noto Color Emoji font is not installed")
def test_makes_a_model_that_runs(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    stages = (Stage(8, 2), Stage(64, 1))
    first = replace(portraits.ADVERSARIAL, steps=2, alone=1)
    adversarial = (first, replace(portraits.AGAIN, steps=2, batch=2, alone=1, adapt=True))
    folder = portraits.make_portraits(tmp_path / "portraits", stages=stages, adversarial=adversarial, samples=8)
    manifest = Manifest.read(folder)
    assert manifest.scores["samples"] == 8
    assert manifest.recipe["pictures_seen"] == 12
    assert [part["pictures_seen"] for part in manifest.recipe["adversarial"]] == [8, 4]
    assert "augmentation" not in manifest.recipe["adversarial"][0]
    assert manifest.recipe["adversarial"][1]["augmentation"]["shift"] is True
    assert manifest.scores["fd_d_samples"] == 8
    assert float(manifest.scores["fd_d"]) > 0.0
    generator = read_generator(folder)
    pictures = portraits.draw(generator, portraits.latents(2, 0), 0.7)
    assert pictures.shape == (2, 64, 64, 3)
    # What is finished is written again without training.
    files = ("weights.safetensors", portraits.DISCRIMINATOR)
    weights = [(folder / file).read_bytes() for file in files]
    portraits.make_portraits(folder, stages=stages, adversarial=adversarial, samples=8)
    assert [(folder / file).read_bytes() for file in files] == weights
    portraits.build_discriminator().load_state_dict(load_file(folder / portraits.DISCRIMINATOR))
    assert (folder / "cover.png").stat().st_size > 1000


def test_adversarial_stage_keeps_what_latents_stand_for() -> None:
    torch.set_num_threads(1)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    guide = Guide(images, np.arange(4).reshape(4, 1, 1), portraits.Z_DIM)
    start = portraits.build(64)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    training = portraits.prepare(start, guide, replace(portraits.ADVERSARIAL, steps=2, alone=1))
    mapping = {name: value.clone() for name, value in training.generator.mapping.state_dict().items()}
    drawn = training.generator.synthesis.b4.const.clone()
    told = [losses for _, losses in train(training)]
    assert "anchor" not in told[0]
    assert told[1]["anchor"] > 0
    assert all(torch.equal(value, mapping[name]) for name, value in training.average.mapping.state_dict().items())
    assert not torch.equal(training.generator.synthesis.b4.const, drawn)
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())


def test_a_second_adversarial_stage_goes_on_with_both_networks() -> None:
    torch.set_num_threads(1)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    guide = Guide(images, np.arange(4).reshape(4, 1, 1), portraits.Z_DIM)
    recipe = replace(portraits.ADVERSARIAL, steps=2, alone=1)
    first = portraits.prepare(portraits.build(64), guide, recipe)
    for _ in train(first):
        pass
    second = portraits.prepare(first.average, guide, replace(portraits.AGAIN, steps=1), first.discriminator)
    for one, other in ((first.average, second.generator), (first.discriminator, second.discriminator)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    assert not second.optimisers[1].state


def test_pace_warms_up_once_the_generator_learns_and_falls_to_a_twentieth() -> None:
    recipe = portraits.AGAIN
    paces = [portraits.pace(step, recipe) for step in range(recipe.steps + 1)]
    assert paces[0] == paces[recipe.alone - 1] == 1.0
    assert paces[recipe.alone] == pytest.approx(1 / 50)
    plateau = paces[recipe.alone + 49 : recipe.steps * 2 // 5 + 1]
    assert len(plateau) > 50
    assert plateau == [pytest.approx(1.0)] * len(plateau)
    falling = paces[recipe.steps * 2 // 5 :]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(0.05)


@pytest.mark.parametrize("part", [*portraits.STAGES, portraits.ADVERSARIAL, portraits.AGAIN])
def test_without_bfloat16_all_is_float32(part: Stage | ImageRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portraits, "fast_bfloat16", lambda device: True)
    assert portraits.affordable(part) == part
    monkeypatch.setattr(portraits, "fast_bfloat16", lambda device: False)
    assert portraits.affordable(part) == replace(part, precision="float32")


def test_the_starter_is_what_the_code_makes() -> None:
    """The shipped folder names the present plan, and its discriminator fits."""
    folder = STARTERS / "portraits"
    recipe = Manifest.read(folder).recipe
    assert [stage["steps"] for stage in recipe["stages"]] == [stage.steps for stage in portraits.STAGES]
    plan = (portraits.ADVERSARIAL, portraits.AGAIN, portraits.AUGMENTED)
    assert [(part["steps"], part["batch"]) for part in recipe["adversarial"]] == [(p.steps, p.batch) for p in plan]
    assert recipe["narrow"] == portraits.NARROW
    discriminator = portraits.build_discriminator()
    discriminator.load_state_dict(load_file(folder / portraits.DISCRIMINATOR))
    drawn = portraits.draw(read_generator(folder), portraits.latents(8, 1), 0.7)
    pictures = torch.from_numpy(drawn).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        blurred = torch.nn.functional.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
        assert (discriminator(pictures) > discriminator(blurred)).float().mean() > 0.8


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
