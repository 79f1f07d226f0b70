"""Workspaces: which models are open side by side, with everything that was set and found in them.

Each is one TOML file. Two studios may have the same one open: a file is replaced whole, and whoever saves over a file
that another one has changed meanwhile keeps both, his own under a new name.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import InvalidInput, NotFound, Refused
from core.library.manifest import clean_line
from core.library.toml import dumps
from core.paths import data_dir as default_data_dir
from core.paths import private_dir, storage_errors, write_atomic

FORMAT = 1
SUFFIX = ".toml"
MAX_BYTES = 64 * 1024 * 1024
MAX_NAME_BYTES = 200  # a file name holds 255, and a temporary one needs some of them
DEFAULT_NAME = "Workspace 1"


@dataclass(frozen=True)
class Entry:
    """One model in a workspace.

    Attributes:
        model: Its id in the library. The model may be gone.
        state: Plain data of the pane that shows it; nulls in it are not kept.
    """

    model: str
    state: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Workspace:
    """A named, saved arrangement of models.

    Attributes:
        name: Also the name of its file.
        models: In the order of their tabs.
        active: Index of the one in front; 0 when there is none.
        layout: Plain data of the screen.
        stamp: What the file held when this was read or saved; "" for a new one. Nobody but `Workspaces` uses it.
    """

    name: str
    models: tuple[Entry, ...] = ()
    active: int = 0
    layout: Mapping[str, object] = field(default_factory=dict)
    stamp: str = field(default="", compare=False)

    def to_toml(self) -> str:
        """The file's text.

        Raises:
            InvalidInput: A state holds something that is not plain data.
        """
        entries = [{"model": entry.model, "state": entry.state} for entry in self.models]
        try:
            return dumps({"format": FORMAT, "active": self.active, "layout": self.layout, "models": entries})
        except TypeError as error:
            raise InvalidInput(f"the workspace {self.name} cannot be saved", str(error)) from error

    @staticmethod
    def from_toml(name: str, text: str) -> Workspace:
        """The workspace in `text`.

        Raises:
            Refused: Not one; says why.
        """
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise _refusal(name, f"its file is not TOML ({str(error) or 'nested too deeply'})") from error
        number = data.get("format")
        if number != FORMAT:
            raise _refusal(name, f"it has format {number!r:.20}, this Tarmac reads up to {FORMAT}")
        entries, layout, active = data.get("models", []), data.get("layout", {}), data.get("active", 0)
        if not isinstance(entries, list) or not isinstance(layout, dict) or not isinstance(active, int):
            raise _refusal(name, "models, layout or active are of the wrong type")
        models: list[Entry] = []
        for entry in entries:
            model, state = (entry.get("model"), entry.get("state", {})) if isinstance(entry, dict) else (None, None)
            if not isinstance(model, str) or not isinstance(state, dict):
                raise _refusal(name, "one of its models has no id or no state")
            models.append(Entry(model, state))
        return Workspace(name, tuple(models), min(max(active, 0), max(len(models) - 1, 0)), layout)


class Workspaces:
    """The workspaces of this user. Its methods read and write the disk.

    Args:
        data_dir: Folder that holds workspaces/; by default `core.paths.data_dir()`.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.folder = (data_dir if data_dir is not None else default_data_dir()) / "workspaces"

    def names(self) -> list[str]:
        """All names, sorted as people sort (upper and lower case together)."""
        try:
            files = os.listdir(self.folder)
        except OSError:
            return []
        names = [name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX) and not name.startswith(".")]
        return sorted((name for name in names if _valid(name)), key=lambda name: (name.casefold(), name))

    def load(self, name: str) -> Workspace:
        """The workspace called `name`.

        Raises:
            NotFound: There is none.
            Refused: Its file cannot be used; it is left as it is.
        """
        path = self._path(name)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise _refusal(name, f"its file is larger than {MAX_BYTES:,} bytes")
            content = path.read_bytes()
            workspace = Workspace.from_toml(name, content.decode())
        except FileNotFoundError:
            raise NotFound(f"no workspace is called {name}") from None
        except OSError as error:
            raise _refusal(name, error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise _refusal(name, "its file is not UTF-8 text") from error
        return replace(workspace, stamp=_stamp(content))

    def save(self, workspace: Workspace) -> Workspace:
        """Write a workspace and remember it as the last one.

        Returns:
            What was saved, to go on with. Its name is another one if the file had been changed, deleted and made
            anew, or made by somebody else since `workspace` was read: then both are kept.

        Raises:
            InvalidInput: The name cannot be that of a workspace, or the state is not plain data.
            StorageError: The disk said no; what was saved before is still there.
        """
        check_name(workspace.name)
        content = workspace.to_toml().encode()
        with self._lock():
            name = workspace.name
            on_disk = self._stamp(name)
            if on_disk not in ("", workspace.stamp, _stamp(content)):
                name = self._free_name(name)
            if on_disk != _stamp(content):
                write_atomic(self._path(name), content)
        self.remember(name)
        return replace(workspace, name=name, stamp=_stamp(content))

    def new(self, name: str | None = None) -> Workspace:
        """An empty workspace, not yet saved, under `name` or the first free "Workspace N"."""
        return Workspace(check_name(name) if name is not None else self._free_name(DEFAULT_NAME))

    def rename(self, workspace: Workspace, name: str) -> Workspace:
        """Give a workspace another name, on disk too if it is there.

        Raises:
            InvalidInput: The name is not possible or taken.
            StorageError: The disk said no.
        """
        check_name(name)
        with self._lock():
            if self._path(name).exists() and name != workspace.name:
                raise InvalidInput(f"there is a workspace called {name} already", "", "Take another name")
            with storage_errors(self._path(name)), contextlib.suppress(FileNotFoundError):
                os.rename(self._path(workspace.name), self._path(name))
        self.remember(name)
        return replace(workspace, name=name)

    def remove(self, name: str) -> None:
        """Delete a workspace for ever; its models stay in the library.

        Raises:
            NotFound: There is none.
            StorageError: The disk said no.
        """
        path = self._path(name)
        with self._lock(), storage_errors(path):
            try:
                path.unlink()
            except FileNotFoundError:
                raise NotFound(f"no workspace is called {name}") from None

    def last(self) -> str | None:
        """The name that was last saved or remembered, if it is still there."""
        try:
            name = (self.folder / ".last").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return name if _valid(name) and self._path(name).is_file() else None

    def remember(self, name: str) -> None:
        """Come back to `name` at the next start."""
        if self.last() != name:
            write_atomic(self.folder / ".last", check_name(name) + "\n")

    def _path(self, name: str) -> Path:
        return self.folder / (check_name(name) + SUFFIX)

    def _stamp(self, name: str) -> str:
        try:
            return _stamp(self._path(name).read_bytes())
        except FileNotFoundError:
            return ""
        except OSError:
            return "unreadable"

    def _free_name(self, name: str) -> str:
        stem, _, number = name.rpartition(" ")
        counted = bool(stem) and number.isdigit() and len(number) < 6
        stem, count = (stem, int(number)) if counted else (name, 2)
        while self._path(f"{stem} {count}").exists():
            count += 1
        return f"{stem} {count}"

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Alone among all studios for a look and a rename."""
        private_dir(self.folder)
        path = self.folder / ".lock"
        with storage_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Some network file systems have no locks: then the stamps alone must do.
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def check_name(name: str) -> str:
    """`name` if a workspace can be called so.

    Raises:
        InvalidInput: It cannot; says why.
    """
    problem = ""
    if not name or name != clean_line(name):
        problem = "a name is one line of visible characters, without spaces at its ends"
    elif "/" in name or name.startswith("."):
        problem = "a name has no / and does not begin with a dot"
    elif len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        problem = f"a name has at most {MAX_NAME_BYTES} bytes"
    if problem:
        raise InvalidInput(f"a workspace cannot be called {clean_line(name)[:60]!r}", problem)
    return name


def _valid(name: str) -> bool:
    try:
        return bool(check_name(name))
    except InvalidInput:
        return False


def _stamp(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refusal(name: str, why: str) -> Refused:
    return Refused(f"the workspace {name} cannot be opened", why)
