"""model.toml: what a model says about itself, read strictly and written so that people can edit it.

Every manifest has a `format` number, and there is a reader for each number ever written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from core.errors import Refused
from core.library.toml import dumps
from core.paths import write_atomic

FORMAT = 1
FILE_NAME = "model.toml"
MAX_NAME = 80
MAX_BYTES = 4 * 1024 * 1024
"""A manifest holds a card and an interface; more than this is some other file."""


@dataclass(frozen=True)
class Manifest:
    """The content of model.toml.

    Strings that end on a screen are clean: no control characters, names on one line.
    """

    name: str
    kind: str
    """What it is for: "image-gan", "text", ..."""
    adapter: str
    """Which code in the worker runs it: "stylegan2", "causal-lm", ..."""
    interface: Mapping[str, object]
    """Spec JSON: {"options": [...], "commands": [...]}."""
    author: str = ""
    licence: str = ""
    source: str = "library"
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    description: str = ""
    """Card text, any number of lines."""
    lineage: tuple[str, ...] = ()
    """Ids of the models this one was made from, the nearest last."""
    architecture: Mapping[str, object] = field(default_factory=dict)
    """Plain settings that build the network."""
    scores: Mapping[str, object] = field(default_factory=dict)
    recipe: Mapping[str, object] = field(default_factory=dict)
    """How to make it again."""
    origin: Mapping[str, object] = field(default_factory=dict)
    """Where an import came from: file name, sha256, format."""

    def renamed(self, name: str) -> Manifest:
        """The same with another name (cleaned)."""
        return replace(self, name=clean_line(name)[:MAX_NAME])

    def to_toml(self) -> str:
        """The file's text. Nulls inside the tables are left out, TOML has none."""
        data: dict[str, object] = {
            "format": FORMAT,
            "name": clean_line(self.name)[:MAX_NAME],
            "kind": self.kind,
            "adapter": self.adapter,
            "author": clean_line(self.author),
            "licence": clean_line(self.licence),
            "source": self.source,
            "created": self.created,
            "description": clean_text(self.description),
            "lineage": list(self.lineage),
        }
        return dumps(data | {name: getattr(self, name) for name in _TABLES if getattr(self, name)})

    def write(self, folder: Path) -> None:
        """Write model.toml into `folder`, whole or not at all."""
        write_atomic(folder / FILE_NAME, self.to_toml())

    @staticmethod
    def read(folder: Path) -> Manifest:
        """The manifest of a model folder.

        Raises:
            Refused: There is none, or it is not one; the sentence says where it goes wrong.
        """
        path = folder / FILE_NAME
        try:
            if path.stat().st_size > MAX_BYTES:
                raise Refused(f"{FILE_NAME} cannot be used", f"it is larger than {MAX_BYTES:,} bytes")
            return Manifest.parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Refused(f"{FILE_NAME} is missing", "", "Import the model again, or delete the folder") from None
        except OSError as error:
            raise Refused(f"{FILE_NAME} cannot be read", error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise Refused(f"{FILE_NAME} cannot be used", "it is not UTF-8 text") from error

    @staticmethod
    def parse(text: str) -> Manifest:
        """The manifest in `text`.

        Raises:
            Refused: Not TOML, an unknown format number, a field missing or of the wrong type.
        """
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise Refused(f"{FILE_NAME} cannot be used", f"not TOML ({str(error) or 'nested too deeply'})") from error
        number = data.get("format")
        if isinstance(number, bool) or not isinstance(number, int):
            raise Refused(f"{FILE_NAME} cannot be used", "it has no format number")
        reader = _READERS.get(number)
        if reader is None:
            known = f"this Tarmac reads up to {FORMAT}"
            raise Refused(f"{FILE_NAME} cannot be used", f"it has format {number}, {known}", "Update Tarmac")
        return reader(data)


def clean_line(text: str) -> str:
    """`text` on one line, without control characters (terminal escapes in names, say), spaces collapsed."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def clean_text(text: str) -> str:
    """`text` without control characters other than line ends and tabs."""
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in text.replace("\r\n", "\n"))


_TABLES = ("architecture", "scores", "recipe", "origin", "interface")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


def _read_1(data: Mapping[str, object]) -> Manifest:
    def line(key: str, default: str | None = None) -> str:
        value = data.get(key, default)
        if not isinstance(value, str):
            problem = "is missing" if value is None else "is not text"
            raise Refused(f"{FILE_NAME} cannot be used", f"{key} {problem}")
        return clean_line(value)

    def word(key: str) -> str:
        value = line(key)
        if not _WORD.fullmatch(value):
            raise Refused(f"{FILE_NAME} cannot be used", f"{key} is {value!r}, not a word of a-z, 0-9 and -")
        return value

    def table(key: str) -> Mapping[str, object]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            raise Refused(f"{FILE_NAME} cannot be used", f"{key} is not a table")
        return value

    name = line("name")[:MAX_NAME]
    if not name:
        raise Refused(f"{FILE_NAME} cannot be used", "name is empty")
    created = data.get("created")
    if not isinstance(created, datetime):
        created = datetime.fromtimestamp(0, UTC)
    elif created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    description = data.get("description", "")
    lineage = data.get("lineage", [])
    return Manifest(
        name=name,
        kind=word("kind"),
        adapter=word("adapter"),
        interface=table("interface"),
        author=line("author", ""),
        licence=line("licence", ""),
        source=line("source", "library"),
        created=created,
        description=clean_text(description) if isinstance(description, str) else "",
        lineage=tuple(clean_line(str(item)) for item in lineage) if isinstance(lineage, list) else (),
        architecture=table("architecture"),
        scores=table("scores"),
        recipe=table("recipe"),
        origin=table("origin"),
    )


_READERS: dict[int, Callable[[Mapping[str, object]], Manifest]] = {1: _read_1}
