"""Where in a run's history one looks: a line from the first step to the last, a handle, and marks for what is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class StepSlider(Widget):
    """Shows; whoever holds it moves it with `show`. Posts `Picked` when it is clicked."""

    DEFAULT_CSS = """
    StepSlider { height: 1; padding: 0 1; }
    """

    @dataclass
    class Picked(Message):
        """A place on the line was clicked."""

        step: float

    def __init__(self) -> None:
        super().__init__()
        self._state: tuple[tuple[int, ...], int, int | None, int | None, bool] = ((), 1, None, None, False)

    def show(
        self, samples: Sequence[int], steps: int, here: int | None, best: int | None = None, playing: bool = False
    ) -> None:
        """Show another state.

        Args:
            samples: Steps with a sample, rising.
            steps: The last step of the plan.
            here: The step that is looked at.
            best: The step with the best score.
            playing: The history is being played.
        """
        state = (tuple(samples), max(1, steps), here, best, playing)
        if state != self._state:
            self._state = state
            self.refresh()

    def _frame(self) -> tuple[str, str, int]:
        _, steps, here, _, playing = self._state
        wide = len(f"{steps:,}")
        left = f"{'▶' if playing else ' '} step {(here if here is not None else 0):>{wide},} "
        right = f" {steps:,}"
        return left, right, max(2, self.size.width - len(left) - len(right))

    def render(self) -> Content:
        """The line."""
        samples, steps, here, best, _ = self._state
        left, right, cells = self._frame()

        def cell(step: int) -> int:
            return min(cells - 1, max(0, round(step / steps * (cells - 1))))

        reached = cell(samples[-1]) if samples else -1
        marks = {cell(step): ("┼", "$muted") for step in samples} if len(samples) * 3 <= cells else {}
        if best is not None:
            marks[cell(best)] = ("★", "$success")
        if here is not None:
            marks[cell(here)] = ("●", "bold $accent")
        parts: list[tuple[str, str]] = [(left, "$text")]
        for index in range(cells):
            parts.append(marks.get(index, ("─", "$muted") if index <= reached else ("┄", "$faint")))
        return Content.assemble(*parts, (right, "$muted"))

    def on_click(self, event: events.Click) -> None:
        """Go to the place that was clicked."""
        left, _, cells = self._frame()
        self.post_message(self.Picked((event.x - 1 - len(left)) / max(1, cells - 1) * self._state[1]))
