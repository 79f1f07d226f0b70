"""The curves of a run, one plot above the other: losses, the score with its best marked, what steers the training.

Of a text run the loss on the held-out text stands in the plot of the training's own, so that overfitting shows; what
a perplexity was measured on is told below.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui import words
from tui.runs import facts as run_facts
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
    RunCurves > #plot-score, RunCurves > #plot-steering { height: 4fr; }
    RunCurves > #curve-figures { height: auto; padding: 0 1; color: $muted; display: none; }
    RunCurves.-text > #curve-figures { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._figures: list[str] = []
        self._said: object = None

    def compose(self) -> ComposeResult:
        yield Plot(id="plot-loss")
        yield Plot(id="plot-score")
        yield Plot(id="plot-steering")
        yield Static(id="curve-figures", markup=False)

    def show(self, view: RunView, crosshair: int | None, *, log: bool, metric: int = 0) -> None:
        """Show a run as it stands.

        Args:
            view: The run.
            crosshair: The step that is looked at; None while the newest is.
            log: Losses on a logarithmic axis.
            metric: Which of the scores, counted from the one that decides.
        """
        end, text = reached(view), view.plan.kind == "text"
        self.set_class(text, "-text")
        losses = [self._line(view, name) for name in run_facts.LOSSES if name in view.curves][:4]
        if text:
            losses = _with_held_out(view, losses)
        unit = "nats a token" if text else ""
        self._put("loss", "loss, logarithmic" if log else "loss", unit, losses, end, crosshair, log)
        names = run_facts.metrics(view)
        self._show_scores(view, names[metric % len(names)] if names else "", end, crosshair)
        names = [name for name in (("rate",) if text else run_facts.AUGMENTATION) if name in view.curves]
        title = "learning rate" if text else "augmentation"
        self._put("steering", title, "", [self._line(view, name) for name in names], end, crosshair)
        self._figures = run_facts.text_figures(view, crosshair) if text else []
        self._fill()

    def on_resize(self) -> None:
        """Figures break where the pane ends."""
        self._fill()

    def _fill(self) -> None:
        width = max(24, self.size.width - 2)
        told = "\n".join(_broken(line, width) for line in self._figures)
        if (told, width) != self._said:
            self._said = told, width
            self.query_one("#curve-figures", Static).update(told)

    def _show_scores(self, view: RunView, name: str, end: int, crosshair: int | None) -> None:
        scores = run_facts.scores_of(view, name)
        top = run_facts.best(scores)
        part = 100 if name == "memorised" else 1
        steps, values = tuple(score.step for score in scores), tuple(part * score.value for score in scores)
        short = run_facts.curve_name(name).partition("×")[0]
        line = Line(short if len(short) <= _LONGEST else "score", steps, values, top.step if top else None, points=True)
        way = f"{'higher' if scores[-1].higher else 'lower'} is better" if scores else ""
        told = f"★ best {words.figures(part * top.value)} at {top.step:,}" if top else ""
        title = "memorised, % of 50-grams" if name == "memorised" else run_facts.metric(name)
        self._put("score", title, " · ".join(filter(None, (told, way))), [line] if scores else [], end, crosshair)

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


def _broken(line: str, width: int) -> str:
    """A line for `width` cells; of parts between dots none is broken."""
    if " · " not in line:
        return words.hanging(line, width, 2)
    whole = " · ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in line.split(" · "))
    return words.hanging(whole, width, 0).replace(" ·\n", "\n").replace("\N{NO-BREAK SPACE}", " ")


def _with_held_out(view: RunView, losses: list[Line]) -> list[Line]:
    held = run_facts.held_out(view)
    lines = [replace(line, name="train") for line in losses]
    if held:
        steps, values = zip(*held)
        lines.append(Line("held", steps, values, points=True))
    return lines


def reached(view: RunView) -> int:
    """Where the axis of steps ends: the plan's eighth that the run is in, so that it seldom moves."""
    eighth = max(1.0, view.plan.steps / 8)
    return min(max(view.plan.steps, view.step), math.ceil(max(1, math.ceil(view.step / eighth)) * eighth))
