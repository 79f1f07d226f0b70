"""What was found about terminal, machine, disk, settings, library and versions; what is amiss and what to do.

`examine` gives plain data, `sections` the same as lines: `tarmac doctor` and the settings screen show both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui import words

if TYPE_CHECKING:
    from pathlib import Path

    from tui.graphics.brands import TerminalInfo

_PACKAGES = ("tarmac", "textual", "torch", "transformers", "tokenizers", "safetensors", "numpy", "Pillow")
_VARIABLES = (
    *("TERM", "COLORTERM", "TERM_PROGRAM", "LC_TERMINAL", "WT_SESSION", "VTE_VERSION", "TMUX", "STY", "ZELLIJ"),
    *("SSH_CONNECTION", "LANG", "LC_CTYPE", "LC_ALL", "NO_COLOR", "TARMAC_IMAGES"),
)
_LOW = 2 * 10**9  # bytes free; a text model takes about one


@dataclass(frozen=True)
class Line:
    """One finding: its name, what was found, its tone ("", "bad", "muted"), and a word of explanation."""

    label: str
    text: str
    tone: str = ""
    about: str = ""


@dataclass(frozen=True)
class Section:
    """Findings about one thing."""

    title: str
    lines: list[Line]


def examine(terminal: TerminalInfo | None) -> dict[str, Any]:
    """Everything, looked up now, as plain data; `problems` is a list of sentences.

    Reads disks and asks drivers: a screen calls it in a thread.

    Args:
        terminal: What `probe` found; None when nobody asked the terminal.
    """
    problems: list[str] = []
    facts = {
        "terminal": _terminal(terminal, problems),
        "machine": _machine(problems),
        "disk": _disk(problems),
        "settings": _settings(problems),
        "library": _library(problems),
        "versions": _versions(problems),
    }
    return {**facts, "problems": problems}


def sections(found: Mapping[str, Any]) -> list[Section]:
    """What `examine` found, as lines for people: what is amiss first, then the settings."""
    problems = [Line("✕", problem, "bad") for problem in found["problems"]]
    first = Section("problems", problems) if problems else Section("no problems found", [])
    order = ("settings", *(title for title in found if title not in ("problems", "settings")))
    rest = [Section(title, list(_lines(found[title]))) for title in order]
    return [first, *rest]


def as_text(parts: Iterable[Section]) -> str:
    """The report as plain text, to paste somewhere."""
    lines = []
    for part in parts:
        wide = max((len(line.label) for line in part.lines), default=0)
        lines += [part.title, *(f"  {line.label:<{wide}}  {line.text}".rstrip() for line in part.lines)]
    return "\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines) + "\n"


def _terminal(info: TerminalInfo | None, problems: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    encoding = getattr(sys.__stdout__, "encoding", None) or "unknown"
    facts["encoding"] = encoding
    if encoding.lower().replace("-", "") != "utf8":
        problems.append(f"The locale's encoding is {encoding}: set LANG to one that ends in .UTF-8")
    if info is not None:
        facts |= {
            "name": info.brand,
            "pictures": info.protocol,
            "found_best": info.found,
            "choice": info.choice,
            "offers": list(info.offers),
            "cell": f"{info.cell_width}x{info.cell_height}",
            "cell_from": info.cell_from,
            "colours": str(info.colours),
            "round_trip_ms": None if info.round_trip is None else round(1000 * info.round_trip, 1),
            "synchronized": info.synchronized,
            "tmux": info.tmux,
            "reasons": list(info.reasons),
        }
    return facts


def _machine(problems: list[str]) -> dict[str, Any]:
    import platform

    from core.devices import machine

    found = machine()
    if found.gpu_problem:
        problems.append(
            f"A GPU driver is installed but does not answer ({found.gpu_problem}): models run on the processor"
        )
    return {
        "user": found.user,
        "host": found.host,
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cores": found.cores,
        "memory_bytes": found.memory_total,
        "memory_used_bytes": found.memory_used,
        "gpus": [
            {
                "index": gpu.index,
                "name": gpu.name,
                "memory_bytes": gpu.memory_total,
                "memory_used_bytes": gpu.memory_used,
                "load": gpu.load,
                "driver": gpu.driver,
            }
            for gpu in found.gpus
        ],
    }


def _disk(problems: list[str]) -> dict[str, Any]:
    from core.paths import cache_dir, config_dir, data_dir

    facts: dict[str, Any] = {"TARMAC_HOME": os.environ.get("TARMAC_HOME")}
    for name, path in (("data", data_dir()), ("cache", cache_dir()), ("config", config_dir())):
        place = _existing(path)
        free = _free(place)
        writable = os.access(place, os.W_OK)
        facts[name] = {"path": str(path), "free_bytes": free, "writable": writable}
        if not writable:
            problems.append(f"{path} cannot be written to: set TARMAC_HOME to a folder of yours")
        elif free is not None and free < _LOW:
            problems.append(
                f"Only {words.size(free)} are free for {path}: set TARMAC_HOME to a folder on a larger disk"
            )
    return facts


def _settings(problems: list[str]) -> dict[str, Any]:
    from core import config

    found = config.load()
    problems += [str(problem) for problem in found.problems]
    return {
        "file": str(found.path),
        **{
            entry.key: {"value": entry.value, "origin": entry.origin, "about": entry.about} for entry in found.entries()
        },
    }


def _library(problems: list[str]) -> dict[str, Any]:
    from core.library.models import Library

    models = Library().models()
    problems += [f"The model {model.id} cannot be used: {model.problem}" for model in models if model.problem]
    return {
        "starters": sum(model.source == "starter" for model in models),
        "models": sum(model.source == "library" for model in models),
        "size_bytes": sum(model.size_bytes for model in models),
    }


def _versions(problems: list[str]) -> dict[str, Any]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    facts: dict[str, Any] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = None
            problems.append(f"The package {name} is not installed: install Tarmac again")
    return facts


def _existing(path: Path) -> Path:
    return next((place for place in (path, *path.parents) if place.exists()), path)


def _free(path: Path) -> int | None:
    import shutil

    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


_LABELS = {
    "round_trip_ms": "answers within",
    "synchronized": "whole frames",
    "cell": "cells",
    "cell_from": "cells by",
    "reasons": "to know",
}


def _lines(facts: Mapping[str, Any]) -> Iterable[Line]:
    for name, value in facts.items():
        plain = name.removesuffix("_bytes").replace("_", " ") if name.islower() else name
        label = _LABELS.get(name, plain)
        if name == "gpus":
            yield from [Line(label if not index else "", _gpu(gpu)) for index, gpu in enumerate(value)] or [
                Line(label, "none", "muted")
            ]
        elif isinstance(value, list):
            yield from (Line(label if not index else "", str(each), "muted") for index, each in enumerate(value))
        elif isinstance(value, dict) and "path" in value:
            free = "" if value["free_bytes"] is None else f", {words.size(value['free_bytes'])} free"
            text = f"{value['path']}{free}{'' if value['writable'] else ', ✕ not writable'}"
            yield Line(label, text, "" if value["writable"] else "bad")
        elif isinstance(value, dict):
            yield Line(label, f"{str(value['value']).lower()}  ({value['origin']})", about=value["about"])
        else:
            yield Line(label, _word(name, value), "muted" if value is None else "")


def _word(name: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int):
        return words.size(value)
    return f"{value} ms" if name.endswith("_ms") else str(value)


def _gpu(gpu: Mapping[str, Any]) -> str:
    used, total, load = gpu["memory_used_bytes"], gpu["memory_bytes"], gpu["load"]
    memory = "memory unknown" if total is None or used is None else f"{words.size(used)} of {words.size(total)} used"
    busy = "" if load is None else f", {100 * load:.0f} % busy"
    return f"{gpu['index']}: {gpu['name']}, {memory}{busy}, driver {gpu['driver']}"
