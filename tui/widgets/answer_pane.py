"""What a command answered: pictures by the terminal's graphics, a text as it comes, everything else in a line each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.interface import Category, Command, Image, Segmentation, Text
from tui.text_lines import Growing, Piece
from tui.widgets.text_view import TextView
from tui.widgets.tile_sheet import TileSheet, squared
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from tui.widgets.tile_sheet import Pixels

_LONGEST = 200
"""Characters of a value that is neither text nor picture."""


class AnswerPane(Titled, Vertical):
    """Shows one answer, or why there is none."""

    DEFAULT_CSS = """
    AnswerPane { height: 1fr; }
    AnswerPane > TileSheet { height: 2fr; display: none; }
    AnswerPane.-pictures > TileSheet { display: block; }
    AnswerPane > VerticalScroll { height: 1fr; padding: 0 1; }
    AnswerPane > TextView { height: 1fr; display: none; padding: 0 0 0 1; }
    AnswerPane.-text > TextView { display: block; }
    AnswerPane.-pictures > VerticalScroll, AnswerPane.-text > VerticalScroll {
        height: auto;
        max-height: 40%;
        margin-top: 1;
    }
    AnswerPane > VerticalScroll > Static { height: auto; }
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(classes="pane", **options)
        self.text = ""
        """What a copy would take: the texts of the answer."""
        self._pieces: list[Piece] = []
        self._growing = Growing(1)
        self._shown = False
        """Whether the text was put where it has room: only then somebody can have left its end."""
        self._at_end = True
        """Whether the end of the text is looked at, and goes on being so while it grows."""

    def compose(self) -> ComposeResult:
        yield TileSheet(plain=True)
        yield TextView()
        with VerticalScroll(can_focus=False):
            yield Static(classes="answer-told", markup=False)

    @property
    def sheet(self) -> TileSheet:
        """Where pictures are."""
        return self.query_one(TileSheet)

    def say(self, text: str, tone: str) -> None:
        """Words instead of an answer."""
        self.text = ""
        self.remove_class("-pictures", "-text")
        self.view.can_focus = False
        self.tell(text, tone)

    def tell(self, text: str, tone: str) -> None:
        """Words below an answer, or below what there is of it."""
        self.query_one(".answer-told", Static).update(Content.styled(text, tone))

    # -- a text

    @property
    def view(self) -> TextView:
        """Where a text is."""
        return self.query_one(TextView)

    def begin(self, before: str) -> None:
        """Make room for a text that goes on from `before`, whose last line is shown."""
        self.text = ""
        self._pieces = [(_plain(before.rpartition("\n")[2]), "muted")]
        self.add_class("-text")
        self.view.can_focus = True
        self.tell("", "$muted")
        self._begin()

    def _begin(self) -> None:
        # Not laid out yet, it will be as wide as the pane but for its padding and its scrollbar.
        self._growing = Growing(self.view.room or max(1, self.size.width - 2))
        for text, tone in self._pieces:
            self._growing.add(text, tone)
        self._at_end, self._shown = True, False
        self.view.put(self._growing.laid())

    def grow(self, text: str) -> None:
        """Put the next piece of the text at its end; who looks at the end goes on seeing it."""
        self.text += text
        self._pieces.append((_plain(text), "plain"))
        self._growing.add(*self._pieces[-1])
        if self.view.size.height and self._shown:
            self._at_end = self.view.below == 0
        self._put()

    def _put(self) -> None:
        view = self.view
        view.put(self._growing.laid(), keep=True)
        self._shown = bool(view.size.height)
        if self._at_end:
            view.go(len(view.laid.lines))

    def on_text_view_sized(self, event: TextView.Sized) -> None:
        """Lines end somewhere else."""
        event.stop()
        if self.has_class("-text"):
            self.run_worker(self._lay(), group="lay", exclusive=True, exit_on_error=False)

    async def _lay(self) -> None:
        """Lay out everything anew, in a thread; then what came meanwhile."""
        pieces, width = self._pieces, self.view.room
        known = list(pieces)

        def lay() -> Growing:
            growing = Growing(width or 1)
            for text, tone in known:
                growing.add(text, tone)
            return growing

        growing = await asyncio.to_thread(lay)
        if pieces is not self._pieces:
            return  # that text is gone
        for text, tone in pieces[len(known) :]:
            growing.add(text, tone)
        self._growing = growing
        self._put()

    def expect(self, command: Command) -> None:
        """Make room for what the command gives, so that pictures are as large as they can be."""
        count = len(picture_names(command))
        self.set_class(bool(count), "-pictures")
        if count:
            self.sheet.lay(count, 1, [(at, 0) for at in range(count)])

    def put(
        self,
        command: Command,
        outputs: Mapping[str, object],
        pictures: Mapping[tuple[int, int], Pixels],
        before: str = "",
    ) -> None:
        """Show an answer; its pictures as `drawn` made them. A text that has come already stays as it is."""
        if pictures:
            self.sheet.put(pictures)
        texts = [name for name, kind in command.outputs.items() if isinstance(kind, Text)]
        for name in texts[:1]:
            if self.text != str(outputs[name]):
                if not self.has_class("-text"):
                    self.begin(before)
                self.grow(str(outputs[name]))
                self._at_end = False  # it has come whole, and is read from its start
                self.view.go(-len(self.view.laid.lines))
        parts: list[tuple[str, str] | str] = []
        rest = [name for name in outputs if name not in texts[:1] and name not in picture_names(command)]
        wide = max((len(name) for name in rest), default=0)
        for name in rest:
            parts += [(f"{name:<{wide}}  ", "$muted"), (f"{_short(command, name, outputs[name])}\n", "$text")]
        self.query_one(".answer-told", Static).update(Content.assemble(*parts))
        if texts:
            self.call_after_refresh(self._put)  # the lines below have taken room from it


def picture_names(command: Command) -> list[str]:
    """The outputs that are pictures."""
    return [name for name, kind in command.outputs.items() if isinstance(kind, Image | Segmentation)]


def drawn(command: Command, outputs: Mapping[str, object], side: int) -> dict[tuple[int, int], Pixels]:
    """The pictures of an answer in squares of `side` pixels by their place. Takes milliseconds: call it in a thread."""
    import numpy as np

    found: dict[tuple[int, int], Pixels] = {}
    for at, name in enumerate(picture_names(command)):
        kind, value = command.outputs[name], np.asarray(outputs[name])
        pixels = kind.colored(value) if isinstance(kind, Segmentation) else value
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[:, :, :3]
        found[at, 0] = squared(np.ascontiguousarray(pixels, np.uint8), side)
    return found


def _plain(text: str) -> str:
    """A text without anything that a terminal would follow."""
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)


def _short(command: Command, name: str, value: object) -> str:
    kind = command.outputs[name]
    plain = kind.to_json(value)
    plain = float(f"{plain:.6g}") if isinstance(plain, float) else plain
    text = str(plain) if isinstance(kind, Text | Category) else json.dumps(plain, ensure_ascii=False)
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
