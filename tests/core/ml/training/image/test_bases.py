"""Starting from a base: the same size, grown, cut, without a discriminator, with new classes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from core.errors import Refused
from core.library.manifest import Manifest
from core.ml.adapters.stylegan_files import read_generator
from core.ml.networks.discriminator import frozen_layers
from core.ml.networks.ops import upsample2d
from core.ml.training.image.bases import from_base
from core.ml.training.options import resolve
from core.runs.events import Metrics, Started
from core.runs.plan import ImageOptions, RunPlan
from tests.core.ml.training.image.test_run import OPTIONS, PLAN, Labelled, assert_same, dots, run
from tests.core.ml.training.recording import Remembered


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that a run has made, with noise strengths that are not zero."""
    folder = tmp_path_factory.mktemp("base")
    run(Remembered(folder / "run", 2), replace(PLAN, steps=2), model=folder / "model")
    return folder / "model"


def fitted(base: Path, **options: object) -> ImageOptions:
    plan = RunPlan("x", "image", "dots", options={"batch": 4, "precision": "float32", **options})
    return resolve(plan, size=32, device=torch.device("cpu"))


Z = torch.randn(3, 128, generator=torch.Generator().manual_seed(1))


def test_the_same_size_is_taken_over_whole(base: Path) -> None:
    networks = from_base(base, fitted(base, size=16), 3, 0, 0)
    assert torch.equal(networks.generator(Z, noise_mode="const"), read_generator(base)(Z, noise_mode="const"))
    theirs = load_file(base / "discriminator.safetensors")
    assert all(torch.equal(value, theirs[name]) for name, value in networks.discriminator.state_dict().items())
    assert networks.said == []
    assert not networks.warm_up


def test_a_grown_base_draws_what_it_drew_enlarged(base: Path) -> None:
    networks = from_base(base, fitted(base, size=32), 3, 0, 0)
    with torch.no_grad():
        small = read_generator(base)(Z, noise_mode="const")
        large = networks.generator(Z, noise_mode="const")
    torch.testing.assert_close(large, upsample2d(small, networks.generator.synthesis.b32.resample_filter))
    assert networks.warm_up
    assert "grown to 32" in networks.said[0]
    # The new layers can learn: their gradient is not zero.
    networks.generator(Z, noise_mode="const").square().sum().backward()
    assert networks.generator.synthesis.b32.torgb.weight.grad.abs().max() > 0


def test_a_base_is_cut(base: Path) -> None:
    networks = from_base(base, fitted(base, size=8), 3, 0, 0)
    with torch.no_grad():
        small, large = networks.generator(Z, noise_mode="const"), read_generator(base)(Z, noise_mode="const")
    assert small.shape[-1] == 8
    # What is left of the picture is its coarse part.
    coarse = F.avg_pool2d(large, 2)
    assert float((small - coarse).abs().mean()) < 2 * float(coarse.abs().mean())
    assert "above 8 are left out" in networks.said[0]


def test_without_a_discriminator_a_new_one_learns_alone_first(base: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("model.toml", "weights.safetensors"):
        (alone / name).write_bytes((base / name).read_bytes())
    recorder = Remembered(tmp_path / "run", 8)
    plan = replace(PLAN, steps=8, base="base", options={**OPTIONS, "channels": 0})
    assert run(recorder, plan, base=alone, model=tmp_path / "model").state == "finished"
    (started,) = recorder.told(Started)
    assert started.chosen["notes"] == ["The base has no discriminator; a new one learns alone first"]
    metrics = recorder.told(Metrics)
    assert ["generator" in each.values for each in metrics] == [False] * 2 + [True] * 6
    assert Manifest.read(tmp_path / "model").lineage == ("base",)


def test_a_warm_up_that_is_broken_off_goes_on(base: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("model.toml", "weights.safetensors"):
        (alone / name).write_bytes((base / name).read_bytes())
    plan = replace(PLAN, steps=8, base="base", options={**OPTIONS, "channels": 0})
    whole = Remembered(tmp_path / "whole", 8)
    run(whole, plan, base=alone)
    run(Remembered(tmp_path / "broken", 8, lambda asked: "stop" if asked > 1 else "run"), plan, base=alone)
    # The base may have been removed since: its checkpoint has everything.
    again = Remembered(tmp_path / "broken", 8)
    assert run(again, plan).state == "finished"
    assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])


def test_classes_are_added_to_a_base_that_has_none(base: Path, tmp_path: Path) -> None:
    networks = from_base(base, fitted(base, size=16, conditional=True), 3, 3, 0)
    labels = F.one_hot(torch.tensor([0, 1, 2]), 3).float()
    with torch.no_grad():
        before = read_generator(base)(Z, noise_mode="const")
        after = networks.generator(Z, labels, noise_mode="const")
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    plan = replace(PLAN, steps=2, options={**OPTIONS, "channels": 0, "conditional": True})
    outcome = run(Remembered(tmp_path, 2), plan, base=base, pictures=Labelled(dots(), np.arange(12) % 3))
    assert outcome.state == "finished"


def test_what_cannot_be_fitted_is_refused_with_the_reason(base: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="draws 3 channels, the dataset has 4"):
        from_base(base, fitted(base, size=16), 4, 0, 0)
    with pytest.raises(Refused, match="64 / size wide, not 128"):
        from_base(base, fitted(base, size=16, channels=128), 3, 0, 0)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.toml").write_bytes((base / "model.toml").read_bytes())
    (broken / "weights.safetensors").write_bytes((base / "weights.safetensors").read_bytes()[:500])
    outcome = run(Remembered(tmp_path / "run", 2), replace(PLAN, steps=2), base=broken)
    assert outcome.state == "failed"
    assert "weights.safetensors cannot be used" in outcome.what


def test_a_discriminator_of_other_widths_is_new_where_it_differs(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("model.toml", "weights.safetensors"):
        (other / name).write_bytes((base / name).read_bytes())
    theirs = load_file(base / "discriminator.safetensors")
    theirs["b4.fc.weight"] = torch.zeros(2, 2)
    save_file(theirs, other / "discriminator.safetensors")
    networks = from_base(other, fitted(base, size=16), 3, 0, 0)
    assert networks.warm_up
    assert networks.said == ["1 of the weights of the discriminator are new; it learns alone first"]


def test_frozen_layers_are_numbered_from_the_picture(base: Path) -> None:
    networks = from_base(base, fitted(base, size=32), 3, 0, 0)
    D = networks.discriminator
    assert frozen_layers(D, 0) == []
    assert frozen_layers(D, 5) == [D.b32.fromrgb, D.b32.conv0, D.b32.conv1, D.b32.skip, D.b16.conv0]
    # The last block never freezes.
    assert frozen_layers(D, 100)[-1] is D.b8.skip


def test_frozen_layers_keep_their_weights_and_the_others_learn(base: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=2, options={**OPTIONS, "channels": 0, "freeze_d": 4})
    run(Remembered(tmp_path, 2), plan, base=base, model=tmp_path / "model")
    before = load_file(base / "discriminator.safetensors")
    after = load_file(tmp_path / "model" / "discriminator.safetensors")
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("b16.") for name in moved)
    assert {"b8.conv0.weight", "b8.skip.weight", "b4.out.weight"} <= moved
