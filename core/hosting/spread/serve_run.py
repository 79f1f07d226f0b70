"""What a run of the kind "serve" does until it is wished to stop: be a replica of a deployment, or the front of all.

A replica is a gateway for one deployment on a port of its own: the same tokens, the same APIs. It runs wherever a
launcher puts it; its supervisor starts it again when it dies. The front keeps HAProxy in step with the replicas that
have registered. What they write goes into the run's folder, and the endpoint into the deployment's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import Refused, TarmacError
from core.hosting.deployment import Deployment
from core.hosting.pool import HOLD, Pool
from core.hosting.registry import Registry
from core.hosting.settings import tls_context
from core.hosting.spread.endpoints import HEARTBEAT, Endpoint, Watch
from core.hosting.spread.haproxy import SLOTS, Front, HAProxy
from core.paths import private_dir
from core.runs.events import Phase, Started
from core.runs.launchers.slurm import own_address
from core.runs.plan import RunPlan, ServeOptions
from core.runs.plan_file import options_of
from core.runs.recorder import Recorder

LOOK = 0.2
"""Seconds between two looks at the wish and the replicas."""

RENEWED = 5.0
"""Seconds between two looks whether the certificate's files have changed."""

STEP_ASIDE = 1.0
"""Seconds from saying "stopping" to refusing requests: the front has looked by then."""

DRAIN = 30.0
"""Seconds that running requests get at the end."""


@dataclass(frozen=True)
class Outcome:
    """How it ended, as a training tells it."""

    state: str
    step: int = 0
    what: str = ""
    why: str = ""
    do: str = ""
    offer: dict[str, object] = field(default_factory=dict)


def serve(
    plan: RunPlan,
    recorder: Recorder,
    *,
    dataset: Path,
    base: Path | None,
    model: Path | None,
    rank: int,
    world: int,
    store: Path | None,
    interrupted: Callable[[], bool],
) -> Outcome:
    """Serve; as `core.runs.kinds.Training`, where `dataset` is the deployment's folder."""
    options = options_of(plan)
    over = _Over(recorder, dataset, interrupted)
    if options.role == "front":
        return _front(options, recorder, dataset, over)
    return asyncio.run(_replica(plan, options, recorder, dataset, over))


class _Over:
    """Whether to end, and as what."""

    def __init__(self, recorder: Recorder, deployment: Path, interrupted: Callable[[], bool]) -> None:
        self._recorder, self._deployment, self._interrupted = recorder, deployment, interrupted

    def __call__(self) -> Outcome | None:
        wish = self._recorder.wish()
        if wish in ("stop", "fenced"):
            return Outcome("stopped" if wish == "stop" else "fenced")
        if self._interrupted():
            return Outcome("interrupted")
        if not self._deployment.is_dir():
            return Outcome("failed", 0, f"the deployment {self._deployment.name} is gone", "its folder was deleted")
        return None


# -- a replica


async def _replica(plan: RunPlan, options: ServeOptions, recorder: Recorder, deployment: Path, over: _Over) -> Outcome:
    from core.hosting.gateway import Gateway
    from core.hosting.served import from_library
    from core.hosting.server import make_server, more_files

    run = recorder.samples.parent
    records = private_dir(run / "served")
    here = plan.resources.launcher == "local"
    # Nothing is public that other machines reach, through the front or without it.
    loopback = here and ipaddress.ip_address(options.address).is_loopback
    address = "127.0.0.1" if here else await asyncio.to_thread(own_address)
    registry = Registry(deployment.parent, from_library(run.parent.parent), only=deployment.name, records=records)
    recorder.tell(Phase("starting the model"))
    await registry.open()
    try:
        entry = registry.entries.get(deployment.name)
        if entry is None or entry.pool is None:
            raise (entry.problem if entry is not None else None) or Refused(
                f"{deployment.name} cannot be served", "it is not active or its folder is broken"
            )
        if (ended := await _awake(entry.pool.awake(), over)) is not None:
            return ended
        gateway = Gateway(registry, loopback=loopback)
        server = make_server(gateway, DRAIN)
        more_files()
        with socket.create_server((address, 0), backlog=2048) as sock:
            sock.setblocking(False)
            port = int(sock.getsockname()[1])
            endpoint = Endpoint(run.name, str(sock.getsockname()[0]), port, socket.gethostname())
            serving = asyncio.create_task(server.serve([sock]))
            try:
                endpoint.write(deployment)
                recorder.tell(Started(0, plan.steps, f"{endpoint.address}:{port}", {"port": port}))
                ended = await _until_over(endpoint, deployment, over, serving, lambda: _pool(registry, deployment.name))
                if ended.state != "failed":
                    with contextlib.suppress(TarmacError):
                        replace(endpoint, stopping=True).write(deployment)
                    await asyncio.sleep(STEP_ASIDE)
            finally:
                gateway.stopping = server.should_exit = True
                await asyncio.gather(registry.close(DRAIN), asyncio.wait([serving]))
                endpoint.remove(deployment)
        return ended
    finally:
        await registry.close(0)


