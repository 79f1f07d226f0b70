"""What a command answered: pictures by the terminal's graphics, texts, and everything else in a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.interface import Category, Command, Image, Segmentation, Text
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
    AnswerPane.-pictures > VerticalScroll { height: auto; max-height: 40%; margin-top: 1; }
    AnswerPane > VerticalScroll > Static { height: auto; }
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(classes="pane", **options)
        self.text = ""
        """What a copy would take: the texts of the answer."""

    def compose(self) -> ComposeResult:
        yield TileSheet(plain=True)
        with VerticalScroll(can_focus=False):
            yield Static(classes="answer-told", markup=False)

    @property
    def sheet(self) -> TileSheet:
        """Where pictures are."""
        return self.query_one(TileSheet)

    def say(self, text: str, tone: str) -> None:
        """Words instead of an answer."""
        self.text = ""
        self.remove_class("-pictures")
        self.query_one(".answer-told", Static).update(Content.styled(text, tone))

    def expect(self, command: Command) -> None:
        """Make room for what the command gives, so that pictures are as large as they can be."""
        count = len(picture_names(command))
        self.set_class(bool(count), "-pictures")
        if count:
            self.sheet.lay(count, 1, [(at, 0) for at in range(count)])

    def put(self, command: Command, outputs: Mapping[str, object], pictures: Mapping[tuple[int, int], Pixels]) -> None:
        """Show an answer; its pictures as `drawn` made them."""
        if pictures:
            self.sheet.put(pictures)
        texts = [name for name, kind in command.outputs.items() if isinstance(kind, Text)]
        self.text = "\n".join(str(outputs[name]) for name in texts[:1])
        parts: list[tuple[str, str] | str] = []
        for name in texts[:1]:
            shown = "".join(char if char.isprintable() or char in "\n\t" else "�" for char in str(outputs[name]))
            parts += [(shown.expandtabs(4), "$text"), "\n\n"]
        rest = [name for name in command.outputs if name not in texts[:1] and name not in picture_names(command)]
        wide = max((len(name) for name in rest), default=0)
        for name in rest:
            parts += [(f"{name:<{wide}}  ", "$muted"), (f"{_short(command, name, outputs[name])}\n", "$text")]
        self.query_one(".answer-told", Static).update(Content.assemble(*parts))


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


def _short(command: Command, name: str, value: object) -> str:
    kind = command.outputs[name]
    plain = kind.to_json(value)
    plain = float(f"{plain:.6g}") if isinstance(plain, float) else plain
    text = str(plain) if isinstance(kind, Text | Category) else json.dumps(plain, ensure_ascii=False)
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
