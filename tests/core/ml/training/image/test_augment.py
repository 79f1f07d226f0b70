"""Every change that the discriminator is shown, against the golden data; how often; its gradients; its strength."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from core.ml.training.image import augment_geometry, augment_image
from core.ml.training.image.augment import FULL, GEOMETRY, PRESETS, Augmentation, Strength
from tests.core.ml.golden import Golden, assert_close

NONE = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, False))
OURS = {
    "xflip": "flip",
    "rotate90": "quarter",
    "xint": "shift",
    "scale": "scale",
    "rotate": "rotate",
    "aniso": "stretch",
    "xfrac": "drift",
    "brightness": "brightness",
    "contrast": "contrast",
    "lumaflip": "luma",
    "hue": "hue",
    "saturation": "saturation",
    "imgfilter": "bands",
    "cutout": "hole",
}


def only(*kinds: str) -> Augmentation:
    return Augmentation(**{name: name in kinds for name in Augmentation.__dataclass_fields__})


class Percentile:
    """Every change happens, and every number is this percentile of its distribution.

    In the golden data the second of the two turns is one of no degrees.
    """

    def __init__(self, percentile: float, kinds: Augmentation) -> None:
        self.percentile = percentile
        self.until_second_turn = kinds.flip + kinds.quarter + kinds.shift + 1 if kinds.rotate else -1

    def happens(self, count: int, p: float) -> Tensor:
        return torch.ones(count, dtype=torch.bool)

    def uniform(self, *shape: int) -> Tensor:
        self.until_second_turn -= 1
        return torch.full(shape, 0.5 if self.until_second_turn == -1 else self.percentile)

    def normal(self, *shape: int) -> Tensor:
        return torch.erfinv(torch.full(shape, 2 * self.percentile - 1))


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("augment")


def cases() -> list[tuple[str, Augmentation, float, str]]:
    found = []
    for case in Golden("augment").json("cases"):
        name = case["augment"].split()[0]
        kinds = {"bg": GEOMETRY, "bgc": FULL, "color": only("brightness", "contrast", "luma")}.get(name)
        found.append((case["y"], kinds or only(OURS[name]), case["percentile"], name))
    return found


@pytest.mark.parametrize(("y", "kinds", "percentile", "name"), cases(), ids=[case[0] for case in cases()])
def test_equals_the_golden_data(golden: Golden, y: str, kinds: Augmentation, percentile: float, name: str) -> None:
    x = golden["x"][:, :1] if name == "color" else golden["x"]
    assert_close(kinds(x, 1.0, Percentile(percentile, kinds)), golden[y], what=y)


def test_filters_are_the_published_ones(golden: Golden) -> None:
    assert_close(augment_geometry.low_pass().float(), golden["Hz_geom_sym6_lowpass"], 1e-6)
    assert_close(augment_image.filter_bank().float(), golden["Hz_fbank"], 1e-6)


def test_changes_happen_as_often_as_published(golden: Golden) -> None:
    """Of 512 pictures, against counts of the published pipeline: within five deviations of the difference."""
    x = golden["x"][:1].expand(512, -1, -1, -1)
    source = torch.Generator().manual_seed(0)
    for key, share in golden.json("changed_fraction_stats").items():
        name, p = key.split("@p=")
        changed = only(OURS[name])(x, float(p), source)
        found = float(((changed - x).abs().amax(dim=(1, 2, 3)) > 0.01).float().mean())
        assert abs(found - share) < 5 * math.sqrt(2 * share * (1 - share) / 512) + 0.01, key


def test_nothing_changes_at_probability_zero() -> None:
    images = torch.rand(3, 3, 16, 16)
    assert FULL(images, 0.0, torch.Generator()) is images
    assert torch.equal(NONE(images, 1.0, torch.Generator()), images)
    assert PRESETS["off"] is None


def test_some_pictures_are_left_alone_and_order_is_kept() -> None:
    images = torch.rand(64, 3, 16, 16)
    changed = FULL(images, 0.1, torch.Generator().manual_seed(1))
    same = (changed == images).flatten(1).all(1)
    assert 0 < same.sum() < 64
    moved = only("shift")(images, 1.0, torch.Generator().manual_seed(1))
    assert (moved[:, :, 4:12, 4:12].mean(dim=(2, 3)) - images[:, :, 4:12, 4:12].mean(dim=(2, 3))).abs().max() < 0.5


def test_gradients_of_both_orders() -> None:
    """What R1 takes: the gradient of a gradient, through every kind of change at once."""
    kinds = Augmentation(bands=True, noise=True, hole=True)
    images = torch.rand(3, 3, 8, 8, dtype=torch.float64, requires_grad=True)

    def changed(x: Tensor) -> Tensor:
        return kinds(x, 0.7, torch.Generator().manual_seed(5)).square()

    assert torch.autograd.gradcheck(changed, images, fast_mode=True)
    assert torch.autograd.gradgradcheck(changed, images, fast_mode=True)


def test_opacity_is_moved_but_not_recoloured() -> None:
    images = torch.rand(4, 4, 16, 16)
    colours = only("brightness", "contrast", "luma", "hue", "saturation")(images, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(colours[:, 3], images[:, 3])
    assert not torch.equal(colours[:, :3], images[:, :3])


def test_far_moves_stay_inside_the_reflection() -> None:
    """A picture may be moved further than its reflection reaches; what lies beyond is grey, never an error."""
    moves = augment_geometry.Moves(1)
    moves.drift(torch.tensor([50.0]), torch.tensor([-3.3]))
    assert augment_geometry.moved(torch.ones(1, 3, 16, 16), moves).isfinite().all()


def test_strength_follows_and_stops_at_its_cap() -> None:
    strength = Strength(images=100, cap=0.8)
    for _ in range(20):
        strength.follow(1.0, 10)
    assert strength.p == pytest.approx(0.8)
    for _ in range(20):
        strength.follow(0.0, 10)
    assert strength.p == 0.0
