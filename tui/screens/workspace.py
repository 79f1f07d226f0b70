"""The workspace: models side by side as tabs, each with its own worker; all of it saved as it changes."""

from __future__ import annotations

import asyncio
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from core.errors import TarmacError
from tui.messages import Trouble
from tui.screens.base import StudioScreen
from tui.widgets.model_tab import ModelTab

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual import events

    from core.library.workspaces import Workspace
    from tui.studio import TarmacApp
    from tui.widgets.explorer.grid import Explorer

_SAVE_AFTER = 1.0
_TABS = Binding.Group("model", compact=True)


class WorkspaceScreen(StudioScreen):
    """One workspace at a time."""

    MODE = "workspace"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["workspace.tcss", "../widgets/completion/pane.tcss"]
    AUTO_FOCUS = ""
    HELP = (
        "The models that you work with, as tabs. Each runs in a process of its own: when one dies, this screen stays "
        "and R starts it again. Everything here is saved as you go, and is here again the next time."
    )
    HELP_TITLE = "Workspace"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "restart", "start again", id="workspace.restart", tooltip="Start the model's worker again"),
        Binding("less_than_sign,ctrl+pageup", "turn(-1)", "Model before", id="workspace.previous", group=_TABS),
        Binding("greater_than_sign,ctrl+pagedown", "turn(1)", "Next model", id="workspace.next", group=_TABS),
        Binding("W", "workspaces", "Workspaces", id="workspace.choose", show=False, tooltip="Open or make another"),
        Binding("X", "remove", "Remove model", id="workspace.remove", show=False, tooltip="Take it out of here"),
        Binding("N", "network", "Network", id="workspace.network", show=False, tooltip="Let other programs ask it"),
        Binding("Z", "rest", "Stop worker", id="workspace.rest", show=False, tooltip="Free its memory; R starts it"),
    ]

    app: TarmacApp

    def __init__(self) -> None:
        super().__init__()
        self._workspace: Workspace | None = None
        self._active = 0
        self._line_shown: object = None
        self._save_due = False
        self._saving = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._loaded = asyncio.Event()

    def body(self) -> ComposeResult:
        yield Static(id="workspace-line", markup=False)
        yield Container(id="tabs")
        yield Static(id="workspace-empty", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#workspace-empty", Static).display = False
        self.app.hold_keys()
        self._work(self._open_first(), "opening the workspace")

    def _work(self, coroutine: object, doing: str) -> None:
        self.run_worker(coroutine, group="workspace", exit_on_error=False, description=doing)  # type: ignore[arg-type]

    # -- the workspace

    @property
    def tabs(self) -> list[ModelTab]:
        """The models, from left to right."""
        return [tab for tab in self.query_one("#tabs").children if isinstance(tab, ModelTab)]

    @property
    def tab(self) -> ModelTab | None:
        """The model in front."""
        tabs = self.tabs
        return tabs[self._active] if 0 <= self._active < len(tabs) else None

    async def _open_first(self) -> None:
        try:
            await self._open(None)
            await self._focused()
        finally:
            self.app.release_keys()

    async def _focused(self) -> None:
        """Returns when the model in front, if there is one, has the keys."""
        if self.tab is not None and self.tab.mounting is not None:
            await self.tab.mounting
            self.tab.focus_pane()

    async def _open(self, name: str | None) -> None:
        services = self.app.services
        workspace, problem = await asyncio.to_thread(services.open_workspace, name)
        self._workspace = workspace
        if problem is not None:
            self.post_message(Trouble(problem))
        models = {model.id: model for model in await asyncio.to_thread(services.library.models)}
        tabs = [ModelTab(entry.model, models.get(entry.model), entry.state) for entry in workspace.models]
        await self.query_one("#tabs").mount_all(tabs)
        self._loaded.set()
        self._show(workspace.active)

    def add_model(
        self,
        model_id: str,
        *,
        show: bool = True,
        new_workspace: bool = False,
        place: Mapping[str, object] | None = None,
    ) -> None:
        """Bring a model in (or to the front, if it is in already), and its pane to a place."""
        self._work(self._add(model_id, show, new_workspace, place), "adding a model")

    async def _add(
        self, model_id: str, show: bool, new_workspace: bool, place: Mapping[str, object] | None = None
    ) -> None:
        await self._loaded.wait()
        try:
            async with self._changing:
                await self._add_alone(model_id, show, new_workspace)
                if place is not None:
                    next(tab for tab in self.tabs if tab.model_id == model_id).visit(place)
            if show:
                await self._focused()
        finally:
            if show:
                self.app.release_keys()

    async def _add_alone(self, model_id: str, show: bool, new_workspace: bool) -> None:
        if new_workspace:
            await self._change((await asyncio.to_thread(self.app.services.workspaces.new)).name)
        ids = [tab.model_id for tab in self.tabs]
        if model_id in ids:
            place = ids.index(model_id)
        else:
            model = await asyncio.to_thread(self.app.services.library.get, model_id)
            await self.query_one("#tabs").mount(ModelTab(model_id, model, {}))
            place = len(ids)
        if show or not ids:
            self._show(place)
        self._tell()
        self._changed()

    def forget_model(self, model_id: str) -> None:
        """A model was deleted from the library."""
        for index, tab in enumerate(self.tabs):
            if tab.model_id == model_id:
                self._work(self._remove(index), "removing a model")

    async def _remove(self, index: int) -> None:
        tab = self.tabs[index]
        self.run_worker(tab.close(), group="stop", exit_on_error=False)
        await tab.remove()
        self._show(min(self._active, len(self.tabs) - 1))
        self._changed()

    def _show(self, index: int) -> None:
        tabs = self.tabs
        self._active = max(0, min(index, len(tabs) - 1))
        for number, tab in enumerate(tabs):
            if number != self._active:
                tab.hide()
        empty = self.query_one("#workspace-empty", Static)
        empty.display = not tabs
        if tabs:
            tabs[self._active].show()
        else:
            empty.update(
                Content.assemble(
                    ("Nothing in this workspace yet.\n\n", "$text"),
                    ("1", "bold $accent"),
                    (" opens the directory; there ", "$muted"),
                    ("⏎", "bold $accent"),
                    (" on a model brings it here.", "$muted"),
                )
            )
        self._tell()

    # -- the line on top

    def _tell(self) -> None:
        self.app.workers_running = sum(
            1 for tab in self.tabs if tab.session is not None and tab.session.state in ("starting", "ready", "stopping")
        )
        self._tell_line()
        self.refresh_bindings()

    def _tell_line(self) -> None:
        # The line has a height of its own: the screen need not be laid out again for it, and not painted for nothing.
        line = self._line()
        shown = line.plain, line.spans
        if shown != self._line_shown:
            self._line_shown = shown
            self.query_one("#workspace-line", Static).update(line, layout=False)

    def _line(self) -> Content:
        width = self.size.width
        name = self._workspace.name if self._workspace else ""
        parts: list[tuple[str, str] | str] = [(f" {name}  ", "$muted")]
        for index, tab in enumerate(self.tabs):
            glyph, tone = tab.glyph
            here = index == self._active
            parts.append(("▸ " if here else "  ", "$accent"))
            parts.append((f"{glyph} ", tone))
            parts.append((f"{tab.title}  ", "bold $text" if here else "$muted"))
            if tab.network is not None and tab.network.on:
                parts.append((f"⇄ {tab.network.port}  ", "$success"))
        settings = self.tab.settings_line() if self.tab else ""
        left = Content.assemble(*parts)
        room = width - left.cell_length - 1
        while settings and cell_len(settings) > room:
            settings = settings.rpartition(" · ")[0]
        return Content.assemble(left, " " * max(0, room - cell_len(settings)), (settings, "$muted"))

    def on_resize(self, event: events.Resize) -> None:
        """The line is as wide as the screen."""
        self._tell()

    @on(ModelTab.Changed)
    def _tab_changed(self) -> None:
        self._tell()

    # -- saving

    def _changed(self) -> None:
        if not self._save_due:
            self._save_due = True
            self.set_timer(_SAVE_AFTER, lambda: self._work(self.save(), "saving the workspace"))

    async def save(self) -> None:
        """Write the workspace file, in a thread."""
        self._save_due = False
        if self._workspace is None or not self._loaded.is_set():
            return
        async with self._saving:
            snapshot = [(tab.model_id, tab.state()) for tab in self.tabs]
            name = self._workspace.name
            saved = await asyncio.to_thread(self.app.services.save_workspace, self._workspace, snapshot, self._active)
            self._workspace = saved
        if saved.name != name:
            self.notify(f"{name} was changed elsewhere; yours goes on as {saved.name}, both are kept", markup=False)
            self._tell()

    async def close(self) -> None:
        """Save, and stop every worker."""
        try:
            await self.save()
        except TarmacError as error:
            self.app.post_message(Trouble(error, "saving the workspace"))
        await asyncio.gather(*(tab.close() for tab in self.tabs), return_exceptions=True)

    async def _change(self, name: str) -> None:
        await self.close()
        await self.query(ModelTab).remove()
        self._loaded.clear()
        await self._open(name)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        session = self.tab.session if self.tab else None
        if action == "restart":
            return session is not None and session.state in ("dead", "stopped")
        if action == "rest":
            return session is not None and session.state in ("starting", "ready")
        if action == "network":
            return session is not None
        if action == "turn":
            return len(self.tabs) > 1
        if action == "remove":
            return self.tab is not None
        return True

    def action_restart(self) -> None:
        """Start the worker again."""
        if self.tab is not None:
            self.tab.start()

    def action_rest(self) -> None:
        """Stop the worker and keep the tab."""
        if self.tab is not None and self.tab.session is not None:
            self._work(self.tab.session.stop(), "stopping the worker")

    def action_network(self) -> None:
        """The address where other programs of this machine may ask this model."""
        self._work(self._network(), "opening the network panel")

    async def _network(self) -> None:
        from tui.screens.network import NetworkScreen

        tab = self.tab
        if tab is not None and tab.session is not None:
            await self.app.push_screen_wait(NetworkScreen(await tab.local_api(), tab.title))
            self._tell()

    def action_turn(self, by: int) -> None:
        """The next model, round and round."""
        self._show((self._active + by) % len(self.tabs))
        self._changed()

    def action_remove(self) -> None:
        """Take the model out of the workspace; the library keeps it."""
        self._work(self._remove(self._active), "removing a model")

    def action_workspaces(self) -> None:
        """Choose another workspace, or make one by typing a name."""
        self._work(self._choose(), "choosing a workspace")

    async def _choose(self) -> None:
        from tui.screens.chooser import Choice, Chooser

        names = await asyncio.to_thread(self.app.services.workspaces.names)
        current = self._workspace.name if self._workspace else None
        choices = [Choice(name, name, "open now" if name == current else "") for name in names]
        name = await self.app.push_screen_wait(Chooser("Workspaces", choices, free="make a new one", current=current))
        if name is not None and name != current:
            await self._change(name)

    def on_completion_pane_state_changed(self) -> None:
        """Told at the top, and saved soon. Comes with every key: the footer is not drawn again for it."""
        self._tell_line()
        self._changed()

    def on_explorer_state_changed(self) -> None:
        """Told at the top, and saved soon. Comes with every key: the footer is not drawn again for it."""
        self._tell_line()
        self._changed()

    def on_explorer_failed(self, message: Explorer.Failed) -> None:
        """The explorer has no line of its own for this."""
        self.post_message(Trouble(message.error, "exploring"))
