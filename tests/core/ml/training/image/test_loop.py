"""The adversarial loop: exact resume, the parts it is made of, and that it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import Refused
from core.ml.networks.stylegan2 import Discriminator, Generator
from core.ml.training.image.by_itself import train
from core.ml.training.image.loop import ImageTraining
from core.ml.training.image.recipe import ImageRecipe

RECIPE = ImageRecipe(steps=6, batch=4, r1_interval=2, path_weight=2.0, path_interval=3, strength=0.5, ema_images=20.0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Black:
    """An anchor for which every latent stands for a black picture."""

    def pictures(self, z: torch.Tensor) -> torch.Tensor:
        return -torch.ones(len(z), 3, 16, 16)

    def truncations(self, batch: int, source: torch.Generator) -> torch.Tensor:
        return torch.rand(batch, generator=source)

    def loss(self, z: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        return (drawn + 1).abs().mean()


def fresh(recipe: ImageRecipe = RECIPE, anchor: object = None) -> ImageTraining:
    torch.manual_seed(3)
    generator = Generator(z_dim=8, w_dim=16, img_resolution=16, mapping_layers=2, channel_base=128, channel_max=16)
    discriminator = Discriminator(img_resolution=16, channel_base=128, channel_max=16)
    pictures = np.random.default_rng(0).integers(0, 60, (10, 16, 16, 3), np.uint8)
    return ImageTraining(generator, discriminator, pictures, recipe, anchor=anchor)  # type: ignore[arg-type]


def weights(training: ImageTraining) -> dict[str, torch.Tensor]:
    state = training.state()
    return {
        f"{part}.{name}": v for part in ("generator", "discriminator", "average") for name, v in state[part].items()
    }


def test_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole = fresh()
    told = [losses for _, losses in train(whole)]
    file = tmp_path / "state.pt"
    broken = train(fresh(), checkpoint=file, save_every=1)
    for _ in range(3):
        next(broken)
    broken.close()
    resumed = fresh()
    rest = [losses for _, losses in train(resumed, checkpoint=file)]
    assert rest == told[3:]
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    for _ in train(fresh(ImageRecipe(steps=1, batch=4)), checkpoint=file):
        pass
    with pytest.raises(Refused, match="another plan"):
        next(train(fresh(ImageRecipe(steps=2, batch=4)), checkpoint=file))


def test_generator_moves_towards_the_pictures() -> None:
    recipe = ImageRecipe(steps=40, batch=8, gamma=1.0, ema_images=40.0, generator_rate=0.01, discriminator_rate=0.01)
    training = fresh(recipe)
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))

    def brightness() -> float:
        with torch.no_grad():
            return float(training.average(z, noise_mode="const").mean())

    wanted = 30 / 127.5 - 1
    before = abs(brightness() - wanted)
    for _ in train(training):
        pass
    assert abs(brightness() - wanted) < 0.5 * before


def test_discriminator_learns_alone_first() -> None:
    training = fresh(ImageRecipe(steps=2, batch=4, alone=2))
    before = {name: value.clone() for name, value in training.generator.state_dict().items()}
    for _, told in train(training):
        assert "generator" not in told
    assert all(torch.equal(value, before[name]) for name, value in training.generator.state_dict().items())


def test_anchor_holds_the_pictures() -> None:
    recipe = ImageRecipe(steps=30, batch=4, anchor=100.0, generator_rate=0.01)
    told = [losses["anchor"] for _, losses in train(fresh(recipe, Black()))]
    assert told[-1] < 0.5 * told[0]


def test_pairs_are_told_apart_and_pull_the_pictures_over() -> None:
    recipe = ImageRecipe(steps=60, batch=4, paired=True, alone=20, generator_rate=0.01, discriminator_rate=0.01)
    training = fresh(replace(recipe, ema_images=20.0, gamma=1.0), Black())
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))

    def brightness() -> float:
        with torch.no_grad():
            return float(training.average(z, noise_mode="const").mean())

    before = brightness()
    told = [losses for _, losses in train(training)]
    assert told[19]["discriminator"] < 0.3 < told[0]["discriminator"]
    assert brightness() < before - 0.2


def test_pairs_need_an_anchor() -> None:
    with pytest.raises(ValueError, match="anchor"):
        fresh(ImageRecipe(steps=1, batch=4, paired=True))


def test_pairs_are_changed_alike() -> None:
    training = fresh(ImageRecipe(steps=1, batch=4, paired=True, strength=1.0), Black())
    images = torch.rand(4, 3, 16, 16)
    first, second = training._pair(images, images)
    assert torch.equal(first, second)


def test_bfloat16_is_near_float32_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    recipe = replace(RECIPE, precision="bfloat16", steps=4, mapping=False)
    whole = fresh(recipe)
    told = [losses for _, losses in train(whole)]
    exact = [losses for _, losses in train(fresh(replace(recipe, precision="float32")))]
    assert told != exact
    assert told[0]["discriminator"] == pytest.approx(exact[0]["discriminator"], rel=0.02)
    file = tmp_path / "state.pt"
    broken = train(fresh(recipe), checkpoint=file, save_every=1)
    next(broken)
    broken.close()
    assert [losses for _, losses in train(fresh(recipe), checkpoint=file)] == told[1:]


@pytest.mark.parametrize("paired", [False, True])
def test_one_pass_for_both_players_gives_what_a_pass_for_each_gives(paired: bool) -> None:
    recipe = replace(RECIPE, strength=0.0, adapt=False, paired=paired, anchor=0.5, noise="const", mixing=0.5)
    once, twice = fresh(recipe, Black()), fresh(recipe, Black())
    twice._one_pass = False
    for _ in range(4):
        found, expected = once.run(), twice.run()
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for name, value in weights(twice).items():
        torch.testing.assert_close(weights(once)[name], value, rtol=1e-3, atol=2e-4, msg=name)


def test_one_pass_leaves_frozen_layers_alone() -> None:
    training = fresh(replace(RECIPE, freeze_d=3))
    before = {name: value.clone() for name, value in training.discriminator.named_parameters()}
    for _ in range(2):
        training.run()
    moved = {name for name, value in training.discriminator.named_parameters() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith(("b16.fromrgb", "b16.conv0", "b16.conv1")) for name in moved)


def test_mapping_can_be_left_alone() -> None:
    training = fresh(replace(RECIPE, mapping=False))
    before = {name: value.clone() for name, value in training.generator.mapping.state_dict().items()}
    for _ in train(training):
        pass
    after = training.average.mapping.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
