"""The panel that mixes styles: the whole plane wears, in some layers, what one tile wears."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.latent.style import Layers, Mix, Style
from tui.graphics.canvas import GridCanvas
from tui.widgets.explorer.layers import ranges, told_layers
from tui.widgets.explorer.panel import ExplorerPanel, panel_key
from tui.widgets.explorer.strip import PictureStrip

if TYPE_CHECKING:
    from core.latent.journey import View
    from tui.widgets.explorer.gallery import Gallery
    from tui.widgets.explorer.tiles import Wish

_BEFORE = 2
"""Pictures before those that can be chosen: A, and the tile as it is."""

_CHOOSE = Binding.Group("layers", compact=True)
_FIRST = Binding.Group("from", compact=True)
_LAST = Binding.Group("to", compact=True)


class MixPanel(ExplorerPanel, can_focus=True):
    """Chooses the layers in which every tile wears the styles of tile A.

    Shows A, the tile under the cursor as it is, and that tile wearing A's styles in each range; the grid follows.

    Args:
        style: What the view wears now; its mix is taken up if there is one.
        z: The vector of the tile under the cursor, float32 [dim]: A, unless there is a mix already.
        count: Style layers of the model, at least 1.
    """

    HELP_TITLE = "Mixing styles"
    HELP = (
        "Tile A lends its styles to every tile of the plane, in the layers that are framed: coarse ones carry pose and "
        "shape, fine ones colours. The letters h j k l walk on meanwhile, so that one sees other tiles wear them."
    )
    KEYS = (
        *("mix.before", "mix.next", "mix.keep", "mix.leave"),
        *("explorer.left", "explorer.down", "explorer.up", "explorer.right"),
        *("mix.first-down", "mix.first-up", "mix.last-down", "mix.last-up", "mix.source", "mix.off"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        panel_key("left,up", "choose(-1)", "Layers before", "mix.before", "The range of layers before", _CHOOSE),
        panel_key("right,down", "choose(1)", "Layers after", "mix.next", "The next range of layers", _CHOOSE),
        panel_key("left_square_bracket", "end(0,-1)", "From lower", "mix.first-down", "Begin one layer lower", _FIRST),
        panel_key("right_square_bracket", "end(0,1)", "From higher", "mix.first-up", "Begin one layer higher", _FIRST),
        panel_key("left_curly_bracket", "end(1,-1)", "To lower", "mix.last-down", "End one layer lower", _LAST),
        panel_key("right_curly_bracket", "end(1,1)", "To higher", "mix.last-up", "End one layer higher", _LAST),
        panel_key("m", "source", "new A", "mix.source", "Take the styles of the tile under the cursor instead"),
        panel_key("x", "off", "off", "mix.off", "Wear no other styles"),
        panel_key("enter", "keep", "keep", "mix.keep", "The whole plane wears it from now on"),
        panel_key("escape", "leave", "leave", "mix.leave", "As it was before"),
    ]

    def __init__(self, style: Style, z: NDArray[np.float32], count: int) -> None:
        super().__init__()
        self._before, self._count = style, count
        self._ranges = ranges(count)
        self._here = z
        middle = min(1, len(self._ranges) - 1)
        self._own: Layers = self._ranges[middle].layers or (0, count - 1)
        self._chosen = middle
        self._source = z
        if style.mix is not None:
            self._source = style.mix.z
            first, last = style.mix.layers
            self._own = min(first, count - 1), min(last, count - 1)
            known = [index for index, found in enumerate(self._ranges) if found.layers == self._own]
            self._chosen = known[0] if known else len(self._ranges)

    def compose(self) -> ComposeResult:
        yield PictureStrip(_BEFORE + len(self._ranges) + 1)
        yield Static(classes="keys", markup=False)

    def on_mount(self) -> None:
        """Let the grid wear the first choice."""
        self._tell()

    def on_resize(self, event: events.Resize) -> None:
        """Pictures as large as the width allows."""
        self.query_one(PictureStrip).fit(self.size.width, self.most_rows())

    # -- what is chosen

    @property
    def worn_layers(self) -> Layers:
        """Where A's styles are worn."""
        return self._choices()[self._chosen]

    @property
    def style(self) -> Style:
        """What the view wears by this choice."""
        return self._with(self.worn_layers)

    def _choices(self) -> list[Layers]:
        return [found.layers for found in self._ranges if found.layers is not None] + [self._own]

    def _with(self, layers: Layers) -> Style:
        return replace(self._before, mix=Mix.of(self._source, layers))

    # -- for the explorer

    def wishes(self, gallery: Gallery, view: View) -> list[Wish]:
        """A, the tile under the cursor as it is, and as it looks in each range."""
        z = gallery.vector(view.cursor)
        # Just after a walk onto new ground its vector is on the way.
        self._here = self._here if z is None else z
        bare = replace(self._before, mix=None)
        styles = [self._with(layers) for layers in self._choices()]
        asked = [(self._source, bare), (self._here, bare), *((self._here, style) for style in styles)]
        return [gallery.wish(vector, view.truncation, style) for vector, style in asked]

    def paint(self, gallery: Gallery, view: View) -> None:
        """The strip, with the frame around what the grid wears."""
        tiles = [gallery.maker.get(wish) for wish in self.wishes(gallery, view)]
        words = ["A", "as it is", *(found.told for found in self._ranges), f"own {told_layers(self._own)}"]
        keys = [None if tile is None else tile.key for tile in tiles]
        self.query_one(PictureStrip).show(keys, gallery.pixels, words, self._chosen + _BEFORE)

    # -- keys

    def action_choose(self, by: int) -> None:
        """Another range."""
        self._chosen = (self._chosen + by) % (len(self._ranges) + 1)
        self._tell()

    @on(GridCanvas.Picked)
    def _picked(self, event: GridCanvas.Picked) -> None:
        event.stop()
        if event.place[0] >= _BEFORE:
            self.action_choose(event.place[0] - _BEFORE - self._chosen)

    def action_end(self, end: int, by: int) -> None:
        """Move an end of the range; it becomes one's own."""
        first, last = self.worn_layers
        if end:
            last = max(first, min(self._count - 1, last + by))
        else:
            first = max(0, min(last, first + by))
        self._own, self._chosen = (first, last), len(self._ranges)
        self._tell()

    def action_source(self) -> None:
        """The tile under the cursor becomes A."""
        self._source = self._here
        self._tell()

    def action_off(self) -> None:
        """No mix any more."""
        self.post_message(self.Styled(self, replace(self._before, mix=None)))
        self.post_message(self.Done(self, True))

    def action_keep(self) -> None:
        """Wear it."""
        self.post_message(self.Done(self, True))

    def action_leave(self) -> None:
        """As it was."""
        self.post_message(self.Done(self, False))

    def _tell(self) -> None:
        self.set_title("mix", f"every tile wears A in layers {told_layers(self.worn_layers)} of 0–{self._count - 1}")
        self.post_message(self.Styled(self, self.style))
