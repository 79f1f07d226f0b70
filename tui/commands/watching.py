"""A run watched in a plain terminal or a pipe: a line for each event, and one that is rewritten for the numbers."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from datetime import datetime
from pathlib import Path

from core.errors import TarmacError
from core.runs.events import (
    Attempt,
    Changed,
    Checkpoint,
    Ended,
    Event,
    Extended,
    Metrics,
    Phase,
    Queued,
    Sample,
    Score,
    Started,
    Stopping,
    Warned,
)
from core.runs.text_samples import read_samples
from core.runs.view import RunView
from tui.commands.common import Progress, harmless
from tui.exits import DONE, INTERRUPTED, NOT_DONE
from tui.runs.facts import in_words, main_scores, metric, pace, share_of
from tui.words import duration, figures, size

LOOK_EVERY = 0.25
"""Seconds between two looks at the journal."""

_NUMBERS_EVERY = 30.0
"""Seconds between two lines of numbers where no line can be rewritten."""

_EXCERPT = 5
"""Lines that are shown of a completion."""

_PROMPT_END = 40
"""Characters that are shown of the end of its prompt."""

_INDENT = " " * 10

_SETTLING = 2.0
"""Seconds that a run must have ended for before nothing more is expected of it."""


def watch(run: RunView, *, json: bool = False) -> int:
    """Show how `run` goes until it ends; ctrl+c leaves it going.

    Returns:
        The exit code: 0 finished or stopped, 1 failed or lost, 130 interrupted.
    """
    try:
        return _follow(run, json)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nthe run goes on; `tarmac runs attach {run.id}` shows it again\n")
        return INTERRUPTED


def _follow(run: RunView, as_json: bool) -> int:
    from core.runs.reading import Follower

    progress = Progress()
    lines = _Lines(progress, run.folder, as_json)
    follower = Follower(run.folder, lines.tell)
    ended = 0.0
    while True:
        view = follower.poll()
        if view.active:
            ended = 0.0
            progress(status(view), min(1.0, view.step / max(1, view.plan.steps)))
            lines.numbers(view)
        elif not ended and view.state == "lost":
            ended = time.monotonic()  # perhaps between two jobs
        elif view.state != "lost" or time.monotonic() - ended > _SETTLING:
            progress.clear()
            return _farewell(view)
        time.sleep(LOOK_EVERY)


def _farewell(view: RunView) -> int:
    if view.state in ("finished", "stopped"):
        return DONE
    if view.state == "lost":
        print(f"tarmac: the run {view.plan.name} is lost. `tarmac runs resume {view.id}`", file=sys.stderr)
    elif view.end is not None:
        sentence = ". ".join(part for part in (f"{view.end.what}: {view.end.why}".rstrip(": "), view.end.do) if part)
        print(f"tarmac: {harmless(sentence)}", file=sys.stderr)
    return NOT_DONE


def status(view: RunView) -> str:
    """A run in one line: state, step, numbers, time left."""
    parts = [view.phase if view.phase and view.state in ("starting", "running") else view.state]
    if view.step or view.latest:
        parts.append(f"step {view.step:,} of {view.plan.steps:,}")
    if view.plan.kind == "text":
        parts += [f"loss {view.latest['loss']:.3f}"] if "loss" in view.latest else []
        parts += [change] if (change := before_and_now(view)) else []
    else:
        parts += [f"{name} {value:.4g}" for name, value in list(view.latest.items())[:4]]
    if view.per_second:
        parts.append(pace(view))
    if view.memory:
        parts.append(size(view.memory))
    if view.eta is not None and view.state == "running":
        parts += [f"{duration(view.eta)} left"] if view.step < view.plan.steps else []
    return " · ".join(parts)


def before_and_now(view: RunView) -> str:
    """ "perplexity 31.4 → 8.90": of the score that decides which checkpoint is the best; empty before the first."""
    scores = main_scores(view)
    if not scores:
        return ""
    first, last = (figures(score.value) for score in (scores[0], scores[-1]))
    return f"{metric(scores[0].metric)} {first}" + (f" → {last}" if len(scores) > 1 else "")


class _Lines:
    """Prints what is told."""

    def __init__(self, progress: Progress, folder: Path, as_json: bool) -> None:
        self._progress = progress
        self._folder = folder
        self._json = as_json
        self._numbers = 0.0
        self._told = ""

    def tell(self, at: float, event: Event) -> None:
        """One event, if it says something that the line of numbers does not."""
        if self._json:
            from core.runs.journal import encode

            self._progress.clear()
            print(encode(event, at).decode(), end="", flush=True)
            return
        words = sentence(event)
        told, self._told = self._told, words.partition(":")[0]
        if words and not (isinstance(event, Phase) and self._told == told):  # how far one is stands in the numbers
            self._progress.clear()
            clock = datetime.fromtimestamp(at).strftime("%H:%M:%S")
            print(harmless(f"{clock}  {words}"), flush=True)
            if isinstance(event, Sample) and event.file.endswith(".json"):
                print(harmless(self._writing(event.file)), flush=True)

    def _writing(self, file: str) -> str:
        """What the model goes on with after the first prompt, set in, in few lines."""
        try:
            first = read_samples(self._folder / "samples" / file)[:1]
        except TarmacError as error:
            return f"{_INDENT}{error}"
        return "\n".join(line for sample in first for line in excerpt(sample.prompt, sample.text))

    def numbers(self, view: RunView) -> None:
        """The numbers now and then, where stderr is no terminal that shows them all the time."""
        now = time.monotonic()
        if self._json or sys.stderr.isatty() or not view.latest or now - self._numbers < _NUMBERS_EVERY:
            return
        self._numbers = now
        print(harmless(f"{datetime.now().strftime('%H:%M:%S')}  {status(view)}"), flush=True)


def excerpt(prompt: str, text: str) -> list[str]:
    """A completion in few lines as wide as the terminal: the end of its prompt, a bar, what was written."""
    width = max(20, min(shutil.get_terminal_size().columns, 120) - len(_INDENT))
    there = prompt.rstrip()  # its last line with something in it, and the empty ones after that
    given = prompt[there.rfind("\n") + 1 :][-_PROMPT_END:]
    lines = f"{given}│{text}".expandtabs(4).rstrip().split("\n")
    broken = [piece for line in lines for piece in textwrap.wrap(line, width, drop_whitespace=False) or [""]]
    shown = broken[:_EXCERPT]
    if len(broken) > _EXCERPT:
        shown[-1] = shown[-1][: width - 2].rstrip() + " …"
    return [_INDENT + line for line in shown]


def sentence(event: Event) -> str:
    """An event in a few words; empty for those that only carry numbers."""
    match event:
        case Queued(launcher, job):
            return f"queued by {launcher}, job {job}" if job else ""
        case Attempt(number, host, _, _, reason):
            again = "" if reason == "start" else f", {reason}"
            return f"attempt {number} on {host}{again}"
        case Phase(doing):
            return doing
        case Started(step, steps, device, chosen):
            words = " ".join(f"{name}={value}" for name, value in chosen.items() if name not in ("device", "prompts"))
            return f"training from step {step:,} to {steps:,} on {device} {words}".rstrip()
        case Sample(step, file):
            return f"step {step:,}: {'writes' if file.endswith('.json') else f'sample {file}'}"
        case Score(step, metric, value):
            found = share_of(value) if metric == "memorised" else f"{value:.4g}"
            return f"step {step:,}: {metric} {found}{', the best so far' if event.best else ''}"
        case Checkpoint(step):
            return f"step {step:,}: checkpoint{', the best so far' if event.best else ''}"
        case Warned(_, what, why, do):
            return "! " + ". ".join(part for part in (f"{what}: {why}".rstrip(": "), do) if part)
        case Stopping(step):
            return f"stopping at step {step:,}"
        case Extended(steps):
            return f"extended to {steps:,} steps"
        case Changed(step, options):
            return f"from step {step:,} on with {in_words(options)}"
        case Ended(state, step, what, why, _, _, model):
            about = f": {what}" if what else ""
            about += f": {why}" if why else ""
            return f"{state} at step {step:,}{about}{f'; the model is {model}' if model else ''}"
        case Metrics():
            return ""
