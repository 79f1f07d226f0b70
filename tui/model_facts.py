"""What the screens say about a model, in words: its kind, what it takes and gives, its size, whether it fits here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import words
from tui.status import Status

if TYPE_CHECKING:
    from core.interface.command import Command
    from core.library.models import Model

_KINDS = {"image-gan": "images", "text": "text"}
_NETWORKS = {"stylegan2": "StyleGAN2", "gpt2": "GPT-2", "causal-lm": "language model"}
_PROCESS_BYTES = 350_000_000
"""What a worker needs before it holds a model: the interpreter and the framework."""


def kind_words(kind: str) -> str:
    """A model's kind as the filter names it."""
    return _KINDS.get(kind, kind)


def default_command(model: Model) -> Command | None:
    """The command that a model is for; None when its folder is broken."""
    return None if model.spec is None or model.problem else next(iter(model.spec.commands.values()))


def takes_gives(model: Model) -> str:
    """Types of the first input and the first output: "vector → image"."""
    command = default_command(model)
    if command is None:
        return "–"
    takes = next((kind.type_name for kind in command.inputs.values()), "nothing")
    gives = next((kind.type_name for kind in command.outputs.values()), "nothing")
    return f"{takes} → {gives}"


def network(model: Model) -> str:
    """The architecture in a line: "StyleGAN2, 64×64, 24.8 M parameters", as far as the manifest tells."""
    settings = model.architecture
    name = str(settings.get("name") or settings.get("model_type") or model.adapter)
    parts = [_NETWORKS.get(name, name)]
    side = settings.get("img_resolution")
    if isinstance(side, int):
        parts.append(f"{side}×{side}")
    for key, unit in (("n_layer", "layers"), ("n_positions", "tokens of context"), ("context", "tokens of context")):
        value = settings.get(key)
        if isinstance(value, int):
            parts.append(f"{value:,} {unit}")
    parameters = settings.get("parameters")
    if isinstance(parameters, int):
        parts.append(f"{words.count(parameters)} parameters")
    return ", ".join(parts)


def needs(model: Model) -> int:
    """Bytes of memory that running the model takes: an estimate from the size of its weights."""
    return int(model.size_bytes * 1.5) + _PROCESS_BYTES


def fits(model: Model, status: Status | None) -> tuple[str, str]:
    """(words, tone) about running it on this machine, by the estimate of `needs`."""
    if model.problem:
        return "✕ broken", "bad"
    if status is None or not status.total:
        return "", "muted"
    if needs(model) < status.total - status.used:
        return "● yes", "good"
    return ("◐ tight", "busy") if needs(model) < status.total else ("✕ no", "bad")


def facts(model: Model, status: Status | None) -> list[tuple[str, str, str]]:
    """(label, text, tone) lines for a model's card; what is not known is left out."""
    lines: list[tuple[str, str, str]] = []
    if model.problem:
        lines.append(("state", f"✕ broken: {model.problem}", "bad"))
    else:
        lines.append(("network", network(model), ""))
        lines.append(("takes", _signature(model, "inputs"), ""))
        lines.append(("gives", _signature(model, "outputs"), ""))
    lines.append(("author", model.author or "not told", "" if model.author else "muted"))
    lines.append(("licence", model.licence or "not told", "" if model.licence else "muted"))
    lines.append(("on disk", words.size(model.size_bytes), ""))
    if not model.problem:
        text, tone = fits(model, status)
        lines.append(("memory", f"about {words.size(needs(model))} to run (estimate), fits here: {text}", tone))
    lines += [(name.replace("_", " "), _score(value), "") for name, value in model.scores.items()]
    if model.lineage:
        lines.append(("made from", " → ".join(model.lineage), ""))
    if model.created.year > 1970:
        date = model.created.astimezone().strftime("%Y-%m-%d %H:%M")
        since = words.ago(model.created)
        lines.append(("made", date if date.startswith(since) else f"{since} ({date})", ""))
    return lines


def _signature(model: Model, which: str) -> str:
    command = default_command(model)
    types = getattr(command, which) if command else {}
    first, *rest = types.items() if types else [("nothing", None)]
    text = first[0] if first[1] is None else f"{first[0]} ({first[1].type_name})"
    return f"{text}; {', '.join(name for name, _ in rest)}" if rest else text


def _score(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_score(item)}" for key, item in value.items())
    return str(value)
