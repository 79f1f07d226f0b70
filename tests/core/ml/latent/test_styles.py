"""Styles by layer, against the same done by hand with the mapping network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import InvalidInput
from core.ml.latent.directions import StyleDirections
from core.ml.latent.styles import Styler, layer_range
from core.ml.networks.stylegan2 import Generator


def make(**settings: int) -> tuple[Generator, Styler]:
    torch.manual_seed(4)
    sizes = {"z_dim": 12, "w_dim": 20, "img_resolution": 32, "mapping_layers": 2, "channel_base": 512} | settings
    generator = Generator(**sizes).requires_grad_(False)  # type: ignore[arg-type]
    generator.mapping.w_avg.normal_()
    return generator, Styler(generator, StyleDirections(generator))


def z(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(12, np.float32)


def by_hand(generator: Generator, latent: np.ndarray, psi: float, label: int | None = None) -> torch.Tensor:
    c = None if label is None else torch.eye(generator.c_dim)[label][None]
    mapped: torch.Tensor = generator.mapping(torch.from_numpy(latent)[None], c, truncation_psi=psi)
    return mapped[0]


def test_without_extras_they_are_what_the_mapping_network_gives_bit_for_bit() -> None:
    generator, styler = make()
    latents = [z(seed) for seed in range(5)]
    psi = [0.0, 0.3, 0.7, 0.99, 1.0]
    plain = [{"z": latent, "truncation": one} for latent, one in zip(latents, psi, strict=True)]
    empty = {"truncation_layers": [], "mix": z(77), "mix_layers": [], "edits": [], "edit_layers": [3, 4]}
    expected = generator.mapping(torch.from_numpy(np.stack(latents)), truncation_psi=torch.tensor(psi))
    assert torch.equal(styler(plain), expected)
    assert torch.equal(styler([{**one, **empty} for one in plain]), expected)


def test_truncation_in_some_layers_leaves_the_others_free() -> None:
    generator, styler = make()
    (ws,) = styler([{"z": z(1), "truncation": 0.4, "truncation_layers": [2, 5]}])
    near, free = by_hand(generator, z(1), 0.4), by_hand(generator, z(1), 1.0)
    assert torch.allclose(ws[2:6], near[2:6], atol=1e-6)
    assert torch.allclose(ws[:2], free[:2], atol=1e-6)
    assert torch.allclose(ws[6:], free[6:], atol=1e-6)


def test_mixing_takes_the_other_styles_in_its_layers() -> None:
    generator, styler = make(c_dim=3)
    one = {"z": z(1), "truncation": 0.6, "mix": z(2), "mix_layers": [3, 4], "label": "2"}
    plain = {"z": z(5), "truncation": 0.6, "label": "0"}
    first, ws = styler([plain, one])
    assert torch.allclose(first, by_hand(generator, z(5), 0.6, 0), atol=1e-6)
    mine, other = by_hand(generator, z(1), 0.6, 2), by_hand(generator, z(2), 0.6, 2)
    assert torch.allclose(ws[3:5], other[3:5], atol=1e-6)
    assert torch.allclose(ws[:3], mine[:3], atol=1e-6)
    assert torch.allclose(ws[5:], mine[5:], atol=1e-6)


def test_mixed_styles_are_truncated_where_truncation_applies() -> None:
    generator, styler = make()
    (ws,) = styler([{"z": z(1), "truncation": 0.2, "truncation_layers": [0, 3], "mix": z(2), "mix_layers": [3, 4]}])
    assert torch.allclose(ws[3], by_hand(generator, z(2), 0.2)[3], atol=1e-6)
    assert torch.allclose(ws[4], by_hand(generator, z(2), 1.0)[4], atol=1e-6)


def test_edits_move_w_by_exactly_their_amount_in_their_layers() -> None:
    _, styler = make()
    base = {"z": z(1), "truncation": 0.5, "mix": z(2), "mix_layers": [0, 7]}
    plain, edited = styler([base, {**base, "edits": [1.5, 0, -2], "edit_layers": [2, 4]}])
    found = styler.directions.of(slice(2, 5))
    moved = edited - plain
    along = moved @ found.vectors.t() / found.deviations
    assert torch.allclose(along[2:5, :3], torch.tensor([1.5, 0, -2]).expand(3, 3), atol=1e-4)
    assert torch.allclose(along[2:5, 3:], torch.zeros(3, 13), atol=1e-4)
    assert torch.equal(moved[:2], torch.zeros(2, 20))
    assert torch.equal(moved[5:], torch.zeros(3, 20))


def test_edits_without_layers_are_in_all_and_along_the_directions_of_all() -> None:
    _, styler = make()
    plain, edited = styler([{"z": z(1), "truncation": 1}, {"z": z(1), "truncation": 1, "edits": [3]}])
    move = styler.directions.of(slice(0, 8)).move([3])
    assert torch.allclose(edited - plain, move.expand(8, 20), atol=1e-5)


@pytest.mark.parametrize("value", [[3], [4, 2], [-1, 2], [0, 8], [1, 2, 3]])
def test_a_range_that_is_none(value: list[int]) -> None:
    with pytest.raises(InvalidInput, match=r"mix_layers cannot be .* allowed is \[first, last\] .* from 0 to 7"):
        layer_range("mix_layers", value, 8)


def test_ranges() -> None:
    assert layer_range("layers", [], 8) is None
    assert layer_range("layers", [0, 7], 8) == slice(0, 8)
    assert layer_range("layers", [3, 3], 8) == slice(3, 4)
