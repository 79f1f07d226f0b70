"""When networks grow, and what growing does to them and to their optimisers."""

from __future__ import annotations

import itertools

import pytest
import torch

from core.ml.networks.growth import Stage
from core.ml.networks.stylegan1 import Generator
from core.ml.training.image.growing import Schedule, advance, growth_at

SCHEDULE = Schedule(last=32, first=8, stable_images=100, fade_images=50)


@pytest.mark.parametrize(
    ("images", "stage"),
    [
        (0, (8, 1.0)),
        (99, (8, 1.0)),
        (100, (16, 0.0)),
        (125, (16, 0.5)),
        (149, (16, 0.98)),
        (150, (16, 1.0)),
        (249, (16, 1.0)),
        (250, (32, 0.0)),
        (299, (32, 0.98)),
        (300, (32, 1.0)),
        (10**9, (32, 1.0)),
    ],
)
def test_stages(images: int, stage: tuple[int, float]) -> None:
    assert growth_at(images, SCHEDULE) == stage


def test_growth_never_goes_back_and_never_leaps() -> None:
    """In units of doublings, fades included, it rises evenly or stands."""

    def size(images: int) -> float:
        resolution, fade = growth_at(images, SCHEDULE)
        return resolution.bit_length() - 1 + fade

    sizes = [size(images) for images in range(SCHEDULE.images + 10)]
    steps = [after - before for before, after in itertools.pairwise(sizes)]
    assert min(steps) == 0
    assert max(steps) <= 1 / 50 + 1e-9
    assert SCHEDULE.images == 300


def test_without_fading_and_without_growing() -> None:
    switched = Schedule(last=16, first=4, stable_images=10, fade_images=0)
    assert [growth_at(images, switched) for images in (9, 10, 19, 20)] == [(4, 1), (8, 1), (8, 1), (16, 1)]
    assert growth_at(0, Schedule(last=4)) == (4, 1)
    assert growth_at(0, Schedule(last=64, stable_images=0, fade_images=0)) == (64, 1)


@pytest.mark.parametrize("settings", [{"last": 24}, {"last": 8, "first": 2}, {"last": 8, "fade_images": -1}])
def test_impossible_schedules(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"power of two|below 0"):
        Schedule(**settings)


def test_with_a_new_resolution_optimisers_forget() -> None:
    generator = Generator(z_dim=4, w_dim=4, img_resolution=8, mapping_layers=1, channel_base=16)
    optimiser = torch.optim.Adam(generator.parameters())
    generator.grow_to(4)
    generator(torch.randn(2, 4)).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    assert optimiser.state
    assert not advance([generator], Stage(4), [optimiser])
    assert optimiser.state
    assert advance([generator], Stage(8, 0.0), [optimiser])
    assert not optimiser.state
    assert generator.stage == Stage(8, 0.0)
    generator(torch.randn(2, 4)).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    assert not advance([generator], Stage(8, 0.5), [optimiser])
    assert optimiser.state
    assert generator.stage == Stage(8, 0.5)
