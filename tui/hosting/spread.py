"""Deployments that are served by more processes than the gateway's: how many there are, where, and how they stand.

Each process is a run of the kind "serve"; those alone are followed here, so that it stays cheap beside many trainings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import TarmacError

if TYPE_CHECKING:
    from core.hosting.spread.scaling import Replica, Scaled
    from core.runs.reading import Follower
    from core.runs.view import RunView

_STATES = {
    "queued": ("○", "waits", "muted"),
    "starting": ("◐", "starting", "busy"),
    "running": ("◐", "loading", "busy"),
    "stopping": ("◐", "stopping", "busy"),
    "stopped": ("○", "stopped", "muted"),
    "finished": ("○", "ended", "muted"),
    "failed": ("✕", "failed", "bad"),
    "lost": ("✕", "lost", "bad"),
}


class Spreads:
    """Follows the runs that serve. For one thread.

    Args:
        data: Folder that holds runs/ and deployments/.
    """

    def __init__(self, data: Path) -> None:
        self._runs = data / "runs"
        self._followed: dict[str, Follower | None] = {}
        """By run; None for those of another kind."""
        self._views: tuple[RunView, ...] = ()

    def look(self) -> None:
        """Read what is new on the disk."""
        try:
            names = [each.name for each in self._runs.iterdir() if not each.name.startswith(".")]
        except OSError:
            names = []
        for gone in self._followed.keys() - set(names):
            del self._followed[gone]
        for name in names:
            if name not in self._followed:
                self._followed[name] = self._serves(name)
        followers = [follower for name in sorted(names, reverse=True) if (follower := self._followed[name]) is not None]
        self._views = tuple(follower.poll() for follower in followers)

    def _serves(self, name: str) -> Follower | None:
        from core.runs.plan_file import read_plan
        from core.runs.reading import Follower

        try:
            plan = read_plan(self._runs / name)
        except TarmacError:
            return None
        return Follower(self._runs / name) if plan.kind == "serve" else None

    def of(self, name: str, folder: Path) -> Scaled | None:
        """How the deployment is spread, as of the last look; None where the gateway alone serves it."""
        if not self._views:
            return None
        from core.hosting.spread.scaling import spread

        found = spread(name, folder, self._views)
        return found if found.replicas else None


def summary(spread: Scaled) -> tuple[str, str]:
    """(words, tone): "2 of 3 processes take requests"."""
    total, listening = len(spread.replicas), spread.listening
    many = "process takes" if total == 1 else "processes take"
    if spread.front == "failed":
        return f"{listening} of {total} {many} requests, but what divides them failed: {spread.sentence}", "bad"
    if not spread.url:
        return f"{listening} of {total} {many} requests, but nothing divides them: the front is {spread.front}", "bad"
    tone = "good" if listening == total else "busy" if listening else "bad"
    return f"{listening} of {total} {many} requests", tone


def process_line(each: Replica) -> tuple[str, str]:
    """(words, tone) of one process: where it runs, where it listens, how it stands."""
    glyph, word, tone = _STATES.get(each.state, ("○", each.state, "muted"))
    if each.endpoint is not None and each.state == "running":
        glyph, word, tone = ("◐", "leaving", "busy") if each.endpoint.stopping else ("●", "serving", "good")
    machine = (each.endpoint.host if each.endpoint is not None else "") or each.host
    place = f"{each.endpoint.address}:{each.endpoint.port}" if each.endpoint is not None else ""
    where = " ".join(filter(None, (machine, place))) or each.launcher
    cluster = each.launcher if each.launcher != "local" and where != each.launcher else ""
    return " · ".join(filter(None, (f"{glyph} {word}", where, cluster, each.sentence))), tone
