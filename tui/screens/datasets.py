"""The place Datasets: what can be learned from, what is known of it, and the way to bring more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import var
from textual.widgets import Static

from core.errors import TarmacError
from tui import words
from tui.datasets import facts as dataset_facts
from tui.datasets.jobs import Job
from tui.messages import TrainOn
from tui.screens.base import StudioScreen
from tui.widgets.dataset_card import DatasetCard
from tui.widgets.table import Column, Row, Table
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.datasets.cropping import Preparation
    from core.datasets.library import Dataset
    from tui.studio import TarmacApp

_COLUMNS = (
    Column("dataset", 16, grow=True),
    Column("kind", 5, importance=2),
    Column("holds", 16, right=True),
    Column("prepared", 21),
    Column("advice", 9, importance=8),
    Column("size", 7, right=True, importance=5),
    Column("when", 11, importance=3),
)
_LOOK = Binding.Group("look")
"""What shows more of a dataset: stands as one where room is short."""
_TWO = 100
"""Columns from which the card stands beside the list."""


class DatasetTable(Table, inherit_bindings=False):
    """The arrows choose here as in every list, but are not told: what the other keys do needs the room."""

    BINDINGS: ClassVar[list[BindingType]] = [
        replace(each, show=False, group=None) for each in Table.BINDINGS if isinstance(each, Binding)
    ]


class DatasetsPane(Titled, Vertical):
    """The table and what is said where it is empty."""


class DatasetsScreen(StudioScreen):
    """A list of datasets and the card of the one under the cursor; where room is short, one at a time."""

    MODE = "datasets"
    CSS_PATH = "datasets.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "What a model learns from, pictures or texts. Starters are made when they are used; your own are folders, "
        "archives or files that you added with n. Pictures are prepared once: cut to squares of one size; with "
        "auto-crop, c shows what was found in each, to accept or adjust. Of texts a part is held out to measure on. "
        "Nothing here changes your own files."
    )
    HELP_TITLE = "Datasets"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", id="datasets.new", tooltip="Add a folder, an archive or files"),
        Binding("enter", "open", "open", id="datasets.open", tooltip="The whole card, or all of it"),
        Binding("escape", "close", "list", id="datasets.list", tooltip="Back to the list"),
        Binding("t", "train", "train", id="datasets.train", tooltip="Plan an experiment that learns from it"),
        Binding("p", "prepare", "prepare", id="datasets.prepare", tooltip="Cut it to squares; make a starter"),
        Binding(
            "c", "review", "crops", id="datasets.crops", group=_LOOK, tooltip="Judge what auto-crop found, one by one"
        ),
        Binding(
            "o,space", "sheet", "browse", id="datasets.pictures", group=_LOOK, tooltip="All pictures, or all documents"
        ),
        Binding(
            "l", "left_out", "left out", id="datasets.left-out", group=_LOOK, tooltip="Files that are not used, and why"
        ),
        Binding("s", "stop", "stop", id="datasets.stop", tooltip="Stop what is being done; what was there stays"),
        Binding("x,delete", "delete", "delete", id="datasets.delete", tooltip="Delete it here; your files stay"),
        Binding("r,f5", "reload", "Read again", id="datasets.reload", show=False, tooltip="Read the folder again"),
    ]

    detail: var[bool] = var(False)
    """The card is shown instead of the list, where only one fits."""

    app: TarmacApp

    def __init__(self) -> None:
        super().__init__()
        self._datasets: dict[str, Dataset] | None = None
        self._wide = True

    def body(self) -> ComposeResult:
        with Horizontal(id="datasets"):
            with DatasetsPane(id="dataset-list", classes="pane"):
                yield DatasetTable(_COLUMNS)
                yield Static(id="datasets-state", markup=False)
            yield DatasetCard()

    def on_mount(self) -> None:
        super().on_mount()
        self._pane.set_title("Datasets")
        self._tell("◐ reading the datasets", "$warning")
        self._read(None)
        self.app.dataset_jobs.changed.subscribe(self, self._job_changed)
        self.watch(self.app, "runs", self._show_card, init=False)

    def on_resize(self, event: events.Resize) -> None:
        """Keys depend on whether the card stands beside the list."""
        self._wide = event.size.width >= _TWO
        self.refresh_bindings()

    def on_screen_resume(self) -> None:
        """Another studio or the command line may have changed something meanwhile."""
        if self._datasets is not None:
            self._read(None)

    @property
    def _pane(self) -> DatasetsPane:
        return self.query_one(DatasetsPane)

    @property
    def _table(self) -> Table:
        return self.query_one(Table)

    # -- the list

    def action_reload(self) -> None:
        """Read the datasets again."""
        self._read(None)

    def _read(self, select: str | None) -> None:
        self.run_worker(
            self._load(select), group="list", exclusive=True, exit_on_error=False, description="reading the datasets"
        )

    async def _load(self, select: str | None) -> None:
        try:
            found = await asyncio.to_thread(self.app.services.datasets.datasets)
        except (TarmacError, OSError) as error:
            self._tell(f"✕ {error}", "$error")
            return
        own = [each for each in found if each.source != "starter"]
        self._datasets = {each.id: each for each in [*own, *(each for each in found if each.source == "starter")]}
        self._refill(select)

    def _refill(self, select: str | None = None) -> None:
        if self._datasets is None:
            return
        datasets = list(self._datasets.values())
        self._table.set_rows([self._row(each) for each in datasets], select)
        jobs = self.app.dataset_jobs.running
        own = sum(each.source != "starter" for each in datasets)
        busy = f" · ◐ {len(jobs)}" if jobs else ""
        self._pane.set_title("Datasets", f"{own} of your own, {len(datasets) - own} starters{busy}")
        if own:
            self._tell("")
        else:
            self._tell(
                Content.assemble(
                    ("None of your own yet. " if datasets else "No datasets yet. ", "$text"),
                    ("n", "bold $accent"),
                    (" adds pictures or texts, a folder or an archive; the files are only read.", "$muted"),
                )
            )
        self._show_card()

    def _row(self, dataset: Dataset) -> Row:
        job = self.app.dataset_jobs.running.get(dataset.id)
        failed = dataset.id in self.app.dataset_jobs.failures
        ready, tone = dataset_facts.prepared(dataset, job)
        if failed and job is None:
            ready, tone = "✕ failed", "bad"
        starter = dataset.source == "starter"
        return Row(
            dataset.id,
            (
                (dataset.id if starter else dataset.name, "bad" if dataset.problem and not starter else ""),
                (dataset.kind, "muted"),
                (dataset_facts.holds(dataset), ""),
                (ready, tone),
                dataset_facts.advice(dataset),
                (words.size(dataset.size_bytes) if dataset.size_bytes else "–", "muted"),
                (words.ago(dataset.created) if dataset.created.year > 1970 else "–", "muted"),
            ),
        )

    def _tell(self, text: str | Content, tone: str = "$muted") -> None:
        state = self.query_one("#datasets-state", Static)
        state.display = bool(text)
        state.update(Content.styled(text, tone) if isinstance(text, str) else text)

    @property
    def dataset(self) -> Dataset | None:
        """The one under the cursor."""
        key = self._table.current
        return (self._datasets or {}).get(key) if key else None

    @on(Table.Moved)
    def _moved(self) -> None:
        self._show_card()
        self.refresh_bindings()

    @on(Table.Clicked)
    def _clicked(self) -> None:
        self.action_open()

    def _show_card(self) -> None:
        dataset, jobs = self.dataset, self.app.dataset_jobs
        key = dataset.id if dataset is not None else ""
        job, failure = jobs.running.get(key), jobs.failures.get(key, "")
        self.query_one(DatasetCard).show(dataset, job, failure, self.app.runs or ())

    # -- jobs

    def _job_changed(self, job: Job) -> None:
        if job.key in self.app.dataset_jobs.running:
            self._refill()
        else:
            self._read(None)  # it has ended: the folder tells what is there now
        self.refresh_bindings()

    def choose(self, dataset_id: str) -> None:
        """Put the cursor on a dataset, which may be new."""
        self._read(dataset_id)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        dataset = self.dataset
        if action in ("new", "reload"):
            return True
        if action == "close":
            return self.detail and not self._wide
        if action == "open":
            return dataset is not None and (dataset.ready if self._wide else not self.detail)
        if dataset is None:
            return action not in ("train", "prepare", "review", "sheet", "left_out", "stop", "delete")
        own, busy = dataset.source != "starter", dataset.id in self.app.dataset_jobs.running
        return {
            "train": not dataset.problem,
            "prepare": not busy and (_gathers(dataset) if dataset.kind == "text" else own or not dataset.problem),
            "review": dataset_facts.reviewable(dataset) and not busy,
            "sheet": dataset.ready,
            "left_out": own and not (dataset.problem and not dataset.count),
            "stop": busy,
            "delete": True,
        }.get(action, True)

    def action_open(self) -> None:
        """The card where it is hidden; else the pictures."""
        if not self._wide:
            self.detail = True
        elif self.dataset is not None and self.dataset.ready:
            self.action_sheet()

    def action_close(self) -> None:
        """Back to the list."""
        self.detail = False

    def watch_detail(self) -> None:
        """One takes the other's place."""
        self.set_class(self.detail, "-detail")
        self.refresh_bindings()

    def action_new(self) -> None:
        """Add one; then ask how it is prepared, where it is of pictures."""
        from tui.screens.add_dataset import AddDatasetPage

        def added(dataset_id: str | None) -> None:
            if dataset_id:
                self.run_worker(self._ask(dataset_id), group="ask", exit_on_error=False, description="reading it")

        self.app.push_screen(AddDatasetPage(), added)

    async def _ask(self, dataset_id: str) -> None:
        """How the dataset that has just come is prepared."""
        await self._load(dataset_id)
        if self.dataset is not None and self.dataset.id == dataset_id and self.dataset.kind == "image":
            self.action_prepare()

    def action_prepare(self) -> None:
        """Ask how, then prepare it; a starter is drawn, or gathered without a question."""
        from tui.screens.prepare_dataset import PrepareDatasetPage

        dataset = self.dataset
        if dataset is None:
            return
        if dataset.kind == "text":
            self.prepare(dataset, None)
            return
        page = PrepareDatasetPage(dataset)

        def answered(answer: str | None) -> None:
            if answer:
                self.prepare(dataset, page.preparation)

        self.app.push_screen(page, answered)

    def prepare(self, dataset: Dataset, preparation: Preparation | None) -> None:
        """Prepare it in the background."""
        services = self.app.services.datasets
        verb = "gathering" if dataset.kind == "text" else "drawing" if dataset.source == "starter" else "preparing"
        lost = f"{dataset.name} is being prepared; " + (
            "it stays as it was." if dataset.ready else "it stays unprepared."
        )
        job = Job(dataset.id, dataset.name, verb)
        self.app.dataset_jobs.start(job, lost, lambda progress: services.prepare(dataset.id, preparation, progress))

    def action_stop(self) -> None:
        """End its job."""
        if self.dataset is not None:
            self.app.dataset_jobs.stop(self.dataset.id)

    def action_review(self) -> None:
        """Judge the crops; prepare it again where that was asked for."""
        from tui.screens.review_crops import ReviewCropsPage

        dataset = self.dataset
        if dataset is None:
            return

        def done(answer: str | None) -> None:
            if answer == "prepare":
                self.prepare(dataset, None)

        self.app.push_screen(ReviewCropsPage(dataset), done)

    def action_sheet(self) -> None:
        """The pictures, large, or the documents, one by one."""
        from tui.screens.dataset_sheet import DatasetSheet
        from tui.screens.dataset_texts import DatasetTexts

        if self.dataset is not None:
            page = DatasetTexts if self.dataset.kind == "text" else DatasetSheet
            self.app.push_screen(page(self.dataset))

    def action_left_out(self) -> None:
        """What is not used, and why."""
        from tui.screens.left_out import LeftOutPage

        if self.dataset is not None:
            self.app.push_screen(LeftOutPage(self.dataset))

    def action_train(self) -> None:
        """Plan an experiment on it."""
        if self.dataset is not None:
            self.post_message(TrainOn(self.dataset.id))

    def action_delete(self) -> None:
        """Delete it, once the user said so; of a starter, what was drawn."""
        from tui.screens.confirm import Confirm

        dataset = self.dataset
        if dataset is None:
            return
        if dataset.id in self.app.dataset_jobs.running:
            self.notify(f"{dataset.name} is being prepared: s stops that first.", severity="warning", markup=False)
            return
        taken = words.size(dataset.size_bytes)
        if dataset.source == "starter":
            if not dataset.size_bytes:
                why = "A starter cannot be deleted, and takes no space: it is made when it is used."
                self.notify(why, severity="warning", timeout=6, markup=False)
                return
            lost = f"What was made of it ({taken}) will be gone. It stays in the list and is made again when used."
        else:
            lost = f"{taken} in {dataset.folder} will be gone for ever. The files that it was made from stay."
            used = [view for view in dataset_facts.made_from(dataset, self.app.runs or ()) if view.active]
            if used:
                lost += f" {used[0].plan.name} is being trained on it now and will fail."

        def answer(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._remove(dataset), group="remove", exit_on_error=False, description="deleting")

        self.app.push_screen(Confirm(f"Delete {dataset.name}?", lost, "delete it"), answer)

    async def _remove(self, dataset: Dataset) -> None:
        await asyncio.to_thread(self.app.services.datasets.remove, dataset.id)
        self.detail = False
        await self._load(None)


def _gathers(dataset: Dataset) -> bool:
    """Whether it is a starter of texts that is not there yet: texts of one's own are ready as they are added."""
    return dataset.source == "starter" and not dataset.ready and not dataset.problem
