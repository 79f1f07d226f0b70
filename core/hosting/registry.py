"""What the gateway knows of the deployments folder: looked at four times a second, and when somebody asks in vain.

The folder is the truth. A deployment that appears there is served, one that changes is served as it is now, one that
goes is stopped; what is not a deployment is told and served to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.errors import NotFound, TarmacError
from core.hosting.deployment import FILE_NAME, Deployment
from core.hosting.pool import Pool
from core.hosting.request_log import RequestLog
from core.hosting.served import Resolve, Served
from core.hosting.statistics import Statistics
from core.hosting.status import State, Status, read_status, write_status
from core.hosting.tokens import FILE_NAME as TOKENS
from core.hosting.tokens import Verifier, read_tokens
from core.library.folders import folders

LOOKS = 0.25
"""Seconds between two looks at the folder."""

_APART = 0.01
"""Seconds that looks are apart at least, however many requests ask for one."""

_RESOLVED_AGAIN = 5.0
"""Seconds after which a model that was not found is looked for again."""

Signature = tuple[object, ...]


@dataclass(eq=False)
class Entry:
    """One deployment as it is served.

    Attributes:
        deployment: Its settings.
        folder: Its folder.
        verifier: Its tokens.
        statistics: What is counted of it.
        log: Its request log.
        pool: Its workers; None while its model is not found or it is not active.
        problem: Why there is no pool.
    """

    deployment: Deployment
    folder: Path
    verifier: Verifier
    statistics: Statistics
    log: RequestLog
    pool: Pool | None = None
    problem: TarmacError | None = None
    signature: Signature = ()
    looked: float = 0.0
    written: Status | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.deployment.name

    @property
    def state(self) -> State:
        """Where it stands."""
        if not self.deployment.active:
            return "inactive"
        return self.pool.state if self.pool is not None else "failed"

    def status(self) -> Status:
        """All of it, for status.json."""
        pool = self.pool
        if pool is None:
            sentence = str(self.problem or "") if self.deployment.active else ""
            return self.statistics.status(self.state, sentence, replicas=self.deployment.replicas)
        return self.statistics.status(
            pool.state,
            str(pool.problem or ""),
            queue=pool.queued,
            running=pool.running,
            replicas_ready=pool.ready,
            replicas=self.deployment.replicas,
        )


@dataclass
class _Found:
    """What a look has read of one folder that is new or changed."""

    signature: Signature
    deployment: Deployment | None = None
    verifier: Verifier = field(default_factory=Verifier)
    served: Served | None = None
    problem: TarmacError | None = None
    before: Status | None = None


class Registry:
    """The deployments that are served.

    Args:
        folder: The deployments folder.
        resolve: Finds the model of a deployment.
        only: Name of the one deployment to serve; empty for all.
        records: Where what is counted of that one goes; None for its own folder.
    """

    def __init__(self, folder: Path, resolve: Resolve, *, only: str = "", records: Path | None = None) -> None:
        self.folder = folder
        self._only, self._records = only, records
        self.entries: dict[str, Entry] = {}
        self.gateway_tokens = Verifier()
        """What opens /metrics and /readyz."""
        self._tokens_signature: Signature = ()
        self._resolve = resolve
        self._lock = asyncio.Lock()
        self._looks = 0
        self._last = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Look once, then again and again. Deployments that are active can be used from now on."""
        await self.look()
        self._loop_task = asyncio.create_task(self._watch(), name="registry")

    async def close(self, patience: float) -> None:
        """Let accepted requests finish for `patience` seconds, end all workers, write what was counted."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        pools = [entry.pool for entry in self.entries.values() if entry.pool is not None]
        await asyncio.gather(*(pool.close(patience) for pool in pools), *self._closing)
        await self._write()

    async def fresh(self) -> None:
        """Wait for a look at the folder that begins after this call."""
        wanted = self._looks + 1
        async with self._lock:
            if self._looks < wanted:
                await asyncio.sleep(max(0.0, self._last + _APART - time.monotonic()))
                await self._look()

    async def look(self) -> None:
        """Look at the folder now."""
        async with self._lock:
            await self._look()

    # -- looking

    async def _watch(self) -> None:
        second = 0.0
        while True:
            await asyncio.sleep(LOOKS)
            try:
                await self.look()
                if time.monotonic() - second >= 1.0:
                    second = time.monotonic()
                    for entry in self.entries.values():
                        if entry.pool is not None:
                            entry.pool.tick()
                    await self._write()
            except Exception:
                traceback.print_exc()  # a mistake in one look must not make us blind for ever

    async def _look(self) -> None:
        self._looks += 1
        known = {name: (entry.signature, entry.problem, entry.looked) for name, entry in self.entries.items()}
        names, found, tokens = await asyncio.to_thread(self._read, known)
        self._last = time.monotonic()
        if tokens is not None:
            self._tokens_signature, self.gateway_tokens = tokens
        for name in self.entries.keys() - names:
            self._close_pool(self.entries.pop(name))
        for name, what in found.items():
            self._take(name, what)

    def _read(
        self, known: Mapping[str, tuple[Signature, TarmacError | None, float]]
    ) -> tuple[set[str], dict[str, _Found], tuple[Signature, Verifier] | None]:
        """In a thread: the names of all folders, and what is new or changed in them."""
        names: set[str] = set()
        found: dict[str, _Found] = {}
        for folder in folders(self.folder):
            name = folder.name
            if self._only and name != self._only:
                continue
            names.add(name)
            signature = (_stamp(folder / FILE_NAME), _stamp(folder / TOKENS))
            before, problem, looked = known.get(name, ((), None, 0.0))
            if signature == before and (problem is None or time.monotonic() - looked < _RESOLVED_AGAIN):
                continue
            found[name] = self._read_one(folder, signature)
        own: Signature = (_stamp(self.folder / TOKENS),)
        tokens = None
        if own != self._tokens_signature:
            try:
                tokens = own, Verifier(read_tokens(self.folder))
            except TarmacError:
                tokens = own, Verifier()
        return names, found, tokens

    def _read_one(self, folder: Path, signature: Signature) -> _Found:
        what = _Found(signature, before=read_status(self._records or folder))
        try:
            what.deployment = Deployment.read(folder)
            what.verifier = Verifier(read_tokens(folder))
            if what.deployment.active:
                what.served = self._resolve(what.deployment)
        except TarmacError as error:
            what.problem = error
        except Exception as error:
            what.problem = TarmacError(f"{folder.name} cannot be served", repr(error)[:300])
        return what

    def _take(self, name: str, what: _Found) -> None:
        """Serve a deployment as it is now."""
        entry = self.entries.get(name)
        deployment = what.deployment
        if deployment is None:
            # Broken: nobody is let in until it is mended; what ran is stopped.
            if entry is not None:
                self._close_pool(self.entries.pop(name))
            return
        if entry is None:
            folder = self._records or self.folder / name
            log = RequestLog(folder / "requests.log")
            entry = Entry(deployment, folder, what.verifier, Statistics(what.before), log)
            self.entries[name] = entry
        old, entry.deployment, entry.verifier = entry.deployment, deployment, what.verifier
        entry.signature, entry.problem, entry.looked = what.signature, what.problem, time.monotonic()
        awake = False
        if entry.pool is not None and (what.served is None or not old.same_workers(deployment)):
            awake = entry.pool.state in ("awake", "waking")
            self._close_pool(entry)
        if entry.pool is not None:
            entry.pool.deployment = deployment
            entry.pool.resize_queue(deployment.limits.max_queue)
        elif what.served is not None:
            entry.pool = Pool(deployment, what.served, entry.folder)
            if awake:
                entry.pool.wake()  # what was ready for requests is so again before one comes

    def _close_pool(self, entry: Entry) -> None:
        pool, entry.pool = entry.pool, None
        if pool is not None:
            task = asyncio.create_task(pool.close(entry.deployment.limits.timeout))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _write(self) -> None:
        """Write logs, and the status of whatever has changed: put together here, written in a thread."""
        work: list[Callable[[], None]] = []
        for entry in self.entries.values():
            if entry.log.waiting:
                work.append(entry.log.flush)
            status = entry.status()
            if entry.written is None or status.at(entry.written.updated) != entry.written.at(status.updated):
                entry.written = status
                work.append(partial(_write_status, entry.folder, status))
        if work:
            await asyncio.to_thread(lambda: [each() for each in work])

    def require(self, name: str) -> Entry:
        """The deployment called `name`.

        Raises:
            NotFound: There is none, or it is not active.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise NotFound(f"no deployment is called {name[:80]!r}")
        if not entry.deployment.active:
            raise NotFound(f"{name} is not active", "", "Its owner can switch it on")
        return entry


def _write_status(folder: Path, status: Status) -> None:
    """A disk that says no is asked again with the next change; a folder that was removed is not made anew."""
    with contextlib.suppress(TarmacError):
        if folder.is_dir():
            write_status(folder, status)


def _stamp(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
