"""status.json: what a deployment is doing, written by the gateway each second while something changes.

Screens and commands read it; nothing that matters is in it alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from core.library.manifest import clean_line
from core.paths import write_atomic

FILE_NAME = "status.json"
FORMAT = 1
SECONDS = 60
"""Length of the sparkline."""

State = Literal["awake", "asleep", "waking", "inactive", "failed", "down"]
"""`down`: no gateway runs. The others are the gateway's own word."""


@dataclass(frozen=True)
class Status:
    """What a deployment is doing.

    Attributes:
        state: Where it stands.
        sentence: Why, where there is something to say: what failed, and what to do.
        requests: Requests that were answered since it was made, errors among them.
        errors: Those that failed by a fault of the model or the gateway; what a client did wrong is none.
        requests_today: The same since midnight of this machine.
        errors_today: The same since midnight.
        p50_ms: Half of the last minutes' requests were answered within this; None without any.
        p95_ms: 95 in 100 of them.
        queue: Requests that wait.
        running: Requests that a worker has.
        replicas_ready: Workers that are ready.
        replicas: Workers that there should be.
        rate: Requests in each of the last 60 seconds, the newest last.
        updated: Seconds since 1970.
    """

    state: State
    sentence: str = ""
    requests: int = 0
    errors: int = 0
    requests_today: int = 0
    errors_today: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    queue: int = 0
    running: int = 0
    replicas_ready: int = 0
    replicas: int = 1
    rate: tuple[int, ...] = (0,) * SECONDS
    updated: float = 0.0

    def at(self, now: float) -> Status:
        """The same with a sparkline that ends at `now`: where nothing changed, nothing was written."""
        passed = min(SECONDS, max(0, int(now - self.updated)))
        return replace(self, rate=(*self.rate[passed:], *(0,) * passed)) if passed else self


def write_status(folder: Path, status: Status) -> None:
    """Write status.json into `folder`.

    Raises:
        StorageError: The disk said no.
    """
    write_atomic(folder / FILE_NAME, json.dumps({"format": FORMAT, **asdict(status)}) + "\n")


def read_status(folder: Path) -> Status | None:
    """The status in `folder`, its sparkline ending now; None where there is none that can be read."""
    try:
        data = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return _status(data).at(time.time()) if isinstance(data, dict) and data.get("format") == FORMAT else None


def _status(data: Mapping[str, object]) -> Status:
    def count(key: str) -> int:
        value = data.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0

    def milliseconds(key: str) -> float | None:
        value = data.get(key)
        return float(value) if isinstance(value, int | float) and value >= 0 else None

    state = data.get("state")
    rate = data.get("rate")
    numbers = [each if type(each) is int and each >= 0 else 0 for each in rate] if isinstance(rate, list) else []
    updated = data.get("updated")
    return Status(
        state=state if state in ("awake", "asleep", "waking", "inactive", "failed") else "asleep",
        sentence=clean_line(str(data.get("sentence", "")))[:1000],
        **{
            key: count(key)
            for key in ("requests", "errors", "requests_today", "errors_today", "queue", "running", "replicas_ready")
        },
        replicas=count("replicas") or 1,
        p50_ms=milliseconds("p50_ms"),
        p95_ms=milliseconds("p95_ms"),
        rate=tuple(([0] * SECONDS + numbers)[-SECONDS:]),
        updated=float(updated) if isinstance(updated, int | float) else 0.0,
    )
