"""How likely the model found each token of a text: read like the text, with a cursor that tells the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from core.errors import TarmacError
from tui.widgets.titled import Titled

LIKELY, UNLIKELY = 0.1, 0.01
"""Shares of the probability that tokens are shaded by."""

_MOVE = Binding.Group("token", compact=True)


@dataclass(frozen=True)
class Token:
    """One token: where it stands in the text, its probability (None: not known), the likeliest ones (text, share)."""

    start: int
    stop: int
    chance: float | None
    top: tuple[tuple[str, float], ...] = ()


def tokens_of(answer: object, length: int) -> list[Token]:
    """The tokens out of a model's `logprobs` for a text of `length` characters; what is not one is left out."""
    items = [item for item in answer if isinstance(item, Mapping)] if isinstance(answer, list | tuple) else []
    starts = [item["start"] for item in items if isinstance(item.get("start"), int)]
    if not items or len(starts) != len(items):
        return []
    tokens = []
    for item, start, stop in zip(items, starts, [*starts[1:], length], strict=True):
        value, top = item.get("logprob"), item.get("top")
        shares = [(str(text), math.exp(min(0.0, each))) for text, each in top] if isinstance(top, list | tuple) else []
        chance = math.exp(min(0.0, value)) if isinstance(value, int | float) else None
        tokens.append(Token(start, stop, chance, tuple(shares)))
    return tokens


@dataclass(frozen=True)
class _Piece:
    """A part of a token in one row of the screen; `breaks` where the token ends that row."""

    place: int
    text: str
    breaks: bool = False


