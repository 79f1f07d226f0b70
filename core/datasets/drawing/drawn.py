"""The starter datasets that are made where they are used: by name, with what they hold, and how they are made.

Three kinds: pictures of an installed emoji font, things drawn by code alone, and the source of the running Python's own
library. Nothing is downloaded or shipped.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.datasets import code
from core.datasets.drawing import cars, emoji, emoji_groups, sneakers
from core.errors import TarmacError

_FONT_LICENCE = "SIL Open Font License 1.1 (Noto Color Emoji)"
_OWN_LICENCE = "Apache-2.0 (drawn by Tarmac)"


@dataclass(frozen=True)
class DrawnSet:
    """A dataset that can be drawn.

    Attributes:
        title: For people.
        about: One sentence on what it shows.
        licence: Of the pictures.
        count: How many pictures are expected; a font of another version may give a few more or less.
        available: Why it cannot be drawn here, or None. Cheap, but it may ask fontconfig: not for an event loop.
        draw: From a side in pixels to the pictures, uint8 [n, size, size, 3], and a name for each, which begins with
            what it shows. The same size gives the same bytes. Raises TarmacError where it is not available.
        classes: What each picture shows, in the order of the pictures; None where it is known only after drawing.
    """

    title: str
    about: str
    licence: str
    count: int
    available: Callable[[], str | None]
    draw: Callable[[int], tuple[NDArray[np.uint8], list[str]]]
    classes: tuple[str, ...] | None = None
    kind: str = "image"


@dataclass(frozen=True)
class GatheredTexts:
    """A dataset of text that can be gathered.

    Attributes:
        title, about, licence: As of `DrawnSet`.
        count: 0: how many documents there are is known once they are gathered.
        available: Why it cannot be gathered here, or None.
        gather: The documents: name, text, and whether it is held out.
    """

    title: str
    about: str
    licence: str
    available: Callable[[], str | None]
    gather: Callable[[], Iterator[tuple[str, str, bool]]]
    count: int = 0
    kind: str = "text"


def _no_font() -> str | None:
    try:
        emoji.find_font()
    except TarmacError as error:
        return str(error)
    return None


def _no_portraits() -> str | None:
    try:
        emoji.check_joining()
    except TarmacError as error:
        return str(error)
    return _no_font()


def _always() -> None:
    return None


def _portraits(size: int) -> tuple[NDArray[np.uint8], list[str]]:
    portraits = emoji.draw_portraits(size)
    return portraits.images, portraits.names()


def _no_library() -> str | None:
    there = Path(sysconfig.get_path("stdlib"), "argparse.py").is_file()
    return None if there else "the source of Python's library is not installed"


def _library() -> Iterator[tuple[str, str, bool]]:
    """The standard library as the text starter was trained on it, with the same files held out."""
    for source in code.standard_library():
        yield source.name, code.condense(source.text), code.is_held_out(source.name)


DRAWN: Mapping[str, DrawnSet | GatheredTexts] = MappingProxyType(
    {
        "portraits": DrawnSet(
            "Emoji portraits",
            "People of many professions, hair styles and skin tones, drawn from the Noto Color Emoji font.",
            _FONT_LICENCE,
            emoji.PORTRAITS,
            _no_portraits,
            _portraits,
        ),
        "emoji-food": DrawnSet(
            "Emoji food",
            "Fruit, dishes, sweets and drinks of the Noto Color Emoji font on calm backdrops, each a few times.",
            _FONT_LICENCE,
            emoji_groups.FOOD.count,
            _no_font,
            emoji_groups.FOOD.draw,
        ),
        "emoji-animals": DrawnSet(
            "Emoji animals",
            "Animals and plants of the Noto Color Emoji font on calm backdrops, each a few times.",
            _FONT_LICENCE,
            emoji_groups.ANIMALS.count,
            _no_font,
            emoji_groups.ANIMALS.draw,
        ),
        "cars": DrawnSet(
            "Cars",
            "Cars of ten kinds from the side, facing right, drawn by code in many shapes and paints.",
            _OWN_LICENCE,
            cars.COUNT,
            _always,
            cars.draw_cars,
            tuple(cars.kind(index) for index in range(cars.COUNT)),
        ),
        "sneakers": DrawnSet(
            "Sneakers",
            "Low, mid and high sneakers from the side, facing right, drawn by code in many shapes and colours.",
            _OWN_LICENCE,
            sneakers.COUNT,
            _always,
            sneakers.draw_sneakers,
            tuple(sneakers.kind(index) for index in range(sneakers.COUNT)),
        ),
        "python": GatheredTexts(
            "Python's library",
            "The standard library of the running Python, without its tests and with less prose.",
            "PSF-2.0",
            _no_library,
            _library,
        ),
    }
)
