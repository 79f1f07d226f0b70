"""requests.log: one JSON line a request, without token and contents, moved aside when it grows.

{"time": "2026-11-25T19:45:01Z", "client": "first", "address": "127.0.0.1", "method": "POST", "route": "/v1/query",
 "status": 200, "ms": 38.1, "error": "..."}
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from threading import Lock

from core.library.manifest import clean_line

LIMIT = 4 * 2**20
"""Bytes after which the log becomes requests.log.1 and a new one begins."""

_MOST = 10_000
"""Lines that wait to be written while the disk is slow; older ones are lost first."""


class RequestLog:
    """The log of one deployment. Lines gather in memory and are written by `flush`, in any thread.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []
        self._lock = Lock()

    def tell(
        self, client: str, address: str, method: str, route: str, status: int, milliseconds: float, error: str = ""
    ) -> None:
        """Note one request. Whatever a client sent is made printable here."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "client": clean_line(client)[:80],
            "address": clean_line(address)[:64],
            "method": clean_line(method)[:16],
            "route": clean_line(route)[:120],
            "status": status,
            "ms": round(milliseconds, 1),
        }
        if error:
            line["error"] = clean_line(error)[:300]
        text = json.dumps(line)
        with self._lock:
            self._lines.append(text)
            if len(self._lines) > _MOST:
                del self._lines[: _MOST // 2]

    @property
    def waiting(self) -> bool:
        """Whether there is something to write."""
        return bool(self._lines)

    def flush(self) -> None:
        """Write what waits. What the disk does not take now is tried again; nothing is raised."""
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        data = ("\n".join(lines) + "\n").encode()
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                full = os.fstat(handle).st_size + len(data) > LIMIT
                if not full:
                    os.write(handle, data)
            finally:
                os.close(handle)
            if full:
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
                self._path.touch(0o600)
                with self._path.open("ab") as file:
                    file.write(data)
        except FileNotFoundError:
            return  # the deployment was removed
        except OSError:
            with self._lock:
                self._lines = [*lines, *self._lines][-_MOST:]
