"""What the studio asks of the core, imported when it is first asked: the first frame waits for none of it.

Tests give the app a subclass that answers from memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import TarmacError
from core.paths import cache_dir, private_dir
from tui.status import Status, read_status

if TYPE_CHECKING:
    from core.config import Config
    from core.library.models import Library, Model
    from core.library.workspaces import Workspace, Workspaces
    from core.workers.session import Session
    from core.workers.spare import Spare
    from tui.datasets.services import DatasetServices
    from tui.hosting.services import HostingServices
    from tui.opening import Place
    from tui.training.services import TrainingServices


class Services:
    """The core, as one thing to hold. What reads or writes the disk says so: it belongs into a thread."""

    @cached_property
    def config(self) -> Config:
        """The settings as they were at the start."""
        from core import config

        return config.load()

    @cached_property
    def library(self) -> Library:
        """The models on disk. Its methods read the disk."""
        from core.library.models import Library

        return Library()

    @cached_property
    def workspaces(self) -> Workspaces:
        """The workspaces on disk. Its methods read and write the disk."""
        from core.library.workspaces import Workspaces

        return Workspaces()

    @cached_property
    def training(self) -> TrainingServices:
        """Runs, datasets and estimates. Its methods read and write the disk."""
        from tui.training.services import TrainingServices

        return TrainingServices()

    @cached_property
    def datasets(self) -> DatasetServices:
        """Datasets: added, prepared, reviewed. Its methods read and write the disk."""
        from tui.datasets.services import DatasetServices

        return DatasetServices()

    @cached_property
    def hosting(self) -> HostingServices:
        """Deployments and their gateway. Its methods read and write the disk, and ask the gateway."""
        from tui.hosting.services import HostingServices

        return HostingServices()

    def remember_theme(self, name: str) -> None:
        """Write the theme into the settings file."""
        from core import config

        config.save("theme", name)

    def remember_images(self, choice: str) -> None:
        """Write how pictures are drawn into the settings file."""
        from core import config

        config.save("images", choice)

    def start_mode(self) -> str:
        """Where to begin: in the workspace if the last one has models, else in the directory. Reads the disk."""
        try:
            last = self.workspaces.last()
            return "workspace" if last is not None and self.workspaces.load(last).models else "directory"
        except TarmacError:
            return "directory"

    def open_workspace(self, name: str | None) -> tuple[Workspace, TarmacError | None]:
        """The workspace `name` (None: the last one), or a new one and why it had to be. Reads the disk."""
        wanted = name if name is not None else self.workspaces.last()
        if wanted is None:
            return self.workspaces.new(), None
        if wanted not in self.workspaces.names():
            return self.workspaces.new(wanted), None
        try:
            workspace = self.workspaces.load(wanted)
        except TarmacError as error:
            return self.workspaces.new(), error
        self.workspaces.remember(wanted)
        return workspace, None

    def save_workspace(
        self, workspace: Workspace, models: Sequence[tuple[str, Mapping[str, object]]], active: int
    ) -> Workspace:
        """Write `workspace` with these models (id, state); what was saved. Writes the disk."""
        from core.library.workspaces import Entry

        entries = tuple(Entry(model, state) for model, state in models)
        if not entries and not workspace.stamp:
            return workspace  # nobody has put anything into it: no file for an empty room
        return self.workspaces.save(replace(workspace, models=entries, active=active))

    def add_to_workspace(self, model_id: str) -> None:
        """Put a model into the last workspace while no screen shows it. Reads and writes the disk."""
        workspace, _ = self.open_workspace(None)
        models = [(entry.model, entry.state) for entry in workspace.models]
        if model_id not in [model for model, _ in models]:
            self.save_workspace(workspace, [*models, (model_id, {})], workspace.active)

    @cached_property
    def spare(self) -> Spare | None:
        """The worker that waits with its framework imported, so that the next model opens at once."""
        from core.workers.spare import Spare

        return Spare()

    async def prepare_spare(self) -> None:
        """Have a worker waiting for the next model."""
        if self.spare is not None:
            await self.spare.prepare()

    async def close(self) -> None:
        """End what waits."""
        if "spare" in self.__dict__ and self.spare is not None:
            await self.spare.close()

    def status(self) -> Status:
        """The machine now. Asks drivers: call it in a thread."""
        return read_status()

    def session(self, model: Model) -> Session:
        """A session for `model`, not yet started. What its worker prints goes to a log in the cache."""
        from core.workers.session import Session

        name = re.sub(r"[^A-Za-z0-9._-]", "-", model.id)
        device = self.config.settings.device
        log = private_dir(cache_dir() / "logs") / f"{name}.log"
        return Session(model.target(device), log=log, spare=self.spare)

    def find_place(self, path: Path) -> Place:
        """Where a saved picture leads. Reads the disk.

        Raises:
            Refused: Not a file of ours.
        """
        from tui.opening import find

        return find(path, self.library)

    async def import_model(self, path: Path, progress: Callable[[str, float | None], None]) -> Model:
        """Bring a file or folder into the library.

        Raises:
            TarmacError: It was refused; nothing was added.
        """
        from core.library.importing import import_model

        return await import_model(path, name=None, library=self.library, progress=progress)
