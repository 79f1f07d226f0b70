"""A run at a glance, beside the list: its newest samples, what it does, what it was planned from, what is amiss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui import words
from tui.runs import facts as run_facts
from tui.widgets.runs.sample_sheet import SampleSheet, Sheet
from tui.widgets.runs.texts import RunTexts
from tui.widgets.titled import Titled

if TYPE_CHECKING:
    from core.runs.events import Score
    from core.runs.view import RunView
    from tui.status import Status

TONES = {"": "$text", "muted": "$muted", "good": "$success", "busy": "$warning", "bad": "$error"}


_NOTICE = 180
"""Cells of what is amiss."""


def sheets(view: RunView) -> list[Sheet]:
    """The run's sample sheets, by step."""
    folder = view.folder / "samples"
    return [Sheet(sample.step, folder / sample.file, sample.columns, sample.rows) for sample in view.samples]


class RunCard(Titled, Vertical):
    """Everything that matters about one run without opening it."""

    DEFAULT_CSS = """
    RunCard > SampleSheet { height: 3; max-height: 55%; margin: 0 1 1 1; }
    RunCard > RunTexts { height: 1fr; max-height: 45%; margin-bottom: 1; display: none; }
    RunCard.-text > RunTexts { display: block; }
    RunCard.-text > SampleSheet, RunCard.-none > SampleSheet { display: none; }
    RunCard > #run-facts { height: auto; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(classes="pane -none")
        self._view: RunView | None = None
        self._status: Status | None = None

    def compose(self) -> ComposeResult:
        yield SampleSheet(titled=False)
        yield RunTexts(titled=False)
        yield Static(id="run-facts", markup=False)

    def show(self, view: RunView | None, status: Status | None) -> None:
        """Show this run; None shows an empty card."""
        self._view, self._status = view, status
        self.set_title(view.plan.name if view is not None else "")
        self._fill()

    def on_resize(self, event: events.Resize) -> None:
        """Long lines break where the card ends."""
        super().on_resize(event)
        self._fill()

    def _fill(self) -> None:
        view, sheet, texts = self._view, self.query_one(SampleSheet), self.query_one(RunTexts)
        of_text = view is not None and view.plan.kind == "text"
        self.set_class(of_text, "-text")
        self.set_class(view is None, "-none")
        facts = self.query_one("#run-facts", Static)
        if view is None:
            sheet.show((), "")
            facts.update("")
            return
        empty = "no samples yet" if view.active else "it ended before its first samples"
        newest = sheets(view)[-1:]
        texts.show(newest if of_text else (), empty)
        newest = [] if of_text else newest
        sheet.show(newest, empty)
        sheet.styles.height = sheet.rows_for(newest[0], max(8, self.size.width - 2)) if newest else 3
        lines = card_lines(view, self._status)
        width = max(24, self.size.width - 2)
        wide = max(len(label) for label, _, _ in lines)
        parts = []
        for label, text, tone in lines:
            parts.append((f"{label:<{wide}}  ", "$muted"))
            parts.append((f"{words.hanging(text, width, wide + 2)}\n", TONES[tone]))
        facts.update(Content.assemble(*parts))


def _measured(score: Score) -> str:
    """What a score is and from how many pictures, or how much text."""
    about = run_facts.metric_about(score.metric)
    if score.metric == run_facts.PERPLEXITY:
        return ", ".join((f"{score.metric} {about}", *run_facts.perplexity_about(score)))
    drawn, reals = score.about.get("samples"), score.about.get("reals")
    counts = f"{drawn:,} drawn against {reals:,}" if isinstance(drawn, int) and isinstance(reals, int) else ""
    return "; ".join(filter(None, (f"{run_facts.metric(score.metric)}: {about}" if about else "", counts)))


def card_lines(view: RunView, status: Status | None) -> list[tuple[str, str, str]]:
    """(label, text, tone) of what is known, what matters most first."""
    glyph, word, tone = run_facts.state(view)
    where = f" on {view.host}" if view.host and view.active else ""
    doing = f": {view.phase}" if view.phase and view.active else ""
    lines = [("state", f"{glyph} {word}{where}{doing}", tone)]
    what, _, notice_tone = run_facts.notice(view)
    if what:
        lines.append(("", run_facts.notice_text(view, _NOTICE), notice_tone))
    lines.append(("step", run_facts.steps(view), ""))
    if view.state == "running" and view.eta is not None:
        lines.append(("time left", run_facts.left(view.eta), ""))
    scores = run_facts.main_scores(view)
    if scores:
        told = run_facts.latest_score(scores)
        top = run_facts.best(scores)
        if top is not None and top.step != scores[-1].step:
            told += f", best {words.figures(top.value)} at step {top.step:,}"
        lines.append(("score", told, ""))
        others = [run_facts.latest_score(run_facts.scores_of(view, name)) for name in run_facts.metrics(view)[1:]]
        if others:
            lines.append(("", ", ".join(others), "muted"))
        lines.append(("", _measured(scores[-1]), "muted"))
    lines.append(("dataset", run_facts.thing(view.plan.dataset), ""))
    lines.append(("base", run_facts.thing(view.plan.base) or "nothing (random weights)", ""))
    if view.plan.parent:
        lines.append(("branch of", f"{run_facts.thing(view.plan.parent)} at step {view.plan.parent_step:,}", ""))
    speed = " · ".join(filter(None, (run_facts.pace(view), run_facts.memory(view, status.total if status else 0))))
    if speed and view.active:
        lines.append(("speed", speed, ""))
    if view.model:
        lines.append(("model", f"{run_facts.thing(view.model)} (w opens it)", "good"))
    lines.append(("started", run_facts.started(view), "muted"))
    if view.started and not view.active:
        lines.append(("took", words.duration(run_facts.lasted(view)), "muted"))
    lines.append(("id", view.id, "muted"))
    return lines
