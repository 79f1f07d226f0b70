"""A film of a training: the sample sheets of its runs, each fading into the next, with the step in a corner.

The values of the file are mixed, not the light. In light a bright ground swallows what is dark before it has left, and
shows what comes only at the end; things are mostly darker than their grounds. (Looked at: portraits turning into cars.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from core.errors import InvalidInput
from core.exports import notes
from core.exports.film import Pixels
from core.exports.sheet import drawable
from core.runs.history import Sheet, read

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

SECONDS_A_FADE = Fraction(2, 5)
LONGEST = Fraction(40)
"""Seconds of a film whose length nobody chose."""

HOLD = Fraction(1)
"""Seconds that the first and the last picture of each run stand still."""

_ROOM = {".mp4": 1024, ".webp": 512, ".gif": 512}
"""Pixels that a film fills at most by itself; WebP and GIF grow quickly."""

_PLATE, _INK = (16, 18, 22, 176), (250, 250, 248, 255)


@dataclass(frozen=True)
class Cut:
    """What is seen of the sheets, and for how long.

    Attributes:
        columns, rows: Tiles of each sheet, from its first on.
        tile: Width and height of one in the film, in pixels.
        frames: Of the whole film.
        hold: Frames that the first and last sheet of each run stand still, at least 1.
        caption: Whether run and step are drawn.
    """

    columns: int
    rows: int
    tile: tuple[int, int]
    frames: int
    hold: int
    caption: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        return self.columns * self.tile[0], self.rows * self.tile[1]


def cut(
    sheets: Sequence[Sheet],
    rate: Fraction,
    ending: str,
    *,
    columns: int | None = None,
    rows: int | None = None,
    scale: int | None = None,
    seconds: Fraction | None = None,
    hold: Fraction = HOLD,
    caption: bool = True,
) -> Cut:
    """How a film of `sheets` is cut; what is None is chosen.

    Args:
        sheets: At least two.
        rate: Frames a second.
        ending: ".mp4", ".webp" or ".gif".
        columns, rows: By default all that every sheet has.
        scale: How many times as large as the sheets; by default what makes it about a thousand pixels wide (MP4) or
            half of that.
        seconds: Of the whole film; by default 0.4 for each sheet and the holds, but not more than `LONGEST` and those.
        hold: Seconds that the first and the last sheet of each run stand still.
        caption: Whether run and step are drawn.

    Raises:
        InvalidInput: Something of it is not possible; says what is.
    """
    most = {"columns": min(sheet.columns for sheet in sheets), "rows": min(sheet.rows for sheet in sheets)}
    for name, value in (("columns", columns), ("rows", rows)):
        if value is not None and not 1 <= value <= most[name]:
            raise InvalidInput(f"{name} is {value}", f"the sample sheets have {most[name]}")
    columns, rows = columns or most["columns"], rows or most["rows"]
    tile = max(sheet.tile[0] for sheet in sheets), max(sheet.tile[1] for sheet in sheets)
    if scale is None:
        scale = max(1, _ROOM.get(ending, 512) // max(columns * tile[0], rows * tile[1]))
    if not 1 <= scale <= 64:
        raise InvalidInput(f"scale is {scale}", "it must be from 1 to 64")
    if hold < 0:
        raise InvalidInput(f"hold is {float(hold):g}", "it must not be below 0")
    turns = sum(sheet.turn for sheet in sheets)
    if seconds is None:
        seconds = min(SECONDS_A_FADE * (len(sheets) - 1), LONGEST) + hold * turns
    frames, held = round(seconds * rate), max(1, round(hold * rate))
    if frames < turns * held + 1:
        least = f"{turns} times {float(hold):g} s stand still"
        raise InvalidInput(f"{float(seconds):g} s are too short", least, "Make the film longer, or the hold shorter")
    return Cut(columns, rows, (tile[0] * scale, tile[1] * scale), frames, held, caption)


class HistoryFilm:
    """The frames of a film. Not for several threads at once.

    Args:
        sheets: In order, at least two.
        cut: How.
    """

    def __init__(self, sheets: Sequence[Sheet], cut: Cut) -> None:
        self.cut = cut
        self._sheets = sheets
        self._read: dict[int, Pixels] = {}
        self._times, self._places = _timeline(sheets, cut)
        self._caption = _Captions(sheets, cut.size) if cut.caption else None

    def place(self, number: int) -> float:
        """Where frame `number` is: 2.25 is a quarter of the way from sheet 2 to sheet 3."""
        return float(np.interp(number, self._times, self._places))

    def frame(self, number: int) -> Pixels:
        """Frame `number`, from 0, uint8 [H, W, 3]. Quickest in order.

        Raises:
            Refused: A sheet is gone or torn.
        """
        place = self.place(number)
        before = int(place)
        part = round((place - before) * 256)
        for old in [index for index in self._read if not before <= index <= before + 1]:
            del self._read[old]
        pixels = self._pixels(before)
        if part:
            mixed = pixels.astype(np.uint16)
            mixed *= 256 - part
            after = self._pixels(before + 1).astype(np.uint16)
            after *= part
            mixed += after
            mixed += 128
            mixed >>= 8
            pixels = mixed.astype(np.uint8)
        if self._caption is not None:
            # There are no pictures of the steps between: the nearest sheet's is told.
            pixels = self._caption.on(pixels, round(place))
        return pixels

    def _pixels(self, index: int) -> Pixels:
        """A sheet as large as the film, without captions."""
        if index not in self._read:
            from PIL import Image

            sheet, (width, height) = self._sheets[index], self.cut.size
            seen = self.cut.columns * sheet.tile[0], self.cut.rows * sheet.tile[1]
            picture = Image.fromarray(read(sheet)[: seen[1], : seen[0]])
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.BICUBIC)
            self._read[index] = np.asarray(picture)
        return self._read[index]


def draw_with(film: HistoryFilm) -> Callable[[range], Awaitable[list[Pixels]]]:
    """What `core.exports.drawing.shoot` draws frames with: in a thread, one group after the other."""
    turn = asyncio.Lock()

    async def draw(numbers: range) -> list[Pixels]:
        async with turn:
            return await asyncio.to_thread(lambda: [film.frame(number) for number in numbers])

    return draw


def title(sheets: Sequence[Sheet]) -> str:
    """One line for players."""
    return f"{', '.join(dict.fromkeys(sheet.name for sheet in sheets))}: a training"


def facts(sheets: Sequence[Sheet], cut: Cut, rate: Fraction) -> dict[str, object]:
    """What the film says about itself: see `core.exports.notes`."""
    runs: dict[str, dict[str, object]] = {}
    for sheet in sheets:
        run = runs.setdefault(sheet.run, {"id": sheet.run, "name": sheet.name, "continues": bool(runs), "steps": []})
        if sheet.leap:
            run["continues"] = False
        steps = run["steps"]
        assert isinstance(steps, list)
        steps.append(sheet.step)
    return {
        "format": notes.FORMAT,
        "program": notes.PROGRAM,
        "version": notes.version(),
        "kind": notes.HISTORY,
        "runs": list(runs.values()),
        "columns": cut.columns,
        "rows": cut.rows,
        "frames": cut.frames,
        "fps": str(rate),
    }


def _timeline(sheets: Sequence[Sheet], cut: Cut) -> tuple[list[float], list[float]]:
    """Frames, and the sheets at which the film is then; between them it goes evenly."""
    still = sum(sheet.turn for sheet in sheets) * (cut.hold - 1)
    fade = (cut.frames - 1 - still) / (len(sheets) - 1)
    now, times, places = 0.0, [], []
    for index, sheet in enumerate(sheets):
        for wait in (0, cut.hold - 1) if sheet.turn else (0,):
            now += wait
            times.append(now)
            places.append(float(index))
        now += fade
    times[-1] = cut.frames - 1
    return times, places


class _Captions:
    """Draws run and step into the lower left corner, always on the same plate.

    Args:
        sheets: Whose.
        size: Width and height of a frame.
    """

    def __init__(self, sheets: Sequence[Sheet], size: tuple[int, int]) -> None:
        from PIL import ImageFont

        letters = min(24, max(11, size[1] // 36))
        self._pad = letters // 2
        self._font: FreeTypeFont | ImageFont = ImageFont.load_default(letters)
        self._height = letters + self._pad
        self._texts: list[str] = []
        self._width = 0.0
        for texts in (
            [f"{drawable(sheet.name)[:40]} · step {sheet.step:,}" for sheet in sheets],
            [f"{sheet.step:,}" for sheet in sheets],
        ):
            self._width = max(self._font.getlength(text) for text in texts) + 2 * self._pad
            if self._width + 2 * self._pad <= size[0] and self._height + 2 * self._pad <= size[1] // 2:
                self._texts = texts
                break

    def on(self, pixels: Pixels, index: int) -> Pixels:
        """`pixels`, uint8 [H, W, 3], with the caption of sheet `index`; as they are where there is no room for one."""
        if not self._texts:
            return pixels
        from PIL import Image, ImageDraw

        width, height = int(self._width), self._height
        left, top = self._pad, pixels.shape[0] - height - self._pad
        plate = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        pen = ImageDraw.Draw(plate)
        pen.rounded_rectangle((0, 0, width - 1, height - 1), radius=self._pad // 2, fill=_PLATE)
        pen.text((self._pad, height // 2), self._texts[index], font=self._font, fill=_INK, anchor="lm")
        corner = np.s_[top : top + height, left : left + width]
        under = Image.fromarray(pixels[corner]).convert("RGBA")
        written = pixels.copy()
        written[corner] = np.asarray(Image.alpha_composite(under, plate).convert("RGB"))
        return written
