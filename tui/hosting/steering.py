"""What can be done to deployments and to their gateway from the place Hosting: host, pause, delete, start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from core.errors import Refused, TarmacError
from tui import words
from tui.hosting import facts as hosting_facts
from tui.messages import HostModel

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.hosting.services import Seen
    from tui.studio import TarmacApp

    _Base = Screen[str | None]
else:
    _Base = object


Found = TypeVar("Found")
Said = TypeVar("Said")


async def ask(app: TarmacApp, look: Callable[[], Found], dialog: Callable[[Found], Screen[Said]]) -> Said | None:
    """Look for something on the disk, in a thread, show a dialog about it, and wait for its answer.

    Whatever is typed meanwhile is for the dialog: on a slow disk it would else be keys of the list, which pause and
    delete.
    """
    app.hold_keys()
    try:
        screen = dialog(await asyncio.to_thread(look))
        answer = app.push_screen(screen, wait_for_dismiss=True)
        screen.call_after_refresh(app.release_keys)
    except BaseException:
        app.release_keys()
        raise
    return await answer


async def choose_model(app: TarmacApp, title: str, current: str | None = None) -> str | None:
    """Let the user choose a model of the library; its id.

    Raises:
        Refused: There are none.
    """
    from tui.model_facts import takes_gives
    from tui.screens.chooser import Choice, Chooser

    def look() -> list[Choice]:
        found = [
            Choice(model.id, model.id if model.source == "starter" else model.name, takes_gives(model))
            for model in app.services.library.models()
            if model.problem is None
        ]
        if not found:
            raise Refused("there are no models", "", "1, then i, imports one")
        return found

    return await ask(app, look, lambda choices: Chooser(title, choices, current=current))


class HostingSteering(_Base):
    """For a screen with a `seen`: the deployment that the keys are about."""

    app: TarmacApp
    doing = ""
    """What is being done to the gateway, for people; empty while nothing is."""
    refused = ""
    """Why the gateway did not start, or did not stop, when it was last told to."""

    @property
    def seen(self) -> Seen | None:
        """The deployment that is meant; None when there is none."""
        raise NotImplementedError

    def tell_gateway(self) -> None:
        """Something about the gateway has changed: say it."""
        raise NotImplementedError

    def deployment_deleted(self) -> None:
        """The deployment is being deleted."""

    def action_pause(self) -> None:
        """Serve it no longer, or again."""
        seen = self.seen
        if seen is not None and seen.hosted.deployment is not None:
            active = not seen.hosted.deployment.active
            store = self.app.services.hosting.store
            self._do(lambda: store.set_active(seen.name, active), f"{'serving' if active else 'pausing'} {seen.name}")

    def action_settings(self) -> None:
        """Change how the deployment is served."""
        from tui.screens.deployment_settings import change_settings

        seen = self.seen
        if seen is not None and seen.hosted.deployment is not None:
            work = change_settings(self.app, seen)
            self.run_worker(work, group="settings", exclusive=True, exit_on_error=False, description="its settings")

    def action_delete(self) -> None:
        """Delete the deployment, once the user said so."""
        from tui.screens.confirm import Confirm

        seen = self.seen
        if seen is None:
            return
        lost = (
            f"Its address answers no longer; its {words.counted(len(seen.tokens), 'token')} and its request log will "
        )
        lost += "be gone for ever. The model stays in the library."

        def answer(yes: bool | None) -> None:
            if yes:
                self.deployment_deleted()
                store = self.app.services.hosting.store
                self._do(lambda: store.remove(seen.name), f"deleting {seen.name}")

        self.app.push_screen(Confirm(f"Delete {seen.name}?", lost, "delete it"), answer)

    def action_gateway(self) -> None:
        """Start the gateway; stop it once the user said so."""
        from tui.screens.confirm import Confirm

        hosting, services = self.app.hosting, self.app.services.hosting
        if hosting is None or not hosting.gateway.runs:
            self._do(services.start_gateway, "starting the gateway", "◐ starting the gateway")
            return

        def answer(yes: bool | None) -> None:
            if yes:
                self._do(services.stop_gateway, "stopping the gateway", "◐ stopping: requests that run get their time")

        lost = f"{words.counted(hosting.wanted, 'deployment')} cannot be reached until it is started again. Requests "
        lost += "that run get their time; nothing else is lost."
        self.app.push_screen(Confirm("Stop the gateway?", lost, "stop it"), answer)

    def action_new(self) -> None:
        """Choose a model and serve it."""
        self.run_worker(self._new(), group="new", exclusive=True, exit_on_error=False, description="hosting a model")

    async def _new(self) -> None:
        chosen = await choose_model(self.app, "Host a model")
        if chosen is not None:
            self.app.post_message(HostModel(chosen))

    def _do(self, work: Callable[[], object], doing: str, told: str = "") -> None:
        """Something that touches the folders, in a thread, then a look at what changed."""

        async def done() -> None:
            if told:
                self.doing, self.refused = told, ""
            self.tell_gateway()
            try:
                await asyncio.to_thread(work)
            except TarmacError as error:
                if not told or not hosting_facts.gateway_line(self.app.hosting)[0]:
                    raise
                self.refused = str(error)
            finally:
                self.doing = ""
                self.tell_gateway()
                if self.app.hosting_watch is not None:
                    self.app.hosting_watch.look_now()

        self.run_worker(done(), group="steer", exit_on_error=False, description=doing)
