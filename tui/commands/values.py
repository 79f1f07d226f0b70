"""Values on the command line: what NAME=VALUE and NAME=FILE mean for each data type."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InvalidInput, StorageError
from core.paths import storage_errors, write_atomic

if TYPE_CHECKING:
    from core.interface import DataType

MOST_BYTES = 256 * 2**20
"""The largest file that an input is read from."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def pairs(items: Sequence[str], flag: str) -> dict[str, str]:
    """NAME=VALUE items by name.

    Raises:
        InvalidInput: One has no "=", or a name comes twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidInput(f"{flag} {item[:60]!r} cannot be used", "it must be NAME=VALUE")
        if name in found:
            raise InvalidInput(f"{flag} {name} is given twice")
        found[name] = value
    return found


def read_inputs(types: Mapping[str, DataType], given: Mapping[str, str]) -> dict[str, object]:
    """Validated values of what was typed.

    Raises:
        InvalidInput: An unknown name, a file that cannot be read, a value that is not allowed.
    """
    from core.interface.base import nearest

    for name in given:
        if name not in types:
            raise InvalidInput(f"there is no input {name[:60]!r}", "", nearest(name, types))
    return {name: read_value(name, types[name], text) for name, text in given.items()}


def read_value(name: str, kind: DataType, text: str) -> object:
    """The value of one input: text, a number, JSON, or the content of @FILE; "@@" begins a text with one "@".

    Raises:
        InvalidInput: The file cannot be read, or the value is not allowed.
    """
    if text.startswith("@@"):
        return kind.from_text(name, text[1:])
    if kind.type_name == "vector" and text.startswith("seed:"):
        return _seeded(name, kind, text.removeprefix("seed:"))
    if not text.startswith("@"):
        return kind.from_text(name, text)
    path = Path(text[1:]).expanduser()
    data = _read(name, path)
    ending = path.suffix.lower()
    if ending == ".npy":
        return kind.validate(name, _array(name, kind, data))
    from_bytes: Callable[[str, bytes], object] | None = getattr(kind, "from_bytes", None)
    if ending in _PICTURES or (from_bytes is not None and ending not in (".json", ".txt")):
        if from_bytes is None:
            raise InvalidInput(f"{name} cannot be the picture {path.name}", f"allowed is {kind.allowed()}")
        return from_bytes(name, data)
    content = _text(name, path, data)
    if ending == ".json":
        try:
            return kind.from_json(name, json.loads(content))
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{name} cannot be read from {path.name}", f"it is not JSON ({error})") from error
    return kind.validate(name, content) if kind.type_name == "text" else kind.from_text(name, content.strip())


def check_outputs(types: Mapping[str, DataType], files: Mapping[str, str]) -> None:
    """Find out before a model runs whether its outputs can be written as asked.

    Raises:
        InvalidInput: An unknown name, or a kind of file that this output cannot be.
        StorageError: The folder is not there.
    """
    from core.interface.base import nearest

    for name, file in files.items():
        if name not in types:
            raise InvalidInput(f"there is no output {name[:60]!r}", "", nearest(name, types))
        allowed = _endings(types[name])
        path = Path(file)
        if path.suffix.lower() not in allowed:
            raise InvalidInput(
                f"{name} cannot be written to {file[:80]!r}", f"its name must end in {', '.join(allowed)}"
            )
        check_folder(path)


def check_folder(path: Path) -> None:
    """Whether a file can be made at `path`, as far as one can tell without making it.

    Raises:
        StorageError: Its folder is not there or not ours to write to, or it is a folder itself.
    """
    if path.is_dir():
        raise StorageError(f"cannot write {path}", "it is a folder", "Give the name of a file")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StorageError(f"cannot write {path}", f"there is no folder {folder}", "Make it first")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise StorageError(f"cannot write {path}", "it is not yours to write to", "Choose another place")


def encode_output(kind: DataType, value: object, ending: str, notes: Mapping[str, str] | None = None) -> bytes:
    """The file content of one output. `notes` go into a PNG's text chunks."""
    if ending == ".npy":
        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, np.asarray(value), allow_pickle=False)
        return buffer.getvalue()
    if ending == ".png" and kind.type_name == "image":
        return png(value, notes or {})
    if ending in (".jpg", ".jpeg", ".png"):
        return _picture(kind, value, "PNG" if ending == ".png" else "JPEG")
    if ending == ".txt":
        return (value if isinstance(value, str) else json.dumps(kind.to_json(value), ensure_ascii=False)).encode()
    return (json.dumps(kind.to_json(value), ensure_ascii=False) + "\n").encode()


