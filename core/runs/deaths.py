"""How a trainer ended that could not say so itself, as a sentence with a way forward."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from core.workers.death import last_lines, signal_name


@dataclass(frozen=True)
class Death:
    """What to tell of it; the fields are those of `Warned` and `Ended`."""

    code: str
    what: str
    why: str
    do: str
    offer: Mapping[str, object] = field(default_factory=dict)


def describe(code: int, log: BinaryIO, start: int, killed_for_memory: bool | None, batch: object) -> Death:
    """The death of a trainer.

    Args:
        code: Exit code, or minus the number of the signal.
        log: The run's log.
        start: Where this attempt's part of it begins.
        killed_for_memory: Whether the kernel has killed something for memory meanwhile; None if it cannot be told.
        batch: The batch that was chosen, for an offer.
    """
    lines = last_lines(log, start)
    last = f"its last lines: {' | '.join(lines)}" if lines else ""
    if code >= 0:
        return Death("died", f"the trainer left with exit code {code}", last, "Its log has the details")
    name = signal_name(-code)
    reason = {
        signal.SIGSEGV: "a crash in native code",
        signal.SIGBUS: "a crash in native code, or a disk that is full or gone",
        signal.SIGILL: "an instruction that this processor does not have",
        signal.SIGFPE: "a crash in native code",
        signal.SIGABRT: "a library gave up",
        signal.SIGXCPU: "its limit of processor time",
    }.get(-code, "")  # type: ignore[call-overload]
    if -code == signal.SIGKILL and killed_for_memory is not False:
        sure = "" if killed_for_memory else "probably "
        do, offer = "Close something large, or take a smaller batch", {}
        if isinstance(batch, int) and batch > 1:
            offer = {"batch": max(1, batch // 2)}
            do = f"Close something large, or take a smaller batch: {offer['batch']} instead of {batch}"
        why = f"{sure}by the kernel's out-of-memory killer"
        return Death("out-of-memory", "the trainer was killed by SIGKILL", why, do, offer)
    if -code == signal.SIGKILL:
        reason = "by hand or by another program; the machine had memory left"
    why = "; ".join(part for part in (reason, last) if part)
    return Death("died", f"the trainer was killed by {name}", why, "Its log has the details")


def memory_kills() -> int | None:
    """How many processes the kernel has killed for memory so far, on this machine or in our control group."""
    counts = [_count(Path("/proc/vmstat"), "oom_kill")]
    group = _control_group()
    if group is not None:
        counts.append(_count(group / "memory.events", "oom_kill"))
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _control_group() -> Path | None:
    try:
        line = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()[-1]
    except (OSError, IndexError, UnicodeDecodeError):
        return None
    return Path("/sys/fs/cgroup") / line.rpartition("::")[2].lstrip("/")


def _count(path: Path, word: str) -> int | None:
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == word:
                return int(number)
    except (OSError, ValueError):
        pass
    return None