async def _awake(waking: object, over: _Over) -> Outcome | None:
    """Wait for the model; None once it is awake."""
    task = asyncio.ensure_future(waking)  # type: ignore[call-overload]
    while not task.done():
        if (ended := over()) is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return ended
        await asyncio.wait([task], timeout=LOOK)
    await task
    return None


def _pool(registry: Registry, name: str) -> Pool | None:
    """The workers as the deployment is now."""
    entry = registry.entries.get(name)
    return entry.pool if entry is not None else None


async def _until_over(
    endpoint: Endpoint,
    deployment: Path,
    over: _Over,
    serving: asyncio.Task[None],
    pool: Callable[[], Pool | None],
) -> Outcome:
    """Serve until it is over, with signs of life.

    One whose model cannot be kept running refuses at once, so it always has the fewest requests and would get nearly
    all of them: it steps aside until the model runs again, which is tried now and then.
    """
    beaten = time.monotonic()
    while (ended := over()) is None:
        if serving.done():
            await serving
            raise TarmacError("the server ended by itself")
        workers = pool()
        state = workers.state if workers is not None else "inactive"
        aside = state == "failed" or (endpoint.stopping and state == "waking")
        if workers is not None and aside:
            workers.wake()
        if aside != endpoint.stopping:
            changed = replace(endpoint, stopping=aside)
            with contextlib.suppress(TarmacError):
                await asyncio.to_thread(changed.write, deployment)
                endpoint = changed
        elif time.monotonic() - beaten >= HEARTBEAT:
            beaten = time.monotonic()
            await asyncio.to_thread(endpoint.beat, deployment)
        await asyncio.wait([serving], timeout=LOOK)
    return ended


# -- the front


def _front(options: ServeOptions, recorder: Recorder, deployment: Path, over: _Over) -> Outcome:
    limits = Deployment.read(deployment).limits
    folder = recorder.samples.parent / "haproxy"
    timeout = max(limits.timeout, HOLD)
    Front(options.address, options.port, timeout, options.certificate, options.key).write(folder)
    haproxy = HAProxy(folder)
    haproxy.start()
    recorder.tell(Started(0, 1, f"{options.address}:{options.port}", {"port": options.port}))
    step = _Slots(haproxy, Watch(deployment))
    files = [Path(each) for each in (options.certificate, options.key) if each]
    stamps, looked = _stamps(files), time.monotonic()
    while (ended := over()) is None:
        if haproxy.start():
            step.forget()
        if files and time.monotonic() - looked >= RENEWED:
            looked = time.monotonic()
            if (now := _stamps(files)) != stamps:
                stamps = now
                with contextlib.suppress(
                    OSError, TarmacError
                ):  # half of them is there: the other half is another change
                    tls_context(options.certificate, options.key)
                    haproxy.renew()
        with contextlib.suppress(OSError):  # it died this very moment: it is started again at the next look
            step.look()
        time.sleep(LOOK)
    if ended.state in ("stopped", "failed"):
        haproxy.stop(DRAIN)
    return ended


def _stamps(files: Sequence[Path]) -> list[object]:
    """What tells that files were written anew."""
    stamps: list[object] = []
    for path in files:
        try:
            found = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
    return stamps


class _Slots:
    """Which replica has which slot of HAProxy."""

    def __init__(self, haproxy: HAProxy, watch: Watch) -> None:
        self._haproxy, self._watch = haproxy, watch
        self._slots: dict[str, tuple[int, Endpoint]] = {}
        self._first = True

    def forget(self) -> None:
        """It was started anew: all its slots are free."""
        self._slots = {}

    def look(self) -> None:
        """Bring HAProxy in step with what is registered.

        Raises:
            OSError: It does not answer.
        """
        if self._first:  # it may have been started by one before us
            for slot in range(1, SLOTS + 1):
                self._haproxy.take(slot)
            self._first = False
        alive = self._watch.look()
        for id_ in self._slots.keys() - alive.keys():
            self._haproxy.take(self._slots[id_][0])
            del self._slots[id_]
        for id_, endpoint in alive.items():
            known = self._slots.get(id_)
            if known is not None and known[1] == endpoint:
                continue
            if endpoint.stopping:
                if known is not None:
                    self._haproxy.drain(known[0])
                    self._slots[id_] = (known[0], endpoint)
                continue
            slot = known[0] if known is not None else self._free()
            if slot:
                self._haproxy.put(slot, endpoint)
                self._slots[id_] = (slot, endpoint)

    def _free(self) -> int:
        taken = {slot for slot, _ in self._slots.values()}
        return next((slot for slot in range(1, SLOTS + 1) if slot not in taken), 0)
