"""The whole experiment, with tiny networks: what it tells, keeps, resumes, scores, guards and makes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from core.errors import StorageError
from core.library.manifest import Manifest
from core.ml.adapters.stylegan_files import read_generator
from core.ml.training import experiment
from core.ml.training.image import experiment as image_experiment
from core.ml.training.image import loop as image
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.losses import lazy_adam
from core.ml.training.image.run import Outcome, train_image
from core.runs.events import Checkpoint, Metrics, Sample, Score, Started, Stopping, Warned
from core.runs.plan import RunPlan
from tests.core.ml.training.recording import Remembered

OPTIONS: dict[str, object] = {"batch": 4, "channels": 64, "precision": "float32", "threads": 1, "size": 16}
PLAN = RunPlan("Experiment", "image", "dots", steps=6, options=OPTIONS, sample_every=2, save_every=2, score_every=3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Labelled:
    """Pictures with classes."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.images, self.labels, self.classes = images, labels, ("a", "b", "c")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        return self.images[rows]


def dots(count: int = 12, size: int = 16, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (count, size, size, channels), np.uint8)


def run(recorder: Remembered, plan: RunPlan = PLAN, **more: Any) -> Outcome:
    settings: dict[str, Any] = {
        "dataset": Path("nowhere"),
        "pictures": dots(),
        "device": "cpu",
        "tell_seconds": 0.0,
        "scorer": None,
    }
    return train_image(plan, recorder, **(settings | more))


class Counting:
    """Scores that are given beforehand."""

    def __init__(self, values: dict[int, float]) -> None:
        self.values = values

    def __call__(self, pictures: Any) -> Any:
        def score(generator: Any, step: int) -> Sequence[Score]:
            return [Score(step, "distance", self.values[step], {"samples": 8})]

        return score


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{file}/{name}": value
        for file in ("weights", "generator", "discriminator")
        for name, value in load_file(folder / f"{file}.safetensors").items()
    }


def assert_same(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    assert all(torch.equal(value, right[name]) for name, value in left.items())


def test_a_run_from_nothing_tells_what_it_does_and_makes_a_model(tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 6)
    outcome = run(recorder, model=tmp_path / "model")
    assert outcome == Outcome("finished", 6, model=tmp_path / "model")
    (started,) = recorder.told(Started)
    assert started.chosen["gamma"] == pytest.approx(0.0002 * 256 / 4)
    assert started.chosen["precision"] == "float32"
    metrics = recorder.told(Metrics)
    assert [each.step for each in metrics] == [1, 2, 3, 4, 5, 6]
    assert {"generator", "discriminator", "real_sign", "p", "r1", "path"} <= metrics[0].values.keys()
    assert all(math.isfinite(value) for each in metrics for value in each.values.values())
    assert metrics[-1].per_second > 0
    assert metrics[-1].memory > 0
    assert [each.step for each in recorder.told(Sample)] == [0, 2, 4, 6]
    sheet = recorder.told(Sample)[0]
    with Image.open(recorder.samples / sheet.file) as picture:
        assert picture.size == (16 * sheet.columns, 16 * sheet.rows)
    assert [each.step for each in recorder.told(Checkpoint)] == [0, 2, 4, 6]
    # The last and two others.
    assert [step for step, _ in recorder.checkpoints()] == [2, 4, 6]
    manifest = Manifest.read(tmp_path / "model")
    assert manifest.recipe["steps"] == 6
    generator = read_generator(tmp_path / "model")
    assert generator(torch.randn(2, generator.z_dim)).shape == (2, 3, 16, 16)
    assert (tmp_path / "model" / "discriminator.safetensors").exists()
    assert (tmp_path / "model" / "cover.png").exists()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_stopped_and_resumed_is_the_same_to_the_bit(tmp_path: Path, precision: str) -> None:
    plan = replace(PLAN, options=OPTIONS | {"precision": precision})
    whole = Remembered(tmp_path / "whole", 6)
    run(whole, plan)
    broken = Remembered(tmp_path / "broken", 6, lambda asked: "stop" if asked > 3 else "run")
    assert run(broken, plan) == Outcome("stopped", 3)
    assert broken.told(Stopping) == [Stopping(3)]
    again = Remembered(tmp_path / "broken", 6)
    assert run(again, plan).state == "finished"
    assert again.told(Started)[0].step == 3
    told = [each.values for each in whole.told(Metrics)]
    assert [each.values for each in broken.told(Metrics) + again.told(Metrics)] == told
    assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])


