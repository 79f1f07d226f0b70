"""A deployment on several processes, here or on a cluster: runs of the kind "serve", and HAProxy in front of them.

Each replica is a supervised run with a launcher of its own, one more run is the front. The front's address is kept for
as long as the deployment is scaled, and when it is scaled again. The gateway's own address goes on serving it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.errors import InvalidInput, Refused, TarmacError
from core.hosting.deployments import Deployments
from core.hosting.settings import tls_context
from core.hosting.spread.endpoints import Endpoint, read_endpoints
from core.hosting.spread.haproxy import SLOTS, HAProxy, program
from core.runs.launchers import launcher as engine
from core.runs.plan import Resources, RunPlan
from core.runs.store import Runs, cancel, start
from core.runs.view import RunView

FIRST_PORT = 8700
MOST_PORTS = 100

WAIT = 120.0
"""Seconds that replicas of this machine get to register, and that those which are stopped get to end."""


@dataclass(frozen=True)
class Replica:
    """One process of a deployment.

    Attributes:
        run: Id of its run.
        state: The run's.
        launcher: Where it was started.
        endpoint: Where it listens; None while it does not.
        sentence: Why it failed, if it did.
        host: Name of the machine that it runs or ran on; empty before it was started.
    """

    run: str
    state: str
    launcher: str
    endpoint: Endpoint | None
    sentence: str = ""
    host: str = ""


@dataclass(frozen=True)
class Scaled:
    """How a deployment is spread.

    Attributes:
        name: The deployment.
        url: Where the front answers, "http://127.0.0.1:8700/NAME" or "https://..."; empty without one.
        replicas: Its processes.
        front: State of the front's run; empty where there never was one.
        sentence: Why the front failed, if it did.
    """

    name: str
    url: str
    replicas: Sequence[Replica]
    front: str = ""
    sentence: str = ""

    @property
    def listening(self) -> int:
        """Processes that take requests."""
        return sum(each.endpoint is not None and not each.endpoint.stopping for each in self.replicas)


def scaled(name: str, data_dir: Path | None = None) -> Scaled:
    """How the deployment called `name` is spread now. Reads the disk.

    Raises:
        NotFound: There is no such deployment.
    """
    deployments = Deployments(data_dir)
    return spread(name, deployments.path(name), Runs(deployments.data_dir).runs())


def spread(name: str, folder: Path, runs: Sequence[RunView]) -> Scaled:
    """The same from `runs`, the newest first, for who follows them anyway; `folder` is the deployment's."""
    front, replicas = _runs(name, runs)
    endpoints = read_endpoints(folder)
    told = [
        Replica(
            each.id,
            each.state,
            each.plan.resources.launcher,
            endpoints[each.id][0] if each.id in endpoints and each.active else None,
            _why(each),
            each.host,
        )
        for each in replicas
    ]
    if front is None:
        return Scaled(name, "", told)
    return Scaled(name, _url(front, name) if front.active else "", told, front.state, _why(front))


