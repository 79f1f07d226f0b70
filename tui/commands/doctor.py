"""`tarmac doctor`: what was found about terminal, machine, disk and versions; what to paste into a bug report."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from tui.commands.common import json_flag, print_json, size

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = ("tarmac", "textual", "torch", "transformers", "tokenizers", "safetensors", "numpy", "Pillow")
_VARIABLES = ("TERM", "COLORTERM", "TERM_PROGRAM", "TMUX", "SSH_CONNECTION", "LANG", "LC_ALL", "NO_COLOR")
_LOW = 2 * 10**9  # bytes free; a text model takes about one


def add(commands: Any) -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "doctor",
        help="what was found about terminal, GPU, disk and versions",
        description="Looks at terminal, machine, disk and installation. Exits 0 even where something is amiss; "
        "`problems` says what and what to do.",
    )
    json_flag(parser)
    parser.set_defaults(run=_doctor)


def examine() -> dict[str, Any]:
    """Everything that was found, as plain data; `problems` is a list of sentences."""
    problems: list[str] = []
    facts = {
        "terminal": _terminal(problems),
        "machine": _machine(problems),
        "disk": _disk(problems),
        "settings": _settings(problems),
        "library": _library(problems),
        "versions": _versions(problems),
    }
    return {**facts, "problems": problems}


def _doctor(options: argparse.Namespace) -> int:
    found = examine()
    if options.json:
        print_json(found)
        return 0
    lines = []
    for title, facts in found.items():
        if title == "problems":
            continue
        lines.append(title)
        for name, value in facts.items():
            lines += [f"  {name:<18} {text}" for text in _words(name, value)]
    lines.append("problems" if found["problems"] else "no problems found")
    lines += [f"  ✕ {problem}" for problem in found["problems"]]
    print("\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines))
    return 0


def _terminal(problems: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    facts["encoding"] = sys.stdout.encoding
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        problems.append(f"The locale's encoding is {sys.stdout.encoding}: set LANG to one that ends in .UTF-8")
    from core import config
    from tui.graphics import probe

    choice = config.load().settings.images
    info = probe(choice)
    facts |= {
        "name": info.brand,
        "pictures": info.protocol,
        "cell": f"{info.cell_width}x{info.cell_height}",
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
            problems.append(f"Only {size(free)} are free for {path}: set TARMAC_HOME to a folder on a larger disk")
    return facts


def _settings(problems: list[str]) -> dict[str, Any]:
    from core import config

    found = config.load()
    problems += [str(problem) for problem in found.problems]
    return {
        "file": str(found.path),
        **{entry.key: {"value": entry.value, "origin": entry.origin} for entry in found.entries()},
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


def _words(name: str, value: Any) -> list[str]:
    """One finding as lines for people."""
    if value is None:
        return ["–"]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if name == "gpus":
        return [_gpu(gpu) for gpu in value] or ["none"]
    if isinstance(value, dict) and "path" in value:
        free = "" if value["free_bytes"] is None else f", {size(value['free_bytes'])} free"
        return [f"{value['path']}{free}{'' if value['writable'] else ', ✕ not writable'}"]
    if isinstance(value, dict):
        return [f"{value['value']}  ({value['origin']})"]
    if isinstance(value, list):
        return [str(each) for each in value] or ["–"]
    return [size(value) if name.endswith("_bytes") else str(value)]


def _gpu(gpu: dict[str, Any]) -> str:
    used, total, load = gpu["memory_used_bytes"], gpu["memory_bytes"], gpu["load"]
    memory = "memory unknown" if total is None or used is None else f"{size(used)} of {size(total)} used"
    busy = "" if load is None else f", {100 * load:.0f} % busy"
    return f"{gpu['index']}: {gpu['name']}, {memory}{busy}, driver {gpu['driver']}"
