"""All that can be done now, as a list to search: the live bindings, the places, pictures, the themes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tui.keymap import bindings_of, key_name, live_bindings
from tui.screens.chooser import Choice

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.studio import TarmacApp


@dataclass(frozen=True)
class Action:
    """One entry of the palette."""

    title: str
    about: str
    key: str
    run: Callable[[], Awaitable[object] | object]

    def choice(self, value: str) -> Choice:
        """This entry as a line of the chooser."""
        return Choice(value, self.title, self.about, self.key)


def actions(app: TarmacApp, screen: Screen[object]) -> list[Action]:
    """Every action of the focused widget, the screen and the app, then the ways to draw pictures and the themes."""
    found: dict[tuple[object, str], Action] = {}
    for key, node, binding, tooltip in live_bindings(screen):
        slot = (node, binding.action)
        if binding.description and binding.id and not binding.system and slot not in found:
            title = binding.description[:1].upper() + binding.description[1:]
            run = partial(app.run_action, binding.action, node)
            found[slot] = Action(title, tooltip, key_name(key), run)
    entries = [entry for entry in found.values() if entry.title != "Commands"]
    entries += [Action(f"Pictures: {way}", about, "", partial(app.set_images, way)) for way, about in picture_ways(app)]
    entries += [Action(f"Theme: {name}", about, "", partial(app.set_theme, name)) for name, about in app.theme_names]
    return entries


def picture_ways(app: TarmacApp) -> list[tuple[str, str]]:
    """(choice, what it is) of the ways to draw pictures in this terminal."""
    ways = [("blocks", "Half-blocks: works wherever text does"), ("off", "No pictures, the least to send")]
    if app.terminal is None:  # nobody asked it, so nothing but text can be sent
        return [("auto", "Half-blocks"), *ways]
    return [
        ("auto", f"What was found to suit this terminal: {app.terminal.found}"),
        ("kitty", "The protocol of kitty and Ghostty"),
        ("sixel", "The protocol of xterm, foot, Konsole, Windows Terminal"),
        ("iterm2", "The protocol of iTerm2, WezTerm, VS Code"),
        *ways,
    ]


def all_binding_ids() -> set[str]:
    """The ids of every binding there is; imports every screen, so ask only when it matters."""
    return {binding.id for binding in bindings_of(*binding_owners()) if binding.id}


def binding_owners() -> tuple[type, ...]:
    """Every class of the studio that declares bindings."""
    from tui.screens.add_dataset import AddDatasetPage, NameField
    from tui.screens.adjust_crop import AdjustCropPage
    from tui.screens.ask_text import AskText
    from tui.screens.chooser import Chooser
    from tui.screens.confirm import Confirm
    from tui.screens.dataset_sheet import DatasetSheet
    from tui.screens.datasets import DatasetsScreen
    from tui.screens.directory import DirectoryScreen
    from tui.screens.help import HelpScreen
    from tui.screens.host_model import HostDialog
    from tui.screens.hosting import HostingScreen
    from tui.screens.left_out import LeftOutPage
    from tui.screens.model_page import ModelPage
    from tui.screens.prepare_dataset import PrepareDatasetPage
    from tui.screens.qr_code import QrCode
    from tui.screens.query import QueryPage
    from tui.screens.request_log import RequestLogPage
    from tui.screens.review_crops import ReviewCropsPage
    from tui.screens.run_page import RunPage
    from tui.screens.secret import SecretShown
    from tui.screens.settings import SettingsScreen
    from tui.screens.tokens import TokensScreen
    from tui.screens.training import TrainingScreen
    from tui.screens.wizard import Wizard
    from tui.screens.workspace import WorkspaceScreen
    from tui.studio import TarmacApp
    from tui.widgets.completion.output import Output
    from tui.widgets.completion.pane import CompletionPane
    from tui.widgets.completion.probabilities import Probabilities
    from tui.widgets.completion.tree import TreePane
    from tui.widgets.explorer.edit import EditPanel
    from tui.widgets.explorer.grid import Explorer
    from tui.widgets.explorer.mix import MixPanel
    from tui.widgets.explorer.project import ProjectPanel
    from tui.widgets.film.player import FilmPlayer
    from tui.widgets.form import Form
    from tui.widgets.options import OptionsPanel
    from tui.widgets.path_prompt import PathPrompt
    from tui.widgets.prompt import PromptEditor
    from tui.widgets.runs.log import RunLog
    from tui.widgets.table import Table
    from tui.widgets.wizard.dataset import DatasetPage
    from tui.widgets.wizard.options import OptionsPage
    from tui.widgets.wizard.steps import WizardSteps

    return (
        *(TarmacApp, Chooser, Confirm, HelpScreen, DirectoryScreen, ModelPage, SettingsScreen, WorkspaceScreen),
        *(CompletionPane, EditPanel, Explorer, FilmPlayer, MixPanel, OptionsPanel, Output, PathPrompt),
        *(ProjectPanel, PromptEditor, Table, AskText, TrainingScreen, RunPage, RunLog),
        *(Wizard, WizardSteps, Form, DatasetPage, OptionsPage),
        *(DatasetsScreen, AddDatasetPage, NameField, PrepareDatasetPage, ReviewCropsPage, AdjustCropPage),
        *(LeftOutPage, DatasetSheet),
        *(Probabilities, TreePane),
        *(HostingScreen, HostDialog, SecretShown, TokensScreen, QrCode, QueryPage, RequestLogPage),
    )
