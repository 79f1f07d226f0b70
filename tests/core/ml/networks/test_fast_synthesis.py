"""The inference path draws what the plain network draws."""

from __future__ import annotations

import pytest
import torch

from core.ml.networks import fast_synthesis
from core.ml.networks.fast_synthesis import FastSynthesis
from core.ml.networks.stylegan2 import Generator
from tests.core.ml.golden import Golden, assert_close
from tests.core.ml.networks.test_stylegan2 import GENERATORS, load


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("name", GENERATORS)
def test_golden_pictures(name: str, everywhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if everywhere:  # these networks are too narrow for the transforms to pay: use them all the same
        monkeypatch.setattr(fast_synthesis, "MIN_CHANNELS", 1)
        monkeypatch.setattr(fast_synthesis, "MIN_SIZE", 4)
    data = Golden(name)
    generator = load(data)
    fast = FastSynthesis(generator.synthesis)
    assert bool(fast.memory_bytes) == everywhere
    for psi, label in ((1.0, "psi1"), (0.7, "psi07")):
        ws = generator.mapping(data["z"], data.get("c"), truncation_psi=psi)
        assert_close(fast(ws), data[f"img_{label}_const"], what=label)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_wide_network(batch: int) -> None:
    torch.manual_seed(3)
    generator = Generator(z_dim=16, w_dim=16, img_resolution=32, mapping_layers=2, channel_base=4096, channel_max=160)
    generator.requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    fast = FastSynthesis(generator.synthesis)
    assert fast.memory_bytes > 0
    ws = generator.mapping(torch.randn(batch, 16))
    expected = generator.synthesis(ws, noise_mode="const")
    assert_close(fast(ws), expected, 2e-5)
    assert_close(fast(ws[:1]), expected[:1], 2e-5)
