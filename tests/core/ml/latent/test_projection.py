"""Projection: it finds what the model drew, again and again the same, and stops when told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.ml.latent import projection
from core.ml.latent.projection import Found, Search, difference, on_sphere, prepare, project, survivors, warmth
from core.ml.networks.stylegan2 import Generator
from tests.core.ml.golden import Golden
from tests.core.ml.networks.test_stylegan2 import load

CONDITIONAL, GRAY = "g_res32_z64_map2_cond3", "g_res16_gray_clamp"
PSI = 0.6


class Model:
    """A golden generator with what a projection needs."""

    def __init__(self, name: str, label: int | None = None) -> None:
        self.generator: Generator = load(Golden(name)).requires_grad_(False)
        self.label = None if label is None else torch.eye(self.generator.c_dim)[label][None]

    def draw(self, ws: Tensor) -> Tensor:
        images: Tensor = self.generator.synthesis(ws, noise_mode="const")
        return images

    def picture(self, z: Tensor) -> NDArray[np.uint8]:
        """uint8 [R, R, C] of one z."""
        ws = self.generator.mapping(z[None], self.label, truncation_psi=PSI)
        pixels = (self.draw(ws)[0] * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        return pixels.permute(1, 2, 0).numpy()

    def project(self, target: NDArray[np.uint8], steps: int = 40, seed: int = 0, **more: object) -> Iterator[Found]:
        search = Search(steps, seed, starts=2, batch=8)
        return project(self.generator, self.draw, target, search, PSI, self.label, **more)  # type: ignore[arg-type]

    def somewhere(self, seed: int) -> Tensor:
        return on_sphere(torch.randn(1, self.generator.z_dim, generator=torch.Generator().manual_seed(seed)))[0]


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.sqrt(np.square(one.astype(float) - other).mean()))


@pytest.mark.parametrize(("name", "label"), [(GRAY, None), (CONDITIONAL, 1)])
def test_a_picture_of_the_model_is_found(name: str, label: int | None) -> None:
    model = Model(name, label)
    target = model.picture(model.somewhere(3))
    strangers = [apart(model.picture(model.somewhere(seed)), target) for seed in range(100, 130)]
    found = list(model.project(target))
    looked = [one for one in found if one.step == 0]
    first, last = apart(model.picture(looked[0].z), target), apart(model.picture(found[-1].z), target)
    assert last < 0.4 * first
    assert last < 0.4 * min(strangers)
    assert float(found[-1].z.norm()) == pytest.approx(model.generator.z_dim**0.5, rel=1e-5)
    assert [one.step for one in found if one.step] == list(range(1, 41))
    progress = [one.progress for one in found]
    assert progress == sorted(progress)
    assert progress[-1] == 1


def test_the_label_counts() -> None:
    one, other = Model(CONDITIONAL, 1), Model(CONDITIONAL, 2)
    target = one.picture(one.somewhere(3))
    found = list(one.project(target, steps=3))[-1].z
    elsewhere = list(other.project(target, steps=3))[-1].z
    assert not torch.equal(found, elsewhere)


def test_the_same_seed_finds_the_same_place_and_another_another() -> None:
    model = Model(GRAY)
    target = model.picture(model.somewhere(1))
    once, again, other = (list(model.project(target, 6, seed))[-1].z for seed in (7, 7, 8))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_the_place_told_never_gets_worse() -> None:
    model = Model(GRAY)
    target = model.picture(model.somewhere(2))
    wanted = torch.from_numpy(target.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    told = [
        float(difference(model.draw(model.generator.mapping(one.z[None], truncation_psi=PSI)), wanted))
        for one in model.project(target, 20)
    ]
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(told))


@pytest.mark.parametrize("parts", [1, 12])
def test_it_ends_at_once_when_given_up(parts: int) -> None:
    model = Model(GRAY)
    drawn = [0]
    given_up = [False]

    def count(module: object, inputs: object, output: object) -> None:
        drawn[0] += 1

    model.generator.synthesis.register_forward_hook(count)
    search = model.project(model.picture(model.somewhere(1)), cancelled=lambda: given_up[0])
    drawn[0] = 0
    for _ in range(parts):
        next(search)
    before = drawn[0]
    given_up[0] = True
    assert list(search) == []
    assert drawn[0] == before


def test_pictures_without_numbers_do_no_harm() -> None:
    model = Model(GRAY)
    target = model.picture(model.somewhere(1))
    model.generator.synthesis.b16.torgb.bias.fill_(float("nan"))
    last = list(model.project(target, 3))[-1]
    assert torch.isfinite(last.z).all()


def test_the_generator_is_as_before() -> None:
    model = Model(GRAY)
    before = {name: value.clone() for name, value in model.generator.state_dict().items()}
    list(model.project(model.picture(model.somewhere(1)), 2))
    assert all(torch.equal(value, before[name]) for name, value in model.generator.state_dict().items())
    assert all(parameter.grad is None for parameter in model.generator.parameters())


def test_what_is_in_the_wrong_place_pulls_from_afar() -> None:
    """Two dots that do not touch: plain pixels cannot tell how far they are apart, the pyramid can."""

    def dot(column: int) -> Tensor:
        picture = torch.full([1, 1, 32, 32], -1.0)
        picture[:, :, 12:16, column : column + 4] = 1
        return picture

    near, far = (float(difference(dot(column), dot(8))) for column in (12, 24))
    assert 0 < near < far
    assert float(difference(dot(8), dot(8))) == 0
    assert float(difference(torch.full([1, 1, 8, 8], 9.0), torch.full([1, 1, 8, 8], -1.0))) == 4  # shown as white


def test_how_many_are_refined_and_how_fast() -> None:
    assert [survivors(4, share) for share in (0, 0.15, 0.4, 1)] == [4, 2, 1, 1]
    assert [survivors(1, share) for share in (0, 1)] == [1, 1]
    assert warmth(0.2) == 1
    assert warmth(0) < 0.2
    assert warmth(1) == pytest.approx(0)
    assert Search(200).candidates == 800
    assert Search(1, batch=16).candidates == 16
    assert Search(5000).candidates == projection.MOST_CANDIDATES


class TestPrepare:
    def test_the_middle_square_is_taken(self) -> None:
        wide = np.zeros((8, 24, 4), np.uint8)
        wide[..., 3] = 255
        wide[:, 8:16, 0] = 200
        for picture in (wide, wide.transpose(1, 0, 2)):
            made = prepare(np.ascontiguousarray(picture), 8, 3)
            assert made.shape == (8, 8, 3)
            assert (made == [200, 0, 0]).all()

    def test_what_is_transparent_is_white(self) -> None:
        clear = np.zeros((4, 4, 4), np.uint8)
        clear[:, :, 1] = 90
        assert (prepare(clear, 4, 3) == 255).all()
        clear[..., 3] = 128
        assert prepare(clear, 4, 3)[0, 0].tolist() == pytest.approx([127, 172, 127], abs=1)
        assert (prepare(clear, 4, 4) == clear).all()

    @pytest.mark.parametrize(("size", "channels"), [((1, 1), 3), ((5, 3), 1), ((700, 33), 4), ((16, 16), 1)])
    def test_every_size_becomes_the_models(self, size: tuple[int, int], channels: int) -> None:
        picture = np.full((*size, 4), 255, np.uint8)
        assert (prepare(picture, 16, channels) == np.full((16, 16, channels), 255)).all()
