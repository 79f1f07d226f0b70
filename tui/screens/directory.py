"""The directory: every model there is, found by typing, seen in detail, opened with enter."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.reactive import var
from textual.widgets import Input, Static

from core.errors import TarmacError
from tui import words
from tui.messages import HostModel, LibraryChanged, OpenPicture, ShowModel
from tui.model_facts import fits, kind_words, takes_gives
from tui.screens.base import StudioScreen
from tui.troubles import told
from tui.widgets.card import Card
from tui.widgets.path_prompt import PathPrompt
from tui.widgets.table import Column, Row, Table
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.library.models import Model
    from tui.studio import TarmacApp

SORTS = ("usual", "name", "newest", "size")
_SOURCES = ("all", "starter", "library")
_COLUMNS = (
    Column("name", 18, grow=True),
    Column("author", 8, grow=True, importance=3),
    Column("in → out", 14, importance=7),
    Column("size", 7, right=True, importance=8),
    Column("licence", 8, grow=True, importance=4),
    Column("fits", 9, importance=6),
    Column("made", 11, importance=2),
)


def _usual(model: Model) -> tuple[bool, bool, bool, float, str]:
    """Your own, the newest first; then the starters, a newcomer's way in, with those that draw at the top.

    What is broken comes last.
    """
    starter = model.source == "starter"
    age = 0.0 if starter else -model.created.timestamp()
    return model.problem is not None, starter, starter and model.kind != "image-gan", age, model.id


class ListPane(Titled, Vertical):
    """The search and the table."""


class DirectoryScreen(StudioScreen):
    """A list of models and, where there is room, the card of the one under the cursor."""

    MODE = "directory"
    CSS_PATH = "directory.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "Every model on this machine: those that came with Tarmac (starter/…), what you imported and what you trained. "
        "Enter opens one in the workspace: an image model in the latent explorer, a text model in the completion pane."
    )
    HELP_TITLE = "Directory"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="directory.open", tooltip="Open the model in the workspace"),
        Binding("slash", "search", "search", id="directory.search", tooltip="Find by name, author or kind"),
        Binding("right,l,space", "page", "details", id="directory.details", tooltip="The model's whole page"),
        Binding("a", "add", "add", id="directory.add", tooltip="Add to the current workspace, and stay here"),
        Binding("h", "host", "host", id="directory.host", tooltip="Serve it under a URL that programs can call"),
        Binding("i", "import", "import", id="directory.import", tooltip="Bring a file or a folder into the library"),
        Binding("f", "filter", "filter", id="directory.filter", tooltip="All kinds, or one kind"),
        Binding("o", "source", "origin", id="directory.origin", tooltip="All, the starters, or your own"),
        Binding("s", "sort", "sort", id="directory.sort", tooltip="The next order"),
        Binding("x,delete", "delete", "delete", id="directory.delete", tooltip="Delete a model of your own"),
        Binding("A", "add_new", "new workspace", id="directory.add-new", show=False, tooltip="Open in a new workspace"),
        Binding("r,f5", "reload", "Read again", id="directory.reload", show=False, tooltip="Read the library again"),
        Binding("escape", "clear", "Clear", id="directory.clear", show=False, tooltip="Forget search and filters"),
    ]

    kind: var[str] = var("all")
    origin: var[str] = var("all")
    order: var[str] = var(SORTS[0])
    query_text: var[str] = var("")

    app: TarmacApp

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, Model] | None = None
        self._shown: list[str] = []
        self._fuzzy = FuzzySearch()
        self._asked_at = time.monotonic()
        self._importing = False

    def body(self) -> ComposeResult:
        with Horizontal(id="directory"):
            with ListPane(id="list", classes="pane"):
                with Horizontal(id="find"):
                    yield Static(" / ", id="find-label", markup=False)
                    yield Input(placeholder="search", id="search", select_on_focus=False)
                yield Table(_COLUMNS)
                yield Static(id="state", markup=False)
            yield Card()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(ListPane).set_title("Models")
        self._tell("◐ reading the library", "$warning")
        self.action_reload()
        self.watch(self.app, "status", self._machine_seen, init=False)

    def on_resize(self, event: events.Resize) -> None:
        """A wide terminal shows the whole card."""
        self.query_one(Card).full = event.size.width >= 160

    def on_screen_resume(self) -> None:
        """Another studio or the command line may have changed the library meanwhile."""
        if self._models is not None:
            self.action_reload()

    # -- the list

    def action_reload(self, select: str | None = None) -> None:
        """Read the library again, in a thread."""
        self.run_worker(
            self._load(select), group="library", exclusive=True, exit_on_error=False, description="reading the library"
        )

    async def _load(self, select: str | None) -> None:
        models = await asyncio.to_thread(lambda: self.app.services.library.models())
        self._models = {model.id: model for model in models}
        self._refill(select)

    def _machine_seen(self) -> None:
        if self._models is not None:
            self._refill()

    def _refill(self, select: str | None = None) -> None:
        if self._models is None:
            return
        found = self._arranged(list(self._models.values()))
        self.query_one(Table).set_rows([self._row(model) for model in found], select)
        total = len(self._models)
        self._show_filters(len(found), total)
        if found:
            self._tell("")
        elif total:
            self._tell("Nothing matches. esc shows all models again.")
        else:
            self._tell("No models yet. Press i to import a file.")
        self._show_card()

    def _arranged(self, models: list[Model]) -> list[Model]:
        if self.kind != "all":
            models = [model for model in models if model.kind == self.kind]
        if self.origin != "all":
            models = [model for model in models if model.source == self.origin]
        if self.order == "name":
            models.sort(key=lambda model: model.id.lower())
        elif self.order == "usual":
            models.sort(key=_usual)
        elif self.order == "newest":
            models.sort(key=lambda model: model.created, reverse=True)
        elif self.order == "size":
            models.sort(key=lambda model: model.size_bytes, reverse=True)
        if self.query_text:
            scored = [(self._score(model), model) for model in models]
            models = [model for score, model in sorted(scored, key=lambda pair: -pair[0]) if score > 0]
        return models

    def _score(self, model: Model) -> float:
        text = self.query_text
        name = max(self._fuzzy.match(text, model.name)[0], self._fuzzy.match(text, model.id)[0])
        about = f"{model.author} {kind_words(model.kind)} {takes_gives(model)} {model.licence}"
        return max(2 * name, 1.0 if text.lower() in about.lower() else 0.0)

    def _row(self, model: Model) -> Row:
        name = model.id if model.source == "starter" else model.name
        broken = model.problem is not None
        return Row(
            model.id,
            (
                (name, "bad" if broken else ""),
                (model.author or "–", "muted"),
                (takes_gives(model), "muted"),
                (words.size(model.size_bytes), "muted"),
                (model.licence or "–", "muted"),
                fits(model, self.app.status),
                (words.ago(model.created) if model.created.year > 1970 else "–", "muted"),
            ),
        )

    def _tell(self, text: str, tone: str = "$muted") -> None:
        state = self.query_one("#state", Static)
        state.display = bool(text)
        state.update(Content.styled(f" {text}", tone))

    def _show_filters(self, found: int, total: int) -> None:
        told = [kind_words(self.kind)] if self.kind != "all" else []
        if self.origin != "all":
            told.append("your own" if self.origin == "library" else "starters")
        if self.order != SORTS[0]:
            told.append(f"by {self.order}")
        told.append(f"{found} of {total}" if found != total else f"{total}")
        self.query_one(ListPane).set_title("Models", " · ".join(told))

    @property
    def model(self) -> Model | None:
        """The model under the cursor."""
        key = self.query_one(Table).current
        return (self._models or {}).get(key) if key else None

    @on(Table.Moved)
    def _moved(self) -> None:
        self._show_card()
        self.refresh_bindings()

    @on(Table.Clicked)
    def _clicked(self) -> None:
        self.action_open()

    def _show_card(self) -> None:
        if self._models is not None:
            self.query_one(Card).show(self.model, self.app.status)

    # -- finding

    def action_search(self) -> None:
        """Type to find."""
        self.set_focus(self.query_one("#search", Input))

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self.query_text = event.value.strip()
        self._refill()

    @on(Input.Submitted, "#search")
    def _found(self) -> None:
        self.set_focus(self.query_one(Table))

    def key_down(self) -> None:
        """From the search into what was found."""
        self.set_focus(self.query_one(Table))

    def action_filter(self) -> None:
        """The next kind among those that there are."""
        kinds = ["all", *sorted({model.kind for model in (self._models or {}).values() if not model.problem})]
        self.kind = kinds[(kinds.index(self.kind) + 1) % len(kinds)] if self.kind in kinds else "all"
        self._refill()

    def action_source(self) -> None:
        """The next origin."""
        self.origin = _SOURCES[(_SOURCES.index(self.origin) + 1) % len(_SOURCES)]
        self._refill()

    def action_sort(self) -> None:
        """The next order."""
        self.order = SORTS[(SORTS.index(self.order) + 1) % len(SORTS)]
        self._refill()

    def action_clear(self) -> None:
        """Forget the search, then the filters."""
        search = self.query_one("#search", Input)
        if search.has_focus and not search.value:
            self.set_focus(self.query_one(Table))
        elif search.value:
            search.value = ""
            self.set_focus(self.query_one(Table))
        else:
            self.kind, self.origin = "all", "all"
            self._refill()

    # -- what can be done with a model

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action in ("open", "add", "add_new", "host"):
            return self.model is not None and self.model.problem is None
        if action == "page":
            return self.model is not None
        if action == "delete":
            return self.model is not None and self.model.source != "starter"
        return True

    def action_open(self) -> None:
        """Open the model in the workspace."""
        if self.model is not None:
            self.post_message(ShowModel(self.model.id))

    def action_add(self) -> None:
        """Add the model to the workspace and stay here."""
        if self.model is not None:
            self.post_message(ShowModel(self.model.id, show=False))
            self.notify(f"{self.model.name} is in the workspace now (2)", timeout=3, markup=False)

    def action_host(self) -> None:
        """Serve the model under a URL."""
        if self.model is not None:
            self.post_message(HostModel(self.model.id))

    def action_add_new(self) -> None:
        """Open the model in a workspace of its own."""
        if self.model is not None:
            self.post_message(ShowModel(self.model.id, new_workspace=True))

    def action_page(self) -> None:
        """Show the model's whole page."""
        from tui.screens.model_page import ModelPage

        if self.model is not None:
            self.app.push_screen(ModelPage(self.model))

    def action_delete(self) -> None:
        """Delete the model, once the user said so."""
        from tui.screens.confirm import Confirm

        model = self.model
        if model is None:
            return
        lost = f"{words.size(model.size_bytes)} in {model.folder} will be gone for ever."
        if model.lineage:
            lost += f" It was made from {model.lineage[-1]}."

        def answer(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._remove(model), group="remove", exit_on_error=False, description="deleting")

        self.app.push_screen(Confirm(f"Delete {model.name}?", lost, "delete it"), answer)

    async def _remove(self, model: Model) -> None:
        await asyncio.to_thread(self.app.services.library.remove, model.id)
        self.post_message(LibraryChanged(model.id, removed=True))
        self.action_reload()

    # -- importing

    async def action_import(self) -> None:
        """Ask for a path."""
        prompt = next(iter(self.query(PathPrompt)), None)
        if prompt is None:
            prompt = PathPrompt("Import", "a .pkl or .pt file, a Hugging Face folder, or a picture saved here")
            await self.query_one(ListPane).mount(prompt)
        self.set_focus(prompt.input)

    @on(PathPrompt.Left)
    def _import_left(self) -> None:
        if self._importing:
            self.workers.cancel_group(self, "import")
        else:
            self.query(PathPrompt).remove()
            self.set_focus(self.query_one(Table))

    @on(PathPrompt.Given)
    def _import_given(self, event: PathPrompt.Given) -> None:
        from tui.opening import is_picture

        if is_picture(event.path) and not self._importing:
            self._import_left()
            self.post_message(OpenPicture(event.path))
        elif not self._importing:
            self.run_worker(self._import(event.path), group="import", exit_on_error=False, description="importing")

    async def _import(self, path: Path) -> None:
        prompt = self.query_one(PathPrompt)
        begun = time.monotonic()

        def progress(what: str, share: float | None) -> None:
            done = "" if share is None else f" {share:.0%}"
            prompt.tell(f"◐ {what}{done} · {words.duration(time.monotonic() - begun)}  esc stops", "$warning")

        self._importing = True
        self.app.losses["import"] = f"{path.name} is being imported; it would have to be imported again."
        progress(f"reading {path.name}", None)
        try:
            model = await self.app.services.import_model(path, progress)
        except asyncio.CancelledError:
            prompt.tell("✕ stopped; nothing was added", "$muted")
            raise
        except TarmacError as error:
            prompt.tell(f"✕ {told(error)[0]}", "$error")
        else:
            await prompt.remove()
            self.set_focus(self.query_one(Table))
            took = words.duration(time.monotonic() - begun)
            self.notify(f"{model.name} is in the library now ({took})", markup=False)
            self.post_message(LibraryChanged(model.id))
            self.action_reload(model.id)
        finally:
            self._importing = False
            self.app.losses.pop("import", None)
