"""dataset.toml: what a dataset says about itself, read strictly and written whole.

Every manifest has a `format` number, and there is a reader for each number ever written. The manifest names the files
that hold the prepared data, by `generation`: preparing again writes new files beside the old ones, and the one rename
that replaces the manifest is what changes from these to those.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.errors import Refused
from core.library.manifest import clean_line, clean_text
from core.library.toml import dumps
from core.paths import write_atomic

FORMAT = 1
FILE_NAME = "dataset.toml"
MAX_NAME = 80
MAX_BYTES = 4 * 1024 * 1024
KINDS = ("image", "text")
LAYOUTS = ("", "square", "ragged")

_OWN = ("format", "name", "kind", "created", "count", "size", "channels", "layout", "generation", "classes")
_OWN_TOO = (*_OWN, "fingerprint")


@dataclass(frozen=True)
class Manifest:
    """The content of dataset.toml."""

    name: str
    kind: str = "image"
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    count: int = 0
    """Pictures of the prepared data; before that, pictures that the scan kept."""
    size: int = 0
    """Side of the prepared pictures in pixels; 0 while there is no prepared data."""
    channels: int = 3
    layout: str = ""
    """"" (not prepared), "square" (one array) or "ragged" (short sides are `size`, long ones are not cut)."""
    generation: int = 1
    """Which preparation it is: 1 is in images.npy, 2 in images-2.npy ..."""
    classes: tuple[str, ...] = ()
    fingerprint: str = ""
    """sha256 of the prepared data in hexadecimal; "" where it was never computed."""
    about: Mapping[str, object] = field(default_factory=dict)
    """Everything else: the tables origin, preparation and report, licence and the like."""

    def file(self, stem: str, ending: str = "npy") -> str:
        """The name of a file of the prepared data: "images.npy", or "images-2.npy" after preparing again."""
        return f"{stem}.{ending}" if self.generation == 1 else f"{stem}-{self.generation}.{ending}"

    def to_toml(self) -> str:
        """The file's text."""
        own = {key: value for key in _OWN_TOO if key != "format" and (value := getattr(self, key)) not in ("", ())}
        own["name"] = clean_line(self.name)[:MAX_NAME]
        own["classes"] = [clean_line(label) for label in self.classes]
        about = {key: value for key, value in self.about.items() if key not in _OWN_TOO}
        return dumps({"format": FORMAT, **own, **about})

    def write(self, folder: Path) -> None:
        """Write dataset.toml into `folder`, whole or not at all."""
        write_atomic(folder / FILE_NAME, self.to_toml())

    @staticmethod
    def read(folder: Path) -> Manifest:
        """The manifest of a dataset's folder.

        Raises:
            Refused: There is none, or it is not one; the sentence says where it goes wrong.
        """
        path = folder / FILE_NAME
        try:
            if path.stat().st_size > MAX_BYTES:
                raise Refused(f"{FILE_NAME} cannot be used", f"it is larger than {MAX_BYTES:,} bytes")
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Refused(f"{FILE_NAME} is missing", "", "Add the dataset again, or delete the folder") from None
        except OSError as error:
            raise Refused(f"{FILE_NAME} cannot be read", error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise Refused(f"{FILE_NAME} cannot be used", "it is not UTF-8 text") from error
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


def _read_1(data: Mapping[str, object]) -> Manifest:
    def text(key: str, default: str) -> str:
        value = data.get(key, default)
        if not isinstance(value, str):
            raise Refused(f"{FILE_NAME} cannot be used", f"{key} is not text")
        return clean_line(value)

    def number(key: str, default: int, least: int, most: int) -> int:
        value = data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Refused(f"{FILE_NAME} cannot be used", f"{key} is not a whole number from {least} to {most}")
        return value

    name, kind = text("name", "")[:MAX_NAME], text("kind", "")
    if not name:
        raise Refused(f"{FILE_NAME} cannot be used", "name is empty")
    if kind not in KINDS:
        raise Refused(f"{FILE_NAME} cannot be used", f"its kind is {kind!r}, not one of {', '.join(KINDS)}")
    size = number("size", 0, 0, 65_536)
    layout = text("layout", "square" if size and kind == "image" else "")  # the first sets had no word for it
    if layout not in LAYOUTS:
        raise Refused(f"{FILE_NAME} cannot be used", f"its layout is {layout!r}", "Update Tarmac")
    created = data.get("created")
    if not isinstance(created, datetime):
        created = datetime.fromtimestamp(0, UTC)
    elif created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    classes = data.get("classes", [])
    return Manifest(
        name=name,
        kind=kind,
        created=created,
        count=number("count", 0, 0, 2**40),
        size=size,
        channels=number("channels", 3, 1, 4),
        layout=layout,
        generation=number("generation", 1, 1, 2**31),
        classes=tuple(clean_line(str(label)) for label in classes) if isinstance(classes, list) else (),
        fingerprint=text("fingerprint", ""),
        about={key: _clean(value) for key, value in data.items() if key not in _OWN_TOO},
    )


def _clean(value: object) -> object:
    """Text for a screen, at whatever depth: no control characters."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_line(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value


_READERS: dict[int, Callable[[Mapping[str, object]], Manifest]] = {1: _read_1}
