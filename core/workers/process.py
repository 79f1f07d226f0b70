"""The subprocess itself: started without holding the event loop, stopped by a ladder, its end always noticed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import BinaryIO

from core.errors import StorageError
from core.paths import private_dir, storage_errors
from core.workers.death import last_lines
from core.workers.wire import AsyncChannel, Message

LOG_LIMIT = 4 * 2**20
"""Bytes after which a log begins anew when a worker starts."""

_DRAIN = 1.0
"""Seconds that the wire may take to close after the process has ended, or the process after the wire."""


class WorkerProcess:
    """One run of `core.workers.child`, from its start to its end.

    Made by `spawn`. `on_message` gets what the worker says; `on_end` is called once, when the process is gone, with
    its exit code (negative: the signal) and the last lines of its log. Both are called on the event loop.
    """

    def __init__(self, on_message: Callable[[Message], None], on_end: Callable[[int, list[str]], None]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int] = self._loop.create_future()
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._channel: AsyncChannel | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._reaped = False
        self._lock = Lock()
        self._tail: list[str] = []
        self._log: BinaryIO | None = None
        """The log of whoever adopted this worker, and where its part of it begins."""
        self._log_start = 0
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def spawn(
        cls,
        log: Path | None,
        on_message: Callable[[Message], None],
        on_end: Callable[[int, list[str]], None],
    ) -> WorkerProcess:
        """Start a worker that writes to `log` (to a nameless temporary file without one).

        Raises:
            StorageError: The log cannot be written.
            OSError: The process cannot be started.
        """
        worker = cls(on_message, on_end)
        ours, theirs = socket.socketpair()
        try:
            worker._channel = await AsyncChannel.open(
                ours, lambda message: worker._on_message(message), lambda _: _settle(worker._closed)
            )
            # The thread that starts the process lives as long as it: the kernel's death signal hangs on that thread.
            keeper = Thread(target=worker._keep, args=(log, theirs), name="worker keeper", daemon=True)
            keeper.start()
        except BaseException:
            ours.close()
            theirs.close()
            raise
        try:
            await asyncio.shield(worker._started)
        except BaseException:
            worker._abandon()
            raise
        worker._watcher = asyncio.create_task(worker._watch())
        return worker

    @property
    def pid(self) -> int | None:
        """The process id, while the process is there."""
        return self._popen.pid if self._popen is not None and not self._reaped else None

    async def adopt(
        self,
        log: Path | None,
        on_message: Callable[[Message], None],
        on_end: Callable[[int, list[str]], None],
    ) -> None:
        """Take over a worker that was started for nobody in particular; from now on it writes to `log`.

        Raises:
            StorageError: The log cannot be written; the worker is stopped.
        """
        self._on_message, self._on_end = on_message, on_end
        if log is not None:
            try:
                self._log = await asyncio.to_thread(_open_log, log)
            except (OSError, StorageError):
                self._on_end = lambda code, lines: None
                await self.stop(0)
                raise
            self._log_start = self._log.seek(0, os.SEEK_END)
            self.send({"kind": "log", "path": str(log)})

    def send(self, message: Message) -> None:
        """Send one message; to a worker that is gone it goes nowhere.

        Raises:
            WireError: The message cannot be sent.
        """
        if self._channel is not None:
            self._channel.send(message)

    async def stop(self, grace: float) -> None:
        """The ladder: a polite message, SIGTERM to the group, SIGKILL; `grace` seconds on each step."""
        if not self._ended.done():
            self.send({"kind": "stop"})
            for step in (signal.SIGTERM, signal.SIGKILL):
                if await _within(self._ended, grace):
                    break
                self._signal(step)
        await asyncio.shield(self._ended)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            # Not after the process was reaped: the number may be someone else's by then.
            if self._popen is not None and not self._reaped:
                os.killpg(self._popen.pid, number)

    async def _watch(self) -> None:
        """Wait for the end, however it comes, and tell it once everything that was said before has arrived."""
        assert self._channel is not None
        assert self._popen is not None
        try:
            await asyncio.wait([self._exited, self._closed], return_when=asyncio.FIRST_COMPLETED)
            if not self._exited.done() and not await _within(self._exited, _DRAIN):
                self._signal(signal.SIGKILL)  # it closed the wire and stays: nobody can talk to it any more
            await self._exited
            await _within(self._closed, _DRAIN)
        finally:
            # Also when the loop shuts down around us: the worker ends with the wire.
            self._channel.close()
            if self._log is not None:
                self._tail += last_lines(self._log, self._log_start)
                self._log.close()
        _settle(self._ended)
        self._on_end(self._popen.returncode, self._tail)

    def _abandon(self) -> None:
        """Whoever started us does not wait any more: leave nothing behind."""
        if self._channel is not None:
            self._channel.close()
        # A process that is there ends with the wire; its keeper reaps it.
        if not self._started.done():
            self._started.cancel()
        elif not self._started.cancelled():
            self._started.exception()

    # -- on the keeper's thread

    def _keep(self, log: Path | None, theirs: socket.socket) -> None:
        """Start the process, wait until it ends, end its group, reap it."""
        try:
            file = _open_log(log)
        except (OSError, StorageError) as error:
            theirs.close()
            return self._report(self._started, error)
        with file:
            start = file.seek(0, os.SEEK_END)
            try:
                popen = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-u", "-X", "utf8", "-X", "faulthandler"),
                        *("-m", "core.workers.child", str(theirs.fileno()), str(os.getpid())),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    env=_environment(),
                )
            except OSError as error:
                return self._report(self._started, error)
            finally:
                theirs.close()
            self._popen = popen
            self._report(self._started, None)
            # Look, do not reap: as long as it is not reaped its number, and so its group, can be nobody else's.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            self._signal(signal.SIGKILL)
            with self._lock:
                self._reaped = True
                popen.wait()
            self._tail = last_lines(file, start)
        self._report(self._exited, None)

    def _report(self, future: asyncio.Future[int] | asyncio.Future[None], error: Exception | None) -> None:
        # A loop that is closed has nobody who could be told.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, future, error)


def _environment() -> dict[str, str]:
    """Ours, so that the worker finds this very program where it is not installed (`-P` hides the working folder)."""
    root = Path(__file__).resolve().parents[2]
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{known}{os.pathsep}{root}" if known else str(root)}


def _open_log(path: Path | None) -> BinaryIO:
    if path is None:
        return tempfile.TemporaryFile()
    private_dir(path.parent)
    with storage_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(handle).st_size > LOG_LIMIT:
        os.ftruncate(handle, 0)
    return os.fdopen(handle, "r+b", buffering=0)


def _settle(future: asyncio.Future[int] | asyncio.Future[None], error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)  # type: ignore[arg-type]
    else:
        future.set_exception(error)


async def _within(future: asyncio.Future[None], seconds: float) -> bool:
    """Whether `future` is done within `seconds`."""
    done, _ = await asyncio.wait([future], timeout=seconds)
    return bool(done)
