"""A model's card: its picture, what it is, what it needs, its text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui import words
from tui.model_facts import default_command, facts, table_lines
from tui.status import Status
from tui.widgets.still import Still
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.widgets.still import Pixels

_TONES = {"": "$text", "muted": "$muted", "good": "$success", "busy": "$warning", "bad": "$error"}
COVER = "cover.png"
"""A model's picture in its folder, where there is one."""


class Card(Titled, VerticalScroll, can_focus=False):
    """Everything that is known about one model."""

    DEFAULT_CSS = """
    Card { padding: 0 1; }
    Card > Still { margin: 0 0 1 0; }
    Card > Static { height: auto; margin: 0 1 0 0; }
    """

    full: reactive[bool] = reactive(False, init=False)
    """Whether interface, recipe and files are shown too."""

    def __init__(self, *, full: bool = False) -> None:
        super().__init__(classes="pane")
        self.set_reactive(Card.full, full)
        self._model: Model | None = None
        self._status: Status | None = None

    def compose(self) -> ComposeResult:
        yield Still()
        yield Static(id="card-facts", markup=False)

    def show(self, model: Model | None, status: Status | None) -> None:
        """Show this model; None shows an empty card."""
        changed = self._model is None or model is None or self._model.id != model.id
        self._model, self._status = model, status
        self.set_title(model.id if model else "")
        self.query_one("#card-facts", Static).update(self._content(model, status) if model else "")
        if changed:
            self.scroll_home(animate=False)
            if model is None:
                self.query_one(Still).picture = None
            else:
                self.run_worker(self._load_cover(model), group="cover", exclusive=True, exit_on_error=False)

    def on_resize(self, event: events.Resize) -> None:
        """Long lines break where the card ends."""
        super().on_resize(event)
        self._refill()

    def watch_full(self) -> None:
        """More or less is shown."""
        self._refill()

    def _refill(self) -> None:
        if self._model is not None:
            self.query_one("#card-facts", Static).update(self._content(self._model, self._status))

    async def _load_cover(self, model: Model) -> None:
        self.query_one(Still).picture = await asyncio.to_thread(read_cover, model)

    def _content(self, model: Model, status: Status | None) -> Content:
        lines = facts(model, status)
        width = (self.scrollable_content_region.width or 61) - 1
        wide = max(len(label) for label, _, _ in lines)
        parts: list[tuple[str, str] | str] = []
        for label, text, tone in lines:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", _TONES[tone]))
        if model.manifest.description:
            parts.append((f"\n{words.reflowed(model.manifest.description)}\n", "$text"))
        if self.full:
            parts += self._more(model, width)
        return Content.assemble(*parts)

    @staticmethod
    def _more(model: Model, width: int) -> list[tuple[str, str] | str]:
        parts: list[tuple[str, str] | str] = []
        for name, command in model.spec.commands.items() if model.spec and not model.problem else ():
            parts.append((f"\n{name}", "bold $accent"))
            parts.append((f"  {command.description}\n", "$muted"))
            if command is not default_command(model):  # of the others the names do; `tarmac models show` tells more
                line = f"→ {', '.join(command.inputs)}  ← {', '.join(command.outputs)}"
                parts.append((f"  {words.hanging(line, width, 4)}\n", "$text"))
                continue
            for arrow, types in (("→", command.inputs), ("←", command.outputs)):
                for key, kind in types.items():
                    head = f"{arrow} {key}"
                    text = words.hanging("  ".join(filter(None, (head, kind.allowed(), kind.description))), width, 6)
                    parts.append((f"  {text[: len(head)]}", "$text"))
                    parts.append((f"{text[len(head) :]}\n", "$muted"))
        tables = (("scores", model.scores), ("recipe", model.manifest.recipe), ("origin", model.manifest.origin))
        for title, table in tables:
            if table:
                parts.append((f"\n{title}\n", "bold $accent"))
                parts += [(f"  {words.hanging(line, width, 4)}\n", "$text") for line in table_lines(table)]
        parts.append(("\nfolder\n", "bold $accent"))
        parts.append((f"  {model.folder}\n", "$text"))
        return parts


def read_cover(model: Model) -> Pixels | None:
    """The model's picture, uint8 [H, W, 3]; None if it has none that can be read. Call it in a thread."""
    from core.errors import TarmacError
    from core.interface.pictures import decode

    try:
        data = (model.folder / COVER).read_bytes()
        return decode("the cover", data, 3)
    except (OSError, TarmacError, ValueError):
        return None