async def scale(
    name: str,
    processes: int,
    *,
    data_dir: Path | None = None,
    resources: Resources | None = None,
    address: str = "",
    port: int = 0,
    certificate: str | None = None,
    key: str = "",
    wait: bool = True,
) -> Scaled:
    """Serve a deployment with `processes` replicas besides the gateway, behind one address; 0 ends them.

    Args:
        name: The deployment.
        processes: How many replicas there are to be.
        data_dir: As of `Deployments`.
        resources: Where new replicas run; by default this machine.
        address: Where the front listens; empty for where it did, at first the loopback address.
        port: Its port; 0 for the one that it had, at first a free one.
        certificate: PEM file of its certificate chain, for TLS; empty for plain HTTP; None for the one that it had, at
            first the gateway's.
        key: PEM file of the private key; empty if the certificate's file holds it.
        wait: Whether to wait until replicas that run here have registered, or have ended.

    Raises:
        NotFound: There is no such deployment, or HAProxy is not installed.
        InvalidInput: A number, an address or a launcher that cannot be.
        Refused: It is not active; it would be public on an address that other machines reach; a certificate that is
            none.
        TarmacError: A replica or the front could not be started.
    """
    deployments = Deployments(data_dir)
    deployment = await asyncio.to_thread(deployments.get, name)
    if not 0 <= processes <= SLOTS:
        raise InvalidInput(f"processes is {processes}", f"allowed are 0 to {SLOTS}")
    store = Runs(deployments.data_dir)
    front, replicas = _runs(name, await asyncio.to_thread(store.runs))
    if processes:
        program()
        if not deployment.active:
            raise Refused(f"{name} is not active", "", f"Start it: tarmac deployments start {name}")
        place = _place(front, address, port, f"{store.data_dir}/{name}")
        if certificate is None:
            known = _tls_of(front) if front is not None else await asyncio.to_thread(_gateways_tls, deployments)
            certificate, key = known
        place = replace(place, certificate=_whole(certificate), key=_whole(key))
        if place.certificate:
            await asyncio.to_thread(tls_context, place.certificate, place.key)
        _check_private(deployment.private, place.address, name)
        need = resources or Resources()
        engine(need.launcher).check(_plan(name, "replica", place, need))
        front, replicas = await _move(store, name, front, replicas, place)
        if not front.active or not front.attempt:
            await _begin(store, front)
    kept = [each for each in replicas if each.state in ("queued", "starting", "running")]
    for each in [run for run in replicas if run not in kept] + kept[processes:]:
        await _end(store, each)
    if not processes and front is not None:
        await _end_front(store, front, wait)
    for _ in range(processes - len(kept)):
        await _begin(store, await asyncio.to_thread(store.create, _plan(name, "replica", place, need)))
    if wait:
        await _settled(store, name, processes)
    return await asyncio.to_thread(scaled, name, store.data_dir)


# -- inside


def _why(run: RunView) -> str:
    """Why it failed, if it did."""
    return f"{run.end.what}: {run.end.why}" if run.end is not None and run.state == "failed" else ""


def _runs(name: str, runs: Sequence[RunView]) -> tuple[RunView | None, list[RunView]]:
    """The front of a deployment and its replicas, the oldest first."""
    ours = [each for each in reversed(runs) if _of(each) == name]
    fronts = [each for each in ours if each.plan.options.get("role") == "front"]
    return (fronts[-1] if fronts else None), [each for each in ours if each not in fronts]


def _of(run: RunView) -> str:
    return str(run.plan.options.get("deployment", "")) if run.plan.kind == "serve" else ""


@dataclass(frozen=True)
class _Place:
    """Where and how a front listens; the names are those of `ServeOptions`."""

    address: str
    port: int
    certificate: str = ""
    key: str = ""


def _plan(name: str, role: str, place: _Place, need: Resources) -> RunPlan:
    options: dict[str, object] = {"deployment": name, "role": role, "address": place.address}
    if role == "front":
        options |= asdict(place)
    return RunPlan(
        f"serve {name}" if role == "replica" else f"front {name}", "serve", "", "", 1, options, resources=need
    )


def _place(front: RunView | None, address: str, port: int, near: str) -> _Place:
    """Where the front is to listen: as asked, else as it did, else on a free port (see `_free_port`)."""
    known = front.plan.options if front is not None else {}
    address = address or str(known.get("address", "127.0.0.1"))
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise InvalidInput(f"the front cannot listen on {address[:60]!r}", "allowed is an address: 127.0.0.1") from None
    before = known.get("port")
    port = port or (before if isinstance(before, int) else 0)
    return _Place(address, port or _free_port(address, near))


def _place_of(front: RunView) -> _Place:
    """Where it does listen."""
    known = front.plan.options
    port = known.get("port")
    return _Place(str(known.get("address", "")), port if isinstance(port, int) else 0, *_tls_of(front))


def _tls_of(front: RunView) -> tuple[str, str]:
    return str(front.plan.options.get("certificate", "")), str(front.plan.options.get("key", ""))


def _gateways_tls(deployments: Deployments) -> tuple[str, str]:
    settings = deployments.gateway_settings()
    return settings.certificate, settings.key


