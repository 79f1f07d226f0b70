"""Adding pictures or texts: where they are, what to call them, and how reading them goes. The files are only read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import var
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerError

from core.errors import TarmacError
from core.library.manifest import clean_line
from tui import words
from tui.datasets import facts as dataset_facts
from tui.datasets.jobs import Job
from tui.screens.base import StudioScreen
from tui.training.options import Field, Value
from tui.widgets.form import Form
from tui.widgets.path_prompt import PathPrompt
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.datasets.texts.adding import Look
    from tui.studio import TarmacApp

_KINDS = (("image", "pictures, cut to squares later"), ("text", "documents, a part of them held out"))
_PICTURES = (
    Field(
        "classes",
        "classes by folder",
        False,
        "The names of the sub-folders become classes, which a model can be asked for one by one.",
    ),
    Field(
        "drop_near",
        "drop near copies",
        False,
        "Leaves out pictures that are almost the same as another one. Exact copies are always left out.",
    ),
)
_HELD_OUT = Field(
    "held_out",
    "held out",
    0.05,
    "Share of the text that no step of training sees: perplexity is measured on it.",
    0.001,
    0.5,
)
_BAR = 24
_ABOUT = 5
"""Lines that a form takes besides those of its fields."""
_SAMPLE = 60
"""Characters of a value of a field."""


class NameField(Input):
    """What to call it; enter begins."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "add it", id="add.begin", tooltip="Read every file and add what can be used"),
    ]


class AddForm(Form):
    """The switches; the arrows lead out of it at its ends."""

    def action_choose(self, by: int) -> None:
        """The line above or below, or the field above."""
        if by < 0 and self.chosen == 0:
            self.screen.focus_previous()
        else:
            super().action_choose(by)


class GivenPane(Titled, Vertical):
    """What was given, its name, and the switches."""


