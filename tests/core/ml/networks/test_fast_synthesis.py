"""The inference path draws what the plain network draws."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.library import models
from core.ml.adapters.stylegan import read_generator
from core.ml.networks import fast_synthesis
from core.ml.networks.fast_synthesis import FastSynthesis
from core.ml.networks.ops import low_pass_filter, upsample2d
from core.ml.networks.stylegan2 import Generator
from core.ml.networks.winograd import Convolution, TransposedConvolution
from tests.core.ml.golden import Golden, assert_close
from tests.core.ml.networks.test_stylegan2 import GENERATORS, load


def filtered(fast: FastSynthesis) -> bool:
    """Whether any layer is done by minimal filtering."""
    return any(isinstance(way, Convolution | TransposedConvolution) for way in fast._ways.values())


def error_of(pictures: torch.Tensor, expected: torch.Tensor) -> float:
    """Root mean square of the difference, relative to the picture."""
    return float((pictures - expected).square().mean().sqrt() / expected.square().mean().sqrt())


def wide() -> Generator:
    """A generator with seeded weights and noise, wide enough for every way of computing a layer."""
    torch.manual_seed(3)
    generator = Generator(z_dim=16, w_dim=16, img_resolution=64, mapping_layers=2, channel_base=8192, channel_max=256)
    generator.requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    return generator


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("name", GENERATORS)
def test_golden_pictures(name: str, everywhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if everywhere:  # these networks are too narrow for the transforms to pay: use them all the same
        monkeypatch.setitem(fast_synthesis.MIN_CHANNELS, torch.float32, 1)
        monkeypatch.setattr(fast_synthesis, "MIN_SIZE", 4)
        monkeypatch.setattr(fast_synthesis, "MAX_SPREAD", 0)
    data = Golden(name)
    generator = load(data)
    fast = FastSynthesis(generator.synthesis)
    assert filtered(fast) == everywhere
    for psi, label in ((1.0, "psi1"), (0.7, "psi07")):
        ws = generator.mapping(data["z"], data.get("c"), truncation_psi=psi)
        assert_close(fast(ws), data[f"img_{label}_const"], what=label)


@pytest.mark.parametrize("cached", [1, 1 << 22])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_wide_network(batch: int, cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if each sample is drawn by itself, and maps are finished row by row."""
    monkeypatch.setattr(fast_synthesis, "CACHED", cached)
    monkeypatch.setattr(fast_synthesis, "PART", cached)
    generator = wide()
    fast = FastSynthesis(generator.synthesis)
    assert filtered(fast)
    assert fast.memory_bytes > 0
    ws = generator.mapping(torch.randn(batch, 16))
    expected = generator.synthesis(ws, noise_mode="const")
    assert_close(fast(ws), expected, 2e-5)
    assert_close(fast(ws[:1]), expected[:1], 2e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_bfloat16_stays_within_one_percent_of_the_golden_pictures(name: str) -> None:
    data = Golden(name)
    generator = load(data)
    fast = FastSynthesis(generator.synthesis, torch.bfloat16)
    for psi, label in ((1.0, "psi1"), (0.7, "psi07")):
        ws = generator.mapping(data["z"], data.get("c"), truncation_psi=psi)
        error = error_of(fast(ws), data[f"img_{label}_const"])
        assert error < 0.01
        assert (error > 1e-5) == (generator.img_resolution > fast_synthesis.EXACT), "small maps are float32"


@pytest.mark.parametrize("cached", [1, 1 << 22])
def test_bfloat16_of_a_wide_network(cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_synthesis, "CACHED", cached)
    monkeypatch.setattr(fast_synthesis, "PART", cached)
    generator = wide()
    fast = FastSynthesis(generator.synthesis, torch.bfloat16)
    assert filtered(fast)
    ws = generator.mapping(torch.randn(2, 16))
    expected = generator.synthesis(ws, noise_mode="const")
    plain = generator.synthesis(ws, noise_mode="const", dtype=torch.bfloat16)
    pictures = fast(ws)
    assert pictures.dtype == torch.float32
    assert 1e-4 < error_of(pictures, expected) < min(0.01, error_of(plain, expected))
    direct = FastSynthesis(generator.synthesis, torch.bfloat16, filtering=False)
    assert not filtered(direct)
    assert 1e-4 < error_of(direct(ws), expected) < error_of(pictures, expected)


def test_bfloat16_of_the_starter_portraits() -> None:
    generator = read_generator(Path(models.__file__).parent / "starters" / "portraits")
    fast = FastSynthesis(generator.synthesis, torch.bfloat16)
    ws = generator.mapping(torch.randn(4, generator.z_dim, generator=torch.Generator().manual_seed(1)))
    expected = generator.synthesis(ws, noise_mode="const")
    for picture, exact in zip(fast(ws), expected, strict=True):
        assert error_of(picture, exact) < 0.01


def test_the_picture_is_enlarged_as_published() -> None:
    img = torch.randn(2, 3, 8, 8)
    assert_close(fast_synthesis._upsampled(img, low_pass_filter()), upsample2d(img, low_pass_filter()), 1e-6)
