"""The discriminator against the golden data, and the odd shapes."""

from __future__ import annotations

import pytest
import torch

from core.ml.networks.ops import minibatch_std
from core.ml.networks.stylegan2 import Discriminator
from tests.core.ml.golden import Golden, assert_close


@pytest.mark.parametrize("name", ["d_res64_resnet", "d_res32_resnet_cond3", "d_res16_orig", "d_res16_skip_gray"])
def test_scores(name: str) -> None:
    data = Golden(name)
    discriminator = Discriminator(**data.json()).requires_grad_(False)
    discriminator.load_state_dict(data.state())
    x, c = data["x"], data.get("c")
    for batch in (8, 4, 2, 1):
        scores = discriminator(x[:batch], None if c is None else c[:batch])
        assert_close(scores, data[f"logits_n{batch}"], what=f"batch {batch}")
    if c is not None:
        assert_close(discriminator.mapping(c), data["cmap"])


def test_the_features_that_reach_the_end() -> None:
    data = Golden("d_res64_resnet")
    discriminator = Discriminator(**data.json()).requires_grad_(False)
    discriminator.load_state_dict(data.state())
    seen: list[torch.Tensor] = []
    discriminator.b4.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    discriminator(data["x"])
    assert_close(seen[0], data["feat_b4_in"])
    assert_close(minibatch_std(seen[0], 4)[:, -1, 0, 0], data["mbstd_out_n8"])


@pytest.mark.parametrize("architecture", ["resnet", "orig", "skip"])
def test_clamping_and_small_sizes(architecture: str) -> None:
    discriminator = Discriminator(
        img_resolution=8, img_channels=4, architecture=architecture, channel_base=64, channel_max=8, conv_clamp=0.5
    )
    assert discriminator(torch.randn(3, 4, 8, 8)).shape == (3, 1)


@pytest.mark.parametrize("resolution", [4, 20])
def test_impossible_resolutions(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Discriminator(img_resolution=resolution)
