"""The first StyleGAN in the training loop: it learns, grows, and goes on to the bit after a stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from core.ml.networks.growth import Stage
from core.ml.networks.stylegan1 import Generator
from core.ml.networks.stylegan1_discriminator import Discriminator
from core.ml.training.image.growing import Schedule, advance, growth_at
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.recipe import ImageRecipe
from core.ml.training.image.stylegan1_recipe import batch_at, rate_at, stylegan1_recipe

RED = (220, 60, 30)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def discs(count: int = 64, size: int = 16) -> np.ndarray:
    """Drawn pictures: a red disc somewhere on black."""
    draw = np.random.default_rng(4)
    rows, columns = np.mgrid[:size, :size]
    pictures = np.zeros((count, size, size, 3), np.uint8)
    for picture in pictures:
        y, x, radius = draw.uniform(5, 11), draw.uniform(5, 11), draw.uniform(4, 6)
        picture[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = RED
    return pictures


def fresh(recipe: ImageRecipe) -> ImageTraining:
    torch.manual_seed(3)
    sizes: dict[str, Any] = {"img_resolution": 16, "channel_base": 128, "channel_max": 16}
    generator = Generator(z_dim=8, w_dim=16, mapping_layers=2, **sizes)
    return ImageTraining(generator, Discriminator(**sizes), discs(), recipe)  # type: ignore[arg-type]


def small(steps: int, rate: float = 0.008) -> ImageRecipe:
    """The published recipe in a hurry."""
    recipe = stylegan1_recipe(steps, 16, batch=8)
    settings = {field: getattr(recipe, field) for field in recipe.__dataclass_fields__}
    return ImageRecipe(**settings | {"generator_rate": rate, "discriminator_rate": rate, "ema_images": 80.0})


def mean_colour(training: ImageTraining) -> np.ndarray:
    """Of what the averaged generator draws, in pixel values."""
    z = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pictures = training.average(z, noise_mode="const").clamp(-1, 1)
    return ((pictures + 1) * 127.5).mean(dim=(0, 2, 3)).numpy()


def test_it_learns_the_colours_of_drawn_pictures() -> None:
    wanted = discs().mean(axis=(0, 1, 2))
    training = fresh(small(60))
    before = np.abs(mean_colour(training) - wanted).mean()
    told = [training.run() for _ in range(training.recipe.steps)]
    after = np.abs(mean_colour(training) - wanted).mean()
    assert all(math.isfinite(value) for losses in told for value in losses.values())
    assert all("r1" in losses and losses["r1"] > 0 for losses in told)
    assert after < 0.4 * before
    drawn = mean_colour(training)
    assert drawn[0] > drawn[1] > drawn[2]
    for parameter in [*training.generator.parameters(), *training.discriminator.parameters()]:
        assert bool(torch.isfinite(parameter).all())


def grow_and_run(training: ImageTraining, steps: int) -> list[dict[str, float]]:
    schedule = Schedule(last=16, first=4, stable_images=16, fade_images=16)
    told = []
    for _ in range(steps):
        stage = growth_at(training.images, schedule)
        players: Any = (training.generator, training.discriminator)
        advance(players, stage, (training._for_g, training._for_d))
        told.append(training.run())
        assert training.average.stage == stage  # type: ignore[attr-defined]
    return told


def test_growing_goes_on_to_the_bit_after_a_stop() -> None:
    whole = fresh(small(9))
    told = grow_and_run(whole, 9)
    assert all(math.isfinite(value) for losses in told for value in losses.values())
    assert whole.generator.stage == Stage(16)  # type: ignore[attr-defined]

    stopped = fresh(small(9))
    assert grow_and_run(stopped, 7) == told[:7]
    assert stopped.generator.stage == Stage(16, 0.0)  # type: ignore[attr-defined]
    state = stopped.state()  # before another training seeds torch's random numbers
    resumed = fresh(small(9))
    resumed.restore(state)
    assert resumed.generator.stage == Stage(16, 0.0)  # type: ignore[attr-defined]
    assert grow_and_run(resumed, 2) == told[7:]
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, resumed.average.state_dict()[name]), name


def test_layers_that_are_not_grown_yet_stay_as_they_began() -> None:
    training = fresh(small(4))
    before = {name: value.clone() for name, value in training.generator.state_dict().items()}
    for network in (training.generator, training.discriminator):
        network.grow_to(8)  # type: ignore[operator]
    for _ in range(3):
        training.run()
    changed = {
        name.split(".")[1]
        for name, value in training.generator.state_dict().items()
        if name.startswith("synthesis.b") and not torch.equal(value, before[name])
    }
    assert changed == {"b4", "b8"}


def test_the_published_rates_and_batches() -> None:
    assert [rate_at(size) for size in (8, 64, 128, 256, 512, 1024, 2048)] == [
        *(0.001, 0.001, 0.0015, 0.002, 0.003, 0.003, 0.003)
    ]
    for size in (8, 128, 256, 512, 1024):
        batch = batch_at(size)
        assert batch < 4 or batch % 4 == 0
    recipe = stylegan1_recipe(10, 256)
    assert (recipe.gamma, recipe.r1_interval, recipe.path_weight, recipe.batch) == (10.0, 1, 0.0, 12)
