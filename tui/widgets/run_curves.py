"""The curves of a run, one plot above the other: losses, the score with its best marked, the augmentation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from tui import run_facts, words
from tui.widgets.plot import Line, Plot

if TYPE_CHECKING:
    from core.runs.view import RunView

_LONGEST = 6
"""Cells of a name that leave room for the value beside it."""


class RunCurves(Vertical):
    """Shows a run's curves; plots without data are not there."""

    DEFAULT_CSS = """
    RunCurves { height: 1fr; }
    RunCurves > Plot { display: none; }
    RunCurves > Plot.-there { display: block; }
    RunCurves > #plot-loss { height: 5fr; }
    RunCurves > #plot-score, RunCurves > #plot-augment { height: 4fr; }
    """

    def compose(self) -> ComposeResult:
        yield Plot(id="plot-loss")
        yield Plot(id="plot-score")
        yield Plot(id="plot-augment")

    def show(self, view: RunView, crosshair: int | None, *, log: bool, metric: int = 0) -> None:
        """Show a run as it stands.

        Args:
            view: The run.
            crosshair: The step that is looked at; None while the newest is.
            log: Losses on a logarithmic axis.
            metric: Which of the scores, counted from the one that decides.
        """
        end = reached(view)
        losses = [self._line(view, name) for name in run_facts.LOSSES if name in view.curves][:4]
        self._put("loss", "loss, logarithmic" if log else "loss", "", losses, end, crosshair, log)
        names = run_facts.metrics(view)
        self._show_scores(view, names[metric % len(names)] if names else "", end, crosshair)
        names = [name for name in run_facts.AUGMENTATION if name in view.curves]
        self._put("augment", "augmentation", "", [self._line(view, name) for name in names], end, crosshair)

    def _show_scores(self, view: RunView, name: str, end: int, crosshair: int | None) -> None:
        scores = run_facts.scores_of(view, name)
        top = run_facts.best(scores)
        steps, values = tuple(score.step for score in scores), tuple(score.value for score in scores)
        short = run_facts.metric(name).partition("×")[0]
        line = Line(short if len(short) <= _LONGEST else "score", steps, values, top.step if top else None, points=True)
        told = f"★ best {words.figures(top.value)} at {top.step:,}" if top else ""
        told = " · ".join(filter(None, (told, run_facts.metric_about(name))))
        self._put("score", run_facts.metric(name), told, [line] if scores else [], end, crosshair)

    @staticmethod
    def _line(view: RunView, name: str) -> Line:
        curve = view.curves[name]
        return Line(run_facts.curve_name(name), tuple(curve.steps), tuple(curve.values))

    def _put(
        self, which: str, title: str, told: str, lines: list[Line], end: int, crosshair: int | None, log: bool = False
    ) -> None:
        plot = self.query_one(f"#plot-{which}", Plot)
        plot.set_class(bool(lines), "-there")
        plot.set_title(title, told)
        plot.show(lines, end, crosshair, log=log)


def reached(view: RunView) -> int:
    """Where the axis of steps ends: the plan's eighth that the run is in, so that it seldom moves."""
    eighth = max(1.0, view.plan.steps / 8)
    return min(max(view.plan.steps, view.step), math.ceil(max(1, math.ceil(view.step / eighth)) * eighth))
