"""One deployment as it is on disk: deployment.toml in a folder of its name, read strictly and written whole.

Every file has a `format` number, and there is a reader for each number ever written.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from core.errors import InvalidInput, Refused
from core.interface.base import shorten
from core.library.manifest import clean_line
from core.library.toml import dumps
from core.paths import write_atomic

FORMAT = 1
FILE_NAME = "deployment.toml"
MAX_BYTES = 256 * 1024
"""A deployment is a page of settings; more than this is some other file."""

MOST_REPLICAS = 64

RESERVED = frozenset(
    {"livez", "readyz", "healthz", "health", "metrics", "v1", "docs", "openapi", "static", "query", "data", "info"}
    | {"error", "gateway", "localhost"}
)
"""First path segments that mean something else, or may one day."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Limits:
    """What one request may cost.

    Attributes:
        timeout: Seconds from the moment that a request is accepted (or its model has woken) to its answer.
        max_body: Bytes of a request's body.
        max_queue: Requests that wait; one client may hold half of them.
    """

    timeout: float = 300.0
    max_body: int = 32 * 2**20
    max_queue: int = 256

    def __post_init__(self) -> None:
        _check("timeout", self.timeout, 1, 24 * 3600, "seconds")
        _check("max_body", self.max_body, 1024, 2**30, "bytes")
        _check("max_queue", self.max_queue, 1, 100_000, "requests")


@dataclass(frozen=True)
class Deployment:
    """A model served under a permanent name.

    Attributes:
        name: DNS-like, also the folder's name and the first segment of every URL.
        model: Id of the model in the library.
        command: The one command that Runway's API serves; empty for the model's first.
        options: Set-up options of the model, a checkpoint among them where it has such an option.
        private: Whether a token is needed.
        replicas: Workers that run at once, one a GPU where there are several.
        sleep_after: Seconds without a request after which the workers end; 0 for never.
        active: Whether it is served at all.
        limits: What one request may cost.
        created: When it was made, in UTC.
    """

    name: str
    model: str
    command: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    private: bool = True
    replicas: int = 1
    sleep_after: float = 300.0
    active: bool = True
    limits: Limits = field(default_factory=Limits)
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        check_name(self.name)
        _check("replicas", self.replicas, 1, MOST_REPLICAS, "workers")
        _check("sleep_after", self.sleep_after, 0, 365 * 24 * 3600, "seconds, 0 for never")

    def changed(self, **changes: object) -> Deployment:
        """The same with some settings changed; the name is permanent.

        Raises:
            InvalidInput: A value that is not allowed.
        """
        if "name" in changes or "created" in changes:
            raise InvalidInput("a deployment's name cannot be changed", "addresses are permanent", "Make another one")
        return replace(self, **changes)  # type: ignore[arg-type]

    def same_workers(self, other: Deployment) -> bool:
        """Whether the workers of one can go on serving the other."""
        mine, others = ((each.model, dict(each.options), each.replicas, each.active) for each in (self, other))
        return mine == others

    def to_toml(self) -> str:
        """The file's text."""
        limits = {"timeout": self.limits.timeout, "max_body": self.limits.max_body, "max_queue": self.limits.max_queue}
        return dumps(
            {
                "format": FORMAT,
                "name": self.name,
                "model": clean_line(self.model),
                "command": self.command,
                "private": self.private,
                "replicas": self.replicas,
                "sleep_after": self.sleep_after,
                "active": self.active,
                "created": self.created,
                "limits": limits,
                "options": dict(self.options),
            }
        )

    def write(self, folder: Path) -> None:
        """Write deployment.toml into `folder`, whole or not at all.

        Raises:
            StorageError: The disk said no.
        """
        write_atomic(folder / FILE_NAME, self.to_toml())

    @staticmethod
    def read(folder: Path) -> Deployment:
        """The deployment in `folder`.

        Raises:
            Refused: There is none, or it is not one; the sentence says where it goes wrong.
        """
        path = folder / FILE_NAME
        try:
            if folder.is_symlink():
                raise Refused(f"{folder} cannot be used", "it is a link to another folder", "Host the model here again")
            if not stat.S_ISREG(path.lstat().st_mode):
                # Reading a pipe would never end, and a link leads where nobody looked.
                raise Refused(f"{path} cannot be used", "it is not a plain file")
            if path.stat().st_size > MAX_BYTES:
                raise Refused(f"{path} cannot be used", f"it is larger than {MAX_BYTES:,} bytes")
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Refused(f"{path} is missing", "", "Delete the folder, or host the model again") from None
        except OSError as error:
            raise Refused(f"{path} cannot be read", error.strerror or str(error)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"{path} cannot be used", f"not TOML ({str(error) or 'nested too deeply'})") from error
        number = data.get("format")
        reader = _READERS.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
        if reader is None:
            do = "Update Tarmac" if isinstance(number, int) else ""
            raise Refused(f"{path} cannot be used", f"its format is {shorten(number)}, known is up to {FORMAT}", do)
        try:
            found = reader(data)
        except (InvalidInput, ValueError, TypeError) as error:
            raise Refused(f"{path} cannot be used", str(error), "Mend it, or host the model again") from error
        if found.name != folder.name:
            raise Refused(f"{path} cannot be used", f"it is called {found.name} and its folder {folder.name}")
        return found


def check_name(name: str) -> str:
    """`name`, if a deployment can be called that.

    Raises:
        InvalidInput: It cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"a deployment cannot be called {shorten(name)}",
            "allowed are 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends",
        )
    if name in RESERVED:
        raise InvalidInput(f"a deployment cannot be called {name}", "the gateway has an address of that name itself")
    return name


def _check(what: str, value: object, low: float, high: float, unit: str) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or (what in ("replicas", "max_body", "max_queue") and not isinstance(value, int)):
        raise InvalidInput(f"{what} cannot be {shorten(value)}", f"allowed are {low:g} to {high:g} {unit}")


def _read_1(data: Mapping[str, object]) -> Deployment:
    def value(table: Mapping[str, object], key: str, kinds: type | tuple[type, ...], default: object = None) -> object:
        found = table.get(key, default)
        if not isinstance(found, kinds) or (isinstance(found, bool) and kinds is not bool):
            raise ValueError(f"{key} is missing" if found is None else f"{key} cannot be {shorten(found)}")
        return found

    limits = cast("dict[str, object]", value(data, "limits", dict, {}))
    standard = Limits()
    created = cast(datetime, value(data, "created", datetime, datetime.fromtimestamp(0, UTC)))
    return Deployment(
        name=cast(str, value(data, "name", str)),
        model=clean_line(cast(str, value(data, "model", str))),
        command=clean_line(cast(str, value(data, "command", str, ""))),
        options=cast("dict[str, object]", value(data, "options", dict, {})),
        private=cast(bool, value(data, "private", bool, True)),
        replicas=cast(int, value(data, "replicas", int, 1)),
        sleep_after=float(cast(float, value(data, "sleep_after", (int, float), 300.0))),
        active=cast(bool, value(data, "active", bool, True)),
        limits=Limits(
            timeout=float(cast(float, value(limits, "timeout", (int, float), standard.timeout))),
            max_body=cast(int, value(limits, "max_body", int, standard.max_body)),
            max_queue=cast(int, value(limits, "max_queue", int, standard.max_queue)),
        ),
        created=created if created.tzinfo else created.replace(tzinfo=UTC),
    )


_READERS: dict[int, Callable[[Mapping[str, object]], Deployment]] = {1: _read_1}
