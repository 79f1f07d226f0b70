"""Near duplicates are found without looking at all pairs."""

import time

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from core.datasets.duplicates import likeness, near_duplicates, pixel_hash
from tests.core.datasets.drawings import picture


def near(*images: Image.Image) -> dict[int, int]:
    found = [likeness(np.asarray(image)) for image in images]
    return near_duplicates([bits for bits, _ in found], np.stack([thumb for _, thumb in found]))


def test_the_same_picture_otherwise() -> None:
    one = picture(1, 120, 100)
    smaller = one.resize((60, 50), Image.Resampling.LANCZOS)
    brighter = ImageEnhance.Brightness(one).enhance(1.02)
    assert near(one, picture(2), smaller, picture(3), brighter) == {2: 0, 4: 0}


def test_different_pictures_stay() -> None:
    assert near(*(picture(seed) for seed in range(60))) == {}


def test_colour_alone_tells_apart() -> None:
    one = picture(1)
    red, green, blue = one.split()
    assert near(one, Image.merge("RGB", (blue, green, red))) == {}


def test_pictures_of_one_colour() -> None:
    plain = [Image.new("RGB", (40, 40), (level, level, level)) for level in (0, 100, 200, 101, 1)]
    assert near(*plain) == {3: 1, 4: 0}


def test_pixels_and_shape_are_what_is_hashed() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert pixel_hash(pixels) == pixel_hash(pixels.copy())
    assert pixel_hash(pixels) != pixel_hash(pixels.reshape(2, 8, 3))
    assert pixel_hash(pixels) == pixel_hash(np.asfortranarray(pixels))


@pytest.mark.parametrize("kind", ["spread", "alike", "two"])
def test_fifty_thousand(kind: str) -> None:
    """Processor time, so that others on the machine do not count; all pairs would be 1.25 thousand million."""
    random = np.random.default_rng(0)
    count = 50_000
    thumbs = random.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    hashes = random.integers(0, 2**63, count, dtype=np.uint64)
    if kind == "alike":  # the worst that can be fed: all in one bucket
        hashes[:] = 5
    elif kind == "two":
        hashes = np.where(random.random(count) < 0.5, np.uint64(3), hashes)
    thumbs[777], hashes[777] = thumbs[5], hashes[5] ^ np.uint64(0b1011)
    started = time.process_time()
    found = near_duplicates(hashes.tolist(), thumbs)
    assert time.process_time() - started < 20
    if kind == "spread":
        assert found == {777: 5}
