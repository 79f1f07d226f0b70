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
from tui import words
from tui.messages import AddDataset
from tui.screens.base import StudioScreen
from tui.widgets.table import Table
from tui.widgets.wizard.dataset import DatasetPage
from tui.widgets.wizard.page import Page
from tui.widgets.wizard.pages import PAGES
from tui.widgets.wizard.steps import WizardSteps
from tui.widgets.wizard.summary import SummaryPage
from tui.wizard.kinds import KINDS
from tui.wizard.materials import Materials

if TYPE_CHECKING:
    from core.runs.text_bases import TextBase
    from tui.studio import TarmacApp
    from tui.training.services import DatasetFacts, Estimate
    from tui.wizard.answers import Answers

_DATASET = 1
"""The page after the one that asks for the kind: asked first where the kind is known."""


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
    number: var[int] = var(_DATASET)
    starting: var[bool] = var(False)

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = answers
        self.materials = Materials()
        self._made: dict[type[Page], Page] = {}
        self._first = _DATASET
        self._reached: dict[str, int] = {}
        self._estimate: Estimate | None = None
        self._measuring = ""
        self._measured: object = None
        self._steps = 0

    def body(self) -> ComposeResult:
        with Horizontal(id="wizard"):
            yield WizardSteps()
            with Container(id="pages"):
                for page in dict.fromkeys(each for pages in PAGES.values() for each in pages):
                    self._made[page] = page(self.answers, self.materials)
                    yield self._made[page]

    def on_mount(self) -> None:
        super().on_mount()
        kinds, answers = self.app.services.training.kinds, self.answers
        fresh = not answers.asked and not answers.wanted
        if fresh and (lately := [view.plan.kind for view in self.app.runs or () if view.plan.kind in kinds]):
            answers.kind = lately[0]
        self._first = 0 if fresh and len(kinds) > 1 else _DATASET
        answers.asked = True
        self._enter(self._first)
        self.run_worker(self._load(), group="materials", exit_on_error=False, description="reading the datasets")

    @property
    def pages(self) -> list[Page]:
        """Those of the kind that was chosen, in their order."""
        return [self._made[page] for page in PAGES[self.answers.kind]]

    @property
    def page(self) -> Page:
        """The one that is asked."""
        return self.pages[self.number]

    async def _load(self) -> None:
        services, materials = self.app.services, self.materials
        materials.taken = [view.plan.name for view in self.app.runs or ()]
        datasets = asyncio.to_thread(lambda: list(services.training.datasets()))
        models = asyncio.to_thread(services.library.models)
        bases = asyncio.to_thread(lambda: list(services.training.text_bases(services.library)))
        materials.datasets, materials.models = await asyncio.gather(datasets, models)
        self._decide()
        materials.text_bases = await bases
        self._show_page()

    def _decide(self) -> None:
        """The kind is that of the dataset or the base that was wanted."""
        before = self.answers.kind
        self.answers.decide(self.materials.kinds())
        if self.answers.kind != before:
            self._enter(self.number)
        else:
            self._show_page()

    def _show_page(self) -> None:
        """Of what was read, this page may show something."""
        self.page.enter()
        self._tell()

    def on_screen_resume(self) -> None:
        """A dataset may have been added meanwhile."""
        if self.materials.datasets is not None:
            self.run_worker(self._load(), group="materials", exclusive=True, exit_on_error=False)

    # -- from page to page

    def _enter(self, number: int) -> None:
        self.number = number
        self._first = min(self._first, number)
        self._reached[self.answers.kind] = max(self._reached.get(self.answers.kind, 0), number)
        here = self.page
        for page in self._made.values():
            page.set_class(page is here, "-here")
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
        self.query_one(WizardSteps).show(steps, self.number, self._reached.get(self.answers.kind, self.number))
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
        if isinstance(page, SummaryPage):
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
        elif self.number <= self._first:
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
                self.answers.want(dataset=dataset_id)

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

    @property
    def _cached_base(self) -> TextBase | None:
        """The chosen base where it is on the disk, but not in the library."""
        found = self.materials.text_base(self.answers.text.base or "") if self.answers.kind == "text" else None
        return found if found is not None and found.source == "hub" else None

    def _settle(self) -> None:
        """What was left to itself becomes an answer."""
        dataset, here = self._dataset(), self.answers.here
        if dataset is not None:
            here.dataset = dataset.id
        here.base = self.materials.base(self.answers)
        KINDS[self.answers.kind].settle(self.answers, self.materials)

    def _summarise(self, page: SummaryPage) -> None:
        answers = {each.key: each.answer() for each in self.pages}
        lines = KINDS[self.answers.kind].summary(self.answers, self.materials, answers)
        lines.append(("where", "this machine, in a process of its own: closing the studio does not stop it"))
        found = self._estimate
        if found is not None:
            fits = found.memory <= found.memory_there
            took = [
                ("time", f"about {words.duration(found.seconds)}"),
                ("memory", f"about {words.size(found.memory)} of {words.size(found.memory_there)}"),
                ("disk", f"about {words.size(found.disk)}, {words.size(found.disk_free)} are free"),
                *KINDS[self.answers.kind].measured(self._steps, found),
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
        key = plan.kind, plan.dataset, plan.base, plan.steps, dict(plan.options), dataset.ready
        if key == self._measured and self._estimate is not None:
            return
        self._measured, self._estimate, self._steps = key, None, plan.steps
        if not dataset.ready or self._cached_base is not None:
            what = "the dataset is not prepared" if not dataset.ready else "the base is not in the library"
            self._measuring = f"shown when training has begun: {what} yet"
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
                image = self.answers.image
                dataset = await training.prepare(dataset, image.size, image.crop, progress, image.subject)
            if (base := self._cached_base) is not None:
                progress(f"reading {base.name}", None)
                library = self.app.services.library
                self.answers.text.base = await training.bring_base(base.id, library, progress)
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
