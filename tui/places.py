"""The screens that the number keys lead to, each imported and made when it is first shown."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from textual.screen import Screen


def _directory() -> Screen[Any]:
    from tui.screens.directory import DirectoryScreen

    return DirectoryScreen()


def _workspace() -> Screen[Any]:
    from tui.screens.workspace import WorkspaceScreen

    return WorkspaceScreen()


def _training() -> Screen[Any]:
    from tui.screens.training import TrainingScreen

    return TrainingScreen()


def _datasets() -> Screen[Any]:
    from tui.screens.datasets import DatasetsScreen

    return DatasetsScreen()


def _hosting() -> Screen[Any]:
    from tui.screens.hosting import HostingScreen

    return HostingScreen()


def _settings() -> Screen[Any]:
    from tui.screens.settings import SettingsScreen

    return SettingsScreen()


SCREENS: Final[dict[str, str | Callable[[], Screen[Any]]]] = {
    "directory": _directory,
    "workspace": _workspace,
    "training": _training,
    "datasets": _datasets,
    "hosting": _hosting,
    "settings": _settings,
}
"""By mode, as `tui.screens.PLACES` names them."""


def import_ahead() -> None:
    """What the workspace will need, while the user still reads the list: half a second less after enter."""
    for name in (
        "tui.screens.workspace",
        "tui.widgets.explorer.grid",
        "tui.widgets.completion.pane",
        "core.workers.session",
    ):
        importlib.import_module(name)
