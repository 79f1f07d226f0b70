"""The widget for moving pictures: a whole grid of tiles as one picture, in whatever way the terminal can show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from core.workers.wire import Message as WireMessage
from tui.graphics import kitty
from tui.graphics.block_rows import BlockRows
from tui.graphics.brands import TerminalInfo
from tui.graphics.compose import Colour, Look, Place, Scene
from tui.graphics.driver import Span
from tui.graphics.layout import fit
from tui.graphics.pictures import Pictures
from tui.graphics.plain import row_colours
from tui.graphics.quality import FULL, Quality
from tui.graphics.strips import PictureStrip, SparingStrip
from tui.graphics.surface import Mask, Request, Surface
from tui.graphics.visible import visible_cells

Pixels = NDArray[np.uint8]


class GridCanvas(Widget):
    """Shows a `Scene`: a grid of square tiles with a cursor and pins.

    Give the pictures with `set_tiles` under keys of your own and say with `set_scene` which goes where. What is
    painted lags behind by one frame at most; frames that the terminal has no time for are never made.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid-canvas--waiting", "grid-canvas--accent", "grid-canvas--outline"}

    DEFAULT_CSS = """
    GridCanvas { width: 1fr; height: 1fr; background: $background; }
    GridCanvas > .grid-canvas--waiting { background: $surface-lighten-1; }
    GridCanvas > .grid-canvas--accent { background: $accent; }
    GridCanvas > .grid-canvas--outline { background: black; }
    """

    @dataclass
    class Sized(Message):
        """The canvas has a new size: time to ask `fit` again."""

        canvas: GridCanvas

        @property
        def control(self) -> GridCanvas:
            return self.canvas

    @dataclass
    class Picked(Message):
        """A tile was clicked."""

        canvas: GridCanvas
        place: Place

        @property
        def control(self) -> GridCanvas:
            return self.canvas

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._scene = Scene(1, 1, waiting=frozenset())
        self._tiles: Mapping[int, Pixels] = {}
        self._pictures: Pictures | None = None
        self._surface: Surface | None = None
        self._blocks = BlockRows()
        self._shown_size = (0, 0)
        self._awaits_paint = False
        self._strips: list[Strip] = []
        self._strips_key: object = None
        self._look_now: Look | None = None

    # -- for the one who shows something

    @property
    def scene(self) -> Scene:
        """What is to be seen."""
        return self._scene

    def set_scene(self, scene: Scene, tiles: Mapping[int, Pixels]) -> None:
        """Show another scene.

        Args:
            scene: What is to be seen.
            tiles: The pictures it names (uint8 [H, W, C]); looked up when a frame is made, so it may be a cache. The
                pixels under one key must never change.
        """
        changed = scene != self._scene
        self._scene, self._tiles = scene, tiles
        if changed and self._pictures is not None:
            self._pictures.request()
            if self.surface.info.protocol == "off":
                self.refresh()

    def forget(self, keys: list[int]) -> None:
        """These pictures will not be shown again."""
        if self._pictures is not None:
            self._pictures.helper.forget(keys)

    def fit(self, tile_rows: float) -> tuple[int, int]:
        """How many tiles of about `tile_rows` rows of text fit: columns, rows."""
        width, height = self.surface.cell
        size = self.size
        return fit(max(1, size.width) * width, max(1, size.height) * height, max(1, round(tile_rows * height)))

    @property
    def surface(self) -> Surface:
        """The account of what the terminal shows."""
        if self._surface is None:
            raise RuntimeError("the canvas is not mounted")
        return self._surface

    # -- for the pacemaker

    def start_anew(self, info: TerminalInfo, images: Sequence[int]) -> None:
        """Show everything again, in the way that `info` says."""
        self._surface = Surface(info, images)
        self._look_now = None
        self._shown_size, self._awaits_paint, self._strips_key = (0, 0), False, None
        self.refresh()
        self.post_message(self.Sized(self))

    def due(self, sharp: bool) -> int:
        """How many pixels of the full picture have to be sent, 0 if what is seen is right.

        Args:
            sharp: What was sent in less than full quality counts as well.
        """
        columns, rows = self._cells()
        if not columns or not rows:
            return 0
        return self.surface.due(self._scene, self._look(), columns, rows, self._visible(), sharp)

    def next_request(self, quality: Quality = FULL, sharp: bool = True, most: int | None = None) -> Request | None:
        """The frame that is due, None if what is seen is right.

        Args:
            quality: How well it is to be drawn.
            sharp: What was sent in less than full quality is sent again.
            most: Pixels of the full picture that it should hold at most.
        """
        columns, rows = self._cells()
        if not columns or not rows:
            return None
        return self.surface.request(self._scene, self._look(), columns, rows, self._visible(), quality, sharp, most)

    def pixels_of(self, key: int) -> Pixels | None:
        """A tile's picture."""
        return self._tiles.get(key)

    def still_wants(self, request: Request) -> bool:
        """Whether a frame can be written now as it was asked for: same size, nothing put in front meanwhile."""
        if (request.columns, request.rows) != self._cells():
            return False
        return self.surface.is_text or np.array_equal(self._visible(), request.visible)

    def take(self, request: Request, frame: WireMessage) -> str | None:
        """The sequences to write for a frame; None when Textual paints it."""
        surface = self.surface
        surface.written(request, self.region.offset)
        if surface.info.protocol == "blocks":
            lines, pixels = frame["lines"], frame["pixels"]
            assert isinstance(lines, list)
            assert isinstance(pixels, np.ndarray)
            self._take_rows(request, lines, pixels)
            self._awaits_paint = True
            return None
        data = frame["data"]
        assert isinstance(data, str)
        if surface.info.protocol == "kitty" and self._shown_size != (request.columns, request.rows):
            self._shown_size = (request.columns, request.rows)
            self.refresh()
        return self._placed(data)

    def _take_rows(self, request: Request, lines: list[str], pixels: Pixels) -> None:
        """Put new rows of half-blocks among those that are there, and have them painted."""
        columns, rows = request.columns, request.rows
        if self._shown_size != (columns, rows):
            self._shown_size = (columns, rows)
            self._blocks = BlockRows(columns, rows, self._look().background, self.surface.info.colours)
            self._strips_key = None
            self.refresh()
        strips = self._strips_now()
        spans = [(top, height) for _, top, _, height in request.rects]
        self._blocks.put(spans, lines, pixels)
        for top, height in spans:
            strips[top : top + height] = [self._blocks.strip(y, self.size.width) for y in range(top, top + height)]
            self.refresh(Region(0, top, self.size.width, height))

    def after_paint(self, spans: list[Span]) -> bool:
        """Textual has painted these parts of the screen; whether a frame of this canvas was among them."""
        region = self.region
        painted = np.zeros((region.height, region.width), bool)
        for y, start, stop in spans:
            if region.y <= y < region.bottom:
                painted[y - region.y, max(0, start - region.x) : max(0, stop - region.x)] = True
        self.surface.lies_at(region.offset)
        visible = self._visible()
        # Where the canvas itself was painted, its strips have told the surface what they did.
        self.surface.painted(painted[: visible.shape[0], : visible.shape[1]] & ~visible)
        if (hide := self.surface.hide() if not visible.any() else "") and self._pictures is not None:
            self._pictures.write(hide)
        shown = self._awaits_paint and bool(painted.any())
        self._awaits_paint = self._awaits_paint and not shown
        return shown

    # -- Textual

    def on_mount(self) -> None:
        """Take part in the app's pictures."""
        self._pictures = Pictures.of(self.app)
        self._surface = Surface(self._pictures.info, self._pictures.take_images(self))
        self._pictures.add(self)

    def on_unmount(self) -> None:
        """Leave nothing behind."""
        if self._pictures is not None:
            self._pictures.remove(self)

    def on_resize(self) -> None:
        """Tell that another number of tiles may fit."""
        self.surface.moved()
        self.post_message(self.Sized(self))
        if self._pictures is not None:
            self._pictures.request()

    def on_show(self) -> None:
        """Whatever changed while hidden is due now."""
        if self._pictures is not None:
            self._pictures.request()

    def notify_style_update(self) -> None:
        """Colours may have changed."""
        super().notify_style_update()
        self._look_now = None
        if self._pictures is not None:
            self._pictures.request()

    def on_click(self, event: events.Click) -> None:
        """Pick the tile under the mouse."""
        width, height = self.surface.cell
        geometry = self.surface.geometry(*self._cells(), self._scene)
        if place := geometry.at(event.x * width + width // 2, event.y * height + height // 2):
            self.post_message(self.Picked(self, place))

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows of text in `crop`: half-blocks, placeholders, or what stands until the picture comes."""
        # Textual asks for all rows whenever anything beside the canvas changes: they are made once.
        strips = self._strips_now()
        blank = Strip.blank(self.size.width)
        rows = [strips[y] if y < len(strips) else blank for y in crop.line_range]
        return [strip.crop(crop.x, crop.right) for strip in rows]

    # -- inside

    def _strips_now(self) -> list[Strip]:
        columns, rows = self._cells()
        width, height = self.size
        surface = self._surface
        protocol = surface.info.protocol if surface else "off"
        ready = self._shown_size == (columns, rows)
        if ready and protocol == "blocks":
            key: object = (width, height, "blocks")
        elif ready and protocol == "kitty":
            key = (width, height, "kitty", self._look())
        else:
            scene = self._scene
            off = (scene.cursor, frozenset(scene.tiles)) if protocol == "off" else None
            key = (width, height, scene.columns, scene.rows, scene.waiting, off, self._look())
        if key != self._strips_key:
            self._strips_key = key
            if ready and protocol == "blocks":
                self._strips = [self._blocks.strip(y, width) for y in range(rows)]
            elif ready and protocol == "kitty":
                self._strips = [self._placeholder_strip(y, columns, rows, width) for y in range(rows)]
            elif surface is not None and surface.lies_over_text:
                self._strips = [self._sparing_strip(y, width) for y in range(height)]
            else:
                self._strips = [Strip(self._plain_segments(y, 0, width), width) for y in range(height)]
        return self._strips

    def _sparing_strip(self, y: int, width: int) -> Strip:
        plain = Strip(self._plain_segments(y, 0, width), width)

        def text(start: int, stop: int) -> str:
            columns, rows = self._cells()
            if self.surface.holds(y, start, stop, self.region.offset, (rows, columns)):
                return f"\x1b[{stop - start}C"
            self.surface.wiped(y, start, stop)
            return plain.crop(start, stop).render(self.app.console)

        def segments(start: int, stop: int) -> list[Segment]:
            # Dimmed by a dialog, say: it will be written.
            self.surface.wiped(y, start, stop)
            return list(plain.crop(start, stop))

        return SparingStrip(text, segments, 0, width)

    def _placeholder_strip(self, y: int, columns: int, rows: int, width: int) -> Strip:
        image, row = self.surface.placeholder(y, rows)

        def text(start: int, stop: int) -> str:
            return kitty.placeholders(image, row, start, min(stop, columns)) + " " * (stop - max(start, columns))

        return PictureStrip(text, lambda start, stop: self._plain_segments(y, start, stop), 0, width)

    def _plain_segments(self, y: int, start: int, stop: int) -> list[Segment]:
        """Dim squares where pictures will be, as long as there are none."""
        columns, rows = self._cells()
        look, width = self._look(), max(self.size.width, stop)
        colours: list[Colour] = [look.background] * width
        if self._surface is not None and columns and rows:
            geometry = self._surface.geometry(columns, rows, self._scene)
            off = self._surface.info.protocol == "off"
            colours = row_colours(self._scene, geometry, self._surface.cell, look, y, width, cursor=off)
        segments: list[Segment] = []
        cell = start
        while cell < stop:
            end = cell
            while end < stop and colours[end] == colours[cell]:
                end += 1
            style = RichStyle(bgcolor=RichColor.from_rgb(*colours[cell]))
            segments.append(Segment(" " * (end - cell), style))
            cell = end
        return segments

    def _cells(self) -> tuple[int, int]:
        """Columns and rows of the picture area."""
        width, height = self.size
        if self._surface is not None and self._surface.info.protocol == "kitty":
            return min(width, kitty.MOST_CELLS), min(height, kitty.MOST_CELLS)
        return width, height

    def _look(self) -> Look:
        if self._look_now is None:
            if not self.is_attached:
                return Look()  # just taken away, but painted once more
            names = ("waiting", "accent", "outline")
            waiting, accent, outline = (
                self.get_component_styles(f"grid-canvas--{name}").background.rgb for name in names
            )
            background = self.background_colors[1].rgb
            if self._surface is not None and self._surface.info.colours in ("mono", "ascii"):
                accent, outline = (255, 255, 255), (0, 0, 0)  # without colour only light stands out
            self._look_now = Look(*(_colour(rgb) for rgb in (background, waiting, accent, outline)))
        return self._look_now

    def _placed(self, data: str) -> str:
        """Put the canvas's place on the screen into the marks that the helper left."""
        parts = data.split("\0")
        left, top = self.region.offset
        for index in range(1, len(parts), 2):
            x, _, y = parts[index].partition(";")
            parts[index] = f"\x1b[{top + int(y) + 1};{left + int(x) + 1}H"
        return "".join(parts)

    def _visible(self) -> Mask:
        """Which cells can be drawn on: on the top screen, not clipped, not covered, not on the terminal's last row."""
        columns, rows = self._cells()
        if not self.is_attached or not self.display or self.app.screen is not self.screen:
            return np.zeros((rows, columns), bool)
        return visible_cells(self, columns, rows, self._kept_rows())

    def _kept_rows(self) -> int:
        """A sixel picture that reaches the last row scrolls the screen."""
        return 0 if self.surface.is_text or self.surface.info.protocol == "kitty-direct" else 1


def _colour(rgb: tuple[int, ...]) -> Colour:
    red, green, blue = rgb
    return red, green, blue
