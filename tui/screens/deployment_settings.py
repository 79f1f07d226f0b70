"""How a deployment is served from now on: the dialog that made it once more, with today's values."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.errors import NotFound, Refused, TarmacError
from tui.hosting import changes as hosting_changes
from tui.hosting.changes import Changed, Wanted
from tui.hosting.fields import fields, filled, servable, today, unseen
from tui.hosting.steering import ask, choose_model
from tui.training.options import Value
from tui.widgets.form import Form

if TYPE_CHECKING:
    from core.hosting.deployment import Deployment
    from core.interface import Command, Interface
    from core.library.models import Model
    from tui.hosting.services import Seen
    from tui.studio import TarmacApp


class DeploymentSettings(ModalScreen[Changed | None]):
    """Answers what was changed, or None.

    Args:
        seen: The deployment; its folder is whole.
        commands: Those of its model that can be served, the model's first one first; none where the model is gone.
    """

    CSS_PATH = "hosting_dialogs.tcss"
    AUTO_FOCUS = "Form"
    HELP = (
        "What can be changed of a deployment while it is served; its name and its address stay. Up and down choose a "
        "line, left and right change it, a number can be typed; backspace brings the default back. The gateway takes "
        "it over at once: requests that run are finished by the workers that have them. m serves another model."
    )
    HELP_TITLE = "Settings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "save", "save", id="settings-of.save", tooltip="Serve it like this from now on"),
        Binding("m", "model", "other model", id="settings-of.model", tooltip="Serve another model at its address"),
        Binding("escape", "cancel", "close", id="settings-of.close", tooltip="Change nothing"),
    ]

    app: TarmacApp

    def __init__(self, seen: Seen, commands: tuple[Command, ...]) -> None:
        super().__init__()
        assert seen.hosted.deployment is not None
        self._seen, self._made = seen, seen.hosted.deployment
        self._model, self._commands = seen.model, commands
        self._saving = False
        self._lines = fields(self._interface, commands)
        self.values: dict[str, Value] = today(self._made, self._lines)

    def compose(self) -> ComposeResult:
        with Vertical(classes="hosting-dialog") as pane:
            pane.border_title = f" Settings of {self._made.name} "
            pane.border_subtitle = " ⏎ save  m other model  esc close "
            with Horizontal(id="host-name"):
                yield Static("model", markup=False)
                yield Static(id="settings-model", markup=False)
            yield Static(id="host-told", markup=False)
            yield Form(self._lines, self.values)

    def on_mount(self) -> None:
        """Say what is served, and that nothing is changed yet."""
        self._show_model()
        self._show_changes()

    @property
    def _interface(self) -> Interface | None:
        return self._model.interface if self._model is not None and self._model.problem is None else None

    def _show_model(self) -> None:
        told = self.query_one("#settings-model", Static)
        if self._model is None:
            told.update(Content.styled(f"✕ {self._made.model} is gone or broken: m chooses another", "$error"))
        else:
            name = self._model.id if self._model.source == "starter" else self._model.name
            told.update(Content.assemble((name, "$text"), ("   the address stays", "$muted")))

    @on(Form.Changed)
    def _show_changes(self) -> None:
        """What would be different, as it is chosen."""
        after = self._after()
        told = " · ".join(hosting_changes.differences(self._made, after))
        if told and not self._made.same_workers(after):
            told += ". New workers take over once they are awake" if self._made.active else ""
        self._tell(f"◐ {told}" if told else "as it is now", "$warning" if told else "$muted")

    def _after(self) -> Deployment:
        said = self._said()
        return replace(
            self._made,
            model=self._model.id if self._model is not None else self._made.model,
            command=said.command or "",
            options=said.options or {},
            private=said.private is True,
            replicas=said.replicas or 1,
            sleep_after=said.sleep_after or 0.0,
            limits=replace(self._made.limits, timeout=said.timeout or self._made.limits.timeout),
        )

    def _said(self) -> Wanted:
        """What the form says, of everything that it has a line for."""
        form_values = {each.name: self.values.get(each.name, each.default) for each in self._lines}
        said = filled(form_values, self.values, self._served)
        same = self._model is None or self._model.id == self._made.model
        kept = unseen(self._made, self._lines, form_values) if same else {}
        first = not self._made.command and bool(self._commands) and said.command == self._commands[0].name
        return Wanted(
            self._model.id if not same and self._model is not None else None,
            "" if same and first else said.command,
            {**kept, **said.options},
            said.private,
            said.replicas,
            said.sleep_after,
            said.timeout,
        )

    @property
    def _served(self) -> str:
        """The command where there is no choice."""
        names = [each.name for each in self._commands]
        return self._made.command if self._made.command in names or not names else names[0]

    def _tell(self, text: str, tone: str) -> None:
        self.query_one("#host-told", Static).update(Content.styled(text, tone))

    # -- keys

    def action_save(self) -> None:
        """Serve it like this."""
        if not self._saving:
            self._saving = True
            self.run_worker(self._save(), group="save", exclusive=True, exit_on_error=False, description="saving")

    async def _save(self) -> None:
        from tui.screens.confirm import Confirm

        form = self.query_one(Form)
        try:
            if form.problem:
                self._tell(f"✕ {form.problem}", "$error")
                return
            after = self._after()
            if after == self._made:
                self.dismiss(None)
                return
            await asyncio.to_thread(self.app.services.hosting.store.check_public, after)
            if lost := hosting_changes.warning(self._made, after, len(self._seen.tokens)):
                question = f"Make {after.name} {'private' if after.private else 'public'}?"
                if not await self.app.push_screen_wait(Confirm(question, lost, "yes, and save")):
                    return
            self._tell("◐ saving", "$warning")
            hosting, said = self.app.services.hosting, self._said()
            changed = await asyncio.to_thread(hosting_changes.change, hosting, after.name, said)
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return
        finally:
            self._saving = False
        self.dismiss(changed)

    def action_model(self) -> None:
        """Choose another model for the same address."""
        self.run_worker(self._other(), group="model", exclusive=True, exit_on_error=False, description="the models")

    async def _other(self) -> None:
        library = self.app.services.library
        current = self._model.id if self._model is not None else None
        try:
            chosen = await choose_model(self.app, "Serve which model", current)
            if chosen is None or chosen == current:
                return
            model, commands = await asyncio.to_thread(servable, library, chosen)
            if not commands:
                raise Refused(f"{model.name} cannot be hosted", "its commands take or give files of this machine")
        except TarmacError as error:
            self._tell(f"✕ {error}", "$error")
            return
        self._take(model, commands)

    def _take(self, model: Model, commands: tuple[Command, ...]) -> None:
        """The lines of another model; what both have stays as it was filled in."""
        self._model, self._commands = model, commands
        self._lines = fields(self._interface, commands)
        shared = {each.name: each for each in self._lines if not each.name.startswith("option:")}
        kept = {name: value for name, value in self.values.items() if name in shared and name != "command"}
        if model.id == self._made.model:
            kept = today(self._made, self._lines) | kept
        self.values.clear()
        self.values.update(kept)
        form = self.query_one(Form)
        form.typed.clear()
        form.set_fields(self._lines)
        self._show_model()
        self._show_changes()

    def action_cancel(self) -> None:
        """Change nothing."""
        if not self._saving:
            self.dismiss(None)


async def change_settings(app: TarmacApp, seen: Seen) -> None:
    """Show the dialog, and what was changed; a token that had to be made is shown once."""
    from tui.screens.secret import SecretShown

    made, library = seen.hosted.deployment, app.services.library
    assert made is not None

    def look() -> tuple[Command, ...]:
        try:
            return servable(library, made.model)[1]
        except (NotFound, Refused):
            return ()

    changed = await ask(app, look, lambda commands: DeploymentSettings(seen, commands))
    if changed is None:
        return
    if app.hosting_watch is not None:
        app.hosting_watch.look_now()
    told = " · ".join(hosting_changes.differences(changed.before, changed.after))
    if changed.token is not None:
        lines = [("changed", told), ("address", seen.url)]
        await app.push_screen_wait(SecretShown(f"{seen.name} is private", changed.token, lines))
    elif told:
        app.notify(f"{seen.name}: {told}", timeout=4, markup=False)
