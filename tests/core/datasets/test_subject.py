"""Subjects are found where they were put, and put where all others are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from core.datasets.cropping import Preparation, around, cut, within
from core.datasets.drawing.emoji import find_font
from core.datasets.subject import SURE, Box, alignment, find_subject, overlap
from core.errors import NotFound
from tests.core.datasets.drawings import GROUNDS, ground, scene


def frame(box: Box, shape: tuple[int, ...]) -> Box:
    """What auto-crop cuts for a box."""
    return around(box, shape[0], shape[1])


@pytest.mark.parametrize("kind", GROUNDS)
def test_known_objects_on_every_ground(kind: str) -> None:
    """Mean overlap of found and true boxes; 0.86 to 0.88 was measured, 0.86 is a cell too much on each side."""
    random = np.random.default_rng(11)
    overlaps, confidences = [], []
    for _ in range(40):
        pixels, true = scene(kind, random)
        found = find_subject(pixels)
        overlaps.append(overlap(found.box, true))
        confidences.append(found.confidence)
    assert np.mean(overlaps) > 0.82
    assert np.mean(np.asarray(confidences) > SURE) > 0.9
    wrong = (np.asarray(overlaps) < 0.4) & (np.asarray(confidences) > SURE)
    assert wrong.mean() < 0.06


@pytest.mark.parametrize("kind", ["flat", "gradient", "vignette", "texture"])
def test_an_empty_picture_is_unsure(kind: str) -> None:
    random = np.random.default_rng(2)
    for _ in range(8):
        pixels = ground(kind, 150, 200, random).clip(0, 255).astype(np.uint8)
        assert find_subject(pixels).confidence < SURE


def test_what_is_opaque_is_the_subject() -> None:
    pixels = np.zeros((120, 160, 4), np.uint8)
    pixels[30:90, 40:110] = 255
    found = find_subject(pixels)
    assert overlap(found.box, (40, 30, 110, 90)) > 0.9


def test_a_segmenter_is_asked_instead() -> None:
    pixels, _ = scene("flat", np.random.default_rng(0))
    height, width = pixels.shape[:2]

    def right_half(given: np.ndarray) -> np.ndarray:
        assert given.shape == pixels.shape
        belief = np.zeros((20, 20), np.float32)
        belief[:, 10:] = 1
        return belief

    assert overlap(find_subject(pixels, right_half).box, (width / 2, 0, width, height)) > 0.9


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (700, 3, 3), (64, 64, 4)])
def test_odd_shapes(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = find_subject(pixels)
    assert 0 <= found.box[0] < found.box[2] <= shape[1]
    assert 0 <= found.box[1] < found.box[3] <= shape[0]
    assert 0 <= found.confidence <= 1


def test_alignment_says_how_alike_boxes_are() -> None:
    assert alignment([(0.2, 0.2, 0.8, 0.8)] * 5) == pytest.approx(1)
    random = np.random.default_rng(0)
    corners = random.uniform(0, 0.6, (200, 2))
    scattered: list[Box] = [(x, y, x + 0.4, y + 0.4) for x, y in corners.tolist()]
    assert 0.2 < alignment(scattered) < 0.5
    assert alignment([]) == 0


def test_subjects_come_to_the_same_place() -> None:
    """Looked for again in what was cut: the crop is judged by its pictures, not by its own numbers."""
    random = np.random.default_rng(6)
    before: list[Box] = []
    after: list[Box] = []
    for number in range(40):
        pixels, _ = scene(GROUNDS[number % len(GROUNDS)], random)
        found = find_subject(pixels)
        height, width = pixels.shape[:2]
        before.append((found.box[0] / width, found.box[1] / height, found.box[2] / width, found.box[3] / height))
        made = cut(pixels, frame(found.box, pixels.shape), 64, Preparation())
        after.append(within(find_subject(made).box, (0, 0, 64, 64)))
    assert alignment(before) < 0.4
    assert alignment(after) > 0.72


def test_emoji_off_the_centre_at_any_size() -> None:
    try:
        font = ImageFont.truetype(find_font(), 109)
    except (NotFound, OSError) as error:
        pytest.skip(str(error))
    random = np.random.default_rng(3)
    overlaps = []
    for number, glyph in enumerate("🍎🍌🚗🐱👟⚽🎸🏠🌳🐟🍕🚲🦋🎩🐢🍄"):
        stamp = Image.new("RGBA", (136, 128))
        ImageDraw.Draw(stamp).text((0, 0), glyph, font=font, embedded_color=True)
        stamp = stamp.crop(stamp.getbbox())
        height, width = (int(side) for side in random.integers(160, 320, 2))
        scale = random.uniform(0.3, 0.7) * min(height, width) / max(stamp.size)
        stamp = stamp.resize((round(stamp.width * scale), round(stamp.height * scale)))
        kind = GROUNDS[number % len(GROUNDS)]
        image = Image.fromarray((ground(kind, height, width, random) * 0.4 + 150).clip(0, 255).astype(np.uint8))
        left, top = int(random.integers(0, width - stamp.width)), int(random.integers(0, height - stamp.height))
        image.paste(stamp, (left, top), stamp)
        overlaps.append(
            overlap(find_subject(np.asarray(image)).box, (left, top, left + stamp.width, top + stamp.height))
        )
    assert np.mean(overlaps) > 0.75


def test_windows_stay_within_reason(tmp_path: Path) -> None:
    left, top, right, bottom = around((100, 100, 101, 101), 400, 300)
    assert right - left == bottom - top == 75
    left, top, right, bottom = around((0, 0, 300, 400), 400, 300)
    assert right - left == pytest.approx(460)
