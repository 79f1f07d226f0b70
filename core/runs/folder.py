"""A run folder: where its files are, how attempts are claimed, and what is wished. Files are written whole.

run.toml          the plan
journal.jsonl     what happened
log.txt           what the trainer and the supervisor printed
desired.json      what is wished: {"wish": "run" or "stop", "steps": 0 or how far, "options": those that changed}
supervisor.json   the newest supervisor: host, boot, pid, start time, job
launch.json       the job of an engine that carries the run (Slurm)
lock              held by the supervisor that runs
attempts/N/       owner.json (the trainer), exit.json (how it ended)
samples/ checkpoints/<step>/ model/
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import StorageError, TarmacError
from core.paths import private_dir, storage_errors, write_atomic
from core.runs.processes import Process, read_process
from core.runs.recorder import Fenced


@dataclass(frozen=True)
class Desired:
    """What somebody wants of a run.

    Attributes:
        wish: "run" or "stop".
        steps: How far to train; 0 for what the plan says.
        options: Those that are not what the plan says any more (see changes.py).
    """

    wish: str = "run"
    steps: int = 0
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def samples(self) -> Path:
        """Sample sheets."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """A folder for each checkpoint, named by its step."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The finished model, before it is taken into the library."""
        return self.path / "model"

    @property
    def log(self) -> Path:
        """What the processes printed."""
        return self.path / "log.txt"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor."""
        return self.path / "lock"

    # -- wishes

    def desired(self) -> Desired:
        """What is wished now; a file that cannot be read wishes to run."""
        return _desired(read_json(self.path / "desired.json"))

    def desire(
        self, wish: str | None = None, steps: int | None = None, options: Mapping[str, object] | None = None
    ) -> Desired:
        """Change what is wished; what is None stays, and so do options that are not named.

        Raises:
            StorageError: The disk said no.
        """
        now = self.desired()
        wish, steps = wish if wish is not None else now.wish, steps if steps is not None else now.steps
        new = Desired(wish, steps, {**now.options, **(options or {})})
        told: dict[str, object] = {"wish": new.wish, "steps": new.steps}
        write_json(self.path / "desired.json", told | ({"options": dict(new.options)} if new.options else {}))
        return new

    # -- attempts

    def attempt(self, number: int) -> Path:
        """Folder of attempt `number`."""
        return self.path / "attempts" / str(number)

    def newest_attempt(self) -> int:
        """Number of the newest attempt, 0 before the first."""
        return max(_numbers(self.path / "attempts"), default=0)

    def claim_attempt(self) -> int:
        """Begin a new attempt: the number is ours alone, and every older attempt is fenced from now on.

        Raises:
            StorageError: The disk said no.
        """
        private_dir(self.path / "attempts")
        while True:
            number = self.newest_attempt() + 1
            with storage_errors(self.attempt(number)):
                try:
                    self.attempt(number).mkdir(mode=0o700)
                except FileExistsError:
                    continue
            return number

    def fenced(self, number: int) -> bool:
        """Whether a newer attempt than `number` has begun. One look at the disk."""
        return self.attempt(number + 1).exists()

    def owner(self, number: int) -> Process | None:
        """The trainer of an attempt, if it got so far."""
        return read_process(self.attempt(number) / "owner.json")

    def exit(self, number: int) -> dict[str, object]:
        """How an attempt ended, in its own words; empty if it did not say."""
        return read_json(self.attempt(number) / "exit.json")

    # -- supervisors and engines

    def supervisor(self) -> Process | None:
        """The newest supervisor, alive or not."""
        return read_process(self.path / "supervisor.json")

    def launch(self) -> dict[str, object]:
        """The job of an engine; empty for a local run."""
        return read_json(self.path / "launch.json")

    # -- checkpoints

    def complete_checkpoints(self) -> list[tuple[int, Path]]:
        """All checkpoints by step. A folder with a number for a name is complete: it was renamed into place."""
        return [(step, self.checkpoints / str(step)) for step in sorted(_numbers(self.checkpoints))]

    def drop_checkpoint(self, step: int) -> None:
        """Delete a checkpoint: at once for every reader, whatever happens while its files go.

        Raises:
            StorageError: The disk said no.
        """
        trash = self.checkpoints / f".trash-{secrets.token_hex(6)}"
        with storage_errors(self.checkpoints):
            try:
                os.rename(self.checkpoints / str(step), trash)
            except FileNotFoundError:
                return
        shutil.rmtree(trash, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what deaths have left half done. Only while nobody else writes here."""
        for folder in (self.checkpoints, self.samples, self.path):
            for path in _hidden(folder):
                if folder == self.path and not path.name.startswith((".new-", ".trash-")):
                    continue  # somebody may be writing a wish this moment
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


