"""Emoji portraits, drawn from the Noto Color Emoji font.

Every person of that font is drawn on one template: the same head in the same place, dressed by what is joined to it.
A portrait here is a role (a profession, a hair style, a costume) x a person (neutral, man, woman) x a skin tone,
spelled as one joined sequence (Unicode Technical Standard 51, sections 2.3 and 2.4) and shaped by HarfBuzz, which
Pillow reaches through libraqm. A sequence that the font does not join comes out wide and is left out; pictures that
come out equal are kept once. Only roles that show head and shoulders are listed: no walkers, swimmers or bare heads.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from core.errors import NotFound, TarmacError

PERSONS = ("person", "man", "woman")
SKINS = ("yellow", "light", "medium light", "medium", "medium dark", "dark")

PORTRAITS = 738  # how many different portraits the font has, of the versions since Unicode 14

_FONT_SIZE = 109  # the only size that the font's bitmaps have
WIDTH, HEIGHT = 136, 128  # of each bitmap
_JOINER, _AS_PICTURE = "\u200d", "\ufe0f"
_ADULTS = ("\U0001f9d1", "\U0001f468", "\U0001f469")
_SEXES = ("", _JOINER + "\u2642" + _AS_PICTURE, _JOINER + "\u2640" + _AS_PICTURE)
_TONES = ("", *(chr(0x1F3FB + i) for i in range(5)))

# What is joined to a grown-up.
_JOINED = {
    "red hair": "\U0001f9b0",
    "curly hair": "\U0001f9b1",
    "bald": "\U0001f9b2",
    "white hair": "\U0001f9b3",
    "health worker": "\u2695\ufe0f",
    "graduate": "\U0001f393",
    "teacher": "\U0001f3eb",
    "judge": "\u2696\ufe0f",
    "farmer": "\U0001f33e",
    "cook": "\U0001f373",
    "mechanic": "\U0001f527",
    "factory worker": "\U0001f3ed",
    "office worker": "\U0001f4bc",
    "scientist": "\U0001f52c",
    "technologist": "\U0001f4bb",
    "singer": "\U0001f3a4",
    "artist": "\U0001f3a8",
    "pilot": "\u2708\ufe0f",
    "astronaut": "\U0001f680",
    "firefighter": "\U0001f692",
}
# Characters of their own that take a sex.
_ROLES = {
    "police officer": "\U0001f46e",
    "detective": "\U0001f575",
    "guard": "\U0001f482",
    "construction worker": "\U0001f477",
    "turban": "\U0001f473",
    "tuxedo": "\U0001f935",
    "veil": "\U0001f470",
    "mage": "\U0001f9d9",
    "vampire": "\U0001f9db",
    "elf": "\U0001f9dd",
    "blond hair": "\U0001f471",
    "frowning": "\U0001f64d",
    "tipping hand": "\U0001f481",
    "raising hand": "\U0001f64b",
    "arms up": "\U0001f646",
    "shrugging": "\U0001f937",
    "haircut": "\U0001f487",
    "massage": "\U0001f486",
}
# Characters of their own, one for each person.
_TRIPLES = {
    "crown": ("\U0001fac5", "\U0001f934", "\U0001f478"),
    "ninja": ("\U0001f977",) * 3,
    "skullcap": ("\U0001f472",) * 3,
    "headscarf": ("\U0001f9d5",) * 3,
    "christmas": ("\U0001f9d1", "\U0001f385", "\U0001f936"),
}
ROLES = (*_JOINED, *_ROLES, *_TRIPLES)

# Calm backdrops, light enough for dark uniforms and dark enough for white hats; each role keeps its own.
_BACKDROPS = (
    (176, 205, 230),
    (236, 205, 178),
    (187, 216, 190),
    (216, 196, 228),
    (240, 219, 165),
    (232, 190, 190),
    (166, 210, 208),
    (205, 206, 214),
)

_KNOWN_PLACES = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
    "/usr/local/share/fonts/NotoColorEmoji.ttf",
    "~/.local/share/fonts/NotoColorEmoji.ttf",
    "~/Library/Fonts/NotoColorEmoji.ttf",
)


@dataclass(frozen=True)
class Portraits:
    """Portraits and what each of them shows.

    Attributes:
        images: uint8 [n, size, size, 3], all different.
        rows: int64 [roles, persons, skins], the row of `images` that shows a combination; -1 where the font has none.
            Several combinations share a row where the font draws them alike.
    """

    images: NDArray[np.uint8]
    rows: NDArray[np.int64]

    def names(self) -> list[str]:
        """One name for each row, of the first combination that shows it: "cook, woman, dark skin"."""
        names = [""] * len(self.images)
        for (role, person, skin), row in np.ndenumerate(self.rows):
            if row >= 0 and not names[row]:
                names[row] = f"{ROLES[role]}, {PERSONS[person]}, {SKINS[skin]} skin"
        return names


def find_font() -> Path:
    """The file of the Noto Color Emoji font, from its usual places or from fontconfig.

    Raises:
        NotFound: It is not installed.
    """
    for place in _KNOWN_PLACES:
        path = Path(place).expanduser()
        if path.is_file():
            return path
    if shutil.which("fc-match"):
        ask = ["fc-match", "--format=%{family}\t%{file}", "Noto Color Emoji"]
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=False).stdout
        family, _, file = answer.partition("\t")
        if "Noto Color Emoji" in family and Path(file).is_file():
            return Path(file)
    raise NotFound(
        "the Noto Color Emoji font is not installed",
        do="Install fonts-noto-color-emoji (Debian), google-noto-color-emoji-fonts (Fedora) or noto-fonts-emoji (Arch)",
    )


def draw_portraits(size: int = 64, font: Path | None = None) -> Portraits:
    """Draw all portraits of the font, `size` x `size` pixels each (at most 128).

    Args:
        size: Width and height in pixels.
        font: The font's file; found by `find_font` when not given.

    Raises:
        NotFound: The font is not installed.
        TarmacError: Pillow cannot join sequences here, or the file is no such font.
    """
    pen = open_font(font or find_font(), joining=True)
    rows = np.full((len(ROLES), len(PERSONS), len(SKINS)), -1, np.int64)
    images: list[NDArray[np.uint8]] = []
    seen: dict[bytes, int] = {}
    for (role, person, skin), text in _sequences():
        if pen.getlength(text) > WIDTH + 1:
            continue
        picture = _draw(pen, text, _BACKDROPS[role % len(_BACKDROPS)], size)
        row = seen.setdefault(hashlib.sha256(picture.tobytes()).digest(), len(images))
        if row == len(images):
            images.append(picture)
        rows[role, person, skin] = row
    if not images:
        raise TarmacError("no portrait could be drawn", "the font joins none of the sequences", "Install a newer font")
    return Portraits(np.stack(images), rows)


def _sequences() -> Iterator[tuple[tuple[int, int, int], str]]:
    for skin, tone in enumerate(_TONES):
        for person in range(len(PERSONS)):
            for role, name in enumerate(ROLES):
                yield (role, person, skin), _spell(name, person, tone)


def _spell(name: str, person: int, tone: str) -> str:
    if name in _JOINED:
        return _ADULTS[person] + tone + _JOINER + _JOINED[name]
    if name in _ROLES:
        # The detective is an old text character: it becomes a picture by a tone or by asking for one.
        bare = _AS_PICTURE if name == "detective" and not tone else ""
        return _ROLES[name] + (tone or bare) + _SEXES[person]
    text = _TRIPLES[name][person] + tone
    return text + _JOINER + "\U0001f384" if name == "christmas" and person == 0 else text


def check_joining() -> None:
    """Make sure that sequences can be joined here.

    Raises:
        TarmacError: Pillow was built without libraqm.
    """
    if not features.check("raqm"):
        raise TarmacError(
            "emoji cannot be joined here",
            "this Pillow was built without libraqm",
            "Install libraqm (Debian: libraqm0), or Pillow's own wheel",
        )


def open_font(font: Path, joining: bool = False) -> ImageFont.FreeTypeFont:
    """The font, ready to draw single characters, or sequences that have to be joined.

    Raises:
        TarmacError: The file is no such font, or Pillow cannot join sequences here.
    """
    if joining:
        check_joining()
    engine = ImageFont.Layout.RAQM if joining else ImageFont.Layout.BASIC
    try:
        return ImageFont.truetype(str(font), _FONT_SIZE, layout_engine=engine)
    except OSError as error:
        raise TarmacError(f"cannot draw with {font}", str(error), "Use the bitmap font NotoColorEmoji.ttf") from error


def _draw(pen: ImageFont.FreeTypeFont, text: str, backdrop: tuple[int, int, int], size: int) -> NDArray[np.uint8]:
    drawn = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 0))
    ImageDraw.Draw(drawn).text((0, 0), text, font=pen, embedded_color=True)
    square = Image.new("RGB", (WIDTH, WIDTH), backdrop)
    # Room goes above the head: shoulders stand on the lower edge.
    square.paste(drawn, (0, WIDTH - HEIGHT), drawn)
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
