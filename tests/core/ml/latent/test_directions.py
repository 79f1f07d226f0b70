"""The principal directions: what the weights react to most, by the definition and by what w does."""

from __future__ import annotations

from threading import Thread

import pytest
import torch

from core.ml.latent.directions import StyleDirections, style_affines
from core.ml.networks.stylegan2 import Generator
from tests.core.ml.golden import Golden
from tests.core.ml.networks.test_stylegan2 import GENERATORS, load


def make(**settings: int) -> Generator:
    torch.manual_seed(2)
    sizes = {"z_dim": 24, "w_dim": 24, "img_resolution": 32, "mapping_layers": 2, "channel_base": 512} | settings
    return Generator(**sizes).requires_grad_(False)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", GENERATORS)
def test_orthonormal_sorted_and_shares_of_one(name: str) -> None:
    generator = load(Golden(name))
    found = StyleDirections(generator).of(slice(0, generator.num_ws))
    assert found.vectors.shape == (min(16, generator.w_dim), generator.w_dim)
    assert torch.allclose(found.vectors @ found.vectors.t(), torch.eye(len(found.vectors)), atol=1e-5)
    assert list(found.strengths) == sorted(found.strengths, reverse=True)
    assert 0 < found.strengths[-1] <= sum(found.strengths) <= 1 + 1e-9
    assert (found.deviations > 0).all()
    largest = found.vectors.gather(1, found.vectors.abs().argmax(dim=1, keepdim=True))
    assert (largest > 0).all()


def test_no_other_move_changes_the_styles_more() -> None:
    """The first direction is the unit move that maximises |A n|, each row of A of length one; its share is |A n|²."""
    generator = make()
    layers = slice(1, 4)
    found = StyleDirections(generator).of(layers)
    block = generator.synthesis
    affines = (block.b8.conv0.affine, block.b8.conv1.affine, block.b16.conv0.affine)
    rows = torch.cat([affine.weight / affine.weight.norm(dim=1, keepdim=True) for affine in affines])
    strength = (rows @ found.vectors.t()).square().sum(dim=0) / rows.square().sum()
    assert torch.allclose(strength, torch.tensor(found.strengths), atol=1e-5)
    others = torch.nn.functional.normalize(torch.randn(4000, 24, generator=torch.Generator().manual_seed(1)), dim=1)
    assert ((rows @ others.t()).square().sum(dim=0) / rows.square().sum()).max() < strength[0]


def test_each_style_layer_has_its_affine() -> None:
    generator = make()
    affines = style_affines(generator)
    block = generator.synthesis
    assert len(affines) == generator.num_ws
    assert affines[0] is block.b4.conv1.affine
    assert affines[-1] is block.b32.torgb.affine
    # What a layer's w changes is what its affine step reads: only pictures from its resolution up.
    ws = torch.randn(1, 1, 24).repeat(1, generator.num_ws, 1)
    seen: list[bool] = []
    for affine in affines:
        handle = affine.register_forward_hook(lambda module, inputs, output: seen.append(bool(inputs[0][0, 0] == 7.0)))
        ws_layer = ws.clone()
        ws_layer[:, affines.index(affine), 0] = 7.0
        generator.synthesis(ws_layer, noise_mode="const")
        handle.remove()
    assert seen == [True] * generator.num_ws


def test_an_amount_of_one_is_a_standard_deviation_of_w() -> None:
    generator = make()
    found = StyleDirections(generator).of(slice(0, 8))
    w = generator.mapping(torch.randn(20_000, 24, generator=torch.Generator().manual_seed(9)))[:, 0]
    expected = (w @ found.vectors.t()).std(dim=0)
    assert torch.allclose(found.deviations, expected, rtol=0.15)  # 512 samples know it to 3 %
    move = found.move([0, -2.0])
    assert torch.allclose(move, -2 * found.deviations[1] * found.vectors[1])
    assert torch.equal(found.move([]), torch.zeros(24))


def test_narrow_and_conditional_generators() -> None:
    narrow = make(w_dim=5)
    found = StyleDirections(narrow).of(slice(0, 8))
    assert found.vectors.shape == (5, 5)
    assert sum(found.strengths) == pytest.approx(1)
    conditional = StyleDirections(make(c_dim=3)).of(slice(0, 1))
    assert torch.isfinite(conditional.deviations).all()


def test_styles_that_never_change_are_no_trouble() -> None:
    generator = make()
    for affine in style_affines(generator):
        affine.weight.zero_()
    found = StyleDirections(generator).of(slice(0, 8))
    assert set(found.strengths) == {0.0}


def test_they_are_found_once_and_by_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = StyleDirections(make())
    found = []
    threads = [Thread(target=lambda: found.append(directions.of(slice(2, 5)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(one is found[0] for one in found)
    again = StyleDirections(make()).of(slice(2, 5))
    assert torch.equal(again.vectors, found[0].vectors)
    assert torch.equal(again.deviations, found[0].deviations)
