"""The FID network against an independent reference with the same weights, drawn by a recipe (golden/inception.npz)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.ml.networks.inception import CLASSES, SIZE, TAPS, InceptionV3, resize
from tests.core.ml.golden import Golden, assert_close
from tests.core.ml.inception_weights import random_state


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("inception")


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    return InceptionV3().read_published(random_state())


def test_names_and_shapes_are_the_published_ones(golden: Golden) -> None:
    with torch.device("meta"):
        ours = InceptionV3().published()
    published = {name: tuple(shape) for name, shape in golden.json("shapes").items()}
    assert ours == {name: shape for name, shape in published.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("size", ["64", "299", "400x300"])
def test_equals_the_reference_at_every_tap(golden: Golden, network: InceptionV3, size: str) -> None:
    pictures = torch.from_numpy(golden.arrays[f"images_{size}"])
    with torch.inference_mode():
        found = network(pictures, TAPS)
    assert list(found) == list(TAPS)
    assert found["logits_unbiased"].shape == (2, CLASSES)
    for tap in TAPS:
        assert_close(found[tap], golden[f"features_{tap}_{size}"], 2e-5, f"{tap} at {size}")


def test_stops_at_the_last_tap_asked_for(network: InceptionV3, golden: Golden) -> None:
    called: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: called.append(name))
        for name, module in network.named_children()
    ]
    with torch.inference_mode():
        found = network(torch.from_numpy(golden.arrays["images_64"]), ("192",))
    for hook in hooks:
        hook.remove()
    assert list(found) == ["192"]
    assert called[-1] == "Conv2d_4a_3x3"


def test_pictures_in_a_batch_do_not_touch_each_other(network: InceptionV3, golden: Golden) -> None:
    pictures = torch.from_numpy(golden.arrays["images_64"])
    with torch.inference_mode():
        together = network(pictures)["2048"]
        alone = torch.cat([network(part)["2048"] for part in pictures.split(1)])
    assert_close(alone, together, 1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 400), (1, 7), (598, 299), (1024, 30)])
def test_resize_is_tensorflow_1s(height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.float64)
    expected = np.empty((SIZE, SIZE))
    for row in range(SIZE):
        for column in range(SIZE):
            y, x = row * height / SIZE, column * width / SIZE
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = picture[top, left] * (1 - (x - left)) + picture[top, right] * (x - left)
            lower = picture[bottom, left] * (1 - (x - left)) + picture[bottom, right] * (x - left)
            expected[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    ours = resize(torch.from_numpy(picture).float()[None, None], SIZE)[0, 0].numpy()
    # float32 places are off by up to 1e-4 of a pixel at 1024, times a step of up to 255
    np.testing.assert_allclose(ours, expected, atol=0.04)


def test_resize_is_no_half_pixel_rule() -> None:
    picture = torch.arange(64.0).expand(1, 1, 64, 64)
    assert not torch.allclose(resize(picture, SIZE), F.interpolate(picture, SIZE, mode="bilinear"), atol=0.1)
