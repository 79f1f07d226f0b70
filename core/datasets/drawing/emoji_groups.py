"""Groups of emoji, drawn from the Noto Color Emoji font: food and drink, animals and plants.

The groups follow Unicode's subgroups (emoji-test.txt of Unicode 15), less tableware, noses, paws, feathers, webs and
the like: each symbol is one code point and one thing. A symbol is drawn several times, upright first, then a little
turned, smaller or mirrored, always on another calm backdrop. That is enough to train on and stays natural.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.datasets.drawing.brush import BACKDROPS, Colour
from core.datasets.drawing.emoji import HEIGHT, WIDTH, find_font, open_font
from core.errors import TarmacError

VARIANTS = 8
"""How often each symbol is drawn."""

_FRAME = 160  # side of the picture in the font's pixels: a glyph turned by at most _TURN fits in with a margin
_TURN = 8.0  # degrees
_SMALLEST = 0.84

# Code points, and ranges of them with both ends, by subgroup.
_FOOD: dict[str, tuple[int | tuple[int, int], ...]] = {
    "fruit": (0x1F345, (0x1F347, 0x1F353), 0x1F95D, 0x1F965, 0x1F96D, 0x1FAD0, 0x1FAD2),
    "vegetable": (
        0x1F33D, 0x1F330, 0x1F336, 0x1F344, 0x1F346, 0x1F951, 0x1F952, (0x1F954, 0x1F955), 0x1F95C, 0x1F966,
        0x1F96C, (0x1F9C4, 0x1F9C5), 0x1FAD1, 0x1FAD8, (0x1FADA, 0x1FADB),
    ),
    "dish": (
        (0x1F32D, 0x1F32F), (0x1F354, 0x1F357), 0x1F35E, 0x1F35F, (0x1F372, 0x1F373), 0x1F37F, 0x1F950, 0x1F953,
        (0x1F956, 0x1F95A), 0x1F95E, 0x1F963, (0x1F968, 0x1F96B), 0x1F96F, 0x1F9C0, 0x1F9C2, (0x1F9C6, 0x1F9C8),
        (0x1FAD3, 0x1FAD5),
    ),
    "Asian dish": ((0x1F358, 0x1F35D), (0x1F360, 0x1F365), 0x1F371, (0x1F95F, 0x1F961), 0x1F96E),
    "seafood": (0x1F980, 0x1F990, 0x1F991, 0x1F99E, 0x1F9AA),
    "sweet": ((0x1F366, 0x1F370), 0x1F382, 0x1F967, 0x1F9C1),
    "drink": (
        0x2615, (0x1F375, 0x1F37C), 0x1F37E, (0x1F942, 0x1F943), 0x1F95B, 0x1F964, 0x1F9C3, 0x1F9C9, 0x1F9CA, 0x1F9CB,
        (0x1FAD6, 0x1FAD7),
    ),
}  # fmt: skip
_ANIMALS: dict[str, tuple[int | tuple[int, int], ...]] = {
    "mammal": (
        (0x1F400, 0x1F408), (0x1F40E, 0x1F412), (0x1F415, 0x1F418), 0x1F428, (0x1F429, 0x1F42B), (0x1F42D, 0x1F431),
        (0x1F434, 0x1F437), 0x1F439, (0x1F43A, 0x1F43C), 0x1F43F, 0x1F981, 0x1F984, 0x1F987, 0x1F98A,
        (0x1F98C, 0x1F98D), 0x1F98F, (0x1F992, 0x1F994), (0x1F998, 0x1F999), 0x1F99B, 0x1F99D, 0x1F9A1, 0x1F9A3,
        (0x1F9A5, 0x1F9A8), (0x1F9AB, 0x1F9AC), 0x1F9AE, (0x1FACE, 0x1FACF),
    ),
    "bird": (
        (0x1F413, 0x1F414), (0x1F423, 0x1F427), 0x1F54A, 0x1F983, (0x1F985, 0x1F986), 0x1F989, 0x1F99A, 0x1F99C,
        0x1F9A2, 0x1F9A4, 0x1F9A9, 0x1FABF,
    ),
    "reptile": (0x1F409, 0x1F40A, 0x1F40D, 0x1F422, 0x1F432, 0x1F438, 0x1F98E, (0x1F995, 0x1F996)),
    "sea animal": (
        0x1F40B, (0x1F419, 0x1F41A), (0x1F41F, 0x1F421), 0x1F42C, 0x1F433, 0x1F988, 0x1F9AD, 0x1FAB8, 0x1FABC,
    ),
    "insect": (0x1F40C, (0x1F41B, 0x1F41E), 0x1F577, 0x1F982, 0x1F98B, 0x1F997, 0x1F99F, (0x1FAB0, 0x1FAB3)),
    "flower": ((0x1F337, 0x1F33C), 0x1F3F5, 0x1F490, 0x1F940, 0x1FAB7, 0x1FABB),
    "plant": ((0x1F331, 0x1F335), (0x1F33E, 0x1F343), 0x2618, 0x1FAB4),
}  # fmt: skip
# Names that the character database of the oldest supported Python does not know yet.
_NEW_NAMES = {
    0x1FABB: "hyacinth",
    0x1FABC: "jellyfish",
    0x1FABF: "goose",
    0x1FACE: "moose",
    0x1FACF: "donkey",
    0x1FADA: "ginger root",
    0x1FADB: "pea pod",
}


@dataclass(frozen=True)
class EmojiGroup:
    """Symbols that belong together.

    Attributes:
        symbols: Each with its subgroup, in the order of their code points within the subgroups.
    """

    symbols: tuple[tuple[str, str], ...]

    @property
    def count(self) -> int:
        """How many pictures there are, if the font has every symbol."""
        return len(self.symbols) * VARIANTS

    def draw(self, size: int, font: Path | None = None) -> tuple[NDArray[np.uint8], list[str]]:
        """Draw the group: uint8 [n, size, size, 3], and a name for each picture: "grapes, fruit, 3".

        Args:
            size: Width and height in pixels; above 128 the font's bitmaps look soft.
            font: The font's file; found by `find_font` when not given.

        Raises:
            NotFound: The font is not installed.
            TarmacError: The file is no such font, or it has none of the symbols.
        """
        pen = open_font(font or find_font())
        images: list[NDArray[np.uint8]] = []
        names: list[str] = []
        for number, (symbol, subgroup) in enumerate(self.symbols):
            glyph = _glyph(pen, symbol)
            if glyph is None:  # the font is older than the symbol
                continue
            for variant in range(VARIANTS):
                # Seven and twelve have no common divisor: neighbours differ, and so do the variants of one symbol.
                backdrop = BACKDROPS[(number * 7 + variant) % len(BACKDROPS)]
                images.append(_place(glyph, backdrop, random.Random(f"{symbol} {variant}"), variant, size))
                names.append(f"{_name(symbol)}, {subgroup}, {variant + 1}")
        if not images:
            raise TarmacError("no emoji could be drawn", "the font has none of the symbols", "Install a newer font")
        return np.stack(images), names


def _symbols(groups: dict[str, tuple[int | tuple[int, int], ...]]) -> Iterator[tuple[str, str]]:
    for subgroup, parts in groups.items():
        for part in parts:
            first, last = (part, part) if isinstance(part, int) else part
            for code in range(first, last + 1):
                yield chr(code), subgroup


def _name(symbol: str) -> str:
    return _NEW_NAMES.get(ord(symbol)) or unicodedata.name(symbol).lower()


def _glyph(pen: ImageFont.FreeTypeFont, symbol: str) -> Image.Image | None:
    # Drawn on nothing, the soft edges of a glyph take in some black. On black and on white they tell how opaque they
    # are and of what colour.
    grounds = []
    for ground in ("black", "white"):
        image = Image.new("RGB", (WIDTH, HEIGHT), ground)
        ImageDraw.Draw(image).text((0, 0), symbol, font=pen, embedded_color=True)
        grounds.append(np.asarray(image).astype(float))
    opacity = 1 - (grounds[1] - grounds[0]).mean(-1, keepdims=True).clip(0, 255) / 255
    if not opacity.any():
        return None
    colour = (grounds[0] / np.maximum(opacity, 1 / 255)).clip(0, 255)
    return Image.fromarray(np.rint(np.concatenate([colour, opacity * 255], -1)).astype(np.uint8))


def _place(glyph: Image.Image, backdrop: Colour, dice: random.Random, variant: int, size: int) -> NDArray[np.uint8]:
    """The glyph in the middle of a square, turned, scaled and mirrored as the variant wants."""
    side = max(min(4 * size, 256), 2 * size)
    angle = np.deg2rad(dice.uniform(-_TURN, _TURN)) if variant else 0.0
    scale = dice.uniform(_SMALLEST, 1.0) if variant else 1.0
    mirror = -1.0 if variant % 2 else 1.0
    step = _FRAME / side / scale  # pixels of the font for one of the square
    cos, sin = step * np.cos(angle), step * np.sin(angle)
    middle, (x, y) = side / 2, _middle(glyph)
    matrix = (
        *(mirror * cos, mirror * sin, x - mirror * (cos + sin) * middle),
        *(-sin, cos, y - (cos - sin) * middle),
    )
    placed = glyph.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    square = Image.new("RGB", (side, side), backdrop)
    square.paste(placed, (0, 0), placed)
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def _middle(glyph: Image.Image) -> tuple[float, float]:
    box = glyph.getbbox()
    assert box is not None  # empty glyphs are left out before
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


FOOD = EmojiGroup(tuple(_symbols(_FOOD)))
ANIMALS = EmojiGroup(tuple(_symbols(_ANIMALS)))
