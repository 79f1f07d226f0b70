"""Where the replicas of a deployment listen: deployments/<name>/endpoints/<run>.json, each with a heartbeat.

A replica writes its file when it takes requests, touches it every two seconds, says "stopping" before it leaves, and
removes it. Machines need not agree on the time: whoever reads looks whether the file changes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import TarmacError
from core.paths import private_dir
from core.runs.folder import write_json

FOLDER = "endpoints"
HEARTBEAT = 2.0
"""Seconds between two heartbeats."""

SILENT = 10.0
"""Seconds without a heartbeat after which a replica counts as gone."""


@dataclass(frozen=True)
class Endpoint:
    """One replica that takes requests.

    Attributes:
        id: Its run.
        address: IP address that it listens on.
        port: Its port.
        host: Name of its machine.
        stopping: Whether it wants no new requests.
    """

    id: str
    address: str
    port: int
    host: str = ""
    stopping: bool = False

    def write(self, deployment: Path) -> None:
        """Register it.

        Raises:
            StorageError: The disk said no.
        """
        folder = private_dir(deployment / FOLDER)
        write_json(
            folder / f"{self.id}.json",
            {"address": self.address, "port": self.port, "host": self.host, "stopping": self.stopping},
        )

    def beat(self, deployment: Path) -> None:
        """Give a sign of life. A file that is gone is written anew, unless the deployment is gone too."""
        path = deployment / FOLDER / f"{self.id}.json"
        try:
            os.utime(path)
        except FileNotFoundError:
            if deployment.is_dir():
                with contextlib.suppress(TarmacError):
                    self.write(deployment)
        except OSError:
            pass

    def remove(self, deployment: Path) -> None:
        """It is no more."""
        with contextlib.suppress(OSError):
            (deployment / FOLDER / f"{self.id}.json").unlink(missing_ok=True)


def read_endpoints(deployment: Path) -> dict[str, tuple[Endpoint, int]]:
    """The registered replicas by id, each with the time of its last heartbeat in the file server's own clock (ns)."""
    found: dict[str, tuple[Endpoint, int]] = {}
    try:
        paths = sorted((deployment / FOLDER).glob("*.json"))
    except OSError:
        return found
    for path in paths:
        try:
            beat = path.stat().st_mtime_ns
            data = json.loads(path.read_bytes())
            address, port = str(ipaddress.ip_address(data["address"])), data["port"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536:
            host = str(data.get("host", ""))[:200]
            found[path.stem] = Endpoint(path.stem, address, port, host, data.get("stopping") is True), beat
    return found


class Watch:
    """Which replicas live, as seen from here.

    Args:
        deployment: The deployment's folder.
    """

    def __init__(self, deployment: Path) -> None:
        self._deployment = deployment
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self) -> dict[str, Endpoint]:
        """Those that gave a sign of life within `SILENT` seconds; one that is seen for the first time counts."""
        now = time.monotonic()
        found = read_endpoints(self._deployment)
        self._seen = {id_: self._seen[id_] for id_ in self._seen.keys() & found.keys()}
        alive: dict[str, Endpoint] = {}
        for id_, (endpoint, beat) in found.items():
            before = self._seen.get(id_)
            if before is None or before[0] != beat:
                self._seen[id_] = before = (beat, now)
            if now - before[1] < SILENT:
                alive[id_] = endpoint
        return alive
