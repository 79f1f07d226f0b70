"""What the tests of the place Hosting stand on: deployments on disk, a gateway that is none, answers from memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Cancelled, TarmacError
from core.hosting.deployments import Deployments, Hosted
from core.hosting.process import GatewayStatus
from core.hosting.request_log import RequestLog
from core.hosting.spread.scaling import Scaled
from core.hosting.status import Status
from core.interface import Command
from tests.tui.stage import StageServices, furnish
from tui.hosting.query import Answer
from tui.hosting.services import HostingServices, Seen

if TYPE_CHECKING:
    from core.library.models import Library

TEXT, FACES, OWN = "starter/gpt2-python", "starter/portraits", "20200102-030405-sneakers"
RUNNING = GatewayStatus("running", "http://127.0.0.1:8600", "127.0.0.1", 8600, "http", 4242, 1.0)
STOPPED = replace(RUNNING, state="stopped", pid=0, started=0.0)
DIED = replace(
    RUNNING,
    state="died",
    sentence="The gateway died: it (process 4242) ended without saying so: killed, or the machine was started anew. "
    "Start it: tarmac gateway start",
)
RATE = tuple([0] * 20 + [1, 2, 4, 7, 9, 8, 5, 3, 2, 1] * 4)
BUSY = Status(
    "awake", requests=48_211, errors=3, requests_today=1204, errors_today=1, p50_ms=38.2, p95_ms=121.0, queue=7,
    running=2, replicas_ready=2, replicas=2, rate=RATE,
)  # fmt: skip
IDLE = Status("asleep", requests=12, requests_today=12)
BROKEN = Status("failed", "the model could not be loaded: there is not enough memory on the GPU. Close something")


class FakeAsking:
    """A question that waits until `FakeHosting.answers` is set."""

    def __init__(self, hosting: FakeHosting, seen: Seen, command: Command) -> None:
        self._hosting, self._seen, self._command = hosting, seen, command
        self.stopped = False

    def ask(self, inputs: Mapping[str, object], written: Callable[[str], None] | None = None) -> Answer:
        self._hosting.queries.append((self._seen.name, dict(inputs)))
        for piece in self._hosting.pieces:
            assert written is not None
            written(piece)
        while not self._hosting.answers.wait(0.01):
            if self.stopped:
                raise Cancelled("it was stopped")
        if self._hosting.failure is not None:
            raise self._hosting.failure
        outputs: dict[str, object] = {}
        for name, kind in self._command.outputs.items():
            if kind.type_name == "image":
                outputs[name] = np.full((64, 64, 3), 200, np.uint8)
            elif kind.type_name == "text":
                outputs[name] = "".join(self._hosting.pieces) or f"\n    return a + b\x1b[31m  # {inputs.get('prompt')}"
            else:
                outputs[name] = kind.default_value()
        return Answer(outputs, 0.0382, 0.0121 if self._hosting.pieces else None)

    def stop(self) -> None:
        self.stopped = True


class FakeHosting(HostingServices):
    """The real deployments on the disk of a test; what a gateway would do is remembered only."""

    def __init__(self, data: Path, library: Library) -> None:
        super().__init__(data)
        self._library = library
        self.now = RUNNING
        self.statuses: dict[str, Status] = {}
        self.spreads: dict[str, Scaled] = {}
        self.asked: list[str] = []
        self.queries: list[tuple[str, dict[str, object]]] = []
        self.answers = threading.Event()
        self.answers.set()
        self.failure: TarmacError | None = None
        self.pieces: list[str] = []
        """What streams before `answers` is set."""

    def library(self) -> Library:
        return self._library

    def gateway(self) -> GatewayStatus:
        return self.now

    def start_gateway(self) -> GatewayStatus:
        self.asked.append("start")
        if self.failure is not None:
            raise self.failure
        self.now = RUNNING
        return self.now

    def stop_gateway(self) -> GatewayStatus:
        self.asked.append("stop")
        self.now = STOPPED
        return self.now

    def _seen(self, hosted: Hosted, gateway: GatewayStatus) -> Seen:
        seen = super()._seen(hosted, gateway)
        seen = replace(seen, spread=self.spreads.get(seen.name, seen.spread))
        told = self.statuses.get(seen.name)
        serves = gateway.runs and hosted.deployment is not None and hosted.deployment.active
        return replace(seen, status=told) if told is not None and serves else seen

    def asking(self, seen: Seen, command: Command) -> Any:
        return FakeAsking(self, seen, command)


class HostingStage(StageServices):
    """The stage with hosting of its own."""

    fake: FakeHosting

    @property
    def hosting(self) -> FakeHosting:  # type: ignore[override]
        return self.fake


def stage(home: Path, *, filled: bool = True) -> HostingStage:
    """The stage's models; with `filled` three deployments: one busy, one asleep, one that failed."""
    furnished = furnish(home)
    services = HostingStage(furnished.home, furnished.starters)
    services.fake = FakeHosting(home / "data", services.library)
    if filled:
        fill(services.fake)
    return services


def fill(hosting: FakeHosting) -> None:
    """Three deployments as they are after a day."""
    store = Deployments(hosting.data)
    store.create("js-gen", TEXT, replicas=2)
    store.add_token("js-gen", "laptop")
    store.create("faces", FACES, private=False)
    store.create("sneakers", OWN, sleep_after=0)
    hosting.statuses = {"js-gen": BUSY, "faces": IDLE, "sneakers": BROKEN}
    log = RequestLog(store.log_path("js-gen"))
    log.tell("laptop", "127.0.0.1", "POST", "/v1/query", 200, 38.2)
    log.tell("–", "127.0.0.1", "GET", "/v1/info", 401, 0.2, "a valid token is needed")
    log.tell("laptop", "127.0.0.1", "POST", "/v1/query", 503, 12.0, "the model died\x1b[31m")
    log.flush()
