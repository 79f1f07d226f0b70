"""What is asked for in one place and done in another: messages that lead through the studio.

A model into the workspace, a deployment into the list of what is hosted, a dataset into a plan, a saved picture back to
where it was made.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tui.messages import HostModel, LibraryChanged, OpenPicture, ShowDeployment, ShowModel, TrainOn

if TYPE_CHECKING:
    from textual.app import App

    from tui.opening import Place
    from tui.screens.workspace import WorkspaceScreen
    from tui.services import Services
    from tui.studio import TarmacApp

    _Base = App[int]
else:
    _Base = object


class Errands(_Base):
    """For the app that holds the places."""

    services: Services

    def hold_keys(self) -> None:
        """Keep what is typed: the pane that it is for is being made."""
        raise NotImplementedError

    @property
    def workspace(self) -> WorkspaceScreen | None:
        """The workspace screen, once it was opened."""
        stack = self._screen_stacks.get("workspace")
        return stack[0] if stack else None  # type: ignore[return-value]

    def on_show_model(self, message: ShowModel) -> None:
        """Bring a model into the workspace, and the workspace to the front where it is to be shown."""
        if message.show:
            self.hold_keys()
            self.switch_mode("workspace")
        if self.workspace is not None:
            self.workspace.add_model(
                message.model_id, show=message.show, new_workspace=message.new_workspace, place=message.place
            )
        else:
            self.run_worker(
                partial(self.services.add_to_workspace, message.model_id),
                thread=True,
                group="add",
                exit_on_error=False,
                description="adding a model",
            )

    def on_host_model(self, message: HostModel) -> None:
        """Ask how a model shall be served, serve it, show its token once."""
        from tui.screens.host_model import host_model

        work = host_model(cast("TarmacApp", self), message.model_id)
        self.run_worker(work, group="host", exclusive=True, exit_on_error=False, description="hosting a model")

    def on_show_deployment(self, message: ShowDeployment) -> None:
        """Go to the place Hosting, to this deployment."""
        self.switch_mode("hosting")
        self.call_later(self._show_deployment, message.name)

    def _show_deployment(self, name: str) -> None:
        from tui.screens.hosting import HostingScreen

        hosting = self._screen_stacks["hosting"][0]
        if isinstance(hosting, HostingScreen):
            hosting.select(name)

    def on_train_on(self, message: TrainOn) -> None:
        """Plan an experiment on a dataset, in the place Training."""
        self.switch_mode("training")
        self.call_later(self._plan_on, message.dataset_id)

    def _plan_on(self, dataset_id: str) -> None:
        from tui.screens.training import TrainingScreen
        from tui.screens.wizard import Wizard

        if isinstance(self.screen, Wizard):
            self.screen.dismiss(None)  # what was answered there stays in its draft
        training = self._screen_stacks["training"][0]
        if isinstance(training, TrainingScreen):
            training.action_new(dataset=dataset_id)

    def action_open_picture(self) -> None:
        """Ask for a saved picture and go to its place."""
        from tui.screens.ask_path import AskPath

        def go(path: Path | None) -> None:
            if path is not None:
                self.post_message(OpenPicture(path))

        self.push_screen(AskPath("Open a picture", "a .png, .webp, .gif or .mp4 that Tarmac saved"), go)

    def on_open_picture(self, message: OpenPicture) -> None:
        """Go to where a picture was saved."""
        self.run_worker(
            self._open_picture(message.path), group="open", exclusive=True, exit_on_error=False, description=""
        )

    async def _open_picture(self, path: Path) -> None:
        self.go_to(await asyncio.to_thread(self.services.find_place, path))

    def go_to(self, place: Place) -> None:
        """Show a place that was found, and tell what is not as it was."""
        for sentence in place.told:
            self.notify(sentence, title="Not as it was", severity="warning", timeout=12, markup=False)
        if place.model is not None:
            self.post_message(ShowModel(place.model.id, place=place.state))

    def on_library_changed(self, message: LibraryChanged) -> None:
        """A model that is gone leaves the workspace too."""
        if message.removed and message.model_id and self.workspace is not None:
            self.workspace.forget_model(message.model_id)
