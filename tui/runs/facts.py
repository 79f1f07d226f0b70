"""What the screens say about a training run, in words: its state, how far it is, its scores, when it will be done."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui import words
from tui.words import figures

if TYPE_CHECKING:
    from core.runs.events import Score, Warned
    from core.runs.view import RunView

_STATES = {
    "queued": ("○", "queued", "muted"),
    "starting": ("◐", "starting", "busy"),
    "running": ("◐", "training", "busy"),
    "stopping": ("◐", "stopping", "busy"),
    "stopped": ("○", "stopped", "muted"),
    "finished": ("●", "finished", "good"),
    "failed": ("✕", "failed", "bad"),
    "lost": ("✕", "lost", "bad"),
}
_ENDS = {
    "out-of-memory": "out of memory", "gpu-gone": "GPU gone", "disk-full": "disk full", "read-only": "disk read-only"
}  # fmt: skip
"""Troubles that say more than "failed"."""

_CURVES = {
    "generator": "G", "discriminator": "D", "r1": "R1", "path": "path", "p": "p", "real_sign": "sign",
    "loss": "loss", "perplexity": "ppl", "memorised": "share",
}  # fmt: skip

_METRICS = {
    "FID": "Fréchet distance on Inception features",
    "KID×1000": "kernel distance on Inception features, times 1000",
    "FD-D": "Fréchet distance on discriminator features, never a FID",
    "KD-D×1000": "kernel distance on discriminator features, times 1000, never a KID",
    "perplexity": "of the text that was held out",
    "memorised": "share of sampled 50-grams that stand in the training text",
}
PERPLEXITY = "perplexity"

_LONGEST_REASON = 120
"""Cells of what somebody else's program said of its end; all of it is in the log."""

LOSSES = ("generator", "discriminator", "r1", "path", "loss")
AUGMENTATION = ("p", "real_sign")


def curve_name(name: str) -> str:
    """A curve's name as short as it can be understood."""
    return _CURVES.get(name, name.replace("_", " "))


def thing(name: str) -> str:
    """The id of a dataset, a model or a run without the time that it begins with."""
    return re.sub(r"^\d{8}-\d{6}-", "", name)


def state(view: RunView) -> tuple[str, str, str]:
    """(glyph, word, tone) of how a run stands."""
    glyph, word, tone = _STATES.get(view.state, ("○", view.state, "muted"))
    if view.state == "failed":
        codes = [warning.code for warning in view.warnings[-1:]]
        word = next((_ENDS[code] for code in codes if code in _ENDS), word)
    elif view.state == "stopped" and view.end is not None and view.end.state == "interrupted":
        word = "interrupted"
    return glyph, word, tone


def names(views: Sequence[RunView]) -> dict[str, str]:
    """What each run is called in a list, by id: of several with one name, with the time or the day it was planned."""
    counts = Counter(view.plan.name for view in views)
    days = Counter((view.plan.name, view.plan.created.astimezone().date()) for view in views)
    found = {}
    for view in views:
        planned = view.plan.created.astimezone()
        when = f"{planned:%H:%M}" if days[view.plan.name, planned.date()] > 1 else f"{planned:%d %b}"
        found[view.id] = f"{view.plan.name} · {when}" if counts[view.plan.name] > 1 else view.plan.name
    return found


def share(view: RunView) -> float:
    """How much of a run is done, 0 to 1."""
    return min(1.0, view.step / view.plan.steps) if view.plan.steps else 0.0


def percent(view: RunView) -> str:
    """How much is done; 100 % only when all is."""
    return f"{math.floor(100 * share(view) + 1e-9)} %"


def steps(view: RunView) -> str:
    """ "1,387/3,000  46 %"; what is over has no per cent."""
    told = f"{view.step:,}/{view.plan.steps:,}"
    return told if view.state == "finished" else f"{told} {percent(view):>5}"


def bar(part: float, width: int) -> str:
    """A bar of `width` cells in eighths of a cell."""
    eighths = round(part * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[rest] * (rest > 0))[:width].ljust(width, "·")


def metric(name: str) -> str:
    """A score's name for people; never shortened to that of another score."""
    return name.replace("_", " ")


def metric_about(name: str) -> str:
    """What a score measures; empty for one that we do not know."""
    return _METRICS.get(name, "")


def metrics(view: RunView) -> list[str]:
    """The names of the scores that were taken last; the first is the one that decides which checkpoint is the best.

    Of a text run they are all that were ever taken: some of them cost too much to be taken each time.
    """
    if not view.scores:
        return []
    if view.plan.kind == "text":
        found = dict.fromkeys(score.metric for score in view.scores)
        return sorted(found, key=lambda name: name != PERPLEXITY)
    last = view.scores[-1].step
    return list(dict.fromkeys(score.metric for score in view.scores if score.step == last))


