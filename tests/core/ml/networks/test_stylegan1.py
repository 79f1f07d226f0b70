"""The first StyleGAN's networks against an independent computation, the papers' sizes, and what growing must keep."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.ml.networks.growth import Growth, Stage, enlarged, reduced, shown_at
from core.ml.networks.stylegan1 import Generator, adaptive_instance_norm, binomial_filter, blurred, spread
from core.ml.networks.stylegan1_discriminator import Discriminator
from core.ml.training.image.losses import r1_penalty, update_ema
from tests.core.ml.networks import stylegan1_reference as reference

SIZES: dict[str, Any] = {"z_dim": 6, "w_dim": 8, "mapping_layers": 3, "channel_base": 64, "channel_max": 6}


def shaken(network: torch.nn.Module, seed: int = 0) -> Any:
    """The network in float64 with random numbers wherever it begins with zeros and ones."""
    source = torch.Generator().manual_seed(seed)
    for parameter in network.double().parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=source, dtype=torch.float64)
    return network.requires_grad_(False)


def make(resolution: int = 16, **settings: Any) -> Any:
    torch.manual_seed(5)
    return shaken(Generator(img_resolution=resolution, **SIZES | settings))


def numbers(network: torch.nn.Module) -> dict[str, Any]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def latents(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def test_the_papers_number_of_parameters() -> None:
    """26.2 million (2019, section 2); the discriminator is the 23.1 million one of 2018, appendix A."""
    with torch.device("meta"):
        generator, discriminator = Generator(img_resolution=1024), Discriminator(img_resolution=1024)
    assert f"{sum(one.numel() for one in generator.parameters()) / 1e6:.1f}" == "26.2"
    assert f"{sum(one.numel() for one in discriminator.parameters()) / 1e6:.1f}" == "23.1"
    assert generator.num_ws == 18


@pytest.mark.parametrize("resolution", [4, 8, 32])
@pytest.mark.parametrize("noise", ["const", "none"])
def test_pictures_are_those_of_the_reference(resolution: int, noise: Any) -> None:
    generator = make(resolution)
    ws = torch.randn(2, generator.num_ws, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = reference.synthesis(numbers(generator), ws.numpy(), resolution, noise=noise == "const")
    assert np.allclose(generator.synthesis(ws, noise_mode=noise).numpy(), expected, atol=1e-10)


def test_a_bias_that_is_low_passed_and_another_epsilon() -> None:
    generator = make(blurred_bias=True, norm_epsilon=1e-3)
    ws = generator.mapping(latents())
    settings: Any = {"blurred_bias": True, "epsilon": 1e-3}
    expected = reference.synthesis(numbers(generator), ws.numpy(), 16, **settings)
    assert np.allclose(generator.synthesis(ws, noise_mode="const").numpy(), expected, atol=1e-10)
    assert not np.allclose(reference.synthesis(numbers(generator), ws.numpy(), 16), expected, atol=1e-3)


def test_mapping() -> None:
    generator = make()
    expected = reference.mapping(numbers(generator), latents().numpy(), 3)
    assert np.allclose(generator.mapping(latents())[:, -1].numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("resolution", [4, 8, 32])
@pytest.mark.parametrize("batch", [1, 4, 8])
def test_scores_are_those_of_the_reference(resolution: int, batch: int) -> None:
    discriminator = shaken(Discriminator(img_resolution=resolution, channel_base=64, channel_max=6))
    pictures = torch.randn(batch, 3, resolution, resolution, dtype=torch.float64)
    expected = reference.scores(numbers(discriminator), pictures.numpy(), resolution)
    assert np.allclose(discriminator(pictures).numpy(), expected, atol=1e-10)


def test_with_classes_the_own_class_counts() -> None:
    discriminator = shaken(Discriminator(img_resolution=8, channel_base=64, channel_max=6, c_dim=3))
    pictures = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    expected = reference.scores(numbers(discriminator), pictures.numpy(), 8)
    scored = discriminator(pictures, torch.eye(3, dtype=torch.float64)[[2, 0]])
    assert np.allclose(scored[:, 0].numpy(), [expected[0, 2], expected[1, 0]], atol=1e-10)
    with pytest.raises(ValueError, match="labels"):
        discriminator(pictures)
    generator = make(8, c_dim=3)
    assert generator(latents(2), torch.eye(3, dtype=torch.float64)[:2]).shape == (2, 3, 8, 8)


def test_a_fresh_networks_style_of_nothing_is_the_normalised_map() -> None:
    """With w = 0 the first affine step gives scale 1 and shift 0, as section C of the paper initialises them."""
    torch.manual_seed(0)
    layer = Generator(img_resolution=8, **SIZES).double().requires_grad_(False).synthesis.b8.layer1
    x, w = torch.randn(2, 6, 8, 8, dtype=torch.float64), torch.zeros(2, 8, dtype=torch.float64)
    drawn = layer(x, w, "none")
    convolved = reference.correlated(x.numpy(), layer.weight.numpy() * np.sqrt(2 / 54))
    assert np.allclose(drawn.numpy(), reference.normalised(reference.leaky(convolved), 1e-8), atol=1e-10)
    assert drawn.mean(dim=(2, 3)).abs().max() < 1e-12
    assert torch.allclose(drawn.var(dim=(2, 3), correction=0), torch.ones((), dtype=torch.float64), atol=1e-6)


def test_instance_norm_forgets_the_gain_and_offset_of_a_map() -> None:
    x = torch.randn(2, 5, 8, 8, dtype=torch.float64)
    scale, shift = torch.randn(2, 2, 5, dtype=torch.float64)
    gain, offset = torch.rand(2, 5, 1, 1, dtype=torch.float64) + 0.5, torch.randn(2, 5, 1, 1, dtype=torch.float64)
    styled = adaptive_instance_norm(x, scale, shift)
    assert torch.allclose(adaptive_instance_norm(x * gain + offset, scale, shift), styled, atol=1e-6)
    theirs = functional.instance_norm(x, eps=1e-8) * scale[:, :, None, None] + shift[:, :, None, None]
    assert torch.allclose(styled, theirs, atol=1e-12)


def test_instance_norm_can_be_derived_twice() -> None:
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    scale = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(adaptive_instance_norm, (x, scale, shift))
    assert torch.autograd.gradgradcheck(adaptive_instance_norm, (x, scale, shift))


def test_the_fused_enlargement_is_the_papers() -> None:
    """Enlarge, convolve and low-pass one after the other; a map of ones shows where the edges begin."""
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    fused = functional.conv_transpose2d(x, spread(weight).flip([2, 3]).transpose(0, 1), stride=2, padding=1)
    assert torch.allclose(fused, functional.conv2d(enlarged(x, 2), weight, padding=1), atol=1e-12)
    ones = torch.ones(1, 2, 6, 6, dtype=torch.float64)
    soft = blurred(ones, binomial_filter())
    assert torch.equal(soft[..., 1:-1, 1:-1], ones[..., 1:-1, 1:-1])
    assert float(soft[0, 0, 0, 0]) == 0.5625


def test_moving_what_lies_away_from_the_edges_moves_the_features() -> None:
    layer = make(32).synthesis.b32.layer0
    x = torch.zeros(1, 4, 16, 16, dtype=torch.float64)
    x[..., 6:9, 6:9] = torch.randn(4, 3, 3, dtype=torch.float64)
    w = torch.zeros(1, 8, dtype=torch.float64)
    there, here = layer(x.roll(2, dims=3), w, "none"), layer(x, w, "none")
    assert torch.allclose(there, here.roll(4, dims=3), atol=1e-10)
    assert float(there.std()) > 0.1


def test_noise_modes() -> None:
    generator = make()
    ws = generator.mapping(latents())
    assert torch.equal(generator.synthesis(ws, noise_mode="none"), generator.synthesis(ws, noise_mode="none"))
    assert torch.equal(generator.synthesis(ws, noise_mode="const"), generator.synthesis(ws, noise_mode="const"))
    torch.manual_seed(1)
    first, second = generator.synthesis(ws), generator.synthesis(ws)
    assert not torch.allclose(first, second, atol=1e-3)
    torch.manual_seed(1)
    assert torch.equal(generator.synthesis(ws), first)
    for layer in (block for block in generator.synthesis.modules() if hasattr(block, "noise_strength")):
        layer.noise_strength.zero_()
    assert torch.equal(generator.synthesis(ws), generator.synthesis(ws, noise_mode="none"))


def test_a_batch_is_its_pictures() -> None:
    generator = make()
    z = latents(4)
    together = generator(z, noise_mode="const")
    each = torch.cat([generator(one[None], noise_mode="const") for one in z])
    assert torch.allclose(together, each, atol=1e-10)


def test_each_pair_of_styles_reaches_its_resolution_and_later_ones() -> None:
    generator = make(16)
    ws = generator.mapping(latents(1))
    changed = ws.clone()
    changed[:, 4:] = generator.mapping(-latents(1))[:, 4:]
    sizes = {}
    for one in (ws, changed):
        seen: list[torch.Tensor] = []
        hooks = [
            block.register_forward_hook(lambda _, __, output: seen.append(output))  # noqa: B023
            for _, block in generator.synthesis.blocks()
        ]
        generator.synthesis(one, noise_mode="none")
        for hook in hooks:
            hook.remove()
        sizes[id(one)] = seen
    same = [torch.equal(a, b) for a, b in zip(sizes[id(ws)], sizes[id(changed)], strict=True)]
    assert same == [True, True, False]
    with pytest.raises(ValueError, match="ws must be"):
        generator.synthesis(ws[:, :3])


def test_in_bfloat16_pictures_are_near_and_float32() -> None:
    generator = make(32).float()
    z = latents().float()
    exact = generator(z, noise_mode="const")
    rounded = generator(z, noise_mode="const", dtype=torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt() < 0.05
    discriminator = Discriminator(img_resolution=32, channel_base=64, channel_max=6)
    assert discriminator(exact, dtype=torch.bfloat16).dtype == torch.float32


# growing


@pytest.mark.parametrize(("resolution", "fade"), [(4, 1.0), (8, 0.0), (8, 0.25), (16, 0.5), (16, 1.0)])
def test_a_stage_is_that_of_the_reference(resolution: int, fade: float) -> None:
    generator, discriminator = make(16), shaken(Discriminator(img_resolution=16, channel_base=64, channel_max=6))
    ws = generator.mapping(latents(4))
    for network in (generator, discriminator):
        network.grow_to(resolution, fade)
        assert network.stage == Stage(resolution, fade)
    drawn = generator.synthesis(ws, noise_mode="const")
    expected = reference.synthesis(numbers(generator), ws.numpy(), resolution, fade=fade)
    assert drawn.shape == (4, 3, 16, 16)
    factor = 16 // resolution
    assert np.allclose(drawn.numpy(), expected.repeat(factor, axis=2).repeat(factor, axis=3), atol=1e-10)
    scored = discriminator(drawn)
    assert np.allclose(scored.numpy(), reference.scores(numbers(discriminator), drawn.numpy(), resolution, fade=fade))


def test_a_new_stage_begins_as_the_old_one_ended() -> None:
    generator, discriminator = make(16), shaken(Discriminator(img_resolution=16, channel_base=64, channel_max=6))
    ws = generator.mapping(latents(4))

    def seen(resolution: int, fade: float) -> tuple[torch.Tensor, torch.Tensor]:
        for network in (generator, discriminator):
            network.grow_to(resolution, fade)
        drawn = generator.synthesis(ws, noise_mode="const")
        return drawn, discriminator(drawn)

    for before, after in zip(seen(8, 1.0), seen(16, 0.0), strict=True):
        assert torch.allclose(before, after, atol=1e-12)


def test_fully_grown_is_the_plain_network() -> None:
    generator = make(16)
    z = latents()
    plain = generator(z, noise_mode="const")
    generator.grow_to(8, 0.5)
    assert not torch.allclose(generator(z, noise_mode="const"), plain, atol=1e-3)
    generator.grow_to(16)
    assert torch.equal(generator(z, noise_mode="const"), plain)


def test_the_stage_is_saved_restored_and_averaged() -> None:
    generator = make(16)
    average = copy.deepcopy(generator)
    generator.grow_to(8, 0.5)
    assert average.stage == Stage(16)
    update_ema(average, generator, 0.9)
    assert average.stage == Stage(8, 0.5)
    restored = make(16)
    assert restored.stage == Stage(16)
    restored.load_state_dict(generator.state_dict())
    assert restored.stage == Stage(8, 0.5)
    with torch.device("meta"):
        light = Generator(img_resolution=16, **SIZES)
    light.load_state_dict(generator.state_dict(), assign=True)
    assert light.stage == Stage(8, 0.5)


def test_impossible_stages() -> None:
    growth = Growth([4, 8])
    for resolution, fade in ((16, 1.0), (6, 1.0), (8, 1.5), (8, float("nan"))):
        with pytest.raises(ValueError, match=r"none of 4, 8|not from 0 to 1"):
            growth.grow_to(resolution, fade)
    assert growth.stage == Stage(8)
    growth.state[0] = float("nan")
    with pytest.raises(ValueError, match="resolution nan is none of"):
        _ = growth.stage


def test_training_pictures_are_shown_at_the_stage() -> None:
    pictures = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    assert torch.equal(shown_at(pictures, Stage(16)), pictures)
    small = shown_at(pictures, Stage(4))
    assert torch.equal(small, enlarged(reduced(pictures, 4), 4))
    half = shown_at(pictures, Stage(8, 0.5))
    assert torch.allclose(half, (shown_at(pictures, Stage(8)) + small) / 2)
    # A picture without detail beyond half the resolution is the same at any fade.
    assert torch.allclose(shown_at(small, Stage(8, 0.3)), small)


def test_the_gradient_penalty_reaches_all_that_takes_part() -> None:
    discriminator = Discriminator(img_resolution=16, channel_base=64, channel_max=6).double()
    discriminator.grow_to(8, 0.5)
    pictures = torch.randn(4, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    r1_penalty(discriminator(pictures), pictures).sum().backward()
    reached = {name for name, one in discriminator.named_parameters() if one.grad is not None and one.grad.any()}
    assert {name for name in reached if name.startswith("b16")} == set()
    weights = {name for name, _ in discriminator.named_parameters() if name.endswith("weight") and "b16" not in name}
    assert weights <= reached