def test_killed_between_checkpoints_goes_on_from_the_last(tmp_path: Path) -> None:
    whole = Remembered(tmp_path / "whole", 6)
    run(whole)

    def killed(asked: int) -> str:
        if asked > 5:
            raise KeyboardInterrupt
        return "run"

    with pytest.raises(KeyboardInterrupt):
        run(Remembered(tmp_path / "killed", 6, killed))
    again = Remembered(tmp_path / "killed", 6)
    run(again)
    assert again.told(Started)[0].step == 4
    assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])


@pytest.mark.parametrize("file", ["training.pt", "generator.safetensors", "model.toml"])
def test_a_damaged_checkpoint_makes_way_for_the_one_before(tmp_path: Path, file: str) -> None:
    whole = Remembered(tmp_path / "whole", 6)
    run(whole)
    run(Remembered(tmp_path / "again", 4))
    damaged = tmp_path / "again" / "checkpoints" / "4" / file
    # Of another network, whole as a file.
    other = tmp_path / "whole" / "checkpoints" / "6" / "discriminator.safetensors"
    damaged.write_bytes(other.read_bytes() if damaged.suffix == ".safetensors" else b"format = 1\nnot what was written")
    again = Remembered(tmp_path / "again", 6)
    assert run(again).state == "finished"
    (warned,) = again.told(Warned)
    assert (warned.code, warned.step, warned.do) == ("damaged", 4, "It goes on from step 2")
    assert again.told(Started)[0].step == 2
    # Step 4 has been written anew.
    for (step, one), (other_step, other) in zip(whole.checkpoints(), again.checkpoints(), strict=True):
        assert step == other_step
        assert_same(one, other)


def test_without_a_checkpoint_that_can_be_read_nothing_is_deleted(tmp_path: Path) -> None:
    run(Remembered(tmp_path, 4))
    kept = Remembered(tmp_path, 6).checkpoints()
    for _, folder in kept:
        (folder / "generator.safetensors").unlink()
    again = Remembered(tmp_path, 6)
    outcome = run(again)
    assert (outcome.state, outcome.what) == ("failed", "checkpoint 0 cannot be read")
    assert [warned.step for warned in again.told(Warned)] == [4, 2]
    assert again.checkpoints() == kept


def test_pictures_that_come_slowly_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment.guards.SlowLoader.__init__, "__defaults__", ("", 0.2, 3))
    whole = ImageTraining.run

    def slow(training: ImageTraining) -> dict[str, float]:
        told = whole(training)
        training.loading += 1000.0
        return told

    monkeypatch.setattr(ImageTraining, "run", slow)
    recorder = Remembered(tmp_path, 6)
    run(recorder)
    (warned,) = recorder.told(Warned)
    assert (warned.code, warned.step) == ("slow-loader", 3)
    assert warned.do.endswith("or prepare the pictures at the size that is trained")


def test_the_best_checkpoint_is_kept_and_becomes_the_model(tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 12)
    plan = replace(PLAN, steps=12, save_every=2, keep=1)
    scorer = Counting({0: 9.0, 3: 2.0, 6: 5.0, 9: 6.0, 12: 7.0})
    run(recorder, plan, scorer=scorer, model=tmp_path / "model")
    assert [(each.step, each.best) for each in recorder.told(Score)] == [
        (0, True),
        (3, True),
        (6, False),
        (9, False),
        (12, False),
    ]
    assert [step for step, _ in recorder.checkpoints()] == [3, 10, 12]
    best = load_file(recorder.checkpoints()[0][1] / "weights.safetensors")
    made = load_file(tmp_path / "model" / "weights.safetensors")
    assert all(torch.equal(value, made[name]) for name, value in best.items())
    assert Manifest.read(tmp_path / "model").scores["distance"] == {"value": 2.0, "step": 3, "samples": 8}
    assert [each.code for each in recorder.told(Warned)] == ["diverging"]


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 6)
    run(recorder, scorer=Counting({0: math.nan, 3: 5.0, 6: math.nan}), model=tmp_path / "model")
    assert [each.best for each in recorder.told(Score)] == [False, True, False]
    assert Manifest.read(tmp_path / "model").scores["distance"] == {"value": 5.0, "step": 3, "samples": 8}