def scores_of(view: RunView, name: str) -> list[Score]:
    """The scores of one metric, in their order."""
    return [score for score in view.scores if score.metric == name]


def main_scores(view: RunView) -> list[Score]:
    """The scores of the metric that decides, in their order."""
    names = metrics(view)
    return scores_of(view, names[0]) if names else []


def latest_score(scores: Sequence[Score]) -> str:
    """ "FD-D 0.014 ▼", "ppl 31.4→8.9": the last of some scores of one metric; empty for none."""
    if not scores:
        return ""
    if scores[-1].metric == PERPLEXITY:
        return f"ppl {before_now(scores)}"
    if scores[-1].metric == "memorised":
        return f"memorised {share_of(scores[-1].value)}"
    return f"{metric(scores[-1].metric)} {figures(scores[-1].value)} {trend(scores)[0]}".rstrip()


def before_now(scores: Sequence[Score]) -> str:
    """ "31.4→8.9": perplexities of the first and of the last step that were scored, as short as they can be read."""
    shown = [_short(score.value) for score in (scores[0], scores[-1])]
    return "→".join(shown) if len(scores) > 1 else shown[0]


def _short(value: float) -> str:
    if value >= 9950:
        return f"{value / 1000:.0f}k"
    if value >= 999.5:
        return f"{value / 1000:.1f}k"
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def share_of(value: float) -> str:
    """ "3.1 %" of 0.031."""
    return f"{figures(100 * value)} %"


def held_out(view: RunView) -> list[tuple[int, float]]:
    """(step, loss in nats a token) of the text that no step has seen."""
    found = []
    for taken in scores_of(view, PERPLEXITY):
        loss = taken.about.get("loss")
        found.append((taken.step, float(loss) if isinstance(loss, int | float) else math.log(max(taken.value, 1e-9))))
    return found


def perplexity_about(taken: Score) -> list[str]:
    """What a perplexity cannot be read without: "1.20 bits/byte", "context 256", "stride 128", "20,480 tokens"."""
    told = []
    bits, protocol = taken.about.get("bits_per_byte"), taken.about.get("protocol")
    if isinstance(bits, int | float):
        told.append(f"{bits:.2f} bits/byte")
    for name in ("context", "stride"):
        if isinstance(number := taken.about.get(name), int | float):
            told.append(f"{name} {number:,.0f}")
    if isinstance(tokens := taken.about.get("tokens"), int | float):
        told.append(f"{tokens:,.0f} tokens")
    return [*told, f"protocol {protocol}"] if isinstance(protocol, str) and protocol else told


def text_figures(view: RunView, at: int | None = None) -> list[str]:
    """The figures of a text run in words, a line each: perplexity before and now, what it was measured on, what was
    learned by heart.

    Args:
        view: The run.
        at: As they stood at this step; None for now.
    """
    lines = []
    scores = scores_of(view, PERPLEXITY)
    until = [taken for taken in scores if at is None or taken.step <= at] or scores[:1]
    if until:
        told = f"perplexity {figures(scores[0].value)}"
        if len(until) > 1:
            told = f"perplexity {figures(scores[0].value)} before → {figures(until[-1].value)} "
            told += "now" if until[-1] is scores[-1] else f"at step {until[-1].step:,}"
        lines += [told, " · ".join(perplexity_about(until[-1]))]
    learned = [taken for taken in scores_of(view, "memorised") if at is None or taken.step <= at]
    if learned:
        lines.append(f"memorised {share_of(learned[-1].value)} of 50-grams, step {learned[-1].step:,}")
    return [line for line in lines if line]


def best(scores: Sequence[Score]) -> Score | None:
    """The best of one metric: the one that is marked, else by value."""
    marked = [score for score in scores if score.best]
    if marked:
        return marked[-1]
    return min(scores, key=lambda score: -score.value if score.higher else score.value, default=None)


def trend(scores: Sequence[Score]) -> tuple[str, str]:
    """(arrow, tone) from the last but one to the last: ▼ fell, ▲ rose; good where that is the better way."""
    if len(scores) < 2 or scores[-1].value == scores[-2].value:
        return "", "muted"
    fell = scores[-1].value < scores[-2].value
    return "▼" if fell else "▲", "good" if fell != scores[-1].higher else "muted"


def score(view: RunView) -> tuple[str, str]:
    """(figures, tone) for the list: the last score with its trend; a perplexity with the one before training."""
    scores = main_scores(view)
    if not scores:
        return "   –", "muted"
    arrow, tone = trend(scores)
    if scores[-1].metric == PERPLEXITY:
        return latest_score(scores), tone
    return f"{figures(scores[-1].value):>5} {arrow or ' '}", tone


