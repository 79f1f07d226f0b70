"""The wizard: one question a page, each with an answer filled in; enter goes on, escape goes back, nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.reactive import var
from textual.widgets import Input

from core.errors import TarmacError
from tui import wizard_answers as facts
from tui import words
from tui.messages import AddDataset
from tui.screens.base import StudioScreen
from tui.widgets.table import Table
from tui.widgets.wizard_dataset import DatasetPage
from tui.widgets.wizard_page import Materials, Page
from tui.widgets.wizard_pages import PAGES
from tui.widgets.wizard_steps import WizardSteps
from tui.widgets.wizard_summary import SummaryPage

if TYPE_CHECKING:
    from tui.studio import TarmacApp
    from tui.training_services import DatasetFacts, Estimate
    from tui.wizard_answers import Answers

_FIRST = 1
"""The page that is asked first: what kind has its answer, and one goes back to it."""


class Wizard(StudioScreen):
    """Answers the id of the run that it has started, or None.

    Args:
        answers: What was answered before; changed in place, so that a wizard that is left can be gone on with.
    """

    MODE = "training"
    CSS_PATH = "wizard.tcss"
    AUTO_FOCUS = ""
    HELP = (
        "Plans a training run. Every question has an answer filled in: enter takes it and goes on, escape goes back. "
        "At the left stand all answers; tab leads there, and enter to the question under the mark."
    )
    HELP_TITLE = "New experiment"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "accept", "take this and go on", id="wizard.accept", tooltip="Take the answer; at last: start"
        ),
        Binding("escape", "back", "back", id="wizard.back", tooltip="The question before; what was answered stays"),
        Binding(
            "tab", "steps", "list of steps", id="wizard.steps", tooltip="To all questions, and back", priority=True
        ),
    ]

    app: TarmacApp
    number: var[int] = var(_FIRST)
    starting: var[bool] = var(False)

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = answers
        self.materials = Materials()
        self._reached = _FIRST
        self._estimate: Estimate | None = None
        self._measuring = ""
        self._measured: object = None

    def body(self) -> ComposeResult:
        with Horizontal(id="wizard"):
            yield WizardSteps()
            with Container(id="pages"):
                for page in PAGES:
                    yield page(self.answers, self.materials)

    def on_mount(self) -> None:
        super().on_mount()
        self._enter(_FIRST)
        self.run_worker(self._load(), group="materials", exit_on_error=False, description="reading the datasets")

    @property
    def pages(self) -> list[Page]:
        """In their order."""
        return list(self.query(Page))

    @property
    def page(self) -> Page:
        """The one that is asked."""
        return self.pages[self.number]

    async def _load(self) -> None:
        services, materials = self.app.services, self.materials
        materials.taken = [view.plan.name for view in self.app.runs or ()]
        datasets = asyncio.to_thread(lambda: list(services.training.datasets()))
        models = asyncio.to_thread(services.library.models)
        materials.datasets, materials.models = await asyncio.gather(datasets, models)
        self.page.enter()
        self._tell()

    def on_screen_resume(self) -> None:
        """A dataset may have been added meanwhile."""
        if self.materials.datasets is not None:
            self.run_worker(self._load(), group="materials", exclusive=True, exit_on_error=False)

    # -- from page to page

    def _enter(self, number: int) -> None:
        self.number = number
        self._reached = max(self._reached, number)
        for index, page in enumerate(self.pages):
            page.set_class(index == number, "-here")
        self.page.enter()
        self.set_focus(self.page.first)
        if isinstance(self.page, SummaryPage):
            self._measure()
        else:
            self.workers.cancel_group(self, "estimate")
        self._tell()
        self.refresh_bindings()

    def _tell(self) -> None:
        steps = [(page.key, page.answer()) for page in self.pages]
        self.query_one(WizardSteps).show(steps, self.number, self._reached)
        if isinstance(self.page, SummaryPage):
            self._summarise(self.page)

    def action_accept(self) -> None:
        """Take the answer and go on."""
        page = self.page
        if self.starting:
            return
        if isinstance(page, DatasetPage) and page.adds:
            page.action_add_dataset()
            return
        if refusal := page.refusal():
            self.notify(f"{refusal[:1].upper()}{refusal[1:]}", severity="warning", timeout=5, markup=False)
            return
        if self.number == len(PAGES) - 1:
            self.run_worker(self._start(), group="start", exclusive=True, exit_on_error=False, description="")
            return
        number = self.number + 1
        while self.pages[number].passed():
            number += 1
        self._enter(number)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_accept()

    @on(Table.Clicked)
    def _clicked(self) -> None:
        self.action_accept()

    def action_back(self) -> None:
        """The question before; from the first one, out."""
        if self.starting:
            self.workers.cancel_group(self, "start")
        elif isinstance(self.focused, WizardSteps):
            self.set_focus(self.page.first)
        elif self.number == 0 or (self.number == _FIRST and len(self.app.services.training.kinds) == 1):
            self.dismiss(None)
        else:
            number = self.number - 1
            while number and self.pages[number].passed():
                number -= 1
            self._enter(number)

    def action_steps(self) -> None:
        """To the list of steps, and back to the page."""
        steps = self.query_one(WizardSteps)
        self.set_focus(self.page.first if steps.has_focus else steps)

    @on(WizardSteps.Chosen)
    def _chosen(self, event: WizardSteps.Chosen) -> None:
        if event.number > self.number and (refusal := self.page.refusal()):
            self.notify(f"{refusal[:1].upper()}{refusal[1:]}", severity="warning", timeout=5, markup=False)
        else:
            self._enter(event.number)

    @on(AddDataset)
    def _add_dataset(self, event: AddDataset) -> None:
        """Bring one in, and come back with it chosen."""
        from tui.screens.add_dataset import AddDatasetPage

        event.stop()

        def added(dataset_id: str | None) -> None:
            if dataset_id:
                self.answers.dataset = dataset_id

        self.app.push_screen(AddDatasetPage(self.MODE), added)

    @on(Page.Answered)
    def _answered(self) -> None:
        self._tell()

    def on_resize(self, event: events.Resize) -> None:
        """The summary's lines break where the page ends."""
        self.call_after_refresh(self._tell)

    # -- the last page

    def _dataset(self) -> DatasetFacts | None:
        return self.materials.dataset(self.answers)

    def _settle(self) -> None:
        """What was left to itself becomes an answer."""
        dataset = self._dataset()
        if dataset is not None:
            self.answers.dataset = dataset.id
        self.answers.base = self.materials.base(self.answers)
        base = next((model for model in self.materials.models or () if model.id == self.answers.base), None)
        if base is not None:
            self.answers.architecture = facts.architecture_of(base) or self.answers.architecture

    def _summarise(self, page: SummaryPage) -> None:
        by_key = {each.key: each.answer() for each in self.pages}
        dataset = self._dataset()
        named = dict(facts.ARCHITECTURES)[self.answers.architecture]
        base = self.answers.base
        lines = [
            ("dataset", f"{by_key['dataset']}, {dataset.count:,} pictures" if dataset and dataset.count else "–"),
            ("preparation", by_key["preparation"]),
            ("base", f"{base}, {named}" if base else by_key["base"]),
            ("options", by_key["options"]),
            ("where", "this machine, in a process of its own: closing the studio does not stop it"),
        ]
        if dataset is not None and not dataset.count:
            lines[0] = ("dataset", f"{by_key['dataset']}, drawn at the start")
        found = self._estimate
        if found is not None:
            fits = found.memory <= found.memory_there
            took = [
                ("time", f"about {words.duration(found.seconds)}"),
                ("memory", f"about {words.size(found.memory)} of {words.size(found.memory_there)}"),
                ("disk", f"about {words.size(found.disk)}, {words.size(found.disk_free)} are free"),
                ("", f"estimate: {found.about}"),
            ]
            if found.offer or not fits:
                told = ", ".join(f"{name} {value}" for name, value in found.offer.items())
                took.append(("", f"! the plan does not fit{f'; {told} does' if told else ''}"))
        else:
            took = [("time", self._measuring), ("memory", "–"), ("disk", "–")]
        page.show(lines, took, "$text" if found is not None else "$muted")

    def _measure(self) -> None:
        """Time real steps of the plan, unless that was done for just this one."""
        self._settle()
        dataset = self._dataset()
        if dataset is None:
            return
        plan = self.answers.plan("estimate", dataset)
        key = plan.dataset, plan.base, plan.steps, dict(plan.options), dataset.ready
        if key == self._measured and self._estimate is not None:
            return
        self._measured, self._estimate = key, None
        if not dataset.ready:
            self._measuring = "shown when training has begun: the dataset is not prepared yet"
            return
        self._measuring = "◐ timing real steps; enter need not wait for it"

        async def measure() -> None:
            try:
                self._estimate = await self.app.services.training.estimate(plan, progress)
            except TarmacError as error:
                self._measuring = f"could not be measured: {error}"
            self._tell()

        def progress(what: str, share: float | None) -> None:
            self._measuring = f"◐ {what}{'' if share is None else f' {share:.0%}'}; enter need not wait for it"
            self._tell()

        self.run_worker(measure(), group="estimate", exclusive=True, exit_on_error=False, description="measuring")

    async def _start(self) -> None:
        page = self.page
        assert isinstance(page, SummaryPage)
        self.workers.cancel_group(self, "estimate")
        training, dataset = self.app.services.training, self._dataset()
        if dataset is None:
            return
        self.starting = True

        def progress(what: str, share: float | None) -> None:
            page.tell(f"◐ {what}{'' if share is None else f' {share:.0%}'} · esc stops", "$warning")

        try:
            if not dataset.ready:
                progress(f"preparing {dataset.name}", None)
                dataset = await training.prepare(dataset, self.answers.size, self.answers.crop, progress)
            progress("starting", None)
            run_id = await asyncio.to_thread(training.create, self.answers.plan(page.name_given, dataset))
            await training.start(run_id)
        except asyncio.CancelledError:
            page.tell("✕ stopped; nothing was started", "$muted")
            raise
        except TarmacError as error:
            page.tell(f"✕ {error}", "$error")
            return
        finally:
            self.starting = False
        if self.app.run_watch is not None:
            self.app.run_watch.look_now()
        self.dismiss(run_id)
