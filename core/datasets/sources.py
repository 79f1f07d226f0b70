"""Where pictures come from: folders, zip and tar archives, single files. Walked in a fixed order and never trusted.

Nothing is ever extracted: members of archives are read into memory one by one, under limits. A name is only for
display and for finding the member again; it never becomes a path.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from core.datasets.decoding import MAX_BYTES, LeftOut
from core.errors import Refused
from core.library.manifest import clean_line

MAX_ENTRIES = 5_000_000
"""A source of more files is a mistake or an attack."""
MAX_DEPTH = 64
BOMB_BYTES, BOMB_RATIO = 2 << 30, 200
"""An archive that holds more than this, and this many times its own size, is a bomb: pictures hardly compress."""

_UNPACKERS: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_TAR_SPARE = 1 << 20  # what a tar archive holds besides its members
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes:
        key: What finds it again in its source: a path below the folder, or the number of an archive's member.
        name: What it is called, below its source; may hold anything.
        content: The file, or its bytes; or why it is left out before anyone looked into it.
        size: Bytes of the file as it is stored, 0 where it was not asked.
    """

    key: str
    name: str
    content: Path | bytes | LeftOut
    size: int = 0

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of the folders it lies in, from the top of its source."""
        return tuple(part for part in self.name.replace("\\", "/").split("/")[:-1] if part not in ("", "."))


def displayed(name: str) -> str:
    """A file's name as it may be shown: on one line, no escapes, bytes that are no UTF-8 as question marks."""
    return clean_line(name.encode("utf-8", "replace").decode())[:300] or "?"


