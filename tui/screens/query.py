"""A deployment asked from here, as a program would ask it: its inputs filled in, its answer shown."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from core.errors import TarmacError
from tui import words
from tui.hosting import facts as hosting_facts
from tui.screens.base import StudioScreen
from tui.widgets.answer_pane import AnswerPane, drawn, picture_names
from tui.widgets.query_form import Filled, QueryForm
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.interface import Command
    from tui.hosting.query import Answer, Asking
    from tui.hosting.services import Seen
    from tui.studio import TarmacApp


_FLOWS = 0.05
"""Seconds between two looks at what has come of a text."""


class AskedPane(Titled, Horizontal):
    """Around the form."""


class QueryPage(StudioScreen):
    """Pushed over the place Hosting.

    Args:
        name: The deployment.
    """

    MODE = "hosting"
    CSS_PATH = "query.tcss"
    AUTO_FOCUS = ""
    HELP = (
        "Ask the deployment by HTTP, as any program does, with a key of the studio's own. Enter asks, tab goes on to "
        "the next field; a picture is given by its path, a latent vector by a seed. A deployment that sleeps wakes up."
    )
    HELP_TITLE = "Ask"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "ask", "ask", id="query.ask", tooltip="Send it"),
        Binding("ctrl+r,f5", "ask", "Ask", id="query.again", show=False, tooltip="Send it, wherever one is"),
        Binding("y", "copy", "copy", id="query.copy", tooltip="The answer's text to your own clipboard (OSC 52)"),
        Binding("escape", "stop", "stop", id="query.stop", tooltip="Hang up: what has come of the text stays"),
        Binding("escape", "back", "back", id="query.back", tooltip="Back to what is asked, then to the deployments"),
    ]

    app: TarmacApp

    def __init__(self, name: str) -> None:
        super().__init__()
        self.deployment = name
        self._asking: Asking | None = None
        self._written: list[str] = []
        """Pieces of the text that have come and are not shown yet; put there by the thread that reads them."""
        self._begun = 0.0
        self._before = ""

    @property
    def seen(self) -> Seen | None:
        """The deployment as it stands."""
        found = self.app.hosting.deployments if self.app.hosting is not None else ()
        return next((seen for seen in found if seen.name == self.deployment), None)

    def body(self) -> ComposeResult:
        seen = self.seen
        yield Static(id="query-of", markup=False)
        with Horizontal(id="query"):
            with AskedPane(classes="pane", id="asked"):
                if seen is not None and seen.command is not None:
                    yield QueryForm(seen.command)
            yield AnswerPane()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(AskedPane).set_title("asks")
        answer = self.query_one(AnswerPane)
        answer.set_title("answer")
        answer.say("⏎ asks", "$muted")
        for form in self.query(QueryForm):
            self.query_one(AskedPane).set_class(not form.has_editor, "pane")  # an editor has a title of its own
            form.focus_first()
        self.call_after_refresh(self.app.release_keys)
        self.watch(self.app, "hosting", self._told)
        self.set_interval(1.0, self._tick)
        self._flowing = self.set_interval(_FLOWS, self._flow, pause=True)

    def on_unmount(self) -> None:
        """Nobody would see the answer, and the thread that waits for it must end."""
        self.action_stop()

    def _told(self) -> None:
        seen = self.seen
        line = self.query_one("#query-of", Static)
        if seen is None:
            line.update(f" {self.deployment} is gone")
            return
        glyph, word, _ = hosting_facts.state(seen)
        what = f", {seen.command.name}" if seen.command is not None else ""
        told = f" {seen.name} · {glyph} {word} · {seen.model_name}{what}"
        address = f" · {seen.url}/query"
        line.update(told + address if cell_len(told + address) <= self.app.size.width else told)

    # -- asking

    @on(QueryForm.Asked)
    def _asked(self) -> None:
        self.action_ask()

    @on(QueryForm.Left)
    def _left(self) -> None:
        self.action_stop() if self._asking is not None else self.action_back()

    def action_ask(self) -> None:
        """Send what is filled in."""
        form = next(iter(self.query(QueryForm)), None)
        seen = self.seen
        if form is None or seen is None or self._asking is not None:
            return
        answer = self.query_one(AnswerPane)
        self.add_class("-answered")
        if form.problem:
            answer.say(f"✕ {form.problem}", "$error")
            return
        work = self._ask(seen, form.command, form.filled())
        self.run_worker(work, group="ask", exclusive=True, exit_on_error=False, description="asking")

    async def _ask(self, seen: Seen, command: Command, filled: Filled) -> None:
        services, pane = self.app.services.hosting, self.query_one(AnswerPane)
        self._begun = time.monotonic()
        self._written.clear()
        asking = self._asking = services.asking(seen, command)
        self.refresh_bindings()
        self._flowing.resume()
        pane.set_title("answer")
        pane.say("", "$muted")
        self._tick()
        try:
            inputs = await asyncio.to_thread(filled.values)
            self._before = str(inputs.get("prompt", ""))
            answer = await asyncio.to_thread(asking.ask, inputs, self._written.append)
            self._flow()
            if not pane.has_class("-text"):
                pane.say("", "$muted")
            pane.expect(command)
            await self._laid_out()
            side = pane.sheet.side(max(1, len(picture_names(command))), 1)
            pictures = await asyncio.to_thread(drawn, command, answer.outputs, side)
            pane.put(command, answer.outputs, pictures, self._before)
            self._see_text(pane)
            pane.set_title("answer", _took(answer))
        except TarmacError as error:
            self._flow()
            seconds = words.duration(time.monotonic() - self._begun)
            pane.set_title("answer", f"○ stopped after {seconds}" if asking.stopped else "")
            say = pane.tell if pane.has_class("-text") else pane.say  # what has come of a text stays
            say("○ stopped" if asking.stopped else f"✕ {error}", "$muted" if asking.stopped else "$error")
        finally:
            self._asking = None
            self._flowing.pause()
            self.refresh_bindings()
            if self.app.hosting_watch is not None:
                self.app.hosting_watch.look_now()

    async def _laid_out(self) -> None:
        """Wait until the panes have the sizes that the last change of class gave them."""
        event = asyncio.Event()
        self.call_after_refresh(event.set)
        await event.wait()

    def _flow(self) -> None:
        """Show what has come of a text."""
        if not self._written:
            return
        come = "".join(self._written[: (count := len(self._written))])
        del self._written[:count]
        pane = self.query_one(AnswerPane)
        if not pane.has_class("-text"):
            pane.begin(self._before)
            self._see_text(pane)
        pane.grow(come)
        self._tick()

    def _see_text(self, pane: AnswerPane) -> None:
        """Where the form is out of sight, the keys scroll the text."""
        if self.size.width < 100 and pane.has_class("-text"):
            pane.view.focus()

    def _tick(self) -> None:
        if self._asking is None:
            return
        seconds = int(time.monotonic() - self._begun)
        if self.query_one(AnswerPane).has_class("-text"):
            self.query_one(AnswerPane).set_title("answer", f"◐ writing · {words.duration(seconds)} · esc stops")
            return
        state = self.seen.status.state if self.seen is not None else ""
        doing = "waking it" if state in ("asleep", "waking") else "asking"
        self.query_one(AnswerPane).say(f"◐ {doing} · {words.duration(seconds)}  esc stops", "$warning")

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without an answer there is nothing to copy; a key that stops is offered while something can be stopped."""
        if action == "stop":
            return self._asking is not None
        if action == "back":
            return self._asking is None
        return bool(self.query_one(AnswerPane).text) if action == "copy" and self.is_mounted else True

    def action_copy(self) -> None:
        """The answer's text to the clipboard."""
        self.app.copy_to_clipboard(self.query_one(AnswerPane).text)
        self.notify("Copied the answer", timeout=2, markup=False)

    def action_stop(self) -> None:
        """Hang up."""
        if self._asking is not None:
            self._asking.stop()

    def action_back(self) -> None:
        """From an answer that hides the form to that; or leave."""
        if self.has_class("-answered") and self.size.width < 100:
            self.remove_class("-answered")
            for form in self.query(QueryForm):
                form.focus_first()
        else:
            self.dismiss(None)


def _took(answer: Answer) -> str:
    """How long it took, and how long until something could be read."""
    took = f"after {hosting_facts.milliseconds(1000 * answer.seconds)}"
    return took if answer.first is None else f"{took} · first text {hosting_facts.milliseconds(1000 * answer.first)}"
