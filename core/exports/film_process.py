"""A film written by a process of its own, for programs with an event loop.

Encoders hold Python's lock for tens of milliseconds at a time; in a thread of the studio that would be felt with every
key. The process gets frames over a socket, writes the film with `FilmWriter`, and throws it away when the socket closes
before the end, however the studio ended.

Started as `python -m core.exports.film_process FD`.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from core.errors import StorageError, TarmacError
from core.exports.film import FilmOptions, FilmWriter, Pixels
from core.workers.wire import Channel, Message, WireError

_LONGEST_END = 20.0
"""Seconds that a process may take to throw away what it wrote."""


class FilmProcess:
    """Does what `FilmWriter` does, elsewhere. Its methods wait for the other process: call them in a thread."""

    def __init__(self, path: Path, options: FilmOptions, *, mode: int = 0o600) -> None:
        options.check(path.suffix.lower())
        self.path, self.options, self._mode = path, options, mode
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> FilmProcess:
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core.exports.film_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            raise StorageError("the process that writes films cannot start", error.strerror or "") from error
        finally:
            theirs.close()
        self._channel = Channel(ours)
        options = self.options
        self._send(
            {
                "path": str(self.path),
                "mode": self._mode,
                "rate": str(options.rate),
                "loop": options.loop,
                "quality": options.quality,
                "title": options.title,
                "notes": options.notes,
            }
        )
        return self

    def add(self, pixels: Pixels) -> None:
        """One frame more, as `FilmWriter.add`; an error may be told with a later frame."""
        self._send({"pixels": pixels})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is None or self._process is None:
            return  # it was never begun
        try:
            if kind is None:
                self._send({"finish": True})
                self._listen()
        finally:
            self._channel.close()
            try:
                self._process.wait(_LONGEST_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _send(self, message: Message) -> None:
        assert self._channel is not None
        try:
            self._channel.send(message)
        except (OSError, WireError):
            self._listen()
            raise self._gone() from None

    def _listen(self) -> None:
        """Wait for the word that all is written.

        Raises:
            TarmacError: What it says instead.
        """
        assert self._channel is not None
        try:
            answer: dict[str, Any] | None = self._channel.receive()
        except (OSError, WireError):
            answer = None
        if answer is None:
            raise self._gone()
        if "error" in answer:
            raise TarmacError.from_json(answer["error"])

    def _gone(self) -> TarmacError:
        return StorageError(f"cannot write {self.path.name}", "the process that writes it ended")


def main() -> int:
    """Write the film that comes over the socket whose descriptor is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a ctrl+c in the terminal is for the studio
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        _write(channel)
    except (OSError, WireError, EOFError):
        return 1  # nobody is there to be told
    except TarmacError as error:
        with contextlib.suppress(OSError, WireError):
            channel.send({"error": error.to_json()})
        return 1
    return 0


def _write(channel: Channel) -> None:
    said: dict[str, Any] = _receive(channel)
    options = FilmOptions(Fraction(said["rate"]), said["loop"], said["quality"], said["title"], said["notes"])
    with FilmWriter(Path(said["path"]), options, mode=said["mode"]) as film:
        while "finish" not in (message := _receive(channel)):
            film.add(message["pixels"])
    channel.send({"done": True})


def _receive(channel: Channel) -> dict[str, Any]:
    message = channel.receive()
    if message is None:
        raise EOFError
    return message


if __name__ == "__main__":
    sys.exit(main())
