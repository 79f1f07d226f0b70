"""What a text model wrote after the user's prompts at one step, or beside what it wrote at the first.

The files are read and laid out in a thread; what is shown is the newest that was asked for and has come.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical

from core.errors import TarmacError
from core.runs.text_samples import TextSample, read_samples
from tui.text_lines import Laid, TextLine, beside, flowed, rule
from tui.widgets.runs.sample_sheet import Sheet
from tui.widgets.text_view import TextView
from tui.widgets.titled import Titled

_KEPT = 32
"""Files whose texts are kept; others are read again."""
_BESIDE = 84
"""Cells from which before and after stand side by side; narrower they stand one below the other."""
_GAP = 3

Samples = Sequence[TextSample]


def laid(found: Sequence[tuple[int, Samples]], width: int) -> Laid:
    """One step's samples, or two steps' sample by sample, for `width` cells.

    Args:
        found: (step, samples) of one step or of two.
        width: Cells.
    """
    lines: list[TextLine] = []
    starts: list[int] = []
    count = max(len(samples) for _, samples in found)
    for number, row in enumerate(zip_longest(*(samples for _, samples in found))):
        if lines:
            lines.append(())
        starts.append(len(lines))
        seeds = list(dict.fromkeys(sample.seed for sample in row if sample is not None))
        told = f"{number + 1} of {count} · seed {', '.join(map(str, seeds))}"
        steps = [step for step, _ in found]
        if len(row) == 1:
            lines += [rule(told, width), *_whole(row[0], width)]
        elif width >= _BESIDE:
            half = (width - _GAP) // 2
            lines.append(rule(told, width))
            captions: list[list[TextLine]] = [[((f"step {step:,}", "rule"),)] for step in steps]
            lines += beside(captions[0] + _whole(row[0], half), captions[1] + _whole(row[1], half), half, _GAP)
        else:
            lines += [rule(told, width), *_stacked(steps, row, width)]
    return Laid(lines, starts)


def _whole(sample: TextSample | None, width: int) -> list[TextLine]:
    if sample is None:
        return [(("–", "muted"),)]
    return _joined(sample.prompt, sample.text, width)


def _joined(prompt: str, text: str, width: int) -> list[TextLine]:
    return flowed(((prompt, "muted"), (text.rstrip("\n"), "plain")), width)


def _stacked(steps: Sequence[int], row: Sequence[TextSample | None], width: int) -> list[TextLine]:
    """The prompt once; then, step by step, its last line and what was written after it."""
    prompt = next(sample.prompt for sample in row if sample is not None)
    head, _, last = prompt.rpartition("\n")
    lines = flowed(((head, "muted"),), width) if head else []
    for step, sample in zip(steps, row):
        lines.append(((f"step {step:,}", "rule"),))
        if sample is None:
            lines.append((("–", "muted"),))
        else:
            begun = last if sample.prompt == prompt else sample.prompt
            lines += _joined(begun, sample.text, width)
    return lines


class RunTexts(Titled, Vertical):
    """The samples of one step at a time, or of two.

    Args:
        titled: Whether there is a title and a rule above.
    """

    DEFAULT_CSS = """
    RunTexts { height: 1fr; }
    RunTexts > TextView { padding: 0 0 0 1; }
    """

    def __init__(self, *, titled: bool = True, **options: Any) -> None:
        super().__init__(classes="pane" if titled else "", **options)
        self._kept: OrderedDict[Path, Samples] = OrderedDict()
        self._wanted: tuple[Sheet, ...] = ()
        self._drawn: tuple[Sheet, ...] = ()
        self._failed: tuple[Sheet, ...] = ()
        self._empty = ""

    def compose(self) -> ComposeResult:
        yield TextView()

    @property
    def view(self) -> TextView:
        """What scrolls."""
        return self.query_one(TextView)

    @property
    def ready(self) -> bool:
        """What was asked for last is on the screen, or why it cannot be."""
        return self._wanted in (self._drawn, self._failed)

    @property
    def shown(self) -> tuple[Sheet, ...]:
        """What is on the screen."""
        return self._drawn

    def show(self, sheets: Sequence[Sheet], empty: str = "") -> None:
        """Show one step, or two beside each other; none says `empty`."""
        wanted = tuple(sheets)
        if wanted != self._wanted or not self.ready or (not wanted and empty != self._empty):
            self._wanted, self._empty = wanted, empty
            self._begin()

    def on_text_view_sized(self, event: TextView.Sized) -> None:
        """Lines end somewhere else."""
        event.stop()
        self._begin()

    def _begin(self) -> None:
        if not self._wanted:
            self.workers.cancel_group(self, "texts")
            self._drawn = ()
            self._say(self._empty, "muted")
        elif self.view.room:  # else it is hidden, or has no size yet: it will be told
            # Not the coroutine itself: one that is cancelled before it began would be told as never awaited.
            self.run_worker(self._load, group="texts", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    async def _load(self) -> None:
        sheets, width, known = self._wanted, self.view.room, dict(self._kept)
        try:
            found, made = await asyncio.to_thread(_made, sheets, width, known)
        except TarmacError as error:
            self._drawn, self._failed = (), sheets
            self._say(f"✕ {error}", "bad")
            return
        for sheet, samples in zip(sheets, found):
            self._kept[sheet.path] = samples
            self._kept.move_to_end(sheet.path)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        self.view.put(made, keep=True)
        self._drawn = sheets

    def _say(self, text: str, tone: str) -> None:
        lines = [(), *flowed(((text, tone),), self.view.room)] if text and self.view.room else []
        self.view.put(Laid(lines))


def _made(sheets: Sequence[Sheet], width: int, known: Mapping[Path, Samples]) -> tuple[list[Samples], Laid]:
    found = [known.get(sheet.path) or read_samples(sheet.path) for sheet in sheets]
    return found, laid([(sheet.step, samples) for sheet, samples in zip(sheets, found)], width)
