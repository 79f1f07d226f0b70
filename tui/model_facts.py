"""What the screens say about a model, in words: its kind, what it takes and gives, its size, whether it fits here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.library.subjects import finds_subjects
from tui import words
from tui.status import Status

if TYPE_CHECKING:
    from core.interface.command import Command
    from core.library.models import Model

_KINDS = {"image-gan": "images", "text": "text", "segmentation": "segmentation", "detection": "detection"}
_NETWORKS = {
    **{"stylegan1": "StyleGAN", "stylegan2": "StyleGAN2", "gpt2": "GPT-2", "causal-lm": "language model"},
    **{"segformer": "SegFormer", "upernet": "UPerNet", "maskformer": "MaskFormer", "mask2former": "Mask2Former"},
    **{"mobilevit": "MobileViT", "mobilenet_v2": "MobileNetV2", "beit": "BEiT", "dpt": "DPT", "eomt": "EoMT"},
    **{"detr": "DETR", "yolos": "YOLOS", "rt_detr": "RT-DETR", "rt_detr_v2": "RT-DETRv2", "d_fine": "D-FINE"},
}
_TELLING = ("fid", "fid_50k", "fid_10k", "kid", "perplexity", "parses", "fidelity", "coverage")
"""Scores by how much they tell, where a model has several."""
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
    units = {
        "n_layer": "layers",
        "n_positions": "tokens of context",
        "context": "tokens of context",
        "labels": "labels",
    }
    for key, unit in units.items():
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
    """(label, text, tone) lines for a model's card, what matters most first; what is not known is left out."""
    lines: list[tuple[str, str, str]] = []
    if model.problem:
        lines.append(("state", f"✕ broken: {model.problem}", "bad"))
    else:
        lines.append(("network", network(model), ""))
        lines.append(("takes", _signature(model, "inputs"), ""))
        lines.append(("gives", _signature(model, "outputs"), ""))
        if finds_subjects(model):
            behind = str(model.architecture.get("background") or "background")
            told = "" if behind == "background" else f"; what is background to it: {behind}"
            lines.append(("good for", f"finding the subjects for auto-crop{told}", ""))
    lines.append(("licence", model.licence or "not told", "" if model.licence else "muted"))
    lines.append(("on disk", words.size(model.size_bytes), ""))
    if not model.problem:
        text, tone = fits(model, status)
        here = f", fits here: {_whole(text)}" if text else ""
        lines.append(("memory", f"about {words.size(needs(model))} to run (estimate){here}", tone))
    if model.scores:
        lines.append(("scores", ", ".join(main_scores(model.scores)), ""))
    lines.append(("author", model.author or "not told", "" if model.author else "muted"))
    if model.lineage:
        lines.append(("from", " → ".join(model.lineage), ""))
    if model.created.year > 1970:
        date = model.created.astimezone().strftime("%Y-%m-%d %H:%M")
        since = words.ago(model.created)
        lines.append(("made", date if date.startswith(since) else f"{since} ({_whole(date)})", ""))
    return lines


def _whole(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def main_scores(scores: Mapping[str, object]) -> list[str]:
    """The two scores that tell most, with their names: "perplexity 22.5"."""
    known = [name for name in _TELLING if name in scores]
    others = [name for name, value in scores.items() if isinstance(value, float)]
    return [f"{name.replace('_', ' ')} {value_words(scores[name])}" for name in (known or others)[:2]]


def value_words(value: object) -> str:
    """A manifest's value for people, however it is nested: numbers in four figures, "resolution 32, steps 1,800"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {value_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_words(item) for item in value)
    return str(value)


def table_lines(table: Mapping[str, object]) -> list[str]:
    """A manifest's table as lines "name: value"; a list of tables gives a line for each of them, numbered."""
    lines = []
    for name, value in table.items():
        label = name.replace("_", " ")
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            lines += [f"{label} {number}: {value_words(item)}" for number, item in enumerate(value, 1)]
        else:
            lines.append(f"{label}: {value_words(value)}")
    return lines


def _signature(model: Model, which: str) -> str:
    command = default_command(model)
    types = getattr(command, which) if command else {}
    first, *rest = types.items() if types else [("nothing", None)]
    text = first[0] if first[1] is None else f"{first[0]} ({first[1].type_name})"
    return f"{text}; {', '.join(name for name, _ in rest)}" if rest else text
