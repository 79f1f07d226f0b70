"""The generator against the golden data, and the odd shapes."""

from __future__ import annotations

import pytest
import torch

from core.ml.networks.stylegan2 import Generator, num_ws_of
from tests.core.ml.golden import Golden, assert_close

GENERATORS = [
    "g_res64_z64_map8",
    "g_res64_z512_map2",
    "g_res16_z512_map8",
    "g_res32_z64_map2_cond3",
    "g_res16_gray_clamp",
]


def load(data: Golden) -> Generator:
    config = data.json()
    num_ws = config.pop("num_ws")
    generator = Generator(**config)
    assert generator.num_ws == num_ws
    generator.load_state_dict(data.state())
    return generator.eval().requires_grad_(False)


@pytest.mark.parametrize("name", GENERATORS)
def test_pictures(name: str) -> None:
    data = Golden(name)
    generator = load(data)
    z, c = data["z"], data.get("c")
    assert_close(generator.mapping(z, c)[:, 0], data["w"])
    assert_close(generator.mapping(z, c, truncation_psi=0.7)[:, -1], data["w_psi07"])
    for psi, label in ((1.0, "psi1"), (0.7, "psi07")):
        for noise in ("const", "none"):
            picture = generator(z, c, truncation_psi=psi, noise_mode=noise)
            assert_close(picture, data[f"img_{label}_{noise}"], what=f"{label} {noise}")


@pytest.mark.parametrize("name", ["g_res64_z64_map8", "g_res32_z64_map2_cond3"])
def test_style_mixing(name: str) -> None:
    data = Golden(name)
    generator = load(data)
    ws = generator.mapping(data["z"], data.get("c"))
    mixed = torch.cat([ws[:, :5], ws.flip(0)[:, 5:]], dim=1)
    assert_close(generator.synthesis(mixed, noise_mode="const"), data["img_mix5_const"])


def test_truncation_of_the_first_layers_only_and_per_sample() -> None:
    data = Golden("g_res64_z64_map8")
    generator = load(data)
    ws = generator.mapping(data["z"], truncation_psi=0.7, truncation_cutoff=4)
    assert_close(ws, data["w_psi07_cutoff4_all"])
    assert_close(generator.synthesis(ws, noise_mode="const"), data["img_psi07_cutoff4_const"])
    each = generator.mapping(data["z"], truncation_psi=torch.tensor([0.7, 1.0, 0.7, 0.0]))
    assert_close(each[0, 0], data["w_psi07"][0])
    assert_close(each[1, 0], data["w"][1])
    assert_close(each[3, 0], generator.mapping.w_avg)


def test_every_block_on_the_way() -> None:
    data = Golden("g_res64_z64_map8")
    generator = load(data)
    ws = generator.mapping(data["z"][:1])
    x = img = None
    for index, resolution in enumerate(generator.synthesis.resolutions):
        first = max(2 * index - 1, 0)
        block = getattr(generator.synthesis, f"b{resolution}")
        x, img = block(x, img, ws[:, first : 2 * index + 2], "const", torch.float32)
        if f"trace/x_b{resolution}" in data:
            assert_close(x, data[f"trace/x_b{resolution}"], what=f"x {resolution}")
        assert_close(img, data[f"trace/img_b{resolution}"], what=f"img {resolution}")


@pytest.mark.parametrize("resolution", [4, 8, 32])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("batch", [1, 3])
def test_shapes(resolution: int, channels: int, batch: int) -> None:
    generator = Generator(
        z_dim=5,
        w_dim=6,
        img_resolution=resolution,
        img_channels=channels,
        mapping_layers=1,
        channel_base=64,
        channel_max=8,
    )
    picture = generator(torch.randn(batch, 5))
    assert picture.shape == (batch, channels, resolution, resolution)
    assert picture.isfinite().all()
    assert generator.num_ws == num_ws_of(resolution)


@pytest.mark.parametrize("resolution", [0, 2, 3, 48])
def test_impossible_resolutions(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Generator(img_resolution=resolution)


def test_random_noise_differs_and_follows_the_seed() -> None:
    generator = Generator(z_dim=4, w_dim=4, img_resolution=8, mapping_layers=1, channel_base=64, channel_max=8)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(parameter, 0.5)
    z = torch.randn(2, 4)
    with torch.no_grad():
        torch.manual_seed(1)
        first, second = generator(z), generator(z)
        torch.manual_seed(1)
        again = generator(z)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_bfloat16_feature_maps_stay_close() -> None:
    data = Golden("g_res64_z512_map2")
    generator = load(data)
    picture = generator(data["z"], noise_mode="const", dtype=torch.bfloat16)
    expected = data["img_psi1_const"]
    assert picture.dtype == torch.float32
    assert (picture - expected).square().mean().sqrt() < 0.01 * expected.square().mean().sqrt()


def test_the_mean_of_w_moves_only_when_asked() -> None:
    generator = Generator(z_dim=4, w_dim=4, img_resolution=4, mapping_layers=1, channel_base=64, channel_max=8)
    z = torch.randn(8, 4)
    w = generator.mapping(z)[:, 0]
    assert not generator.mapping.w_avg.any()
    generator.mapping(z, update_w_avg=True)
    assert_close(generator.mapping.w_avg, w.mean(dim=0) * 0.005)


def test_a_conditional_generator_asks_for_labels() -> None:
    generator = Generator(z_dim=4, c_dim=2, w_dim=4, img_resolution=4, channel_base=64, channel_max=8)
    with pytest.raises(ValueError, match="labels"):
        generator(torch.randn(1, 4))
