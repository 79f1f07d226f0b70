"""The panel that edits: the whole plane moves along the model's principal directions, by sliders."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from core.errors import Cancelled, TarmacError
from core.latent.style import Layers, Style
from core.workers.session import Session
from tui.graphics.canvas import GridCanvas
from tui.widgets.explorer.layers import every_range, named, told_amount
from tui.widgets.explorer.panel import ExplorerPanel, panel_key
from tui.widgets.explorer.strip import PictureStrip

if TYPE_CHECKING:
    from core.latent.journey import View
    from tui.widgets.explorer.gallery import Gallery
    from tui.widgets.explorer.tiles import Wish

Strengths = MutableMapping[Layers | None, list[float]]
"""Shares of the directions by the layers that are edited, the strongest first: asked for once."""

STEP = 0.5
FARTHEST = 4.0
"""Standard deviations that the sliders reach; beyond, pictures come apart."""

_SHOWN = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
_TRACK = round(2 * FARTHEST / STEP) + 1
_LIST_WIDTH = _TRACK + 19
_FEWEST_LINES = 3

_DIRECTION = Binding.Group("direction", compact=True)
_AMOUNT = Binding.Group("amount", compact=True)
_WHERE = Binding.Group("layers", compact=True)


class EditPanel(ExplorerPanel, can_focus=True):
    """Moves every tile of the plane along directions; the grid follows at once.

    Args:
        session: The model's worker; has the commands `directions` and `styled`.
        style: What the view wears now; its edits are taken up.
        z: The vector of the tile under the cursor, float32 [dim].
        count: Style layers of the model.
        strengths: What was found before; what is found is added.
    """

    HELP_TITLE = "Editing"
    HELP = (
        "Principal directions are found in the weights of the model: the ways in which its pictures change most. What "
        "each one means shows in the seven pictures. The sliders move the whole plane, in all layers or in some. The "
        "letters h j k l walk on meanwhile."
    )
    KEYS = (
        *("edit.up", "edit.down", "edit.less", "edit.more", "edit.keep", "edit.leave"),
        *("explorer.left", "explorer.down", "explorer.up", "explorer.right"),
        *("edit.zero", "edit.layers-before", "edit.layers", "edit.clear"),
    )
    DEFAULT_CSS = """
    EditPanel > Container { height: auto; layout: vertical; }
    EditPanel.-beside > Container { layout: horizontal; }
    EditPanel #edit-list { width: auto; height: auto; margin-right: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        panel_key("up", "turn(-1)", "Direction before", "edit.up", "A stronger direction", _DIRECTION),
        panel_key("down", "turn(1)", "Next direction", "edit.down", "A weaker direction", _DIRECTION),
        panel_key("left", "move(-1)", "Less", "edit.less", "Half a standard deviation down", _AMOUNT),
        panel_key("right", "move(1)", "More", "edit.more", "Half a standard deviation up", _AMOUNT),
        panel_key("0", "zero", "zero", "edit.zero", "Do not move along this direction"),
        panel_key("left_square_bracket", "layers(-1)", "Layers before", "edit.layers-before", "Other layers", _WHERE),
        panel_key("right_square_bracket", "layers(1)", "Next layers", "edit.layers", "Other layers", _WHERE),
        panel_key("x", "clear", "all zero", "edit.clear", "Do not move along any direction"),
        panel_key("enter", "keep", "keep", "edit.keep", "The whole plane looks like this from now on"),
        panel_key("escape", "leave", "leave", "edit.leave", "As it was before"),
    ]

    def __init__(
        self, session: Session, style: Style, z: NDArray[np.float32], count: int, strengths: Strengths
    ) -> None:
        super().__init__()
        self._session, self._strengths = session, strengths
        self.style = style
        """What the view wears by the sliders."""
        self._here = z
        self._ranges = every_range(count)
        self._count = count
        moved = [index for index, amount in enumerate(style.edits) if amount]
        self._direction = moved[0] if moved else 0
        self._first = 0
        self._lines = _FEWEST_LINES
        self._trouble = ""
        self._asked: set[Layers | None] = set()

    def compose(self) -> ComposeResult:
        with Container():
            yield Static(id="edit-list", markup=False)
            yield PictureStrip(len(_SHOWN))
        yield Static(classes="keys", markup=False)

    def on_mount(self) -> None:
        """Find the directions."""
        self._tell()
        self._ask()

    def on_resize(self, event: events.Resize) -> None:
        """List and pictures side by side where both are large enough, else the pictures above."""
        strip = self.query_one(PictureStrip)
        cell_width, cell_height = strip.canvas.surface.cell
        beside = self.size.width - _LIST_WIDTH - 2
        # Half-blocks have two pixels a row, and a face needs ten.
        enough = beside * cell_width >= len(_SHOWN) * cell_height * (5 if cell_height <= 2 else 4)
        self.set_class(enough, "-beside")
        body, listed = self.query_one(Container), self.query_one("#edit-list", Static)
        body.move_child(listed, before=strip) if enough else body.move_child(listed, after=strip)
        rows = strip.fit(beside if enough else self.size.width, self.most_rows())
        self._lines = max(_FEWEST_LINES, rows + 1) if enough else _FEWEST_LINES
        listed.styles.height = self._lines
        self._list()

    # -- for the explorer

    def wishes(self, gallery: Gallery, view: View) -> list[Wish]:
        """The tile under the cursor, moved along the chosen direction from −3 to 3."""
        z = gallery.vector(view.cursor)
        # Just after a walk onto new ground its vector is on the way.
        self._here = self._here if z is None else z
        styles = (replace(self.style, edits=self.style.moved(self._direction, amount)) for amount in _SHOWN)
        return [gallery.wish(self._here, view.truncation, style) for style in styles]

    def paint(self, gallery: Gallery, view: View) -> None:
        """The seven pictures; the one that the slider stands at has the frame."""
        tiles = [gallery.maker.get(wish) for wish in self.wishes(gallery, view)]
        amount = self.style.amount(self._direction)
        chosen = _SHOWN.index(amount) if amount in _SHOWN else None
        keys = [None if tile is None else tile.key for tile in tiles]
        words = [told_amount(shown).replace(".0", "") for shown in _SHOWN]
        self.query_one(PictureStrip).show(keys, gallery.pixels, words, chosen)

    def session_changed(self) -> None:
        """Directions that could not be asked for are, now."""
        self._ask()

    # -- keys

    def action_turn(self, by: int) -> None:
        """Another direction."""
        last = len(self._known()) - 1
        self._direction = max(0, min(self._direction + by, last)) if last >= 0 else self._direction
        self._tell()

    def action_move(self, by: int) -> None:
        """Move the slider."""
        amount = self.style.amount(self._direction)
        moved = max(-FARTHEST, min(FARTHEST, round(amount / STEP + by) * STEP))
        self._set(replace(self.style, edits=self.style.moved(self._direction, moved)))

    @on(GridCanvas.Picked)
    def _picked(self, event: GridCanvas.Picked) -> None:
        event.stop()
        self._set(replace(self.style, edits=self.style.moved(self._direction, _SHOWN[event.place[0]])))

    def action_zero(self) -> None:
        """This slider in its middle."""
        self._set(replace(self.style, edits=self.style.moved(self._direction, 0.0)))

    def action_clear(self) -> None:
        """All sliders in their middle."""
        self._set(replace(self.style, edits=()))

    def action_layers(self, by: int) -> None:
        """Edit other layers; they have other directions."""
        layers = [found.layers for found in self._ranges]
        place = layers.index(self.style.edit_layers) if self.style.edit_layers in layers else 0
        self._set(replace(self.style, edit_layers=layers[(place + by) % len(layers)]))
        self._ask()

    def action_keep(self) -> None:
        """It stays."""
        self.post_message(self.Done(self, True))

    def action_leave(self) -> None:
        """As it was."""
        self.post_message(self.Done(self, False))

    # -- inside

    def _known(self) -> list[float]:
        return self._strengths.get(self.style.edit_layers, [])

    def _set(self, style: Style) -> None:
        if style != self.style:
            self.style = style
            self._tell()

    def _tell(self) -> None:
        self.set_title("edit", f"layers: {named(self.style.edit_layers, self._count)}")
        self._list()
        self.post_message(self.Styled(self, self.style))

    def _ask(self) -> None:
        layers = self.style.edit_layers
        if layers in self._strengths or layers in self._asked or not self.is_attached:
            return
        self._trouble = ""
        if self._session.state == "ready":
            self._asked.add(layers)
            self.run_worker(partial(self._find, layers), group="directions", exit_on_error=False)  # type: ignore[arg-type]
        self._list()

    async def _find(self, layers: Layers | None) -> None:
        try:
            found = await self._session.run("directions", {"layers": list(layers or ())})
        except Cancelled:
            return
        except TarmacError as error:
            self._trouble = str(error)
        else:
            strengths = found["strengths"]
            assert isinstance(strengths, list)
            self._strengths[layers] = [float(share) for share in strengths]
        finally:
            self._asked.discard(layers)
        if self.is_attached:
            self._direction = min(self._direction, max(0, len(self._known()) - 1))
            self._tell()

    def _list(self) -> None:
        if not self.is_attached:
            return
        listed = self.query_one("#edit-list", Static)
        strengths = self._known()
        if not strengths:
            waits = "looking for directions" if self._session.state == "ready" else "the model is not running"
            told = f"✕ {self._trouble}" if self._trouble else f"◐ {waits}"
            listed.update(Content.styled(told.ljust(_LIST_WIDTH), "$error" if self._trouble else "$warning"))
            return
        self._first = max(self._direction - self._lines + 1, min(self._first, self._direction))
        self._first = max(0, min(self._first, len(strengths) - self._lines))
        parts: list[tuple[str, str] | str] = []
        for index in range(self._first, min(len(strengths), self._first + self._lines)):
            parts += [*self._line(index, strengths[index]), "\n"]
        listed.update(Content.assemble(*parts[:-1]))

    def _line(self, index: int, share: float) -> list[tuple[str, str] | str]:
        here = index == self._direction
        amount = self.style.amount(index)
        at = round((max(-FARTHEST, min(FARTHEST, amount)) + FARTHEST) / STEP)
        track = ["─"] * _TRACK
        track[_TRACK // 2] = "┼"
        tone = "bold $text" if here else "$muted"
        return [
            ("▸ " if here else "  ", "$accent"),
            (f"{index + 1:2} ", tone),
            ("".join(track[:at]), "$muted"),
            ("●", "bold $accent" if here or amount else "$muted"),
            ("".join(track[at + 1 :]), "$muted"),
            (f" {told_amount(amount):>5}", tone),
            (f" {share:5.1%}", "$muted"),
        ]
