"""Opening a file that somebody hands in: never waiting on a pipe, never reading it whole into memory."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path

from core.ml.checkpoints.problems import MAX_FILE, Unreadable

CHUNK = 8 * 2**20


def map_file(path: Path, limit: int = MAX_FILE) -> memoryview:
    """The bytes of a plain file, mapped read-only.

    Raises:
        Unreadable: Missing, forbidden, empty, not a plain file, or larger than `limit` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not make us wait
    except (OSError, ValueError) as error:
        raise _unopened(error) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"it is {_KINDS.get(stat.S_IFMT(status.st_mode), 'not a file')}, not a file")
        if status.st_size == 0:
            raise Unreadable("it is empty")
        if status.st_size > limit:
            raise Unreadable(f"it is larger than {limit / 2**30:.3g} GiB, which no supported file is")
        return memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise _unopened(error) from None
    finally:
        os.close(handle)


def digest(data: memoryview, progress: Callable[[float], None] = lambda fraction: None) -> str:
    """The SHA-256 of a mapped file, in hexadecimal."""
    total = hashlib.sha256()
    for begin in range(0, len(data), CHUNK):
        total.update(data[begin : begin + CHUNK])
        progress(min(1.0, (begin + CHUNK) / len(data)))
    return total.hexdigest()


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _unopened(error: OSError | ValueError) -> Unreadable:
    if isinstance(error, ValueError):  # a zero byte in the name
        return Unreadable("there is no such file")
    reasons = {
        errno.ENOENT: "there is no such file",
        errno.ENOTDIR: "there is no such file",
        errno.EACCES: "you are not allowed to read it",
        errno.ELOOP: "its links go round in circles",
        errno.ENAMETOOLONG: "its name is too long",
        errno.ENXIO: "it is a socket, not a file",
    }
    return Unreadable(reasons.get(error.errno or 0, (error.strerror or str(error)).lower()))
