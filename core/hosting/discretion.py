"""What strangers are told, and what is written down: nothing of other requests, of contents, of this machine.

A worker's last lines may hold what other clients sent, and paths tell who lives here. The studio, which is the owner,
is told everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import InvalidInput, NotFound, TarmacError
from core.hosting.errors import MethodNotAllowed, again
from core.workers.death import LAST_LINES


def discreet(error: TarmacError, folders: Sequence[Path]) -> TarmacError:
    """`error` without a worker's last lines, and without the paths of `folders`."""
    why = error.why.partition(LAST_LINES)[0]
    parts = [discreet_text(part, folders) for part in (error.what, why, error.do)]
    if parts == [error.what, error.why, error.do]:
        return error
    return again(error, *parts)


def discreet_text(text: str, folders: Sequence[Path]) -> str:
    """`text` without a worker's last lines, and without the paths of `folders`."""
    text = text.partition(LAST_LINES)[0]
    for folder in folders:
        if len(folder.parts) > 1:
            text = text.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return text


def logged(error: TarmacError) -> str:
    """What a log keeps of an error: a value or path that a client sent is its contents, and so may be what a model
    said of it."""
    if isinstance(error, InvalidInput):
        return "bad input"
    if isinstance(error, NotFound | MethodNotAllowed):
        return "no such address"
    if error.status == 500:
        kind = error.why.partition(":")[0]
        return f"{error.what}: {kind}" if kind.isidentifier() else error.what
    return discreet_text(str(error), ())
