"""Where Tarmac keeps things, and how a file is written so that a reader never sees half of it.

`TARMAC_HOME` moves everything under one folder (small home quotas); otherwise `platformdirs` decides.
Private files are 0600, folders 0700.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from core.errors import StorageError


def config_dir() -> Path:
    """Folder of config.toml, keymap.toml and themes/."""
    return _place("config", platformdirs.user_config_path)


def data_dir() -> Path:
    """Folder of models/, datasets/, workspaces/, runs/, deployments/ and exports/."""
    return _place("data", platformdirs.user_data_path)


def cache_dir() -> Path:
    """Folder of what can be made or fetched again."""
    return _place("cache", platformdirs.user_cache_path)


def private_dir(path: Path) -> Path:
    """Make `path` (and its parents) for this user alone; returns it.

    Raises:
        StorageError: The folder cannot be made.
    """
    with storage_errors(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_atomic(path: Path, content: bytes | str, mode: int = 0o600) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, rename.

    Raises:
        StorageError: The disk is full, read-only or gone; the old content is still there.
    """
    with replacing(path, mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, once all of it is on the disk.

    Raises:
        StorageError: The disk is full, read-only or gone; the old content is still there.
    """
    private_dir(path.parent)
    with storage_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into a `StorageError` that says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "Check the path, or set TARMAC_HOME to a folder you can write to")
        raise StorageError(f"cannot write {path}", error.strerror or str(error), advice) from error


_ADVICE = {
    errno.ENOSPC: "Free some space, or set TARMAC_HOME to a larger disk",
    errno.EDQUOT: "Your quota is full: free some space, or set TARMAC_HOME to another disk",
    errno.EROFS: "The disk is read-only: set TARMAC_HOME to a folder you can write to",
}


def _place(kind: str, default: object) -> Path:
    home = os.environ.get("TARMAC_HOME")
    if home:
        return Path(home).expanduser() / kind
    return default("tarmac", appauthor=False)  # type: ignore[operator, no-any-return]
