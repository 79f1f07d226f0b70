"""Scores of picture sets: what they name, that they order sets by likeness, and that statistics are kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from core.datasets.drawing.emoji import draw_portraits, find_font
from core.errors import InvalidInput, NotFound, Refused
from core.library.models import STARTERS
from core.ml.metrics.__main__ import main
from core.ml.metrics.features import DiscriminatorFeatures, InceptionFeatures
from core.ml.metrics.fid import Moments, frechet_distance
from core.ml.metrics.image_scores import DRAWN_AT_ONCE, pairwise_distance, score, score_all
from core.ml.metrics.inception_weights import SHA256, InceptionWeights
from core.ml.metrics.library_model import choose_features
from core.ml.metrics.statistics import statistics_of
from core.ml.networks.inception import InceptionV3
from tests.core.ml.inception_weights import random_state

Uint8 = NDArray[np.uint8]

try:
    find_font()
    FONT = True
except NotFound:
    FONT = False


class Colours:
    """Features that cost nothing: the mean colour."""

    frechet_name, kernel_name, weights, identity, dims, batch = "FD-C", "KD-C", "none", "colours", 3, 50

    def __init__(self) -> None:
        self.looked = 0

    def __call__(self, pictures: Uint8) -> NDArray[np.float32]:
        assert len(pictures) <= self.batch
        self.looked += len(pictures)
        return pictures.mean((1, 2)).astype(np.float32) / 255


def coloured(seed: int, count: int, least: int = 0) -> Uint8:
    colours = np.random.default_rng(seed).integers(least, 256, (count, 1, 1, 3), np.uint8)
    return np.broadcast_to(colours, (count, 8, 8, 3)).copy()


@pytest.fixture(scope="module")
def discriminator() -> DiscriminatorFeatures:
    torch.set_num_threads(1)
    return DiscriminatorFeatures()


def test_a_score_names_its_protocol() -> None:
    found = score(coloured, coloured(99, 150), Colours(), 130, 7, drawing="by chance")
    expected = ("FD-C", 130, 150, 7, "none", 3, "by chance")
    named = (found.metric, found.samples, found.reals, found.seed, found.weights, found.dims, found.drawing)
    assert named == expected
    assert found.seconds >= 0
    json.dumps(found.to_json())


def test_equals_the_distances_of_what_was_drawn() -> None:
    drawn: list[Uint8] = []

    def draw(seed: int, count: int) -> Uint8:
        drawn.append(coloured(seed, count, 60))
        return drawn[-1]

    reals, features = coloured(1, 200), Colours()
    found = score_all(draw, reals, features, 100, 3)
    assert [len(part) for part in drawn] == [DRAWN_AT_ONCE, DRAWN_AT_ONCE]
    assert not np.array_equal(drawn[0], drawn[1])
    samples = np.concatenate(drawn)[:100]
    of = [pictures.mean((1, 2)) / 255 for pictures in (samples, reals)]
    expected = frechet_distance(Moments.of(of[1]), Moments.of(of[0]))
    assert found.frechet.value == pytest.approx(expected, rel=1e-4)
    assert found.kernel.metric == "KD-C×1000"
    assert found.diversity.share == pytest.approx(found.diversity.samples / found.diversity.reals)
    again = score_all(draw, reals, features, 100, 3)
    assert dataclasses.replace(again.frechet, seconds=0) == dataclasses.replace(found.frechet, seconds=0)
    assert score_all(draw, reals, features, 100, 4).frechet.value != found.frechet.value


def test_statistics_are_kept_for_the_very_pictures(tmp_path: Path) -> None:
    reals, features = coloured(5, 120), Colours()
    first = statistics_of(reals, features, tmp_path)
    (file,) = tmp_path.iterdir()
    assert features.looked == 120
    second = statistics_of(reals, features, tmp_path)
    assert features.looked == 120
    assert np.array_equal(first.moments.covariance, second.moments.covariance)
    assert np.array_equal(first.features, second.features)
    statistics_of(coloured(6, 120), features, tmp_path)
    assert features.looked == 240
    for broken in (b"", b"PK nothing", file.read_bytes()[:-100]):
        file.write_bytes(broken)
        third = statistics_of(reals, features, tmp_path)
        assert np.array_equal(first.moments.mean, third.moments.mean)
    assert features.looked == 240 + 3 * 120


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = statistics_of(coloured(5, 60), Colours(), tmp_path / "file" / "cache")
    assert found.moments.count == 60


@pytest.mark.parametrize(("samples", "reals", "seed"), [(1, 50, 0), (50, 1, 0), (50, 50, -1)])
def test_what_cannot_be_scored_is_refused(samples: int, reals: int, seed: int) -> None:
    with pytest.raises(InvalidInput):
        score(coloured, coloured(0, reals), Colours(), samples, seed)


def test_pairwise_distance_is_exact_for_few_and_close_for_many() -> None:
    some = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    exact = np.sqrt(2 * 300 / 299 * some.astype(np.float64).var(0).sum())
    assert pairwise_distance(some[:100], 0) == pytest.approx(
        np.sqrt(2 * 100 / 99 * some[:100].astype(np.float64).var(0).sum())
    )
    assert pairwise_distance(some, 0) == pytest.approx(exact, rel=0.03)
    assert pairwise_distance(some[:1], 0) == 0


def test_diversity_falls_with_the_number_of_different_pictures() -> None:
    def of(kinds: int) -> float:
        return pairwise_distance(Colours()(coloured(0, kinds)[np.arange(48) % kinds]), 0)

    assert of(1) == 0 < of(2) < of(48)


def test_discriminator_features_never_change_their_meaning(discriminator: DiscriminatorFeatures) -> None:
    """Journals and model pages hold scores by this network: another file would have to bear another name."""
    assert discriminator.weights == "portraits discriminator afb5140b"
    grey = np.full((1, 64, 64, 3), 128, np.uint8)
    found = discriminator(grey)[0]
    assert float(np.linalg.norm(found)) == pytest.approx(2.8024, rel=1e-3)
    assert float(found.mean()) == pytest.approx(0.03575, rel=1e-3)


def test_discriminator_features_are_of_each_picture_alone(discriminator: DiscriminatorFeatures) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    together = discriminator(pictures)
    assert together.shape == (3, discriminator.dims)
    np.testing.assert_allclose(np.concatenate([discriminator(one[None]) for one in pictures]), together, atol=1e-5)


def test_discriminator_features_take_any_size_and_channels(discriminator: DiscriminatorFeatures) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
    rgb = grey.repeat(3, 3)
    same = [grey, rgb, np.concatenate([rgb, np.full((2, 8, 8, 1), 255, np.uint8)], 3)]
    found = [discriminator(pictures) for pictures in same]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    clear = np.concatenate([rgb, np.zeros((2, 8, 8, 1), np.uint8)], 3)
    white = np.full((2, 300, 200, 3), 255, np.uint8)
    np.testing.assert_allclose(discriminator(clear), discriminator(white), atol=1e-5)
    for wrong in (
        np.zeros((2, 8, 8, 2), np.uint8),
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((0, 8, 8, 3), np.uint8),
    ):
        with pytest.raises(InvalidInput):
            discriminator(wrong)


def test_a_large_picture_is_low_passed(discriminator: DiscriminatorFeatures) -> None:
    """A fine chequer is grey from afar; without a low-pass it would be stripes or one of its colours."""
    chequer = np.indices((512, 512)).sum(0) % 2 * 255
    pictures = np.broadcast_to(chequer[None, ..., None], (1, 512, 512, 3)).astype(np.uint8)
    grey = np.full((1, 64, 64, 3), 128, np.uint8)
    black = np.zeros((1, 64, 64, 3), np.uint8)
    far = np.linalg.norm(discriminator(black) - discriminator(grey))
    assert np.linalg.norm(discriminator(pictures) - discriminator(grey)) < 0.1 * far


def test_only_the_published_weights_make_a_fid() -> None:
    network = InceptionV3().read_published(random_state())
    published = InceptionFeatures(InceptionWeights(network, Path("file"), SHA256))
    assert (published.frechet_name, published.kernel_name) == ("FID", "KID")
    assert SHA256[:8] in published.weights
    other = InceptionFeatures(InceptionWeights(network, Path("file"), "ab" * 32))
    assert other.frechet_name == "FD-I"
    assert other.identity != published.identity
    assert other(np.zeros((1, 16, 16, 1), np.uint8)).shape == (1, 2048)


def test_auto_takes_what_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert choose_features("auto").frechet_name == "FD-D"
    with pytest.raises(NotFound):
        choose_features("inception")
    with pytest.raises(InvalidInput):
        choose_features("lpips")
    torch.save(random_state(), tmp_path / "weights.pth")
    assert choose_features("auto", inception=tmp_path / "weights.pth", sha256=None).frechet_name == "FD-I"
    with pytest.raises(Refused):
        choose_features("auto", inception=tmp_path / "weights.pth")


def test_a_discriminator_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        DiscriminatorFeatures(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(Refused):
        DiscriminatorFeatures(tmp_path / "text")


@pytest.mark.slow
@pytest.mark.skipif(not FONT, reason="the Noto Color Emoji font is not installed")
def test_orders_sets_of_portraits_by_likeness(discriminator: DiscriminatorFeatures) -> None:
    """Of one half of the portraits to the other half, and to that half made ever less like it."""
    draw = np.random.default_rng(0)
    portraits = draw_portraits().images
    portraits = portraits[draw.permutation(len(portraits))[:128]]
    one, other = portraits[:64], portraits[64:]
    reference = Moments.of(discriminator(one))

    def apart(pictures: Uint8) -> float:
        return frechet_distance(reference, Moments.of(discriminator(pictures)))

    def blurred(radius: float) -> Uint8:
        return np.stack([np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(radius))) for p in other])

    def noisy(deviation: float) -> Uint8:
        return np.clip(other + draw.normal(0, deviation, other.shape), 0, 255).astype(np.uint8)

    def moved(rows: int) -> Uint8:
        return np.pad(other, ((0, 0), (rows, 0), (0, 0), (0, 0)), mode="edge")[:, :64]

    half = apart(other)
    for what, pictures in {
        "blurred": (blurred(2), blurred(4)),
        "noisy": (noisy(32), noisy(64)),
        "moved": (moved(8), moved(16)),
        "few": (other[:5][np.arange(64) % 5], other[:1].repeat(64, 0)),
    }.items():
        weak, strong = (apart(each) for each in pictures)
        assert 1.2 * half < weak < strong, f"{what}: {half:.4f} {weak:.4f} {strong:.4f}"
        assert strong > 2 * half, f"{what}: {half:.4f} {weak:.4f} {strong:.4f}"


def test_scores_a_model_folder_in_a_process(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "images.npy", coloured(0, 40).repeat(8, 1).repeat(8, 2))
    torch.save(random_state(), tmp_path / "weights.pth")
    model = [str(STARTERS / "portraits"), str(tmp_path), "--samples", "4", "--device", "cpu"]
    assert main([*model, "--features", "discriminator", "--json"]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert lines[-1]["result"]["frechet"]["metric"] == "FD-D"
    assert lines[-1]["result"]["frechet"]["drawing"] == "truncation 1, stored noise"
    assert {line["progress"] for line in lines[:-1]} == {"looking at the dataset", "drawing pictures"}
    assert main([*model, "--features", "discriminator", "--json"]) == 0
    again = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert again[-1]["result"]["frechet"]["value"] == lines[-1]["result"]["frechet"]["value"]
    assert {line["progress"] for line in again[:-1]} == {"drawing pictures"}  # the dataset was known
    assert main([*model, "--inception", str(tmp_path / "weights.pth")]) == 2
    assert "another file" in capfd.readouterr().err
    assert main([*model, "--inception", str(tmp_path / "nowhere"), "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["kind"] == "NotFound"
    (tmp_path / "images.npy").write_bytes(b"nothing")
    assert main([*model, "--features", "discriminator"]) == 2
    assert "is no picture dataset" in capfd.readouterr().err
