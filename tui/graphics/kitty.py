"""Pictures by the kitty graphics protocol: sent as PNG under an id, shown by placeholders or by placement.

Ids stay below 256: a placeholder names its picture by its text colour, and a colour of the 256 survives sessions in
which truecolour does not. Everything is sent with q=2, so that no answer can be mistaken for typing.
Source: https://sw.kovidgoyal.net/kitty/graphics-protocol/ (sections "Unicode placeholders", "Deleting images").
"""

from __future__ import annotations

import base64
import re

from tui.graphics.layout import Rect

PLACEHOLDER = "\U0010eeee"

_CHUNK = 4096
_RANGES = """
305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1 5a8-5a9 5ab-5ac 5af
5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733 735-736 73a 73d 73f-741 743 745 747
749-74a 7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951 953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 1a75-1a7c
1b6b 1b6d-1b73 1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 20d4-20d7 20db-20dc
20e1 20e7 20e9 20f0 2cef-2cf1 2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1 aab0 aab2-aab3 aab7-aab8 aabe-aabf aac1
fe20-fe26 10a0f 10a38 1d185-1d189 1d1aa-1d1ad 1d242-1d244
"""


def _diacritics() -> str:
    found = []
    for part in _RANGES.split():
        first, _, last = part.partition("-")
        found += [chr(code) for code in range(int(first, 16), int(last or first, 16) + 1)]
    return "".join(found)


DIACRITICS = _diacritics()
"""The n-th of these on a placeholder means row (or column) n of the picture."""

MOST_CELLS = len(DIACRITICS)
"""Rows and columns that placeholders can number."""


def send_virtual(image: int, png: bytes, columns: int, rows: int) -> str:
    """Send (or replace) a picture and spread it over `columns` x `rows` cells wherever placeholders name it."""
    return _chunks(f"a=T,U=1,i={image},f=100,q=2,c={columns},r={rows}", png)


def send(image: int, png: bytes) -> str:
    """Send (or replace) a picture's data without showing it."""
    return _chunks(f"a=t,i={image},f=100,q=2", png)


def place(image: int, placement: int, source: Rect, columns: int, rows: int) -> str:
    """Show the rectangle `source` (pixels) of a sent picture over `columns` x `rows` cells at the cursor, which stays.

    Args:
        image: Id of 1 or more.
        placement: Number of 1 or more; a second placement with the same number takes the place of the first.
    """
    x, y, width, height = source
    return f"\x1b_Ga=p,i={image},p={placement},x={x},y={y},w={width},h={height},c={columns},r={rows},C=1,z=0,q=2\x1b\\"


def hide(image: int) -> str:
    """Take all placements of a picture off the screen; its data stays."""
    return f"\x1b_Ga=d,d=i,i={image},q=2\x1b\\"


def delete(image: int) -> str:
    """Take a picture off the screen and free its data."""
    return f"\x1b_Ga=d,d=I,i={image},q=2\x1b\\"


def placeholders(image: int, row: int, start: int, stop: int) -> str:
    """The cells [start, stop) of one row of a picture: text that the terminal replaces by the picture.

    Only the first cell is numbered: the ones right of it inherit its row and count on.
    """
    if stop <= start:
        return ""
    first = PLACEHOLDER + DIACRITICS[row] + DIACRITICS[start]
    return f"\x1b[38;5;{image};49m{first}{PLACEHOLDER * (stop - start - 1)}\x1b[0m"


def through_tmux(data: str) -> str:
    """Wrap sequences so that tmux hands them to the terminal it runs in (needs `allow-passthrough on`).

    tmux keeps the marks of a frame for itself; without any, a picture that takes the place of another one would leave
    a hole for a moment, so the terminal gets marks of its own.
    """
    if not data:
        return ""
    parts = re.split(r"(?<=\x1b\\)", f"\x1b[?2026h{data}\x1b[?2026l")
    return "".join("\x1bPtmux;" + part.replace("\x1b", "\x1b\x1b") + "\x1b\\" for part in parts if part)


def _chunks(control: str, data: bytes) -> str:
    text = base64.standard_b64encode(data).decode("ascii")
    starts = range(0, max(1, len(text)), _CHUNK)
    parts = []
    for start in starts:
        more = int(start + _CHUNK < len(text))
        head = f"{control},m={more}" if start == 0 else f"m={more},q=2"
        parts.append(f"\x1b_G{head};{text[start : start + _CHUNK]}\x1b\\")
    return "".join(parts)