class AddDatasetPage(StudioScreen):
    """Answers the new dataset's id, or None. Pictures are not prepared yet; texts are ready.

    Args:
        mode: The place that it is opened over.
    """

    MODE = "datasets"
    CSS_PATH = "add_dataset.tcss"
    AUTO_FOCUS = "PathPrompt Input"
    HELP = (
        "Give a folder, an archive or a file; several become one dataset. Pictures or texts: that is guessed "
        "from what is there, and can be changed. Every file is read in a process of its own: what is broken, of no use "
        "or there twice is left out and listed. Nothing is unpacked and your files are only read. Esc stops it, and "
        "then nothing was added."
    )
    HELP_TITLE = "Add a dataset"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", "add it", id="add.look", tooltip="Read every file and add what can be used"),
        Binding("down", "next", "Next", id="add.next", show=False, tooltip="The field below"),
        Binding("up", "previous", "Previous", id="add.previous", show=False, tooltip="The field above"),
        Binding("escape", "leave", "back", id="add.back", tooltip="Stop looking; else leave, and add nothing"),
    ]

    app: TarmacApp
    busy: var[bool] = var(False)

    def __init__(self, mode: str = "datasets") -> None:
        super().__init__()
        self.MODE = mode
        self.paths: list[Path] = []
        self._kinds: dict[Path, str] = {}
        self._values: dict[str, Value] = {}
        self._job: Job | None = None
        self._added = ""
        self._found: Look | None = None
        """What is in the files, once that was looked at."""
        self._looking: Worker[None] | None = None

    def body(self) -> ComposeResult:
        with Vertical(id="add"):
            yield PathPrompt("Where is it?", "a folder, an archive, a picture, a .txt, .jsonl or .csv …")
            with GivenPane(id="given-pane", classes="pane"):
                yield Static(id="given", markup=False)
                with Horizontal(id="add-name-row"):
                    yield Static("name", id="add-name-label", markup=False)
                    yield NameField(id="add-name", max_length=80)
                yield AddForm(_fields(None, "image"), self._values)
                yield Static(id="add-told", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self._show_given()
        self.prompt.tell("⏎ takes it · ⇥ completes it")
        self.app.dataset_jobs.changed.subscribe(self, self._job_changed)

    @property
    def prompt(self) -> PathPrompt:
        """Where paths are typed."""
        return self.query_one(PathPrompt)

    @property
    def name_field(self) -> NameField:
        """Where the name is typed."""
        return self.query_one(NameField)

    def on_screen_resume(self) -> None:
        """It may have ended while another place was seen."""
        if self._added:
            self.dismiss(self._added)

    # -- what is given

    @on(PathPrompt.Given)
    def _given(self, event: PathPrompt.Given) -> None:
        event.stop()
        self.run_worker(self._take(event.path), group="take", exclusive=True, exit_on_error=False, description="")

    async def _take(self, path: Path) -> bool:
        """Put a path among those that were given, or say why not; one that is there already is taken out."""
        path = Path(await asyncio.to_thread(_absolute, path))
        if path in self.paths:
            self.paths.remove(path)
        else:
            try:
                self._kinds[path] = await asyncio.to_thread(self.app.services.datasets.kind_of, path)
            except TarmacError as error:
                self.prompt.tell(f"✕ {error}", "$error")
                return False
            self.paths.append(path)
        self.prompt.input.value = ""
        self.prompt.tell("another one is added to the same dataset; the same one again takes it out")
        self._look()
        self._show_given()
        if self.paths:
            self.set_focus(self.name_field)
        return True

    @property
    def kind(self) -> str:
        """ "image" or "text": as it was chosen, else as it was guessed."""
        return str(self._values.get("kind", self._found.kind if self._found is not None else "image"))

    def _look(self) -> None:
        """See what is in all that was given, in a process of its own."""
        if self._looking is not None:
            self._looking.cancel()
        self._found, self._looking = None, None
        if self.paths:
            looked = partial(self._looked, list(self.paths))
            self._looking = self.run_worker(looked, group="look", exclusive=True, exit_on_error=False)

    async def _looked(self, paths: list[Path]) -> None:
        try:
            self._found = await self.app.services.datasets.look(paths)
        except TarmacError:
            return  # adding them says it better: it reads all of them
        self._show_given()
        self._show_fields()

    @on(Form.Changed)
    def _chosen(self, event: Form.Changed) -> None:
        event.stop()
        if event.name == "kind":
            self._show_fields()

    def _show_fields(self) -> None:
        form = self.query_one(AddForm)
        form.set_fields(_fields(self._found, self.kind))
        form.styles.height = len(form.fields) + _ABOUT

    def _show_given(self) -> None:
        pane = self.query_one(GivenPane)
        pane.set_title("Given", f"{len(self.paths)}" if self.paths else "")
        parts: list[tuple[str, str]] = []
        for path in self.paths[-6:]:
            parts += [("● ", "$success"), (clean_line(str(path)), "$text"), (f"  {self._kinds[path]}\n", "$muted")]
        if not parts:
            parts = [("nothing yet\n", "$muted")]
        elif self._found is not None:
            parts.append((f"  {_told(self._found)}\n", "$muted"))
        self.query_one("#given", Static).update(Content.assemble(*parts))
        self.name_field.placeholder = clean_line(self.paths[0].stem) if self.paths else "as the folder is called"

    @on(PathPrompt.Left)
    def _left(self, event: PathPrompt.Left) -> None:
        event.stop()
        self.action_leave()

    @on(Input.Submitted, "#add-name")
    def _named(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_begin()

    def action_next(self) -> None:
        """The field below."""
        self.focus_next()

    def action_previous(self) -> None:
        """The field above."""
        self.focus_previous()

    # -- looking

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing begins twice."""
        return not self.busy if action in ("begin", "next", "previous") else True

    def watch_busy(self) -> None:
        """While the files are looked at nothing can be changed, and the number keys lead elsewhere."""
        for field in (self.prompt, self.name_field, self.query_one(AddForm)):
            field.disabled = self.busy
        self.refresh_bindings()

    def action_begin(self) -> None:
        """Look at every file."""
        self.run_worker(self._begin(), group="begin", exclusive=True, exit_on_error=False, description="adding")

    async def _begin(self) -> None:
        typed = self.prompt.input.value.strip()
        if typed and not await self._take(Path(typed)):
            self.set_focus(self.prompt.input)
            return
        if not self.paths:
            self.prompt.tell("✕ Give a folder, an archive or a file first.", "$error")
            self.set_focus(self.prompt.input)
            return
        if self._looking is not None and not self._looking.is_finished:
            self._tell("◐ looking what is there", "$warning")
            with suppress(WorkerError):
                await self._looking.wait()
            self._tell("", "$muted")
        name, paths, values = self.name_field.value.strip() or None, list(self.paths), dict(self._values)
        shown = name or clean_line(paths[0].stem)
        services, jobs = self.app.services.datasets, self.app.dataset_jobs
        self._job = Job(jobs.new_key(), shown, "adding", "starting")
        self.busy = True
        self.set_focus(None)
        lost = f"{shown} is being added; its files would have to be looked at again."
        if self.kind == "text":
            field = str(values.get("field", "")) or (self._found.field if self._found is not None else "") or None
            held = float(values.get("held_out", _HELD_OUT.default))
            jobs.start(self._job, lost, lambda progress: services.add_text(paths, name, field, held, progress))
        else:
            classes, near = bool(values.get("classes")), bool(values.get("drop_near"))
            jobs.start(self._job, lost, lambda progress: services.add(paths, name, classes, near, progress))

    def _job_changed(self, job: Job) -> None:
        if job is not self._job:
            return
        if job.key in self.app.dataset_jobs.running:
            self._tell_progress(job)
            return
        self.busy, self._job = False, None
        if job.result is not None:
            self._added = job.result.id
            if self.is_current:
                self.dismiss(self._added)
            else:
                held = dataset_facts.holds(job.result)
                self.app.notify(f"{job.name} is added: {held}. 4 goes on.", markup=False)
            return
        if job.failure and not self.is_current:
            self.app.notify(job.failure, severity="error", timeout=12, markup=False)
        self._tell(
            "✕ stopped; nothing was added" if job.stopped else f"✕ {job.failure}", "$muted" if job.stopped else "$error"
        )
        self.set_focus(self.name_field if job.stopped else self.prompt.input)

    def _tell_progress(self, job: Job) -> None:
        parts = [(f"◐ {job.line}", "$warning"), ("  esc stops\n", "$muted")]
        if job.share is not None:
            full = round(_BAR * job.share)
            parts += [("━" * full, "$warning"), ("━" * (_BAR - full), "$faint"), (f" {job.share:.0%}", "$muted")]
        self.query_one("#add-told", Static).update(Content.assemble(*parts))

    def _tell(self, text: str, tone: str) -> None:
        self.query_one("#add-told", Static).update(Content.styled(text, tone))

    def action_leave(self) -> None:
        """Stop looking; else leave."""
        if self._job is not None:
            self.app.dataset_jobs.stop(self._job.key)
        else:
            self.dismiss(None)


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())


def _fields(found: Look | None, kind: str) -> list[Field]:
    """What can be chosen for files of this kind."""
    guessed = found.kind if found is not None else "image"
    why = "As it looks from what is there." if found is not None else "It is guessed once something was given."
    fields = [Field("kind", "kind", guessed, why, choices=_KINDS)]
    if kind == "image":
        return [*fields, *_PICTURES]
    if found is not None and found.fields:
        choices = tuple((each.name, each.sample[:_SAMPLE]) for each in found.fields)
        default = found.field or choices[0][0]
        about = "The column or field of the records that holds the text."
        fields.append(Field("field", "field", default, about, choices=choices))
    return fields if found is not None and found.splits else [*fields, _HELD_OUT]


def _told(found: Look) -> str:
    """ "1,204 text files, 12 of no use · 4.3 MB"."""
    counts = [words.counted(found.pictures, "picture") if found.pictures else ""]
    counts.append(words.counted(found.texts, "text file") if found.texts else "")
    counts.append(f"{found.left_out:,} of no use" if found.left_out else "")
    more = "" if found.complete else "at least "
    parts = [more + ", ".join(filter(None, counts)), words.size(found.bytes) if found.bytes else ""]
    parts.append("what is held out is told by their names" if found.splits and found.kind == "text" else "")
    return " · ".join(filter(None, parts)) or "nothing that could be used"
