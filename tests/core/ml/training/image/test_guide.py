"""The division of the latent sphere: every z has a picture, and the mapping network computes which."""

import numpy as np
import pytest
import torch

from core.ml.networks.stylegan2 import MappingNetwork
from core.ml.training.image.guide import Guide, arrange


@pytest.fixture(scope="module")
def guide() -> Guide:
    rows = np.arange(6 * 3 * 4).reshape(6, 3, 4)
    images = np.random.default_rng(0).integers(0, 256, (rows.size, 16, 16, 3), np.uint8)
    return Guide(images, rows, z_dim=16)


def latents(count: int) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(1))


def test_all_cells_are_used(guide: Guide) -> None:
    place = guide.place(latents(4000))
    assert set(place.role.tolist()) == set(range(6))
    # Persons share the sphere equally.
    assert torch.bincount(place.person).float().std() < 150
    assert torch.allclose(place.skin.sum(1), torch.ones(4000), atol=1e-5)


def test_length_of_z_does_not_matter(guide: Guide) -> None:
    z = latents(50)
    near, far = guide.place(z), guide.place(z * 3)
    assert torch.equal(near.role, far.role)
    assert torch.allclose(near.skin, far.skin, atol=1e-4)


def test_pictures_are_those_of_the_table(guide: Guide) -> None:
    place = guide.place(latents(200))
    pictures = guide.pictures(place)
    assert pictures.shape == (200, 3, 16, 16)
    pure = (place.skin.amax(1) == 1).nonzero()[0, 0]
    row = guide.rows[place.role[pure], place.person[pure], place.skin[pure].argmax()]
    wanted = torch.from_numpy(guide.images[row]).permute(2, 0, 1) / 127.5 - 1
    assert torch.allclose(pictures[pure], wanted, atol=1e-6)


def test_mapping_network_computes_the_division(guide: Guide) -> None:
    mapping = MappingNetwork(z_dim=16, c_dim=0, w_dim=64, num_ws=4, num_layers=3)
    guide.set_up(mapping)
    z = latents(3000)
    place = guide.place(z)
    with torch.no_grad():
        w = mapping(z)[:, 0]
    inside = place.depth >= 1
    assert inside.float().mean() > 0.7
    cell = place.role * 3 + place.person
    # Ridge regression from w finds role and person of every latent that is not on a border.
    onehot = torch.nn.functional.one_hot(cell, 18).float()
    design = torch.cat([w, torch.ones(len(w), 1)], 1)[inside]
    weights = torch.linalg.lstsq(design.T @ design + 1e-3 * torch.eye(65), design.T @ onehot[inside]).solution
    role = (design @ weights).reshape(-1, 6, 3).sum(2).argmax(1)
    assert (role == place.role[inside]).float().mean() > 0.99


def test_narrowed_borders_leave_everything_beside_them_where_it_was(guide: Guide) -> None:
    mapping = MappingNetwork(z_dim=16, c_dim=0, w_dim=64, num_ws=4, num_layers=3)
    wide, narrow = guide.with_ramp(0.05), guide.with_ramp(0.01)
    wide.set_up(mapping)
    z = latents(4000)
    mean = mapping.w_avg.clone()
    with torch.no_grad():
        before = mapping(z)[:, 0]
        wide.narrow(mapping, 0.01)
        moved = (mapping(z)[:, 0] - before).norm(dim=1) / (before - mean).norm(dim=1).mean()
    beside, between = wide.place(z).depth == 1, narrow.place(z).depth == 1
    assert moved[beside].max() < 0.05
    # What was a mixture of two cells, and lies outside the narrow border, is now one of them.
    assert (between & ~beside).sum() > 50
    assert moved[between & ~beside].mean() > 0.2
    assert torch.equal(mapping.w_avg, mean)


def test_wrong_mapping_network_is_refused(guide: Guide) -> None:
    with pytest.raises(ValueError, match="3 layers"):
        guide.set_up(MappingNetwork(z_dim=16, c_dim=0, w_dim=64, num_ws=4, num_layers=2))


def test_similar_roles_become_neighbours() -> None:
    look = np.linspace(0.0, 1.0, 8)[:, None]
    words = arrange(look, 3, seed=0, rounds=4000)
    assert sorted(words) == list(range(8))
    edges = [abs(look[words[i], 0] - look[words[i ^ (1 << b)], 0]) for i in range(8) for b in range(3)]
    shuffled = np.random.default_rng(1).permutation(8)
    worse = [abs(look[shuffled[i], 0] - look[shuffled[i ^ (1 << b)], 0]) for i in range(8) for b in range(3)]
    assert sum(edges) < sum(worse)
    assert np.array_equal(words, arrange(look, 3, seed=0, rounds=4000))
