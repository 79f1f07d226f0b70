"""The one family of errors: what happened, why, and what to do about it.

Everything a user, a file or a client can cause is raised as a `TarmacError`. The terminal shows it as a toast or an
inline message, the command line as one line on stderr with exit code 2 (input refused) or 1 (could not be done), HTTP
as JSON with `status`.
"""

from __future__ import annotations

from typing import ClassVar


class TarmacError(Exception):
    """Something went wrong that the user can understand and act on.

    Args:
        what: What happened, one short clause without a full stop.
        why: The reason, if it is known.
        do: What the user can do about it.
    """

    status: ClassVar[int] = 500
    """The HTTP status that tells this kind of error."""

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what, why, do)
        self.what, self.why, self.do = (_one_line(part) for part in (what, why, do))

    def __str__(self) -> str:
        text = f"{self.what}: {self.why}" if self.why else self.what
        return f"{text}. {self.do}" if self.do else text

    def to_json(self) -> dict[str, str]:
        """The error as plain data, for the wire between processes and for `--json`."""
        return {"kind": type(self).__name__, "what": self.what, "why": self.why, "do": self.do}

    @staticmethod
    def from_json(data: dict[str, str]) -> TarmacError:
        """The error that `to_json` described; an unknown kind becomes a plain `TarmacError`."""
        kind = _KINDS.get(data.get("kind", ""), TarmacError)
        return kind(data.get("what", "unknown error"), data.get("why", ""), data.get("do", ""))


class InvalidInput(TarmacError):
    """A value that a data type, a command or a setting does not allow. Names the input, the value and what is."""

    status = 400


class NotFound(TarmacError):
    """A name that nothing answers to: a model, a command, a file."""

    status = 404


class Refused(TarmacError):
    """A file that is not what it should be: foreign, truncated, hostile, too large."""

    status = 400


class Cancelled(TarmacError):
    """A request that its asker gave up."""

    status = 499


class OutOfMemory(TarmacError):
    """The device or the machine had not enough memory for one request. The worker goes on."""

    status = 503


class WorkerDied(TarmacError):
    """The process that held the model ended. Its sentence tells how."""

    status = 503


class StorageError(TarmacError):
    """The disk said no: full, read-only, gone."""

    status = 507


_KINDS: dict[str, type[TarmacError]] = {
    kind.__name__: kind
    for kind in (TarmacError, InvalidInput, NotFound, Refused, Cancelled, OutOfMemory, WorkerDied, StorageError)
}


def out_of_memory(problem: BaseException) -> bool:
    """Whether `problem` says that the device or the machine had not enough memory: Python's own, or a framework's."""
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
        return True
    try:
        text = str(problem).lower()
    except Exception:  # foreign code's own errors may fail at anything
        return False
    return isinstance(problem, RuntimeError) and any(words in text for words in _NO_MEMORY)


_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch's allocators say."""


def _one_line(text: str) -> str:
    """`text` on one line and without control characters: names of files may hold terminal escapes."""
    return "".join(char if char.isprintable() else " " for char in str(text)).strip()
