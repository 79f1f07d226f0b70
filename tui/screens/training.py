"""The place Training: every run, what it does and how far it is; beside the list, the one under the cursor."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from tui.runs import facts as run_facts
from tui.runs.steering import Steering
from tui.screens.base import StudioScreen
from tui.widgets.runs.card import RunCard
from tui.widgets.table import Column, Row, Table
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.runs.view import RunView
    from tui.wizard.answers import Answers

_BAR = 10
_PERPLEXITY = 13
"""Cells of "ppl 31.4→10.9"."""
_COLUMNS = (
    Column("", 1),
    Column("run", 16, grow=True),
    Column("kind", 5, importance=2),
    Column("state", 13),
    Column("step", 17, right=True),
    Column("", _BAR, importance=1),
    Column("score", 8, importance=7),
    Column("by", 9, importance=0),
    Column("time left", 10, right=True, importance=6),
    Column("started", 11, importance=3),
)


def _columns(texts: bool) -> tuple[Column, ...]:
    """Perplexities before and after take more room than other scores; the name gives it. The kind tells more then."""
    if not texts:
        return _COLUMNS
    widths, importance = {"score": _PERPLEXITY, "run": 13}, {"kind": 5}
    return tuple(
        replace(
            column,
            width=widths.get(column.title, column.width),
            importance=importance.get(column.title, column.importance),
        )
        for column in _COLUMNS
    )


def _import_ahead() -> None:
    """What enter and n will need, while the user still reads the list."""
    for name in ("tui.screens.run_page", "tui.screens.wizard"):
        importlib.import_module(name)


class RunsPane(Titled, Vertical):
    """The table and what is said where it is empty."""

    def redraw(self) -> None:
        """The title for the width that the pane has now."""
        self._draw_title()


class TrainingScreen(Steering, StudioScreen):
    """A list of runs that stays as the folders are."""

    MODE = "training"
    CSS_PATH = "training.tcss"
    AUTO_FOCUS = "Table"
    HELP = (
        "Every training run on this machine. A run goes on when the studio closes or the line drops: it is followed "
        "here again the next time. Enter opens one: its samples from the first step on, its curves, its log."
    )
    HELP_TITLE = "Training"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", id="training.new", tooltip="Plan a new experiment, one question a page"),
        Binding("enter,right", "open", "open", id="training.open", tooltip="Samples, curves and log of the run"),
        Binding("s", "stop", "stop", id="training.stop", tooltip="Save and end; it can be resumed"),
        Binding("r", "resume", "resume", id="training.resume", tooltip="Go on from the last checkpoint"),
        Binding("e", "extend", "extend", id="training.extend", tooltip="Change how many steps it has in all"),
        Binding("b", "branch", "branch", id="training.branch", tooltip="A new run that goes on from a checkpoint"),
        Binding(
            "w", "workspace", "workspace", id="training.workspace", tooltip="Open its model, else its best checkpoint"
        ),
        Binding("h", "host", "host", id="training.host", tooltip="Serve its model, else its best checkpoint"),
        Binding("x,delete", "delete", "delete", id="training.delete", tooltip="Delete the run's folder"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._settled: dict[str, run_facts.Settled] = {}
        self._draft: Answers | None = None

    def body(self) -> ComposeResult:
        with Horizontal(id="training"):
            with RunsPane(id="runs", classes="pane"):
                yield Table(_COLUMNS)
                yield Static(id="runs-state", markup=False)
            yield RunCard()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(RunsPane).set_title("Runs")
        self.watch(self.app, "runs", self._seen)
        self.run_worker(_import_ahead, thread=True, group="ahead", exit_on_error=False, description="importing")

    def on_resize(self, event: events.Resize) -> None:
        """The panes have their widths only when the style sheet has seen the screen's; no event tells the list then."""
        self.call_after_refresh(self.query_one(RunsPane).redraw)

    # -- the list

    def _seen(self) -> None:
        views = self.app.runs
        problem = self.app.run_watch.problem if self.app.run_watch is not None else None
        if views is None:
            self._tell("◐ reading the runs" if problem is None else f"✕ {problem}", "$error" if problem else "$warning")
            return
        names = run_facts.names(views)
        self.query_one(Table).columns = _columns(any(view.plan.kind == "text" and view.scores for view in views))
        self.query_one(Table).set_rows([self._row(view, names[view.id]) for view in views])
        self.query_one(RunsPane).set_class(not views, "-empty")
        active = sum(view.active for view in views)
        count = f"{len(views)}" + (f" · ◐ {active} running" if active else "")
        self.query_one(RunsPane).set_title("Runs", count if views else "")
        self.call_after_refresh(self.query_one(RunsPane).redraw)
        if problem is not None:
            self._tell(f"✕ {problem}", "$error")
        elif views:
            self._tell("", "")
        else:
            self._tell(
                Content.assemble(
                    ("No training runs yet.\n\n", "$text"),
                    ("n", "bold $accent"),
                    (" plans a new experiment: one question a page, with an answer filled in.\n", "$muted"),
                    ("It trains in a process of its own and goes on when this window closes.", "$muted"),
                )
            )
        self._show_card()
        self.refresh_bindings()

    def _row(self, view: RunView, name: str) -> Row:
        glyph, word, tone = run_facts.state(view)
        settled = self._settled.setdefault(view.id, run_facts.Settled())
        left = settled.left(view.eta, view.changed, self.now()) if view.state == "running" else None
        score, score_tone = run_facts.score(view)
        done, scores = run_facts.share(view), run_facts.main_scores(view)
        return Row(
            view.id,
            (
                (glyph, tone),
                (name, ""),
                (view.plan.kind, "muted"),
                (word, tone),
                (run_facts.steps(view), "" if view.active else "muted"),
                (run_facts.bar(done, _BAR) if view.active or done < 1 else "", tone if view.active else "muted"),
                (score, score_tone),
                (run_facts.metric(scores[-1].metric) if scores and view.plan.kind != "text" else "", "muted"),
                (run_facts.left(left) if view.active else "–", "" if view.active else "muted"),
                (run_facts.started(view), "muted"),
            ),
        )

    def _tell(self, text: str | Content, tone: str = "$muted") -> None:
        state = self.query_one("#runs-state", Static)
        state.display = bool(text)
        state.update(Content.styled(text, tone) if isinstance(text, str) else text)

    @property
    def view(self) -> RunView | None:
        """The run under the cursor."""
        key = self.query_one(Table).current
        return next((view for view in self.app.runs or () if view.id == key), None)

    @on(Table.Moved)
    def _moved(self) -> None:
        self._show_card()
        self.refresh_bindings()

    @on(Table.Clicked)
    def _clicked(self) -> None:
        self.action_open()

    def _show_card(self) -> None:
        self.query_one(RunCard).show(self.view, self.app.status)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action == "open":
            return self.view is not None
        return self.can(action)

    def action_open(self) -> None:
        """Open the run's own page."""
        if self.view is not None:
            self.open_run(self.view.id)

    def open_run(self, run_id: str) -> None:
        """Show a run's page over the list."""
        from tui.screens.run_page import RunPage

        table = self.query_one(Table)
        table.cursor = next((index for index, row in enumerate(table.rows) if row.key == run_id), table.cursor)
        self.app.push_screen(RunPage(run_id))

    def action_new(self, base: str = "", dataset: str = "") -> None:
        """Plan a new experiment; what was answered before and left is there again."""
        from tui.screens.wizard import Wizard
        from tui.wizard.answers import Answers

        if base or dataset or self._draft is None:
            self._draft = Answers(base=base or None, dataset=dataset or None)

        def started(run_id: str | None) -> None:
            if run_id:
                self._draft = None
                self.open_run(run_id)

        self.app.push_screen(Wizard(self._draft), started)
