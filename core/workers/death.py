"""How a worker ended, told as a sentence: the signal or exit code, the last lines it wrote, and what to try."""

from __future__ import annotations

import os
import re
import signal
from typing import BinaryIO

from core.errors import WorkerDied

LAST_LINES = "; its last lines: "
"""Stands before what the worker wrote, which may hold what its askers sent."""

_LOG_TAIL = 16 * 2**10
_LINES = 3
_LINE = 160

_NOISE = re.compile(
    r"\s*File \"|Extension modules: |(Current )?[Tt]hread 0x|\s*\.\.\.$|Traceback |\s+[~^]+\s*$|\s*<no Python"
)

_CRASH = "The model's code or a library it uses crashed. Start it again; if it happens again, try the CPU"
_SIGNALS = {
    signal.SIGKILL: (
        "probably the kernel's out-of-memory killer",
        "Close something large or use a smaller model, picture or batch, then start it again",
    ),
    signal.SIGSEGV: ("a crash in native code", _CRASH),
    signal.SIGBUS: ("a crash in native code, or a disk that is full or gone", _CRASH),
    signal.SIGILL: ("an instruction that this processor does not have", "Install builds of the libraries for this CPU"),
    signal.SIGFPE: ("a crash in native code", _CRASH),
    signal.SIGABRT: ("a library gave up", _CRASH),
    signal.SIGTERM: ("somebody asked it to end", "Start it again"),
    signal.SIGXCPU: ("its limit of processor time", "Raise the limit (ulimit -t), then start it again"),
}


def death(title: str, code: int, lines: list[str]) -> WorkerDied:
    """The error that tells how the worker of `title` ended.

    Args:
        title: The model's name.
        code: Exit code, or minus the number of the signal that killed it.
        lines: The last lines that it wrote.
    """
    if code < 0:
        name, (reason, advice) = signal_name(-code), _SIGNALS.get(-code, ("", "Start it again"))  # type: ignore[call-overload]
        how = f"killed by {name}" + (f" ({reason})" if reason else "")
    else:
        how, advice = f"it left with exit code {code}", "Start it again; its log has the details"
    last = f"{LAST_LINES}{' | '.join(lines)}" if lines else ""
    return WorkerDied(f"the worker of {title} died", how + last, advice)


def last_lines(log: BinaryIO, start: int) -> list[str]:
    """The last telling lines of `log` from byte `start` on, without the frames of tracebacks."""
    try:
        end = log.seek(0, os.SEEK_END)
        log.seek(max(start, end - _LOG_TAIL))
        text = log.read(_LOG_TAIL).decode("utf-8", "replace")
    except (OSError, ValueError):
        return []
    lines: list[str] = []
    after_frame = False
    for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines():
        frame = _NOISE.match(line)
        # The line of code that a frame quotes says little without the frame.
        if line.strip() and not frame and not (after_frame and line.startswith("    ")):
            lines.append(line.strip()[:_LINE])
        after_frame = frame is not None
    return lines[-_LINES:]


def signal_name(number: int) -> str:
    """ "SIGKILL"; of those that have no name (the real-time ones) the number in words."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
