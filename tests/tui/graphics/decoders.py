"""Reads back what the encoders write: a sixel and a kitty decoder of their own, slow and by the book."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

Pixels = np.ndarray


def read_sixel(data: bytes) -> Pixels:
    """Pixels int16 [H, W, 3]; -1 where nothing was drawn.

    Fails on what terminals are known to stumble over: a colour selected before it is defined, one defined between
    data, a picture that is larger than its raster attributes.
    """
    match = re.fullmatch(rb'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', data, re.DOTALL)
    assert match, data[:60]
    width, height, body = int(match[1]), int(match[2]), match[3].decode("ascii")
    picture = np.full((-(-height // 6) * 6, width, 3), -1, np.int16)
    colours: dict[int, tuple[int, int, int]] = {}
    colour, x, y, drawn = None, 0, 0, False
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|([$-])", body):
        number, red, green, blue, count, repeated, single, move = token.groups()
        if red is not None:
            assert not drawn, "colours are defined before anything is drawn"
            values = int(red), int(green), int(blue)
            assert max(values) <= 100
            colours[int(number)] = tuple(round(value * 255 / 100) for value in values)  # type: ignore[assignment]
        elif number is not None:
            colour = colours[int(number)]
        elif move == "$":
            x = 0
        elif move == "-":
            x, y = 0, y + 6
        else:
            drawn = True
            bits, times = ord(repeated or single) - 63, int(count or 1)
            assert x + times <= width, "wider than it says"
            for row in range(6):
                if bits >> row & 1:
                    assert y + row < height, "higher than it says"
                    assert (picture[y + row, x : x + times] == -1).all(), "a pixel is drawn once"
                    picture[y + row, x : x + times] = colour
            x += times
    assert sum(len(token.group(0)) for token in re.finditer(r"[#;!?-~$\d-]", body)) == len(body)
    return picture[:height]


@dataclass
class Kitty:
    """A terminal's picture store: pictures by id, placements, what went wrong."""

    pictures: dict[int, Pixels] = field(default_factory=dict)
    virtual: dict[int, tuple[int, int]] = field(default_factory=dict)
    placements: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)
    _open: dict[str, str] = field(default_factory=dict)
    _payload: str = ""

    def feed(self, text: str) -> None:
        """Take sequences; the cursor is where the last CUP put it."""
        row, column = 1, 1
        pattern = r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\|\x1b\[(\d+);(\d+)H|\x1b[78]|\x1b\[\?2026[hl]"
        assert re.sub(pattern, "", text) == ""
        for match in re.finditer(pattern, text):
            if match[3]:
                row, column = int(match[3]), int(match[4])
            elif match[1] is not None:
                self._command(dict(part.split("=") for part in match[1].split(",")), match[2] or "", row, column)

    def _command(self, keys: dict[str, str], payload: str, row: int, column: int) -> None:
        assert keys.get("q") == "2", "the terminal must not answer"
        assert len(payload) <= 4096
        if self._open:
            assert set(keys) <= {"m", "q"}
            self._payload += payload
            if keys["m"] == "0":
                opened, self._open = self._open, {}
                self._sent(opened)
        elif keys["a"] in "tT":
            self._payload = payload
            if keys["m"] == "1":
                self._open = keys
            else:
                self._sent(keys)
        elif keys["a"] == "p":
            assert keys["C"] == "1", "the cursor stays"
            assert int(keys["i"]) in self.pictures
            place = {name: int(value) for name, value in keys.items() if name in "xywhcr"}
            self.placements[int(keys["i"]), int(keys["p"])] = {**place, "row": row, "column": column}
        else:
            assert keys["a"] == "d"
            image = int(keys["i"])
            self.placements = {key: value for key, value in self.placements.items() if key[0] != image}
            if keys["d"] == "I":
                self.pictures.pop(image, None)
                self.virtual.pop(image, None)

    def _sent(self, keys: dict[str, str]) -> None:
        image = int(keys["i"])
        assert 1 <= image <= 255
        assert keys["f"] == "100"
        with Image.open(io.BytesIO(base64.b64decode(self._payload))) as picture:
            assert picture.mode == "P", "paletted"
            self.pictures[image] = np.asarray(picture.convert("RGB"))
        self.placements = {key: value for key, value in self.placements.items() if key[0] != image}
        if keys.get("U") == "1":
            assert keys["a"] == "T"
            self.virtual[image] = int(keys["c"]), int(keys["r"])


def unwrap_tmux(text: str) -> str:
    """What tmux hands to the terminal around it."""
    wrapped = re.compile(r"\x1bPtmux;((?:[^\x1b]|\x1b\x1b)*)\x1b\\")
    assert wrapped.sub("", text) == "", "everything is wrapped"
    return "".join(part.replace("\x1b\x1b", "\x1b") for part in wrapped.findall(text))


def read_blocks(lines: list[str]) -> list[list[tuple[object, object]]]:
    """Colours (upper, lower) of every cell: (r, g, b), a palette index, or None for the terminal's own."""
    cells = []
    for line in lines:
        row: list[tuple[object, object]] = []
        fore: object = None
        back: object = None
        for match in re.finditer(r"\x1b\[([\d;]*)m|(.)", line):
            if match[2]:
                assert match[2] in " ▄"
                row.append((back, fore if match[2] == "▄" else back))
                continue
            codes = [int(code) for code in match[1].split(";")]
            while codes:
                code = codes.pop(0)
                if code == 0:
                    fore = back = None
                    continue
                if code in (38, 48):
                    kind = codes.pop(0)
                    value: object = tuple(codes.pop(0) for _ in range(3)) if kind == 2 else codes.pop(0)
                else:
                    base = next(base for base in (30, 40, 90, 100) if base <= code < base + 8)
                    value, code = code - base + (8 if base >= 90 else 0), 38 if base in (30, 90) else 48
                if code == 38:
                    assert value != fore, "said twice"
                    fore = value
                else:
                    assert value != back, "said twice"
                    back = value
        assert (fore, back) == (None, None), "closed with a reset"
        cells.append(row)
    return cells


def read_braille(lines: list[str]) -> np.ndarray:
    """Which dots are there, bool [4 * rows, 2 * columns]; a space has none."""
    places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]  # dots 1 to 8 of Unicode
    shown = np.zeros((4 * len(lines), 2 * len(lines[0])), bool)
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            code = 0 if character == " " else ord(character) - 0x2800
            assert 0 <= code < 256
            for bit, (y, x) in enumerate(places):
                shown[4 * row + y, 2 * column + x] = bool(code >> bit & 1)
    return shown


def read_iterm2(text: str) -> tuple[Pixels, int, int]:
    """A picture by iTerm2's protocol: uint8 [H, W, 3], and the columns and rows that it is spread over."""
    match = re.fullmatch(r"\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]*)\x07", text)
    assert match, text[:60]
    options = dict(part.split("=") for part in match[1].split(";"))
    data = base64.b64decode(match[2], validate=True)
    assert (options["inline"], options["preserveAspectRatio"], options["doNotMoveCursor"]) == ("1", "0", "1")
    assert int(options["size"]) == len(data)
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB")), int(options["width"]), int(options["height"])
