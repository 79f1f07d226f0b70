"""The place Hosting with deployments that nobody asks, to look at: `python -m tests.demo_hosting [STATE]`.

Makes deployments of the starters, with statuses and request logs, below DEMO_HOME, then opens the studio on them with a
gateway that is none. STATE is "empty", "died", "off" or "full" (the default).
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from core.hosting.request_log import RequestLog
from core.library.models import Library
from core.paths import private_dir
from tests.tui.hosting_stage import BUSY, DIED, FACES, IDLE, RUNNING, STOPPED, TEXT, FakeHosting
from tui.hosting.services import Hosting
from tui.services import Services


class DemoHosting(FakeHosting):
    """One deployment is busy while one looks."""

    def look(self) -> Hosting | None:
        if "js-gen" in self.statuses:
            turn = int(time.time()) % 60
            rate = BUSY.rate[turn:] + BUSY.rate[:turn]
            self.statuses["js-gen"] = replace(BUSY, rate=rate, requests_today=1204 + turn, queue=turn % 9)
        return super().look()


class DemoServices(Services):
    """The real studio with the deployments of the demonstration."""

    demo: DemoHosting

    @property
    def hosting(self) -> DemoHosting:  # type: ignore[override]
        return self.demo

    async def prepare_spare(self) -> None:
        """Nothing is opened here."""


def fill(hosting: DemoHosting) -> None:
    """Three deployments and some requests."""
    store = hosting.store
    store.create("js-gen", TEXT, replicas=2)
    store.add_token("js-gen", "laptop")
    store.create("faces", FACES, private=False)
    store.create("night-shift", TEXT, active=False)
    log = RequestLog(store.log_path("js-gen"))
    for number in range(40):
        failed = number == 31
        log.tell("laptop", "127.0.0.1", "POST", "/v1/query", 503 if failed else 200, 30.0 + number, "x" * failed)
    log.tell("–", "10.0.0.7", "GET", "/v1/info", 401, 0.2, "a valid token is needed")
    log.flush()


def main(state: str) -> int:
    """Make the folders, then look."""
    home = Path(os.environ["DEMO_HOME"])
    os.environ.setdefault("TARMAC_HOME", str(home))
    data = private_dir(home / "data")
    hosting = DemoHosting(data, Library(data))
    if state != "empty" and not hosting.store.hosted():
        fill(hosting)
    hosting.statuses = {"js-gen": BUSY, "faces": IDLE}
    hosting.now = {"died": DIED, "off": STOPPED}.get(state, RUNNING)
    services = DemoServices()
    services.demo = hosting

    from tui.graphics import probe
    from tui.studio import TarmacApp

    terminal = probe()
    return TarmacApp(services, start="hosting", terminal=terminal).run() or 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "full"))
