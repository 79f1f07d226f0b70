"""What can be done to deployments and to their gateway from the place Hosting: host, pause, delete, start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.errors import TarmacError
from tui import hosting_facts, words
from tui.messages import HostModel

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.hosting_services import Seen
    from tui.studio import TarmacApp

    _Base = Screen[str | None]
else:
    _Base = object


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
        from tui.model_facts import takes_gives
        from tui.screens.chooser import Choice, Chooser

        models = await asyncio.to_thread(lambda: self.app.services.library.models())
        choices = [
            Choice(model.id, model.id if model.source == "starter" else model.name, takes_gives(model))
            for model in models
            if model.problem is None
        ]
        if not choices:
            self.notify("There are no models; 1, then i, imports one.", severity="warning", markup=False)
            return
        chosen = await self.app.push_screen_wait(Chooser("Host a model", choices))
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