def test_the_best_is_known_after_resuming(tmp_path: Path) -> None:
    scorer = Counting({0: 9.0, 3: 2.0, 6: 5.0})
    run(Remembered(tmp_path, 6, lambda asked: "stop" if asked > 4 else "run"), scorer=scorer)
    again = Remembered(tmp_path, 6)
    run(again, scorer=scorer)
    assert [each.best for each in again.told(Score)] == [False]


def test_a_run_is_extended(tmp_path: Path) -> None:
    run(Remembered(tmp_path / "a", 6))
    longer = Remembered(tmp_path / "a", 8)
    assert run(longer) == Outcome("finished", 8)
    whole = Remembered(tmp_path / "b", 8)
    run(whole)
    assert_same(longer.checkpoints()[-1][1], whole.checkpoints()[-1][1])


def test_a_newer_attempt_fences_this_one_off(tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 6)
    recorder.fenced = True
    assert run(recorder) == Outcome("fenced", 0)
    assert recorder.checkpoints() == []
    asked = Remembered(tmp_path / "asked", 6, lambda asked: "fenced" if asked > 1 else "run")
    assert run(asked) == Outcome("fenced", 1)
    assert [step for step, _ in asked.checkpoints()] == [0]


def test_an_interruption_saves(tmp_path: Path) -> None:
    recorder = Remembered(tmp_path, 6)
    assert run(recorder, interrupted=lambda: recorder.asked > 3) == Outcome("interrupted", 3)
    assert recorder.checkpoints()[-1][0] == 3


def test_a_rate_out_of_reason_is_halved_and_then_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No plan may have a rate that breaks a training this surely.
    monkeypatch.setattr(image, "lazy_adam", lambda rate, interval: lazy_adam(rate * 1.0e6, interval))
    recorder = Remembered(tmp_path, 200)
    plan = replace(PLAN, steps=200, save_every=100, options=OPTIONS | {"rate": 1.0})
    outcome = run(recorder, plan)
    assert outcome.state == "failed"
    assert outcome.what == "the training is not stable"
    assert outcome.offer["rate"] == pytest.approx(1 / 16)
    assert [each.code for each in recorder.told(Warned)] == ["nan"] * 3
    assert "half the rate (0.5)" in recorder.told(Warned)[0].do


def test_classes_are_learned(tmp_path: Path) -> None:
    pictures = Labelled(dots(), np.arange(12) % 3)
    recorder = Remembered(tmp_path, 2)
    plan = replace(PLAN, steps=2, options=OPTIONS | {"conditional": True})
    assert run(recorder, plan, pictures=pictures, model=tmp_path / "model").state == "finished"
    assert Manifest.read(tmp_path / "model").architecture["c_dim"] == 3
    assert run(Remembered(tmp_path / "none", 2), plan).what == "the dataset has no classes"


def test_smaller_pictures_than_the_dataset_has(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=1, options=OPTIONS | {"size": 8})
    assert run(Remembered(tmp_path, 1), plan, model=tmp_path / "model").state == "finished"
    assert Manifest.read(tmp_path / "model").architecture["img_resolution"] == 8
    plan = replace(PLAN, steps=1, options=OPTIONS | {"size": 32})
    assert "pictures are 16 pixels" in run(Remembered(tmp_path / "large", 1), plan).why