def _whole(path: str) -> str:
    """The path from the root, so that it means the same wherever the front runs; links in it stay what they are."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _free_port(address: str, near: str) -> int:
    """Looked for from a place that depends on `near`: two HAProxys that start at once may both listen on one port, each
    taking half of what comes, and the system calls that no error."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    first = zlib.crc32(near.encode())
    for port in (FIRST_PORT + (first + number) % MOST_PORTS for number in range(MOST_PORTS)):
        with socket.socket(family, socket.SOCK_STREAM) as sock, contextlib.suppress(OSError):
            sock.bind((address, port))
            return port
    raise Refused("the front cannot listen", f"all ports from {FIRST_PORT} to {FIRST_PORT + MOST_PORTS - 1} are taken")


def _check_private(private: bool, address: str, name: str) -> None:
    if not private and not ipaddress.ip_address(address).is_loopback:
        raise Refused(f"{name} cannot be served on {address}", "other machines reach it, and it needs no token")


async def _move(
    store: Runs, name: str, front: RunView | None, replicas: list[RunView], place: _Place
) -> tuple[RunView, list[RunView]]:
    """The front at `place`. One that was elsewhere is ended, and with another address the replicas too: they know
    whether other machines reach them."""
    if front is not None and (before := _place_of(front)) != place:
        if before.address != place.address:
            for each in replicas:
                await _end(store, each)
            replicas = []
        await _end_front(store, front, True)
        await asyncio.to_thread(store.remove, front.id)
        front = None
    if front is None:
        front = await asyncio.to_thread(store.create, _plan(name, "front", place, Resources()))
    return front, replicas


async def _begin(store: Runs, run: RunView) -> None:
    """Start it; one that its engine does not take is not kept.

    Raises:
        TarmacError: The engine's own sentence.
    """
    try:
        await start(run.id, data_dir=store.data_dir)
    except TarmacError:
        with contextlib.suppress(TarmacError):
            await asyncio.to_thread(store.remove, run.id)
        raise


async def _end(store: Runs, run: RunView) -> None:
    """Wish its end; what has ended is deleted."""
    if run.active or run.state == "lost":
        await cancel(run.id, data_dir=store.data_dir)
    else:
        with contextlib.suppress(TarmacError):
            await asyncio.to_thread(store.remove, run.id)


async def _end_front(store: Runs, front: RunView, wait: bool) -> None:
    """Its run is kept with its port. An HAProxy that nobody looks after any more is ended too."""
    if front.active or front.state == "lost":
        await cancel(front.id, data_dir=store.data_dir)
    end = time.monotonic() + WAIT
    while (await asyncio.to_thread(store.get, front.id)).active:
        if not wait or time.monotonic() > end:
            return
        await asyncio.sleep(0.2)
    await asyncio.to_thread(HAProxy(front.folder / "haproxy").stop, 2.0)


async def _settled(store: Runs, name: str, processes: int) -> None:
    """Wait until as many have registered as there are to be here, the front hands on requests, and the others are gone.

    Raises:
        TarmacError: One failed; its own sentence.
    """
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        front, replicas = _runs(name, await asyncio.to_thread(store.runs))
        for each in replicas:
            if each.state == "stopped":
                with contextlib.suppress(TarmacError):
                    await asyncio.to_thread(store.remove, each.id)
        for failed in (each for each in (front, *replicas) if each is not None and each.state == "failed"):
            assert failed.end is not None
            raise TarmacError(failed.end.what, failed.end.why, failed.end.do or f"See tarmac runs log {failed.id}")
        leaving = [each for each in replicas if each.state == "stopping"]
        waiting = [each for each in replicas if each.state == "queued" and each.plan.resources.launcher != "local"]
        now = await asyncio.to_thread(scaled, name, store.data_dir)
        answers = not processes or (front is not None and front.state == "running")
        if processes and answers and now.listening and front is not None:
            answers = await asyncio.to_thread(HAProxy(front.folder / "haproxy").taking) > 0
        if not leaving and answers and now.listening + len(waiting) >= processes:
            return
        await asyncio.sleep(0.2)
    raise TarmacError(f"{name} is not spread yet", f"it has taken {WAIT:.0f} s", "See tarmac runs list")


def _url(front: RunView, name: str) -> str:
    address = str(front.plan.options.get("address"))
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    scheme = "https" if _tls_of(front)[0] else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{front.plan.options.get('port')}/{name}"
