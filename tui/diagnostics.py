"""What was found about terminal, machine, disk and versions, as lines for the settings screen and for a bug report."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from core.paths import cache_dir, config_dir, data_dir
from tui import words
from tui.keymap import keymap_path
from tui.status import read_status
from tui.troubles import log_path

if TYPE_CHECKING:
    from pathlib import Path

    from tui.graphics.brands import TerminalInfo

_PACKAGES = ("tarmac", "textual", "torch", "transformers", "tokenizers", "safetensors", "numpy", "Pillow")
_LOW = 2 * 10**9


@dataclass(frozen=True)
class Line:
    """One finding: its name, what was found, its tone, and what to do about it if something is amiss."""

    label: str
    text: str
    tone: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Section:
    """Findings about one thing."""

    title: str
    lines: list[Line]


def report(theme: str, terminal: TerminalInfo | None) -> list[Section]:
    """Everything, looked up now. Reads disks and asks drivers: call it in a thread."""
    return [_terminal(terminal), _machine(), _disk(), _settings(theme), _versions()]


def as_text(sections: list[Section]) -> str:
    """The report as plain text."""
    lines = []
    for section in sections:
        lines.append(section.title)
        lines += [f"  {line.label}: {line.text}" for line in section.lines]
    return "\n".join(lines) + "\n"


def _terminal(info: TerminalInfo | None) -> Section:
    lines = [Line("TERM", os.environ.get("TERM", "not set"))]
    if info is not None:
        trip = "did not answer" if info.round_trip is None else f"{info.round_trip * 1000:.0f} ms there and back"
        pictures = {"blocks": "half-blocks (text)", "off": "switched off"}.get(info.protocol, info.protocol)
        lines += [
            Line("terminal", info.brand),
            Line("pictures", f"{pictures}, cells of {info.cell_width}×{info.cell_height} pixels"),
            Line("colours", str(info.colours), "" if info.colours == "truecolor" else "busy"),
            Line("answers", trip, "busy" if info.round_trip is None else ""),
            Line("whole frames", "● yes (mode 2026)" if info.synchronized else "○ no"),
        ]
        if info.tmux:
            lines.append(Line("tmux", "in between"))
        lines += [Line("", reason, "muted") for reason in info.reasons]
    if os.environ.get("NO_COLOR"):
        lines.append(Line("NO_COLOR", "set: no colours are used", "busy"))
    return Section("Terminal", lines)


def _machine() -> Section:
    status = read_status()
    free = status.total - status.used
    memory = f"{words.size(free)} free of {words.size(status.total)}"
    return Section(
        "Machine",
        [
            Line("host", f"{status.user}@{status.host}"),
            Line("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
            Line("device", status.device),
            Line("memory", memory, "bad" if free < _LOW else ""),
        ],
    )


def _disk() -> Section:
    lines = []
    for label, path in (("models", data_dir()), ("cache", cache_dir()), ("settings", config_dir())):
        free = _free(path)
        low = free is not None and free < _LOW
        text = str(path) if free is None else f"{path}  {words.size(free)} free"
        advice = "Little room: set TARMAC_HOME to a folder on a larger disk" if low else ""
        lines.append(Line(label, text, "bad" if low else "", advice))
    return Section("Disk", lines)


def _settings(theme: str) -> Section:
    keymap = keymap_path()
    return Section(
        "Settings",
        [
            Line("theme", theme),
            Line("own themes", str(config_dir() / "themes")),
            Line("own keys", f"{keymap}{'' if keymap.exists() else '  (not there: all keys are the usual ones)'}"),
            Line("log", str(log_path())),
        ],
    )


def _versions() -> Section:
    lines = []
    for name in _PACKAGES:
        try:
            lines.append(Line(name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            lines.append(Line(name, "✕ missing", "bad", "Install Tarmac again: make run"))
    return Section("Versions", lines)


def _free(path: Path) -> int | None:
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
