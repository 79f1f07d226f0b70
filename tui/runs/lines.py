"""The two lines of a run's page: on top where it stands, at the bottom what is measured now. No widget, no disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from tui import words
from tui.runs import facts as run_facts
from tui.widgets.runs.card import TONES

if TYPE_CHECKING:
    from core.runs.view import RunView
    from tui.status import Status


def head(view: RunView, left: float | None, width: int) -> Content:
    """Name, state, base and dataset as far as there is room; at the right how much is done.

    Args:
        view: The run.
        left: Seconds to its end; None where nobody knows.
        width: Cells.
    """
    glyph, word, tone = run_facts.state(view)
    where = f" on {view.host}" if view.host and view.active else ""
    base = f"from {run_facts.thing(view.plan.base)}" if view.plan.base else "from nothing"
    facts = [base, f"dataset {run_facts.thing(view.plan.dataset)}"]
    if view.active:
        right = run_facts.percent(view) + (f"  {run_facts.left(left)} left" if left is not None else "")
    else:
        took = words.duration(run_facts.lasted(view)) if view.started else ""
        right = "  ".join(filter(None, (run_facts.percent(view), f"took {took}" if took else "")))
    begun = Content.assemble(
        (f" {view.plan.name}", "bold $text"), (" · ", "$muted"), (f"{glyph} {word}{where}", TONES[tone])
    )
    room = width - begun.cell_length - cell_len(right) - 3
    while facts and sum(cell_len(fact) + 3 for fact in facts) > room:
        facts.pop(0)
    middle = "".join(f" · {fact}" for fact in facts)
    gap = max(1, width - begun.cell_length - cell_len(middle) - cell_len(right) - 1)
    return Content.assemble(begun, (middle, "$muted"), " " * gap, (right, "$text"))


def now(view: RunView, status: Status | None, width: int) -> Content:
    """What is measured now; what matters least goes first where room is short."""
    if view.active and view.phase and view.state != "running":
        return Content.styled(f" ◐ {view.phase}", "$warning")
    parts = _text(view) if view.plan.kind == "text" else _image(view)
    if view.active:
        parts += [run_facts.pace(view), run_facts.memory(view, status.total if status else 0)]
        heat = status.temperature if status else None
        parts.append(f"{heat} °C" if heat is not None else "")
        if view.phase:
            parts.append(f"◐ {view.phase}")
    parts = [part for part in parts if part]
    while parts and sum(cell_len(part) + 3 for part in parts) > width:
        parts.pop(0)
    return Content.styled(" " + " · ".join(parts), "$muted")


def film(part: tuple[int, int], of: str) -> Content:
    """How far a film of `of` is: frames written and frames in all."""
    done, count = part
    first = "starting the model" if of == "the model" else "reading the samples"
    told = f"{done / count:.0%}" if count else first
    return Content.styled(f" ◐ writing a film of {of}: {told} · esc stops", "$warning")


def _image(view: RunView) -> list[str]:
    parts = []
    for name in (*run_facts.LOSSES, *run_facts.AUGMENTATION):
        if name in view.latest:
            cap = view.plan.options.get("augment_cap")
            of = f" of {cap:.2f}" if name == "p" and isinstance(cap, float) else ""
            parts.append(f"{run_facts.curve_name(name)} {words.figures(view.latest[name])}{of}")
    return [*parts, run_facts.latest_score(run_facts.main_scores(view))]


def _text(view: RunView) -> list[str]:
    """The rate first, since it tells least; then losses and what they come to."""
    parts = [f"rate {view.latest['rate']:.2g}"] if "rate" in view.latest else []
    if "loss" in view.latest:
        parts.append(f"loss {words.figures(view.latest['loss'])}")
    held = run_facts.held_out(view)
    if held:
        parts.append(f"held out {words.figures(held[-1][1])}")
    return [*parts, run_facts.latest_score(run_facts.main_scores(view))]