def png(pixels: object, notes: Mapping[str, str]) -> bytes:
    """uint8 [H, W, C] as a PNG file with `notes` in its text chunks."""
    import numpy as np
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    array = np.asarray(pixels, np.uint8)
    info = PngInfo()
    for name, text in notes.items():
        info.add_itxt(name, text)
    buffer = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[-1] == 1 else array).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write a file of the user's whole or not at all, with his usual permissions; devices and pipes as they are.

    Raises:
        StorageError: The disk said no.
    """
    if path.exists() and not path.is_file():
        with storage_errors(path):
            path.write_bytes(content)
        return
    mask = os.umask(0)
    os.umask(mask)
    # A link keeps pointing to the file that is written.
    write_atomic(Path(os.path.realpath(path)), content, mode=0o666 & ~mask)


def _endings(kind: DataType) -> tuple[str, ...]:
    if kind.type_name == "image":
        jpeg = () if getattr(kind, "channels", 3) == 4 else (".jpg", ".jpeg")
        return (".png", *jpeg, ".npy", ".json")
    if kind.type_name == "segmentation":
        return (".png", ".npy", ".json")
    if kind.type_name in ("text", "category", "number", "boolean", "file"):
        return (".txt", ".json")
    return (".json", ".npy") if kind.type_name == "vector" else (".json",)


def _picture(kind: DataType, value: object, form: str) -> bytes:
    import base64

    from core.interface import pictures

    if kind.type_name == "image":
        return pictures.encode(value, form)  # type: ignore[arg-type]
    return base64.b64decode(str(kind.to_json(value)).partition(",")[2])  # a label picture is coloured as JSON has it


def _seeded(name: str, kind: DataType, text: str) -> object:
    from core.latent.basis import seeded_vector

    length = getattr(kind, "length", None)
    if not text.isdigit() or len(text) > 18 or not isinstance(length, int):
        raise InvalidInput(f"{name} cannot be drawn from seed {text[:40]!r}", "a seed is a whole number from 0")
    mean, std = getattr(kind, "sampling_mean", 0), getattr(kind, "sampling_std", 1)
    return kind.validate(name, seeded_vector(int(text), length) * std + mean)


def _read(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"{name} cannot be read from {path}", reason) from error
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"{name} cannot be read from {path}", f"it is larger than {MOST_BYTES // 2**20} MB")
    return data


def _text(name: str, path: Path, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} cannot be read from {path.name}", "it is not UTF-8 text") from error


def _array(name: str, kind: DataType, data: bytes) -> object:
    """The array of a .npy file; a list where the type takes lists."""
    import numpy as np

    try:
        header = io.BytesIO(data)
        version = np.lib.format.read_magic(header)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(header)
        if dtype.hasobject or len(data) - header.tell() < dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise ValueError("it is truncated or holds objects")
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, TypeError, SyntaxError, MemoryError, OverflowError) as error:
        raise InvalidInput(f"{name} cannot be read", f"not a whole .npy file ({str(error)[:100]})") from error
    if kind.type_name == "vector" and array.dtype.kind in "fiu":
        return array.astype(np.float32)
    return array if kind.type_name in ("image", "segmentation") else array.tolist()