def kind_of(path: Path) -> str:
    """ "folder", "zip", "tar" or "file".

    Raises:
        Refused: It is not there, cannot be read, or is none of these.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
            return "folder"
        if not stat.S_ISREG(mode):
            raise Refused(f"{displayed(path.name)} cannot be added", "it is neither a folder nor a file")
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise Refused(f"{displayed(str(path))} is not there", "", "Check the path") from None
    except OSError as error:
        raise Refused(f"{displayed(str(path))} cannot be read", error.strerror or str(error)) from error
    if start in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if path.name.lower().endswith(_TAR_ENDINGS):
        return "tar"
    return "file"


def entries(path: Path, wanted: Sequence[str] | None = None) -> Iterator[Entry]:
    """The files of a source in a fixed order; hidden ones and what archivers add for themselves are passed over.

    Args:
        path: A folder, an archive or one file.
        wanted: Keys in the order in which they were given before; nothing else is read or given.

    Raises:
        Refused: The source is not there, is no archive in spite of its name, or is a bomb.
    """
    kind = kind_of(path)
    only = None if wanted is None else frozenset(wanted)
    if kind == "folder":
        found = _folder(path) if wanted is None else _chosen(path, wanted)
    elif kind == "zip":
        found = _zip(path, only)
    elif kind == "tar":
        found = _tar(path, only)
    else:
        found = iter([Entry(path.name, path.name, path, path.stat().st_size)])
    for number, entry in enumerate(found):
        if number >= MAX_ENTRIES:
            raise Refused(f"{displayed(path.name)} cannot be added", f"it holds more than {MAX_ENTRIES:,} files")
        yield entry


def _chosen(root: Path, wanted: Sequence[str]) -> Iterator[Entry]:
    for key in wanted:
        yield Entry(key, key, root / key)


def _folder(root: Path) -> Iterator[Entry]:
    """Depth first in the order of names. Links are followed, but no folder is entered twice."""
    seen: set[tuple[int, int]] = set()

    def walk(folder: Path, below: str, depth: int) -> Iterator[Entry]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen or depth > MAX_DEPTH:
                return  # a link back up, or a second way to the same pictures
            seen.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            yield Entry(below, below, LeftOut("vanished"))
            return
        except OSError as error:
            yield Entry(below, below, LeftOut("unreadable", error.strerror or str(error)))
            return
        for name in names:
            if is_passed_over(name):
                continue
            path, inner = folder / name, f"{below}/{name}" if below else name
            try:
                mode = path.stat()
            except FileNotFoundError:
                yield Entry(inner, inner, LeftOut("link" if path.is_symlink() else "vanished"))
            except OSError as error:
                why = LeftOut("link" if path.is_symlink() else "unreadable", error.strerror or str(error))
                yield Entry(inner, inner, why)
            else:
                if stat.S_ISDIR(mode.st_mode):
                    yield from walk(path, inner, depth + 1)
                elif not stat.S_ISREG(mode.st_mode):
                    yield Entry(inner, inner, LeftOut("not a picture", "a pipe, a socket or a device"))
                elif mode.st_size > MAX_BYTES:
                    yield Entry(inner, inner, LeftOut("too large", f"{mode.st_size:,} bytes"))
                else:
                    yield Entry(inner, inner, path, mode.st_size)

    yield from walk(root, "", 0)


def _zip(path: Path, wanted: frozenset[str] | None) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_bomb(path, sum(member.file_size for member in members))
            for number, member in enumerate(members):
                key = str(number)
                if member.is_dir() or is_passed_over(member.filename) or (wanted is not None and key not in wanted):
                    continue
                yield Entry(key, member.filename, _zip_content(archive, member), member.compress_size)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused(f"{displayed(path.name)} is no zip archive that can be read", str(error)) from error


def _zip_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | LeftOut:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return LeftOut("link")
    if leads_out(member.filename):
        return LeftOut("unsafe name")
    if member.flag_bits & 1:
        return LeftOut("encrypted")
    if member.file_size > MAX_BYTES:
        return LeftOut("too large", f"{member.file_size:,} bytes")
    try:
        with archive.open(member) as file:
            content = file.read(MAX_BYTES + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        lzma.LZMAError,
        OSError,
        ValueError,
        NotImplementedError,
    ) as error:
        return LeftOut("broken", str(error) or "it cannot be unpacked")
    return content if len(content) <= MAX_BYTES else LeftOut("too large")


def _tar(path: Path, wanted: frozenset[str] | None) -> Iterator[Entry]:
    room = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    number = -1
    try:
        with path.open("rb") as packed, tarfile.open(mode="r|", fileobj=counted(packed, room, path)) as archive:
            for number, member in enumerate(archive):
                # Headers come before content: most bombs are seen before they are unpacked.
                if member.offset_data + member.size > room:
                    raise bomb(path)
                archive.members = []  # type: ignore[attr-defined]  # else every member ever seen is kept
                key = str(number)
                if member.isdir() or is_passed_over(member.name) or (wanted is not None and key not in wanted):
                    continue
                yield Entry(key, member.name, _tar_content(archive, member), member.size)
    except (tarfile.TarError, zlib.error, EOFError, lzma.LZMAError, OSError, ValueError) as error:
        if number < 0:
            raise Refused(f"{displayed(path.name)} is no tar archive that can be read", str(error)) from error
        yield Entry(str(number + 1), f"{path.name}, after {number + 1} files", LeftOut("truncated", str(error)))


class _Counted:
    """A tar archive's bytes, unpacked, until there are more of them than `room`: headers can be bombs as well."""

    def __init__(self, packed: BinaryIO, room: int, path: Path) -> None:
        start = packed.read(6)
        packed.seek(0)
        unpack = next((opener for sign, opener in _UNPACKERS.items() if start.startswith(sign)), None)
        self._file = unpack(packed) if unpack is not None else packed
        self._left, self._path = room + _TAR_SPARE, path

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise bomb(self._path)
        return content


def counted(packed: BinaryIO, room: int, path: Path) -> Any:
    """As the file object that tarfile wants: of one it only reads, it needs no more than this."""
    return _Counted(packed, room, path)


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | LeftOut:
    if not member.isreg():
        return LeftOut("link")
    if leads_out(member.name):
        return LeftOut("unsafe name")
    if member.size > MAX_BYTES:
        return LeftOut("too large", f"{member.size:,} bytes")
    file = archive.extractfile(member)
    return file.read() if file is not None else LeftOut("broken")


def leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":")


def is_passed_over(name: str) -> bool:
    """Hidden, or the second half that another system's archiver adds to each file."""
    parts = name.replace("\\", "/").split("/")
    return any(
        part in ("__MACOSX", "Thumbs.db", "desktop.ini") or (part.startswith(".") and part not in (".", ".."))
        for part in parts
    )


def check_bomb(path: Path, total: int) -> None:
    if total > BOMB_BYTES and total > BOMB_RATIO * path.stat().st_size:
        raise bomb(path)


def bomb(path: Path) -> Refused:
    return Refused(
        f"{displayed(path.name)} cannot be added",
        f"it would unpack to more than {BOMB_RATIO} times its size, which neither pictures nor texts do",
    )