@contextmanager
def published(place: Path, unless: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A new, empty folder that becomes `place` by a rename when the block ends well, and is deleted when it does not.

    Everything in it is on the disk before the rename. A folder that was at `place` before is replaced.

    Raises:
        Fenced: `unless`, asked at the last moment, said so.
        StorageError: The disk said no, also from within the block; nothing was published.
    """
    private_dir(place.parent)
    building = place.parent / f".new-{place.name}-{secrets.token_hex(6)}"
    try:
        with _disk_errors(place):
            building.mkdir(mode=0o700)
            yield building
            publish(building, place, unless)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def publish(building: Path, place: Path, unless: Callable[[], bool] = lambda: False) -> None:
    """Make a finished folder `place` by one rename, once everything in it is on the disk.

    Args:
        building: The folder, on the same disk.
        place: Its place; a folder that was there before is replaced.
        unless: Asked at the last moment.

    Raises:
        Fenced: `unless` said so.
        StorageError: The disk said no.
    """
    with storage_errors(place):
        _sync_tree(building)
        if unless():
            raise Fenced("a newer attempt has begun")
        _replace(building, place)
        _sync(place.parent)


def read_json(path: Path) -> dict[str, object]:
    """The object in a small file; empty where there is none that can be read."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Write a small file, whole or not at all.

    Raises:
        StorageError: The disk said no.
    """
    write_atomic(path, json.dumps(data, ensure_ascii=False) + "\n")


_SAID_BY_LIBRARIES = re.compile(
    r"[Nn]o space left|StorageFull|[Qq]uota|Read-only file system|Permission ?[Dd]enied|PytorchStreamWriter failed"
)


@contextmanager
def _disk_errors(place: Path) -> Iterator[None]:
    """As `storage_errors`, also for libraries that write files and tell a full disk in errors of their own."""
    try:
        with storage_errors(place):
            yield
    except TarmacError:
        raise
    except Exception as error:
        if not _SAID_BY_LIBRARIES.search(str(error)):
            raise
        why = "the disk is full" if shutil.disk_usage(place.parent).free < _FULL else str(error)[:200]
        raise StorageError(f"cannot write {place}", why, "Free some space, or make the folder writable") from error


_FULL = 2**20
"""Bytes: a disk with less than this is full."""


def _replace(building: Path, place: Path) -> None:
    try:
        os.rename(building, place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        trash = place.parent / f".trash-{secrets.token_hex(6)}"
        os.rename(place, trash)
        os.rename(building, place)
        shutil.rmtree(trash, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for base, _, names in os.walk(folder):
        for name in names:
            _sync(Path(base) / name)
        _sync(Path(base))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _desired(data: Mapping[str, object]) -> Desired:
    steps = data.get("steps")
    whole = isinstance(steps, int) and not isinstance(steps, bool) and steps > 0
    options = data.get("options")
    changed = options if isinstance(options, dict) else {}
    return Desired("stop" if data.get("wish") == "stop" else "run", steps if whole else 0, changed)  # type: ignore[arg-type]


def _numbers(folder: Path) -> Iterator[int]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (int(name) for name in names if name.isascii() and name.isdigit())


def _hidden(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.startswith(".")]
    except OSError:
        return []
