"""The files that texts are read from: of folders, zip and tar archives, or alone; in a fixed order, never extracted."""

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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from core.datasets.decoding import LeftOut
from core.datasets.sources import (
    BOMB_BYTES,
    BOMB_RATIO,
    MAX_DEPTH,
    MAX_ENTRIES,
    bomb,
    check_bomb,
    counted,
    displayed,
    is_passed_over,
    kind_of,
    leads_out,
)
from core.datasets.texts.ignore import FOLDERS, Rules, by_name, is_environment, is_ignored, rules_above, rules_of
from core.datasets.texts.split import HELD, told_by_name
from core.errors import Refused

_PACKED: tuple[tuple[bytes, Callable[[BinaryIO], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ", lzma.open),
)
_PACKED_ENDINGS = (".gz", ".bz2", ".xz")


@dataclass(frozen=True)
class TextFile:
    """One file that may hold text, or why it is left out.

    Attributes:
        name: Below its source, with forward slashes; may hold anything.
        size: Bytes as it is stored.
        content: Opens it; or why nobody does.
        given: Whether it was named by itself: then its name decides nothing.
        path: Where it lies on disk; None inside an archive.
    """

    name: str
    size: int
    content: Callable[[], IO[bytes]] | LeftOut
    given: bool = False
    path: Path | None = None

    @property
    def plain_name(self) -> str:
        """Its name in small letters without the ending of a packer."""
        low = self.name.lower()
        return next((low.removesuffix(end) for end in _PACKED_ENDINGS if low.endswith(end)), low)

    @property
    def whole_name(self) -> str:
        """Its path on disk, else its name in the archive: what tells how a collection is laid out."""
        return self.path.as_posix() if self.path is not None else self.name

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Its bytes, unpacked where it is packed.

        Raises:
            LeftOut: It cannot be opened.
        """
        if isinstance(self.content, LeftOut):
            raise self.content
        try:
            file = self.content()
        except FileNotFoundError:
            raise LeftOut("vanished") from None
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise LeftOut("unreadable", str(error)) from error
        with file:
            begun = _Begun(file)
            unpack = next((opener for sign, opener in _PACKED if begun.start.startswith(sign)), None)
            if unpack is None and self.name.lower().endswith(_PACKED_ENDINGS):
                raise LeftOut("broken", f"it is no {self.name.rsplit('.', 1)[-1]} file")
            if unpack is None:
                yield Opened(cast(BinaryIO, begun), None, begun)
            else:
                yield Opened(unpack(cast(BinaryIO, begun)), max(BOMB_BYTES, BOMB_RATIO * self.size), begun)


@dataclass(frozen=True)
class Opened:
    """A file that is being read.

    Attributes:
        file: Its bytes, unpacked.
        limit: How many there may be at most; None for any number.
        source: The file as it is stored; its `taken` says how many bytes of it were read so far.
    """

    file: BinaryIO
    limit: int | None
    source: _Begun


class _Begun:
    """A file whose first bytes were looked at; it need not seek."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.taken = 0
        try:
            self.start = self._rest = file.read(6)
        except (OSError, zlib.error, EOFError, zipfile.BadZipFile, tarfile.TarError, ValueError) as error:
            raise LeftOut("broken", str(error)) from error

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        try:
            if not self._rest:
                found = self._file.read(size)
                self.taken += len(found)
                return found
            if 0 <= size < len(self._rest):
                found, self._rest = self._rest[:size], self._rest[size:]
            else:
                found, self._rest = self._rest + self._file.read(size - len(self._rest) if size > 0 else size), b""
            self.taken += len(found)
            return found
        except (zipfile.BadZipFile, tarfile.TarError) as error:
            raise OSError(str(error)) from error


@dataclass
class Listing:
    """The files of one source.

    Attributes:
        files: One after the other; each is to be read before the next is asked for.
        count, size: Files and bytes, where they are known before they are read, else 0.
    """

    files: Iterator[TextFile]
    count: int = 0
    size: int = 0


def listed(path: Path) -> Listing:
    """The files of a source in a fixed order.

    Raises:
        Refused: It is not there, is no archive in spite of its name, or is a bomb.
    """
    kind = kind_of(path)
    if kind == "folder":
        walk = _Walk(path)
        found = list(walk.names())
        # Of a text that is on both sides of a split, the held-out one is the one that stays: it comes first.
        found.sort(key=lambda each: told_by_name(f"{path.as_posix()}/{each[0]}") != HELD)
        return Listing((walk.file(*each) for each in found), len(found), sum(each[1] for each in found))
    size = path.stat().st_size
    if kind == "zip":
        return Listing(_zip(path), 0, 0)
    if kind == "tar":
        return Listing(_tar(path), 0, 0)
    return Listing(iter([TextFile(path.name, size, lambda: path.open("rb"), given=True, path=path)]), 1, size)


def glimpsed(path: Path) -> Iterator[TextFile]:
    """The same files as they are found, for one who may not wait until all of a large folder is listed.

    Raises:
        Refused: As `listed`.
    """
    if kind_of(path) != "folder":
        return listed(path).files
    walk = _Walk(path)
    return (walk.file(*each) for each in walk.names())


@dataclass
class _Walk:
    """A folder, depth first in the order of names. Links are followed, but no folder is entered twice."""

    root: Path
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _left: dict[str, LeftOut] = field(default_factory=dict)

    def names(self) -> Iterator[tuple[str, int]]:
        """Name and bytes of each file; of what is left out by its name too."""
        above, below = rules_above(self.root)
        for number, each in enumerate(self._walk(self.root, "", below, above, 0)):
            if number >= MAX_ENTRIES:
                what = f"{displayed(self.root.name)} cannot be added"
                raise Refused(what, f"it holds more than {MAX_ENTRIES:,} files")
            yield each

    def file(self, name: str, size: int) -> TextFile:
        """One of them."""
        path = self.root / name
        left = self._left.get(name)
        return TextFile(name, size, left if left is not None else lambda: path.open("rb"), path=path)

    def _leave(self, name: str, reason: str, why: str = "") -> tuple[str, int]:
        self._left[name] = LeftOut(reason, why)
        return name, 0

    def _walk(
        self, folder: Path, below: str, top: str, rules: Sequence[Rules], depth: int
    ) -> Iterator[tuple[str, int]]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._seen or depth > MAX_DEPTH:
                return  # a link back up, or a second way to the same files
            self._seen.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            yield self._leave(below, "vanished")
            return
        except OSError as error:
            yield self._leave(below, "unreadable", error.strerror or str(error))
            return
        own = rules_of(folder, top) if ".gitignore" in names else None
        rules = [*rules, own] if own is not None else rules
        for name in names:
            if is_passed_over(name):
                continue
            path, inner = folder / name, f"{below}/{name}" if below else name
            try:
                mode = path.stat()
            except OSError as error:
                link = path.is_symlink()
                gone = isinstance(error, FileNotFoundError) and not link
                yield self._leave(inner, "link" if link else "vanished" if gone else "unreadable", error.strerror or "")
                continue
            if stat.S_ISDIR(mode.st_mode):
                yield from self._folder(path, name, inner, f"{top}{name}/", rules, depth)
            elif not stat.S_ISREG(mode.st_mode):
                yield self._leave(inner, "no file", "a pipe, a socket or a device")
            elif rules and is_ignored(f"{top}{name}", rules):
                yield self._leave(inner, "ignored", "by .gitignore")
            elif (why := by_name(name)) is not None:
                yield self._leave(inner, *why)
            else:
                yield inner, mode.st_size

    def _folder(
        self, path: Path, name: str, inner: str, top: str, rules: Sequence[Rules], depth: int
    ) -> Iterator[tuple[str, int]]:
        if name in FOLDERS:
            yield self._leave(f"{inner}/", "ignored", FOLDERS[name])
        elif is_environment(path):
            yield self._leave(f"{inner}/", "ignored", "a virtual environment")
        elif rules and is_ignored(top, rules):
            yield self._leave(f"{inner}/", "ignored", "by .gitignore")
        else:
            yield from self._walk(path, inner, top, rules, depth + 1)


def _zip(path: Path) -> Iterator[TextFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_ENTRIES:
                raise Refused(f"{displayed(path.name)} cannot be added", f"it holds more than {MAX_ENTRIES:,} files")
            check_bomb(path, sum(member.file_size for member in members))
            for member in members:
                if member.is_dir() or is_passed_over(member.filename):
                    continue
                kind = stat.S_IFMT(member.external_attr >> 16)
                left = _left_inside(member.filename, kind not in (0, stat.S_IFREG))
                if left is None and member.flag_bits & 1:
                    left = LeftOut("encrypted")
                content = left or (lambda member=member: archive.open(member))
                yield TextFile(member.filename, member.compress_size, content)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused(f"{displayed(path.name)} is no zip archive that can be read", str(error)) from error


def _tar(path: Path) -> Iterator[TextFile]:
    room = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    number = -1
    try:
        with path.open("rb") as packed, tarfile.open(mode="r|", fileobj=counted(packed, room, path)) as archive:
            for member in archive:
                number += 1
                if member.offset_data + member.size > room:
                    raise bomb(path)
                archive.members = []  # type: ignore[attr-defined]  # else every member ever seen is kept
                if member.isdir() or is_passed_over(member.name):
                    continue
                left = _left_inside(member.name, not member.isreg())
                content = left or (lambda member=member: archive.extractfile(member))
                yield TextFile(member.name, member.size, content)  # type: ignore[arg-type]
    except (tarfile.TarError, zlib.error, EOFError, lzma.LZMAError, OSError, ValueError) as error:
        if number < 0:
            raise Refused(f"{displayed(path.name)} is no tar archive that can be read", str(error)) from error
        yield TextFile(f"{path.name}, after {number + 1} files", 0, LeftOut("truncated", str(error)))


def _left_inside(name: str, link: bool) -> LeftOut | None:
    """Why a member of an archive is not read."""
    if link:
        return LeftOut("link")
    if leads_out(name):
        return LeftOut("unsafe name")
    folder = next((part for part in name.split("/")[:-1] if part in FOLDERS), None)
    if folder is not None:
        return LeftOut("ignored", FOLDERS[folder])
    why = by_name(name)
    return LeftOut(*why) if why is not None else None
