"""The worker process: `python -m core.workers.child FD PARENT`, started by a session and by nothing else.

FD is its end of the socket pair, PARENT the process id of the studio. Its standard output and error are the session's
log from its first moment on, so that nothing a model prints reaches the wire. The process ends with its parent, by
whatever cause: the kernel is asked to kill it (also when it is stopped or busy inside a library), and the thread that
reads the wire kills its whole process group when the wire closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import NoReturn, cast

from core.errors import TarmacError
from core.workers.adapter import Adapter, Target
from core.workers.answers import told
from core.workers.mailbox import Job, Mailbox
from core.workers.serving import serve
from core.workers.wire import Channel, Message, WireError


def main(arguments: list[str]) -> NoReturn:
    """Load the model that the first message names, tell so, and answer requests until told to stop."""
    handle, parent = int(arguments[0]), int(arguments[1])
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _be_the_first_to_go()
    sock = socket.socket(fileno=handle)
    os.set_inheritable(sock.fileno(), False)
    channel = Channel(sock)
    first = _first(channel)
    mailbox = Mailbox()
    loaded = Event()
    keys = _Keys()
    Thread(target=_read, args=(channel, mailbox, loaded, keys), name="wire", daemon=True).start()
    try:
        adapter = _load(_target(first))
        keys.adapter = adapter
        ready: Message = {"kind": "ready", "interface": adapter.interface.spec(), "info": dict(adapter.info)}
        _send(channel, ready)
    except (Exception, SystemExit, KeyboardInterrupt) as problem:
        _send(channel, {"kind": "failed", "error": told(problem, "the model could not be loaded").to_json()})
        leave(1)
    loaded.set()
    serve(adapter, mailbox, lambda message: _send(channel, message))
    leave(0)


def _first(channel: Channel) -> Message:
    """The message that says which model to load; until it comes, do what a waiting worker is asked for."""
    while True:
        message = _receive(channel)
        kind = message.get("kind")
        if kind == "load":
            return message
        if kind == "stop":
            leave(0)
        if kind == "log":
            _write_to(cast(str, message["path"]))
        if kind == "warm":
            # What fails here fails again, and is told, when a model is loaded.
            with contextlib.suppress(Exception):
                from core.ml.adapters import warm

                warm()


def _write_to(path: str) -> None:
    """Make `path` our standard output and error; where it has gone meanwhile, they stay what they are."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.close(handle)


def end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when `parent` (the thread that started us) ends; leave if it has.

    Where there is no such call, the closed wire has to do.
    """
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        die()


def die() -> NoReturn:
    """End this process at once, and with it whatever the model's code has started in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def leave(code: int) -> NoReturn:
    """End this process without the farewells of libraries, which may hang."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class _Keys:
    """Which waiting requests may run together, by the adapter's own word if it has one."""

    adapter: Adapter | None = None

    def key(self, command: str, inputs: dict[str, object]) -> object:
        choose: Callable[[str, dict[str, object]], object] | None = getattr(self.adapter, "batch_key", None)
        if choose is None:
            return None
        try:
            key = choose(command, inputs)
            hash(key)
        except Exception:
            return object()  # like no other: it runs alone, and its own trouble shows there
        return key


def _read(channel: Channel, mailbox: Mailbox, loaded: Event, keys: _Keys) -> None:
    """Bring what comes over the wire to the mailbox; end the process when the wire closes."""
    while True:
        message = _receive(channel)
        kind = message.get("kind")
        if kind == "run":
            command = cast(str, message["command"])
            # Together: they fit to each other, as far as the adapter allows, and to nobody else.
            together = bool(message.get("together"))
            group = object() if together else None
            parts = bool(message.get("parts", True))
            jobs = []
            for item in cast("list[dict[str, object]]", message["items"]):
                inputs = cast("dict[str, object]", item["inputs"])
                key = (group, keys.key(command, inputs))
                jobs.append(Job(cast(int, item["id"]), command, inputs, key, together, parts))
            mailbox.put(*jobs)
        elif kind == "cancel":
            mailbox.cancel(cast(int, message["id"]))
        elif kind == "stop":
            if not loaded.is_set():
                leave(0)
            mailbox.close()


def _receive(channel: Channel) -> Message:
    try:
        message = channel.receive()
    except (WireError, OSError) as error:
        print(f"the wire broke: {error}", file=sys.stderr)
        die()
    if message is None:
        die()
    return message


def _send(channel: Channel, message: Message) -> None:
    try:
        channel.send(message)
    except OSError:
        die()


def _target(message: Message) -> Target:
    return Target(
        adapter=cast(str, message["adapter"]),
        path=Path(cast(str, message["path"])),
        options=cast("dict[str, object]", message["options"]),
        device=cast(str, message["device"]),
        trusted_factory=cast("str | None", message["trusted_factory"]),
    )


def _load(target: Target) -> Adapter:
    if target.trusted_factory is None:
        # Here, and not above: this is what brings torch, and only this process may have it.
        from core.ml.adapters import load

        return load(target.adapter, target.path, dict(target.options), target.device)
    import importlib

    module, _, factory = target.trusted_factory.partition(":")
    make = getattr(importlib.import_module(module), factory, None)
    if make is None:
        raise TarmacError(f"there is no {factory} in {module}")
    return cast(Adapter, make(target.path, dict(target.options), target.device))


def _be_the_first_to_go() -> None:
    """Let the kernel, short of memory, end the worker rather than the studio; and leave no core files in a quota."""
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(500, int(score.read_text()))))


if __name__ == "__main__":
    main(sys.argv[1:])
