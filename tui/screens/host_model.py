"""How a model shall be served: a name that is checked as it is typed, and settings that are filled in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.errors import TarmacError
from tui.hosting.fields import fields, filled, servable
from tui.hosting.services import Made
from tui.hosting.steering import ask
from tui.training.options import Value
from tui.widgets.form import Form

if TYPE_CHECKING:
    from core.interface import Command
    from core.library.models import Model
    from tui.studio import TarmacApp


class HostDialog(ModalScreen[Made | None]):
    """Answers the deployment that was made, or None.

    Args:
        model: What is served.
        name: A free name.
        commands: Those that can be served, the model's first one first.
    """

    CSS_PATH = "hosting_dialogs.tcss"
    AUTO_FOCUS = "Input"
    HELP = (
        "A model is served under a permanent name: programs call its address. Enter takes what is filled in. Down goes "
        "to the settings: up and down choose one, left and right change it, a number can be typed."
    )
    HELP_TITLE = "Host"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "host", "host it", id="host.take", tooltip="Serve the model like this"),
        Binding("tab", "turn", "name/settings", id="host.turn", tooltip="To the settings, or to the name"),
        Binding("escape", "cancel", "close", id="host.close", tooltip="Host nothing"),
    ]

    app: TarmacApp

    def __init__(self, model: Model, name: str, commands: tuple[Command, ...]) -> None:
        super().__init__()
        self._model, self._name, self._commands = model, name, commands
        self._making = False
        self.values: dict[str, Value] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="hosting-dialog") as pane:
            pane.border_title = f" Host {self._model.name} "
            pane.border_subtitle = " ⏎ host it  ↓ settings  esc close "
            with Horizontal(id="host-name"):
                yield Static("name", markup=False)
                yield Input(self._name, id="host-input")
            yield Static(id="host-told", markup=False)
            yield Form(fields(self._model.interface, self._commands), self.values)

    # -- the name

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        work = self._check(event.value.strip())
        self.run_worker(work, group="name", exclusive=True, exit_on_error=False, description="checking the name")

    async def _check(self, name: str) -> bool:
        from core.hosting.deployment import check_name

        try:
            check_name(name)
            await asyncio.to_thread(self.app.services.hosting.store.check_new_name, name)
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return False
        url = self.app.hosting.gateway.url if self.app.hosting is not None else ""
        self._tell(f"● {url or 'http://127.0.0.1:PORT'}/{name}/v1", "$success")
        return True

    def _tell(self, text: str, tone: str) -> None:
        self.query_one("#host-told", Static).update(Content.styled(text, tone))

    # -- keys

    def key_down(self) -> None:
        """From the name into the settings."""
        if self.query_one(Input).has_focus:
            self.set_focus(self.query_one(Form))

    def action_turn(self) -> None:
        """To the other half."""
        name, form = self.query_one(Input), self.query_one(Form)
        self.set_focus(form if name.has_focus else name)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_host()

    def action_host(self) -> None:
        """Serve it."""
        if not self._making:
            self._making = True
            self.run_worker(self._host(), group="host", exclusive=True, exit_on_error=False, description="hosting")

    async def _host(self) -> None:
        form = self.query_one(Form)
        name = self.query_one(Input).value.strip()
        self.workers.cancel_group(self, "name")
        try:
            if form.problem:
                self._tell(f"✕ {form.problem}", "$error")
                return
            if not await self._check(name):
                return
            self._tell("◐ starting" if not self._gateway_runs else "◐ making it", "$warning")
            chosen = {each.name: form.value(each) for each in form.fields}
            said = filled(chosen, self.values, self._commands[0].name)
            made = await asyncio.to_thread(
                lambda: self.app.services.hosting.host(self._model.id, name, **vars(said)),
            )
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return
        finally:
            self._making = False
        self.dismiss(made)

    @property
    def _gateway_runs(self) -> bool:
        return self.app.hosting is not None and self.app.hosting.gateway.runs

    def action_cancel(self) -> None:
        """Host nothing."""
        if not self._making:
            self.dismiss(None)


async def host_model(app: TarmacApp, model_id: str) -> None:
    """Ask, serve the model, show its token once, and go where it is seen.

    Raises:
        TarmacError: The model cannot be served.
    """
    from tui.messages import ShowDeployment
    from tui.screens.secret import SecretShown

    made = await ask(app, lambda: _look(app, model_id), lambda found: HostDialog(*found))
    if made is None:
        return
    if app.hosting_watch is not None:
        app.hosting_watch.look_now()
    lines = [("model", made.model), ("address", made.url)]
    if made.token is None:
        lines.append(("access", "public: no token is needed, and only this machine gets to it"))

    await app.push_screen_wait(SecretShown(f"{made.name} is hosted", made.token or "", lines))
    app.post_message(ShowDeployment(made.name))


def _look(app: TarmacApp, model_id: str) -> tuple[Model, str, tuple[Command, ...]]:
    """The model, a free name, and its commands that can be served. Reads the disk."""
    hosting, library = app.services.hosting, app.services.library
    model, commands = servable(library, model_id)
    if not commands:
        hosting.check(library, model_id)  # raises the sentence
    return model, hosting.suggest(model), commands