class _Shaded(ScrollView, can_focus=False):
    """The text, broken into rows once; only the rows in view are drawn, so that a long text moves as a short one."""

    def __init__(self) -> None:
        super().__init__(id="chances-text")
        self._text, self._at = "", 0
        self._tokens: list[Token] = []
        self._rows: list[list[_Piece]] = []
        self._notice: Content | None = None

    def say(self, content: Content) -> None:
        """A word in place of a text."""
        self._notice, self._rows = content, []
        self.refresh()

    def show(self, text: str, tokens: list[Token]) -> None:
        """Another text."""
        self._text, self._tokens, self._notice = text, tokens, None
        self._break()

    def turn(self, at: int) -> None:
        """Put the cursor on a token, in view."""
        before, self._at = self._at, at
        # Only the rows that look different are drawn again.
        changed = [y for y, row in enumerate(self._rows) if any(piece.place in (before, at) for piece in row)]
        for y in changed:
            self.refresh_line(y)
        row = next((y for y in changed if any(piece.place == at for piece in self._rows[y])), 0)
        top, tall = self.scroll_offset.y, max(1, self.size.height)
        if not top <= row < top + tall:
            self.scroll_to(y=max(0, row - tall // 2), animate=False)

    def on_resize(self) -> None:
        """Rows are as wide as the widget."""
        self._break()

    def _break(self) -> None:
        width = max(2, self.size.width - 2)  # the widest character has two cells
        rows: list[list[_Piece]] = [[]]
        room = width
        for place, token in enumerate(self._tokens):
            for number, line in enumerate(self._text[max(token.start, 0) : token.stop].expandtabs(4).split("\n")):
                if number:
                    rows[-1].append(_Piece(place, "", breaks=True))
                    rows.append([])
                    room = width
                while line:
                    part = _fitting(line, room)
                    if part:
                        rows[-1].append(_Piece(place, part))
                    line = line[len(part) :]
                    room -= cell_len(part)
                    if line:
                        rows.append([])
                        room = width
        self._rows = rows
        self.virtual_size = Size(self.size.width, len(rows))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row."""
        style = self.visual_style
        if self._notice is not None and y == 0:
            content = self._notice
        else:
            at = y + self.scroll_offset.y
            pieces = self._rows[at] if at < len(self._rows) and self._notice is None else []
            content = Content.assemble(*(self._drawn(piece) for piece in pieces))
        return Strip(Content.assemble(" ", content).render_segments(style)).adjust_cell_length(
            self.size.width, style.rich_style
        )

    def _drawn(self, piece: _Piece) -> tuple[str, str]:
        if piece.place == self._at:
            return ("↵" if piece.breaks else piece.text), "reverse $accent"
        return piece.text, shade(self._tokens[piece.place].chance)


class Probabilities(Titled, Vertical, can_focus=True, inherit_bindings=False):
    """A text by its tokens. Posts `Left` when the user is done."""

    HELP = (
        "How likely the model finds each token after all that stands before it, whatever the temperature was. "
        "Underlined ones have less than 10 %, bold ones less than 1 %. The line below tells the figure of the token "
        "under the cursor, and what the model would rather have written."
    )
    HELP_TITLE = "Probabilities"
    DEFAULT_CSS = """
    Probabilities { height: 1fr; }
    Probabilities #chances-text { height: 1fr; }
    Probabilities #chances-told { height: 2; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Before", id="chances.before", group=_MOVE, tooltip="The token before"),
        Binding("right,l", "move(1)", "After", id="chances.after", group=_MOVE, tooltip="The token after"),
        Binding("up,k", "line(-1)", "Up", id="chances.up", group=_MOVE, tooltip="The line above"),
        Binding("down,j", "line(1)", "Down", id="chances.down", group=_MOVE, tooltip="The line below"),
        Binding("n", "unlikely", "next unlikely", id="chances.unlikely", tooltip="The next token below 1 %"),
        Binding("home", "move(-1000000)", "First", id="chances.first", show=False, tooltip="The first token"),
        Binding("end", "move(1000000)", "Last", id="chances.last", show=False, tooltip="The last token"),
        Binding("escape,p", "leave", "close", id="chances.close", tooltip="Back to the completion"),
    ]

    @dataclass
    class Left(Message):
        """The user is done with it."""

    def __init__(self) -> None:
        super().__init__(id="chances", classes="pane")
        self.set_title("probabilities")
        self.text = ""
        self.tokens: list[Token] = []
        self.at = 0

    def compose(self) -> ComposeResult:
        yield _Shaded()
        yield Static(id="chances-told", markup=False)

    def wait(self) -> None:
        """Nothing is known yet."""
        self.tokens, self.text = [], ""
        self._say(Content.styled("◐ the model reads the text", "$warning"))

    def fail(self, error: TarmacError) -> None:
        """It cannot be known."""
        self._say(Content.styled(f"✕ {error}", "$error"))

    def show(self, text: str, tokens: list[Token], begin: int, before: int = 0) -> None:
        """Show `text`; the cursor goes to the token at character `begin`, or to the last one.

        Args:
            text: All of it.
            tokens: Its tokens.
            begin: Where what was written last begins.
            before: Characters before that which are of interest too; the line that they begin in is shown whole.
        """
        first = text.rfind("\n", 0, begin - before) + 1
        self.text = text
        self.tokens = [token for token in tokens if token.stop > first]
        last = max(0, len(self.tokens) - 1)
        self.at = next((place for place, token in enumerate(self.tokens) if token.stop > begin), last)
        known = [token.chance for token in self.tokens[self.at :] if token.chance is not None]
        mean = math.exp(sum(math.log(max(chance, 1e-30)) for chance in known) / len(known)) if known else 0.0
        self.set_title(
            "probabilities",
            f"{len(known)} {'token' if len(known) == 1 else 'tokens'}, {percent(mean)} each on average"
            if known
            else "",
        )
        self.query_one(_Shaded).show(self.text, self.tokens)
        self._draw()

    @property
    def token(self) -> Token | None:
        """The one under the cursor."""
        return self.tokens[self.at] if 0 <= self.at < len(self.tokens) else None

    def _say(self, content: Content) -> None:
        self.query_one(_Shaded).say(content)
        self.query_one("#chances-told", Static).update("")

    def _draw(self) -> None:
        self.query_one(_Shaded).turn(self.at)
        self.query_one("#chances-told", Static).update(self._about())

    def _about(self) -> Content:
        token = self.token
        if token is None:
            return Content.styled("There is nothing to tell about this text.", "$muted")
        parts: list[tuple[str, str] | str] = [(f"{quoted(self.text[token.start : token.stop])}  ", "bold $accent")]
        if token.chance is None:
            parts.append(("nothing stands before it that it could be told from", "$muted"))
            return Content.assemble(*parts)
        parts.append((percent(token.chance), f"bold {shade(token.chance)}"))
        others = [(text, share) for text, share in token.top if text != self.text[token.start : token.stop]]
        if others:
            told = "  ".join(f"{quoted(text)} {percent(share)}" for text, share in others)
            first = token.top[0][0] == self.text[token.start : token.stop]
            parts.append((f"\n{'then' if first else 'rather'}  {told}", "$muted"))
        return Content.assemble(*parts)

    # -- keys

    def action_move(self, by: int) -> None:
        """Tokens on or back."""
        if self.tokens:
            self.at = max(0, min(len(self.tokens) - 1, self.at + by))
            self._draw()

    def action_line(self, by: int) -> None:
        """To the nearest token of the line above or below."""
        token = self.token
        if token is None:
            return
        # A token that begins with a line break counts to the line that it begins in.
        begin = self.text.rfind("\n", 0, token.start) + 1
        column = token.start - begin
        if by < 0:
            target = self.text.rfind("\n", 0, max(0, begin - 1)) + 1 if begin else 0
        else:
            end = self.text.find("\n", token.start)
            if end < 0:
                return
            target = end + 1
        stop = self.text.find("\n", target)
        wanted = min(target + column, stop if stop >= 0 else len(self.text))
        self.at = min(range(len(self.tokens)), key=lambda place: abs(self.tokens[place].start - wanted))
        self._draw()

    def action_unlikely(self) -> None:
        """The next one that surprised the model, round and round."""
        count = len(self.tokens)
        for place in (*range(self.at + 1, count), *range(self.at)):
            chance = self.tokens[place].chance
            if chance is not None and chance < UNLIKELY:
                self.at = place
                self._draw()
                return

    def action_leave(self) -> None:
        """Done."""
        self.post_message(self.Left())


def _fitting(text: str, room: int) -> str:
    """As much of the beginning as fits into so many cells."""
    used = 0
    for place, character in enumerate(text):
        used += cell_len(character)
        if used > room:
            return text[:place]
    return text


def shade(chance: float | None) -> str:
    """How a token of that probability is written: by colour, and by its line and weight where there is none."""
    if chance is None:
        return "$muted"
    if chance < UNLIKELY:
        return "bold underline $error"
    if chance < LIKELY:
        return "underline $warning"
    return "$text" if chance < 0.5 else "$muted"


def percent(share: float) -> str:
    """A share in two figures: 83 %, 4.1 %, 0.32 %, below 0.01 %."""
    value = 100 * share
    if value >= 9.95:
        return f"{min(value, 99.9 if share < 0.9995 else 100):.0f} %"
    if value >= 0.995:
        return f"{value:.1f} %"
    return f"{value:.2f} %" if value >= 0.01 else "below 0.01 %"


def quoted(text: str) -> str:
    """A token so that spaces and breaks can be seen."""
    return "“" + text.replace("\n", "↵").replace("\t", "⇥") + "”"
