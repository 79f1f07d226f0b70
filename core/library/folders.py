"""Folders that appear and disappear by one rename, so that a reader sees them whole or not at all.

What models, datasets and runs on disk have in common: building in a hidden staging folder, leaving through a hidden
trash folder, and sweeping up after processes that were killed in between.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from core.errors import Refused
from core.paths import private_dir, storage_errors

ABANDONED_AFTER = 24 * 3600.0
"""Seconds; nothing takes a day to build, and a killed process leaves its folder behind."""

_LOOKS = 5

Seen = TypeVar("Seen")


def identity(folder: Path) -> tuple[int, int, int] | None:
    """Changes when the folder is replaced or something in it is added or removed; None when it is gone."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def steadily(folder: Path, look: Callable[[Path], Seen]) -> Seen | None:
    """What `look` sees in `folder`, all of it at one time; None when it is gone."""
    for _ in range(_LOOKS):
        before = identity(folder)
        if before is None:
            return None
        seen = look(folder)
        if identity(folder) == before:
            break  # else another process changed it while we read, or put another in its place
    return seen


def entries(folder: Path) -> Iterator[Path]:
    """What is in `folder`; nothing if it cannot be read."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (folder / name for name in names)


def folders(folder: Path) -> Iterator[Path]:
    """The folders in `folder` that are not hidden."""
    return (path for path in entries(folder) if not path.name.startswith((".", "__")) and path.is_dir())


def size(folder: Path) -> int:
    """Bytes of all files under `folder`, links not followed."""
    total = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def delete(path: Path) -> None:
    """Delete a folder with all that is in it, or a link; what cannot be deleted stays."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def stage(home: Path) -> Path:
    """A new, empty, private folder below `home` to build something in; sweeps up what others left.

    Raises:
        StorageError: The disk said no.
    """
    private_dir(home)
    sweep(home)
    while True:
        path = home / f".staging-{secrets.token_hex(6)}"
        with storage_errors(path):
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                continue
        return path


def claim(folder: Path, home: Path, short: str) -> Path:
    """Move a finished folder to `home` under a new id: the time and `short`; returns its place.

    Raises:
        OSError: The disk said no.
        Refused: There are ten thousand of that name.
    """
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{short}"
    for attempt in range(1, 10_000):
        place = home / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            os.rename(folder, place)  # never replaces another: a folder that is not empty refuses
            return place
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
    raise Refused("it cannot be added", f"there are 10,000 called {stem}")


def discard(folder: Path, home: Path) -> bool:
    """Take `folder` out of `home` by one rename, then delete it; False if it was gone already.

    Raises:
        StorageError: The disk said no; it is still there.
    """
    trash = home / f".trash-{secrets.token_hex(6)}"
    with storage_errors(folder):
        try:
            os.rename(folder, trash)
        except FileNotFoundError:
            return False
    delete(trash)
    return True


def sweep(home: Path) -> None:
    """Delete trash, and staging folders that nobody finished for a day."""
    for path in entries(home):
        trash = path.name.startswith(".trash-")
        staging = path.name.startswith(".staging-")
        try:
            if trash or (staging and time.time() - path.stat().st_mtime > ABANDONED_AFTER):
                delete(path)
        except OSError:
            continue
