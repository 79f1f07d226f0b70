"""One model in the workspace: its worker, its banner, and the explorer or the completion pane below."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import AwaitMount, Widget
from textual.widgets import Static

from core.errors import Cancelled, TarmacError, WorkerDied
from core.library.subjects import finds_subjects
from tui.widgets.banner import Banner

if TYPE_CHECKING:
    from core.hosting.local_api import LocalApi
    from core.library.models import Model
    from core.workers.session import Session
    from tui.studio import TarmacApp

GLYPHS = {"ready": ("●", "$success"), "starting": ("◐", "$warning"), "dead": ("✕", "$error")}
IDLE = ("○", "$muted")


_SPARE_AFTER = 5.0
"""Seconds from a model being ready to having a worker wait for the next one."""


def pane_for(session: Session, model: Model, state: Mapping[str, object]) -> Widget | None:
    """The pane for what the model's command takes and gives; None when there is none for it yet."""
    command = next(iter(model.interface.commands.values()))
    takes = [kind.type_name for kind in command.inputs.values()]
    gives = [kind.type_name for kind in command.outputs.values()]
    if takes.count("vector") == 1 and gives[:1] == ["image"]:
        from tui.widgets.explorer.grid import Explorer

        pane: Widget = Explorer(session, model, dict(state))
        return pane
    if takes[:1] == ["text"] and "text" in gives:
        from tui.widgets.completion.pane import CompletionPane

        return CompletionPane(session, model, state)
    return None


class ModelTab(Vertical):
    """Starts the model's worker when it is shown, stops it when it is removed.

    Args:
        model_id: As the workspace file has it; the model may be gone from the library.
        model: The library's model, or None.
        state: What the pane kept, untouched while there is no pane.
    """

    DEFAULT_CSS = """
    ModelTab { height: 1fr; display: none; }
    ModelTab.-shown { display: block; }
    ModelTab > .missing { padding: 1 2; color: $muted; }
    """

    app: TarmacApp

    @dataclass
    class Changed(Message):
        """Its worker or its state is different."""

        tab: ModelTab

    def __init__(self, model_id: str, model: Model | None, state: Mapping[str, object]) -> None:
        super().__init__()
        self.model_id = model_id
        self.model = model
        self.session: Session | None = None
        self.pane: Widget | None = None
        self.network: LocalApi | None = None
        """What other programs of this machine ask it through; off until it is switched on, at every start."""
        self.mounting: AwaitMount | None = None
        """Await it for the pane to be there."""
        self._state = dict(state)
        self._why_not = "" if model is not None else f"{model_id} is not in the library any more."
        if model is not None and model.problem is not None:
            self._why_not = f"{model.name} cannot be used: {model.problem}"

    @property
    def title(self) -> str:
        """What the tab is called."""
        if self.model is None:
            return self.model_id
        return self.model.id if self.model.source == "starter" else self.model.name

    @property
    def glyph(self) -> tuple[str, str]:
        """The state of the worker as a glyph and its colour."""
        if self._why_not:
            return GLYPHS["dead"]
        return IDLE if self.session is None else GLYPHS.get(self.session.state, IDLE)

    def compose(self) -> ComposeResult:
        yield Banner()
        if self._why_not:
            yield Static(
                Content.assemble(("✕ ", "bold $error"), f"{self._why_not}\n", ("X takes it out of here.", "$muted")),
                classes="missing",
                markup=False,
            )

    def state(self) -> dict[str, object]:
        """What the workspace file keeps of it."""
        give = getattr(self.pane, "state", None)
        if give is not None and self.pane is not None and self.pane.is_mounted:
            self._state = give()
        return self._state

    def settings_line(self) -> str:
        """What the pane wants told at the top."""
        tell = getattr(self.pane, "settings_line", None)
        return str(tell()) if tell is not None and self.pane is not None and self.pane.is_mounted else ""

    def show(self) -> None:
        """Bring to the front; the first time, make the pane and start the worker."""
        self.add_class("-shown")
        if self.model is None or self._why_not:
            return
        if self.session is None:
            self.session = self.app.services.session(self.model)
            self.session.on_change.append(self._session_changed)
            self.pane = pane_for(self.session, self.model, self._state)
            if self.pane is None:
                self.session = None
                self._why_not = f"Tarmac has no screen yet for a model that works like {self.model.name}."
                if finds_subjects(self.model):
                    self._why_not += (
                        " It finds the subjects when a dataset is prepared with auto-crop; "
                        f"`tarmac run {self.model.id} --input image=@FILE --output …` and hosting ask it too."
                    )
                self.mount(Static(f"○ {self._why_not}", classes="missing", markup=False))
                return
            self.mounting = self.mount(self.pane)
        if self.pane is not None and self.pane.is_mounted:
            self.focus_pane()
        else:
            self.call_after_refresh(self.focus_pane)
        if self.session.state in ("new", "stopped"):
            self.start()

    def visit(self, place: Mapping[str, object]) -> None:
        """Bring the pane to a place, as soon as it is there."""
        if self.pane is not None and not self.pane.is_mounted:
            self.call_after_refresh(self.visit, place)
        elif (go := getattr(self.pane, "visit", None)) is not None:
            go(place)

    def hide(self) -> None:
        """Put to the back; the worker goes on."""
        self.remove_class("-shown")

    def focus_pane(self) -> None:
        """Give the keys to the pane."""
        if self.pane is None or not self.pane.is_mounted or not self.has_class("-shown"):
            return
        first = getattr(self.pane, "focus_first", None)
        if first is not None:
            first()
        else:
            self.screen.set_focus(self.pane)

    def start(self) -> None:
        """Start the worker, or start it again."""
        self.run_worker(self._start(), group="start", exclusive=True, exit_on_error=False, description="starting")

    async def _start(self) -> None:
        if self.session is None:
            return
        try:
            await self.session.start()
        except Cancelled:
            return
        except TarmacError as error:
            if self.session.state != "dead":  # else its change of state has told it
                self.query_one(Banner).dead(error)
        else:
            # The first pictures need the processor more than the next model does.
            self.set_timer(_SPARE_AFTER, self.app.prepare_spare)

    def _session_changed(self, session: Session) -> None:
        if not self.is_attached:
            return
        banner = self.query_one(Banner)
        if session.state == "starting":
            banner.wait_for(f"loading {self.title}")
        elif session.state == "dead":
            banner.dead(session.death or WorkerDied(f"the worker of {self.title} died"))
        else:
            banner.clear()
        told = getattr(self.pane, "session_changed", None)
        if told is not None:
            told()
        self.post_message(self.Changed(self))

    async def local_api(self) -> LocalApi:
        """What other programs may ask it through, made when somebody first wants to see it."""
        assert self.session is not None
        assert self.model is not None
        if self.network is None:
            command = self.model.interface.command(None)
            module = await asyncio.to_thread(import_module, "core.hosting.local_api")
            self.network = self.network or module.LocalApi(self.session, command)
        return self.network

    async def close(self) -> None:
        """Stop the worker, and what the pane has started besides; they have a moment to leave by themselves."""
        end = getattr(self.pane, "close", None)
        if end is not None and self.pane is not None and self.pane.is_mounted:
            await end()
        if self.network is not None:
            await self.network.close()
        if self.session is not None:
            self.session.on_change.clear()
            await asyncio.shield(self.session.stop())
