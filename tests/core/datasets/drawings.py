"""Pictures for tests: known objects at known places, and folders full of different ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from core.datasets.subject import Box

GROUNDS = ("flat", "gradient", "vignette", "texture", "horizon")


def ground(kind: str, height: int, width: int, random: np.random.Generator) -> NDArray[np.float64]:
    """A background, float64 [h, w, 3] in levels."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    one, other = random.integers(0, 256, 3), random.integers(0, 256, 3)
    if kind == "flat":
        return np.broadcast_to(one, (height, width, 3)).astype(np.float64)
    if kind == "gradient":
        turn = random.uniform(0, 6)
        along = x * np.cos(turn) + y * np.sin(turn)
        return one + (other - one) * ((along - along.min()) / np.ptp(along))[..., None]
    if kind == "vignette":
        return (120 + one / 2) * (1 - 0.8 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]
    if kind == "texture":
        noise = Image.fromarray((random.normal(0, 40, (height, width)) + 128).clip(0, 255).astype(np.uint8))
        soft = np.asarray(noise.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 3)))).astype(np.float64) - 128
        return (40 + one * 0.7) + (soft / soft.std() * 18)[..., None]
    return np.where((y < y.max() * 0.6)[..., None], one, other).astype(np.float64)


def scene(kind: str, random: np.random.Generator) -> tuple[NDArray[np.uint8], Box]:
    """An ellipse, a rectangle or a triangle somewhere on a background; the picture and the object's box."""
    height, width = (int(side) for side in random.integers(120, 400, 2))
    behind = ground(kind, height, width, random)
    large = random.uniform(0.25, 0.7) * min(height, width)
    across, down = large * random.uniform(0.6, 1), large * random.uniform(0.6, 1)
    left, top = random.uniform(4, width - across - 4), random.uniform(4, height - down - 4)
    colour = random.integers(0, 256, 3)
    while np.abs(behind.reshape(-1, 3) - colour).sum(axis=1).min() < 60:
        colour = random.integers(0, 256, 3)
    image = Image.fromarray(behind.clip(0, 255).astype(np.uint8))
    pen, fill = ImageDraw.Draw(image), tuple(int(level) for level in colour)
    box: Box = (left, top, left + across, top + down)
    shape = random.integers(3)
    if shape == 0:
        pen.ellipse(box, fill=fill)
    elif shape == 1:
        pen.rectangle(box, fill=fill)
    else:
        pen.polygon([(left, top + down), (left + across, top + down), (left + across / 2, top)], fill=fill)
    return np.asarray(image), box


def picture(seed: int, width: int = 48, height: int = 40) -> Image.Image:
    """A picture unlike those of other seeds: large blocks of colour."""
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def folder_of(folder: Path, count: int, first: int = 0, width: int = 48, height: int = 40) -> Path:
    """A folder with that many different pictures, p0000.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        picture(seed, width, height).save(folder / f"p{seed:04}.png")
    return folder


def cluttered(random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.bool_], Box]:
    """A smooth shape on a ground of scraps in all colours; the picture, where the shape is, and its box.

    The border holds every colour, so that contrast with it tells little: what the shape has and nothing else is that it
    is smooth.
    """
    height, width = (int(side) for side in random.integers(120, 320, 2))
    scale = min(height, width)
    image = Image.new("RGB", (width, height), tuple(int(level) for level in random.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(round(3.0 * height * width / (0.08 * scale) ** 2)):
        x, y, side = random.uniform(0, width), random.uniform(0, height), random.uniform(0.03, 0.12) * scale
        corners = [
            (x + side * np.cos(turn), y + side * np.sin(turn)) for turn in np.sort(random.uniform(0, 2 * np.pi, 3))
        ]
        pen.polygon(corners, fill=tuple(int(level) for level in random.integers(0, 256, 3)))
    large = random.uniform(0.3, 0.65) * scale
    across, down = large * random.uniform(0.7, 1), large * random.uniform(0.7, 1)
    left, top = random.uniform(3, width - across - 3), random.uniform(3, height - down - 3)
    box: Box = (left, top, left + across, top + down)
    stencil = Image.new("1", (width, height))
    shape, cut = random.integers(3), ImageDraw.Draw(stencil)
    if shape == 0:
        cut.ellipse(box, fill=1)
    elif shape == 1:
        cut.rounded_rectangle(box, large / 6, fill=1)
    else:
        cut.polygon([(left, top + down), (left + across, top + down), (left + across / 2, top)], fill=1)
    mask = np.array(stencil)
    y, x = np.mgrid[0:height, 0:width] / scale
    one, other = random.integers(0, 256, (2, 3)) * 0.8 + 25
    turn = random.uniform(0, 2 * np.pi)
    along = x * np.cos(turn) + y * np.sin(turn)
    smooth = one + (other - one) * ((along - along.min()) / np.ptp(along))[..., None]
    return np.where(mask[..., None], smooth, np.asarray(image)).clip(0, 255).astype(np.uint8), mask, box
