"""One training run: its samples from the first step on, its curves, its log, and what can be done with it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import var
from textual.widgets import Static

from tui.runs import facts as run_facts
from tui.runs import lines as run_lines
from tui.runs.filming import Filming
from tui.runs.steering import Steering
from tui.screens.base import StudioScreen
from tui.widgets.runs.card import TONES, sheets
from tui.widgets.runs.curves import RunCurves
from tui.widgets.runs.log import RunLog
from tui.widgets.runs.sample_sheet import SampleSheet, Sheet
from tui.widgets.runs.step_slider import StepSlider
from tui.widgets.runs.texts import RunTexts

if TYPE_CHECKING:
    from textual import events
    from textual.timer import Timer

    from core.runs.view import RunView

PANES = ("samples", "curves", "log")
_PLAY_EVERY = 0.12
"""Seconds between two sheets of the history at most; a slow link makes it longer."""
_LOG_EVERY = 1.0
_BREAK = 14
"""Cells that may stay empty where a line breaks at a space, on both lines of the notice."""
_STEP = Binding.Group("step", compact=True)
_SCROLL = Binding.Group("read", compact=True)


class RunPage(Steering, Filming, StudioScreen):
    """Pushed over the list of runs.

    Args:
        run_id: The run.
    """

    MODE = "training"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["run_page.tcss"]
    AUTO_FOCUS = ""
    HELP = (
        "One run, now or long after its end. The slider goes through all samples: pictures of the same vectors each "
        "time, or what is written after the same prompts with the same seeds. 0 puts the first beside those that are "
        "shown, space plays them. The curves show their values at the step that is looked at. Leaving the page, or the "
        "studio, does not stop the run."
    )
    HELP_TITLE = "Run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Step before", id="run.back", group=_STEP, tooltip="The samples before"),
        Binding("right", "step(1)", "Next step", id="run.forward", group=_STEP, tooltip="The samples after"),
        Binding("up,k", "scroll(-1)", "Up", id="run.up", group=_SCROLL, tooltip="Texts: further up"),
        Binding("down,j", "scroll(1)", "Down", id="run.down", group=_SCROLL, tooltip="Texts: further down"),
        Binding("space", "play", "play", id="run.play", tooltip="Play the history, or stop it"),
        Binding("0", "compare", "beside the start", id="run.compare", tooltip="The first samples side by side"),
        Binding("tab", "turn", "curves/log", id="run.turn", tooltip="The next pane", priority=True),
        Binding("escape,backspace", "back", "back", id="run.page-back", tooltip="Stop a film; else back to the list"),
        Binding("s", "stop", "stop", id="run.stop", tooltip="Save and end; it can be resumed"),
        Binding("r", "resume", "resume", id="run.resume", tooltip="Go on from the last checkpoint"),
        Binding("w", "workspace", "workspace", id="run.workspace", tooltip="Open its model, else its best checkpoint"),
        Binding("h", "host", "host", id="run.host", tooltip="Serve its model, else its best checkpoint, under a URL"),
        Binding("f", "film", "film", id="run.film", tooltip="Write a film of the finished model to the exports"),
        Binding("t", "further", "train further", id="run.further", tooltip="Plan an experiment from its model"),
        Binding("e", "extend", "extend", id="run.extend", tooltip="Change how many steps it has in all"),
        Binding("b", "branch", "branch", id="run.branch", tooltip="A new run from the checkpoint at the slider"),
        Binding("l", "log", "Log", id="run.log", show=False, tooltip="Show the log, or put it away"),
        Binding("F", "history", "History", id="run.history", show=False, tooltip="Write the samples so far as a film"),
        Binding("y", "scale", "Logarithmic", id="run.scale", show=False, tooltip="Losses on a logarithmic axis"),
        Binding("m", "metric", "Next score", id="run.metric", show=False, tooltip="Draw another of the scores"),
        Binding("pageup", "scroll_page(-1)", "Page up", id="run.page-up", show=False, tooltip="Texts: a page up"),
        Binding(
            "pagedown", "scroll_page(1)", "Page down", id="run.page-down", show=False, tooltip="Texts: a page down"
        ),
        Binding("home,g", "step(-1000000)", "First", id="run.first", show=False, tooltip="The first samples"),
        Binding("end,G", "step(1000000)", "Newest", id="run.newest", show=False, tooltip="Follow the newest samples"),
        Binding("x,delete", "delete", "Delete", id="run.delete", show=False, tooltip="Delete the run's folder"),
    ]

    pane: var[str] = var("samples")
    compared: var[bool] = var(False)

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.step: int | None = None
        """The step that is looked at; None follows the newest."""
        self.log_scale = False
        self.metric = 0
        """Which score is drawn, counted from the one that decides."""
        self._playing: Timer | None = None
        self._settled = run_facts.Settled()
        self._said: dict[str, object] = {}

    def body(self) -> ComposeResult:
        yield Static(id="run-line", markup=False)
        yield Static(id="run-notice", markup=False)
        with Horizontal(id="run-panes"):
            yield SampleSheet()
            yield RunTexts()
            yield RunCurves()
            yield RunLog()
        yield StepSlider()
        yield Static(id="run-now", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.set_class(True, "-pane-samples")
        self.watch(self.app, "runs", self._show)
        self.watch(self.app, "status", lambda _: self._show(), init=False)
        self.set_interval(_LOG_EVERY, self._follow_log)
        self._follow_log()

    @property
    def view(self) -> RunView | None:
        """The run as it stands."""
        return next((view for view in self.app.runs or () if view.id == self.run_id), None)

    @property
    def samples(self) -> SampleSheet | RunTexts:
        """Where the samples of a run of this kind are shown."""
        text = self.view is not None and self.view.plan.kind == "text"
        return self.query_one(RunTexts) if text else self.query_one(SampleSheet)

    # -- showing

    def on_resize(self, event: events.Resize) -> None:
        """Lines end where the screen does; another number of panes fits."""
        self._said.clear()
        self._show()

    def _show(self) -> None:
        view = self.view
        if view is None:
            self._say("run-line", Content.styled(" ◐ reading the run" if self.app.runs is None else "", "$warning"))
            return
        self.set_class(view.plan.kind == "text", "-text")
        steps = [sample.step for sample in view.samples]
        here = self._here(steps)
        self._say("run-line", self._line(view))
        what, _, tone = run_facts.notice(view)
        notice = self.query_one("#run-notice", Static)
        notice.display = bool(what)
        if what:
            room = 2 * self.size.width - _BREAK
            self._say("run-notice", Content.styled(run_facts.notice_text(view, room), TONES[tone]))
        self._show_sheets(view, here)
        crosshair = None if self.step is None else here
        self.query_one(RunCurves).show(view, crosshair, log=self.log_scale, metric=self.metric)
        best = run_facts.best(run_facts.main_scores(view))
        self.query_one(StepSlider).show(
            steps, view.plan.steps, here, best.step if best else None, self._playing is not None
        )
        self._say("run-now", self._now_line(view))
        self.refresh_bindings()

    def _here(self, steps: list[int]) -> int | None:
        if not steps:
            return None
        return steps[-1] if self.step is None else min(steps, key=lambda step: abs(step - (self.step or 0)))

    def _show_sheets(self, view: RunView, here: int | None) -> None:
        found: list[Sheet] = sheets(view)
        pane = self.samples
        shown = [sheet for sheet in found if sheet.step == here]
        if not shown:
            waits = "◐ the first samples come when the base has been read" if view.active else "There are no samples."
            pane.show((), waits)
            pane.set_title("samples")
            return
        told = f"{len(found)} in all" if self.step is not None else ("newest" if view.active else "the last")
        if self.compared and len(found) > 1 and here != found[0].step:
            pane.show((found[0], *shown))
            pane.set_title(f"samples at step {found[0].step:,} and at step {here:,}", told)
        else:
            pane.show(shown)
            pane.set_title(f"samples at step {here:,}", told)

    def _line(self, view: RunView) -> Content:
        left = self._settled.left(view.eta, view.changed, self.now()) if view.state == "running" else None
        return run_lines.head(view, left, self.size.width)

    def _now_line(self, view: RunView) -> Content:
        """What is measured now; a film that is written has the line to itself."""
        if self.film is not None:
            return run_lines.film(self.film, self.film_of)
        return run_lines.now(view, self.app.status, self.size.width)

    def film_told(self) -> None:
        """How far it is stands in the last line."""
        if self.view is not None:
            self._say("run-now", self._now_line(self.view))

    def film_over(self) -> None:
        """The last line is its own again, and other keys work."""
        self._show()

    def _say(self, name: str, content: Content) -> None:
        told = content.plain, content.spans
        if self._said.get(name) != told:
            self._said[name] = told
            self.query_one(f"#{name}", Static).update(content, layout=name == "run-notice")

    def _follow_log(self) -> None:
        view, log = self.view, self.query_one(RunLog)
        if view is not None and log.display:
            log.follow(view.folder / "log.txt")

    # -- the history

    def action_step(self, by: int) -> None:
        """Earlier or later samples; past the last one the newest are followed."""
        self._stop_playing()
        self._move(by)

    def _move(self, by: int) -> None:
        steps = [sample.step for sample in self.view.samples] if self.view is not None else []
        here = self._here(steps)
        if here is None:
            return
        index = max(0, steps.index(here) + by)
        self.step = steps[index] if index < len(steps) - 1 else None
        self._show()

    def action_play(self) -> None:
        """Play the history from here, or from the start when here is the end; or stop."""
        if self._playing is not None:
            self._stop_playing()
        elif self.view is not None and len(self.view.samples) > 1:
            if self.step is None:
                self.step = self.view.samples[0].step
            self._playing = self.set_interval(_PLAY_EVERY, self._play_on)
        self._show()

    def _play_on(self) -> None:
        if self.app.screen is not self or not self.samples.ready:
            return  # nobody sees it, or the link has not taken the last one yet
        self._move(1)
        if self.step is None:
            self._stop_playing()
            self._show()

    def _stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None

    def action_compare(self) -> None:
        """The first samples beside those that are shown, or alone again."""
        self.compared = not self.compared
        self._show()

    def action_scroll(self, lines: int) -> None:
        """Further up or down in the texts."""
        self.query_one(RunTexts).view.go(lines)

    def action_scroll_page(self, by: int) -> None:
        """A page up or down in the texts."""
        self.query_one(RunTexts).view.page(by)

    @on(StepSlider.Picked)
    def _picked(self, event: StepSlider.Picked) -> None:
        steps = [sample.step for sample in self.view.samples] if self.view is not None else []
        if steps:
            self._stop_playing()
            near = min(steps, key=lambda step: abs(step - event.step))
            self.step = near if near != steps[-1] else None
            self._show()

    def branch_step(self) -> int | None:
        """The slider's step."""
        return self.step

    # -- panes

    @property
    def _turns(self) -> tuple[str, ...]:
        """The panes that take turns: all three where one fits, curves and log where two do."""
        if self.has_class("-three"):
            return ()
        return PANES if self.has_class("-one") else PANES[1:]

    def action_turn(self) -> None:
        """The next pane, where not all fit."""
        turns = self._turns
        if turns:
            self.pane = turns[(turns.index(self.pane) + 1) % len(turns)] if self.pane in turns else turns[-1]

    def action_log(self) -> None:
        """The log, for its scrolling keys too; again: back."""
        log = self.query_one(RunLog)
        if log.has_focus or (self.pane == "log" and not self.has_class("-three")):
            self.pane = "samples"
            self.set_focus(None)
        else:
            self.pane = "log"
            self.call_after_refresh(self.set_focus, log)

    def watch_pane(self, pane: str) -> None:
        """Only the style sheet says what that means at which width."""
        for name in PANES:
            self.set_class(name == pane, f"-pane-{name}")
        if pane != "log":
            self.set_focus(None)
        self.call_after_refresh(self._follow_log)
        self.refresh_bindings()

    def action_scale(self) -> None:
        """Losses on a logarithmic axis, or on an even one."""
        self.log_scale = not self.log_scale
        self._show()

    def action_metric(self) -> None:
        """Draw another of the scores; the first is the one that decides which checkpoint is the best."""
        self.metric += 1
        self._show()

    # -- what can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        view = self.view
        if action in ("step", "play", "compare"):
            return view is not None and len(view.samples) > 1
        if action in ("scroll", "scroll_page"):
            seen = bool(self.query_one(RunTexts).region)
            return view is not None and view.plan.kind == "text" and bool(view.samples) and seen
        if action == "metric":
            return view is not None and len(run_facts.metrics(view)) > 1
        if action == "turn":
            return bool(self._turns)
        if action in ("film", "history"):
            return self.can_film(action)
        if action == "further":
            known = view is not None and view.plan.kind in self.app.services.training.kinds
            return view is not None and bool(view.model) and known and self.film is None
        return self.can(action)

    def action_back(self) -> None:
        """Stop what is being written or played; else back to the list."""
        if self.film is not None:
            self.stop_film()
        elif self._playing is not None:
            self._stop_playing()
            self._show()
        else:
            self.dismiss()

    def run_deleted(self) -> None:
        """There is nothing to show any more."""
        self.dismiss()

    def action_further(self) -> None:
        """Plan another experiment that starts from this one's model."""
        from tui.screens.training import TrainingScreen

        view = self.view
        if view is None:
            return
        self.dismiss()
        below = next((screen for screen in self.app.screen_stack if isinstance(screen, TrainingScreen)), None)
        if below is not None:
            below.call_later(below.action_new, view.model, view.plan.dataset)