def test_out_of_memory_ends_with_an_offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ImageTraining.run

    def run_if_small(training: ImageTraining) -> dict[str, float]:
        if training.recipe.batch > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(training)

    monkeypatch.setattr(ImageTraining, "run", run_if_small)
    outcome = run(Remembered(tmp_path / "asked", 2))
    assert (outcome.state, outcome.offer) == ("failed", {"batch": 2})
    assert outcome.what == "not enough memory for a batch of 4"
    # A batch that was left open is chosen again.
    recorder = Remembered(tmp_path / "open", 2)
    plan = replace(PLAN, steps=2, options={key: value for key, value in OPTIONS.items() if key != "batch"})
    assert run(recorder, plan).state == "finished"
    assert [each.offer for each in recorder.told(Warned)] == [{"batch": 8}, {"batch": 4}, {"batch": 2}]


@pytest.mark.parametrize("why", ["No space left on device", "the disk is full"])
def test_a_full_disk_is_told_and_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    def full(*arguments: object) -> int:
        raise StorageError("cannot write it", why, "Free some space")

    run(Remembered(tmp_path, 2))
    monkeypatch.setattr(image_experiment, "write_checkpoint", full)
    again = Remembered(tmp_path, 6)
    outcome = run(again)
    assert {each.code for each in again.told(Warned)} == {"disk-full"}
    assert (outcome.state, outcome.step, outcome.why) == ("failed", 6, why)


def test_it_gives_up_on_a_full_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two times that it goes back it comes past a step that would have been saved."""

    def full(*_: object) -> int:
        raise StorageError("cannot write", "No space left on device", "Free some space")

    real, steps = ImageTraining.run, list[int]()

    def spoil_the_third(training: ImageTraining) -> dict[str, float]:
        told = real(training)
        steps.append(training.step)
        assert len(steps) < 100, "it never gives up"
        return told | ({"generator": math.nan} if training.step == 5 else {})

    run(Remembered(tmp_path, 2))
    monkeypatch.setattr(image_experiment, "write_checkpoint", full)
    monkeypatch.setattr(ImageTraining, "run", spoil_the_third)
    outcome = run(Remembered(tmp_path, 6))
    assert (outcome.state, outcome.what) == ("failed", "the training is not stable")
    assert steps == [3, 4, 5] * 4


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, spoiled = ImageTraining.run, []

    def spoil_once(training: ImageTraining) -> dict[str, float]:
        told = real(training)
        if training.step == 4 and not spoiled:
            spoiled.append(4)
            with torch.no_grad():
                training.average.mapping.w_avg.fill_(0.0)
                training.average.synthesis.b4.const[0, 0, 0] = math.nan
        return told

    monkeypatch.setattr(ImageTraining, "run", spoil_once)
    recorder = Remembered(tmp_path, 6)
    assert run(recorder).state == "finished"
    (warned,) = recorder.told(Warned)
    assert (warned.code, warned.step) == ("nan", 4)
    assert "from step 2" in warned.do
    for _, folder in recorder.checkpoints():
        assert all(value.isfinite().all() for value in weights(folder).values())


def test_the_first_stylegan_grows_and_resumes(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=8, options={**OPTIONS, "architecture": "stylegan", "growing": True})
    whole = Remembered(tmp_path / "whole", 8)
    assert run(whole, plan, model=tmp_path / "model") == Outcome("finished", 8, model=tmp_path / "model")
    assert Manifest.read(tmp_path / "model").adapter == "stylegan1"
    # Two steps at 8 pixels, two while 16 fade in, the rest at 16.
    stages = [
        load_file(folder / "generator.safetensors")["synthesis.growth.state"] for _, folder in whole.checkpoints()
    ]
    assert stages[-1].tolist() == [16.0, 1.0]
    broken = Remembered(tmp_path / "broken", 8, lambda asked: "stop" if asked > 3 else "run")
    run(broken, plan)
    assert load_file(broken.checkpoints()[-1][1] / "generator.safetensors")["synthesis.growth.state"][0] == 16.0
    again = Remembered(tmp_path / "broken", 8)
    run(again, plan)
    assert_same(whole.checkpoints()[-1][1], again.checkpoints()[-1][1])
