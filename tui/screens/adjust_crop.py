"""A subject's box by hand: moved and scaled by keys on the big picture, with what is cut out beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from tui.graphics.canvas import GridCanvas
from tui.screens.base import StudioScreen
from tui.widgets.tile_sheet import TileSheet

if TYPE_CHECKING:
    from core.datasets.library import Dataset
    from core.datasets.review import Look
    from core.datasets.subject import Box
    from tui.datasets.services import Pixels
    from tui.studio import TarmacApp

_MOVE = Binding.Group("move", compact=True)
_SCALE = Binding.Group("scale", compact=True)
_FINE = Binding.Group("finely", compact=True)
_STEP, _SMALL, _GROW = 0.02, 0.005, 1.06
"""Parts of the picture's longer side that a key moves the box by; the factor by which one scales it."""
_LEAST = 0.02
_DECODED = 1000


class AdjustCropPage(StudioScreen):
    """Answers "taken" or None; the box is in `box`, in pixels of the upright picture."""

    MODE = "datasets"
    CSS_PATH = "adjust_crop.tcss"
    AUTO_FOCUS = ""
    HELP = (
        "The green box goes around the subject; the white square is what is cut out, so that the subject has the same "
        "place and size in every picture. The result is at the right. Enter takes it, escape changes nothing."
    )
    HELP_TITLE = "Adjust"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Left", id="adjust.left", group=_MOVE, tooltip="The box to the left"),
        Binding("down,j", "move(0, 1)", "Down", id="adjust.down", group=_MOVE, tooltip="The box down"),
        Binding("up,k", "move(0, -1)", "Up", id="adjust.up", group=_MOVE, tooltip="The box up"),
        Binding("right,l", "move(1, 0)", "Right", id="adjust.right", group=_MOVE, tooltip="The box to the right"),
        Binding("plus,equals_sign", "scale(1)", "Larger", id="adjust.larger", group=_SCALE, tooltip="A larger box"),
        Binding("minus", "scale(-1)", "Smaller", id="adjust.smaller", group=_SCALE, tooltip="A smaller box"),
        Binding("enter", "take", "take it", id="adjust.take", tooltip="Use this box"),
        Binding("r", "found", "as found", id="adjust.found", tooltip="The box that was found"),
        Binding("escape", "leave", "back", id="adjust.back", tooltip="Change nothing"),
        Binding("H,shift+left", "fine(-1, 0)", "Left", id="adjust.fine-left", group=_FINE, tooltip="A little left"),
        Binding("J,shift+down", "fine(0, 1)", "Down", id="adjust.fine-down", group=_FINE, tooltip="A little down"),
        Binding("K,shift+up", "fine(0, -1)", "Up", id="adjust.fine-up", group=_FINE, tooltip="A little up"),
        Binding("L,shift+right", "fine(1, 0)", "Right", id="adjust.fine-right", group=_FINE, tooltip="A little right"),
        Binding("greater_than_sign", "stretch(1)", "Wider", id="adjust.wider", show=False, tooltip="A wider box"),
        Binding("less_than_sign", "stretch(-1)", "Narrower", id="adjust.narrower", show=False, tooltip="A narrower"),
    ]

    app: TarmacApp

    def __init__(self, dataset: Dataset, look: Look) -> None:
        super().__init__()
        self.dataset, self._look = dataset, look
        self.box: Box | None = look.box or (0.0, 0.0, float(look.width), float(look.height))
        self._pixels: Pixels | None = None
        self._sized: tuple[int, Pixels] | None = None

    def body(self) -> ComposeResult:
        with Horizontal(id="adjust"):
            yield TileSheet(id="adjust-big")
            yield TileSheet(id="adjust-cut")
        yield Static(id="adjust-told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        big = self.query_one("#adjust-big", TileSheet)
        big.set_title(self._look.name, f"{self._look.width}×{self._look.height}")
        self.query_one("#adjust-cut", TileSheet).set_title("what is cut out")
        big.say("◐ reading the picture", "$warning")
        self.run_worker(self._load(), group="picture", exit_on_error=False, description="reading the picture")

    async def _load(self) -> None:
        big = self.query_one("#adjust-big", TileSheet)
        try:
            found = await self.app.services.datasets.sources(self.dataset, [self._look.number], _DECODED)
        except TarmacError as error:
            big.say(f"✕ {error}", "$error")
            return
        if self._look.number not in found:
            big.say("✕ The picture cannot be read any more.", "$error")
            return
        self._pixels = found[self._look.number]
        big.say("")
        self.refresh_bindings()
        self.call_after_refresh(self._show)

    @on(GridCanvas.Sized)
    def _resized(self, event: GridCanvas.Sized) -> None:
        event.stop()
        self._show()

    @property
    def _decided(self) -> Look:
        """The picture with the box as it is now."""
        from dataclasses import replace

        from core.datasets.adjustments import Adjustment

        return replace(self._look, decided=Adjustment("box", self.box))

    def _show(self) -> None:
        if self._pixels is not None:
            self.run_worker(self._draw(), group="draw", exclusive=True, exit_on_error=False)
        self._tell()

    async def _draw(self) -> None:
        """Both pictures, in a thread: the newest box wins."""
        from tui.datasets.crop_drawing import cut_tile, source_tile
        from tui.graphics.files import resized

        big, cut = self.query_one("#adjust-big", TileSheet), self.query_one("#adjust-cut", TileSheet)
        look, pixels, side, small = self._decided, self._pixels, big.side(1, 1), cut.side(1, 1)
        assert pixels is not None
        if self._sized is None or self._sized[0] != side:
            scale = side / max(pixels.shape[:2])
            wide, tall = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
            self._sized = side, await asyncio.to_thread(resized, pixels, wide, tall)
        fitted = self._sized[1]

        def draw() -> tuple[Pixels, Pixels]:
            return source_tile(fitted, look, side), cut_tile(pixels, look, small)

        tile, made = await asyncio.to_thread(draw)
        big.put({(0, 0): tile})
        cut.put({(0, 0): made})

    def _tell(self) -> None:
        assert self.box is not None
        left, top, right, bottom = self.box
        found = self._look.subject
        parts = [
            (f" box {left:.0f}, {top:.0f}", "$text"),
            (f"  {right - left:.0f}×{bottom - top:.0f} pixels", "$muted"),
        ]
        if found is not None:
            parts.append((f"  · found with confidence {found.confidence:.2f}", "$muted"))
        parts.append(("  · HJKL finely · < > narrower, wider", "$muted"))
        self.query_one("#adjust-told", Static).update(Content.assemble(*parts))

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without the picture there is nothing to move on."""
        if action in ("move", "fine", "scale", "stretch", "take"):
            return self._pixels is not None
        return self._look.subject is not None if action == "found" else True

    def action_move(self, across: int, down: int, step: float = _STEP) -> None:
        """The box to another place; its middle stays in the picture."""
        assert self.box is not None
        look, (left, top, right, bottom) = self._look, self.box
        by = step * max(look.width, look.height)
        x = max(-(left + right) / 2, min(look.width - (left + right) / 2, across * by))
        y = max(-(top + bottom) / 2, min(look.height - (top + bottom) / 2, down * by))
        self._set((left + x, top + y, right + x, bottom + y))

    def action_fine(self, across: int, down: int) -> None:
        """The same by less."""
        self.action_move(across, down, _SMALL)

    def action_scale(self, direction: int) -> None:
        """A larger or smaller box around the same middle."""
        self._grow(_GROW**direction, _GROW**direction)

    def action_stretch(self, direction: int) -> None:
        """A wider or narrower box around the same middle."""
        self._grow(_GROW**direction, 1.0)

    def _grow(self, across: float, down: float) -> None:
        assert self.box is not None
        left, top, right, bottom = self.box
        longest = float(max(self._look.width, self._look.height))
        least = max(1.0, _LEAST * longest)
        wide = max(least, min(1.5 * longest, (right - left) * across))
        tall = max(least, min(1.5 * longest, (bottom - top) * down))
        x, y = (left + right) / 2, (top + bottom) / 2
        self._set((x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2))

    def action_found(self) -> None:
        """As auto-crop found it."""
        if self._look.subject is not None:
            self._set(self._look.subject.box)

    def _set(self, box: Box) -> None:
        self.box = box
        self._show()

    def action_take(self) -> None:
        """Use this box."""
        self.dismiss("taken")

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(None)