def left(seconds: float | None) -> str:
    """What is left, rounded so that it stands still: whole minutes above ten, five of them above two hours."""
    if seconds is None:
        return "–"
    grain = 300 if seconds > 7200 else 60 if seconds > 600 else 10 if seconds > 60 else 1
    whole = max(grain, round(seconds / grain) * grain)
    return f"{whole} s" if whole < 60 else words.duration(whole)


class Settled:
    """A time left that settles: the moment of the end is kept until the estimate is off it by a tenth of what is left.

    Where it is kept, what is left just counts down.
    """

    def __init__(self) -> None:
        self._end: float | None = None

    def left(self, eta: float | None, told: float, now: float) -> float | None:
        """Seconds left at `now`, by an estimate of `eta` seconds that was told at `told` (both Unix seconds)."""
        if eta is None:
            self._end = None
            return None
        end = told + eta
        if self._end is None or abs(end - self._end) > 0.1 * max(1.0, self._end - now):
            self._end = end
        return max(0.0, self._end - now)


def started(view: RunView) -> str:
    """When a run began, else when it was planned."""
    moment = datetime.fromtimestamp(view.started, UTC) if view.started else view.plan.created
    return words.ago(moment)


def lasted(view: RunView) -> float:
    """Seconds from the first attempt to what was told last."""
    return max(0.0, view.changed - view.started) if view.started else 0.0


def notice(view: RunView) -> tuple[str, str, str]:
    """(what to tell, what to do, tone) about a run: how it ended, else its last warning; empty where all is well.

    Both are without a full stop.
    """
    if view.state == "lost":
        return "✕ nothing of it can be found running", "r goes on from its last checkpoint", "bad"
    if view.end is not None and not view.active and view.end.state in ("failed", "interrupted"):
        told = _sentence(view.end.what or "it ended without a word", view.end.why)
        do = view.end.do.rstrip(". ") or "r goes on from its last checkpoint"
        offer = in_words(view.end.offer)
        way = f"; r offers {offer}" if offered(view) else f" ({offer})" if offer else ""
        return f"✕ {told}", do + way, "bad"
    if view.warnings and (view.active or view.state == "stopped"):
        last: Warned = view.warnings[-1]
        offer = in_words(last.offer)
        return f"! {_sentence(last.what, last.why)}", last.do.rstrip(". ") + (f" ({offer})" if offer else ""), "busy"
    return "", "", ""


def offered(view: RunView) -> Mapping[str, object]:
    """The options with which a run that has failed could go on, as its end offers; empty where it cannot."""
    from core.runs.changes import may_change

    end = view.end
    if end is None or view.active or end.state != "failed" or not end.offer:
        return {}
    return end.offer if may_change(view.plan, end.offer, begun=bool(view.checkpoints)) else {}


def notice_text(view: RunView, room: int) -> str:
    """The notice in at most `room` cells: what there is to do is kept, what has happened is clipped."""
    what, do, _ = notice(view)
    if not do:
        return _clipped(what, room)
    return f"{_clipped(what, max(20, room - len(do) - 3)).removesuffix('.')}. {do}."


def _sentence(what: str, why: str) -> str:
    what, why = what.rstrip(". "), _reason(why).rstrip(". ")
    return f"{what}: {why}" if why else what


def _reason(why: str) -> str:
    """A reason as short as a reader wants it: of an exception its first sentence, of anything else not too much."""
    if re.match(r"[A-Za-z_.]*(Error|Exception|Warning)\b", why):
        why = re.split(r"(?<=[\w)\]])\.(?=\s|[A-Z]|$)", why, maxsplit=1)[0]
    return _clipped(why, _LONGEST_REASON)


def _clipped(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip(" .,:;") + "…"


def in_words(options: Mapping[str, object]) -> str:
    """ "batch 8", "checkpointing on": options with their values."""
    words_ = {True: "on", False: "off"}
    told = [
        (name.replace("_", " "), words_[value] if isinstance(value, bool) else value) for name, value in options.items()
    ]
    return ", ".join(f"{name} {value}" for name, value in told)


def pace(view: RunView) -> str:
    """Pictures or tokens a second."""
    unit = "tok/s" if view.plan.kind == "text" else "img/s"
    return f"{figures(view.per_second)} {unit}" if view.per_second else ""


def memory(view: RunView, total: int) -> str:
    """Memory in use, of how much where that is known."""
    if not view.memory:
        return ""
    used = view.memory / 2**30
    told = f"{used:.1f}" if used < 9.95 else f"{used:.0f}"
    return f"{told}/{total / 2**30:.0f} GiB" if total else f"{told} GiB"
