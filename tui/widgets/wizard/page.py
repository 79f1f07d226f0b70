"""What a page of the wizard is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tui.widgets.table import Table
from tui.widgets.titled import Titled
from tui.wizard.answers import Answers
from tui.wizard.materials import Materials

if TYPE_CHECKING:
    from tui.studio import TarmacApp


class Page(Titled, Vertical):
    """One question. Those that are asked of one kind only have its name as their `kind`."""

    key = ""
    title = ""
    kind = ""
    DEFAULT_CSS = """
    Page { height: 1fr; display: none; }
    Page.-here { display: block; }
    Page > .about { height: auto; padding: 0 1; color: $muted; margin-bottom: 1; }
    Page > .told { height: auto; max-height: 4; padding: 0 1; margin: 1 0; }
    Page > Table { height: auto; max-height: 50%; }
    Page > Form { height: auto; max-height: 90%; }
    Page > #summary-name-row { height: 1; margin: 0 1 1 1; }
    #summary-name-label { width: 13; color: $muted; }
    #summary-name { width: 1fr; max-width: 60; }
    Page > GridCanvas { margin: 0 1; }
    """

    app: TarmacApp

    @dataclass
    class Answered(Message):
        """An answer is another one now."""

    def __init__(self, answers: Answers, materials: Materials) -> None:
        super().__init__(classes="pane", id=f"page-{self.kind or 'any'}-{self.key}")
        self.answers, self.materials = answers, materials
        self.set_title(self.title)

    def enter(self) -> None:
        """The page is shown, or what it shows has come."""

    @property
    def first(self) -> Widget:
        """Who has the keys."""
        return self.query_one(Table)

    def answer(self) -> str:
        """In a line; empty while nothing is known."""
        raise NotImplementedError

    def refusal(self) -> str:
        """Why one cannot go on from here; empty when one can."""
        return ""

    def passed(self) -> bool:
        """Whether there is nothing to ask."""
        return False

    def tell(self, text: str, tone: str = "$muted") -> None:
        """Say something below."""
        self.query_one(".told", Static).update(Content.styled(text, tone) if text else "")
