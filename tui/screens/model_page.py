"""One model on a page of its own: card, interface, recipe, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.messages import HostModel, ShowModel
from tui.screens.base import StudioScreen
from tui.widgets.card import Card

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.studio import TarmacApp


class ModelPage(StudioScreen):
    """Pushed over the directory."""

    MODE = "directory"
    CSS_PATH = "model_page.tcss"
    HELP = "All that is known about this model: what it takes and gives, how it was made, where its files are."
    HELP_TITLE = "Model"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="model.open", tooltip="Open the model in the workspace"),
        Binding("a", "add", "add", id="model.add", tooltip="Add to the current workspace, and stay here"),
        Binding("h", "host", "host", id="model.host", tooltip="Serve it under a URL that programs can call"),
        Binding("escape,left,backspace", "back", "back", id="model.back", tooltip="Back to the list"),
        Binding("down,j", "scroll('down')", "down", id="model.down", show=False, tooltip="Further down"),
        Binding("up,k", "scroll('up')", "up", id="model.up", show=False, tooltip="Further up"),
        Binding("pagedown,space", "scroll('page_down')", "page down", id="model.page-down", show=False),
        Binding("pageup", "scroll('page_up')", "page up", id="model.page-up", show=False),
    ]

    app: TarmacApp

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model

    def body(self) -> ComposeResult:
        yield Card(full=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Card).show(self._model, self.app.status)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A broken model can only be looked at."""
        return self._model.problem is None if action in ("open", "add", "host") else True

    def action_open(self) -> None:
        """Open the model in the workspace."""
        self.dismiss()
        self.app.post_message(ShowModel(self._model.id))

    def action_add(self) -> None:
        """Add the model to the workspace and stay here."""
        self.post_message(ShowModel(self._model.id, show=False))

    def action_host(self) -> None:
        """Serve the model under a URL."""
        self.post_message(HostModel(self._model.id))

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_scroll(self, where: str) -> None:
        """Scroll the page."""
        getattr(self.query_one(Card), f"scroll_{where}")(animate=False)
