"""Inputs from strangers: checked before anything is decoded, and kept away from files and networks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from core.errors import InvalidInput
from core.interface import Array, Command, DataType, File, Image, Segmentation, Text
from core.interface.base import shorten

MOST_TEXT = 1_000_000
"""Characters of one text."""

MOST_ITEMS = 100_000
"""Items of one array."""

MOST_PICTURES = 16
"""Pictures of one request."""

MOST_PIXELS = 16 * 2**20
"""Pixels of one picture (4096 x 4096)."""

MOST_PIXELS_TOGETHER = 32 * 2**20
"""Pixels of all pictures of one request."""

_LIGHT = 2000
"""Values that are looked at on the event loop itself."""

_decoders = ThreadPoolExecutor(2, "pictures")
"""Few, so that pictures which are large when decoded are not all in memory at once."""


async def read_inputs(command: Command, data: Mapping[str, object]) -> dict[str, object]:
    """Checked inputs of `command` from their JSON forms. What takes time is done outside the event loop.

    Raises:
        InvalidInput: An input is unknown, missing, not allowed, larger than a stranger may send, or the name of a file.
    """
    if has_pictures(command.inputs):
        return await asyncio.get_running_loop().run_in_executor(_decoders, _values, command, data)
    if weight(data, _LIGHT) > _LIGHT:
        return await asyncio.to_thread(_values, command, data)
    return _values(command, data)


async def write_outputs(
    command: Command, outputs: Mapping[str, object], formats: Mapping[str, str] | None = None
) -> dict[str, object]:
    """The JSON forms of a command's outputs. What takes time is done outside the event loop.

    Args:
        command: Whose outputs.
        outputs: Checked values by name.
        formats: Picture format by output's name: "PNG" or "JPEG".

    Raises:
        InvalidInput: A format that an output does not have.
    """
    if has_pictures(command.outputs):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, _forms, command, outputs, dict(formats or {}))
    if weight(outputs, _LIGHT) > _LIGHT:
        return await asyncio.to_thread(_forms, command, outputs, {})
    return _forms(command, outputs, {})


def check_sizes(command: Command, data: Mapping[str, object]) -> None:
    """Look at the JSON forms before anything is made of them.

    Raises:
        InvalidInput: Something is too large, or names a file.
    """
    pictures: list[int] = []
    for name, kind in command.inputs.items():
        if isinstance(kind, File):
            raise InvalidInput(
                f"{command.name} cannot be used over the network", f"its input {name} is a file of this machine"
            )
        if name in data:
            pictures += _check(name, kind, data[name])
    if len(pictures) > MOST_PICTURES:
        raise InvalidInput(f"{command.name} cannot take {len(pictures)} pictures", f"allowed are {MOST_PICTURES}")
    if sum(pictures) > MOST_PIXELS_TOGETHER:
        raise InvalidInput(
            f"the pictures have too many pixels, {sum(pictures)} together", f"allowed are {MOST_PIXELS_TOGETHER}"
        )


def weight(value: object, most: int) -> int:
    """How many values there are in JSON's plain data, 64 characters of a text counted as one; more than `most` is not
    counted to its end."""
    count, waiting = 0, [value]
    while waiting and count <= most:
        each = waiting.pop()
        count += 1
        if isinstance(each, str):
            count += len(each) // 64
        elif isinstance(each, list | tuple):
            count += max(0, len(each) - most)
            waiting += each[:most]
        elif isinstance(each, dict):
            count += max(0, len(each) - most)
            waiting += list(each.values())[:most]
    return count


def usable(command: Command) -> bool:
    """Whether a command can be used over the network at all."""
    return not any(_mentions(kind, File) for kind in (*command.inputs.values(), *command.outputs.values()))


def has_pictures(types: Mapping[str, DataType]) -> bool:
    """Whether values of these types take time to decode or encode."""
    return any(_mentions(kind, Image) or _mentions(kind, Segmentation) for kind in types.values())


def _check(name: str, kind: DataType, value: object) -> list[int]:
    """The pixels of each picture in `value`."""
    if isinstance(kind, Array):
        if isinstance(kind.item, File):
            raise InvalidInput(f"{name} cannot be used over the network", "it holds files of this machine")
        if not isinstance(value, list):
            return []  # refused by its type
        if len(value) > MOST_ITEMS:
            raise InvalidInput(f"{name} has {len(value)} items", f"allowed are {MOST_ITEMS}")
        if has_pictures({name: kind}) and len(value) > MOST_PICTURES:
            raise InvalidInput(f"{name} has {len(value)} items", f"allowed are {MOST_PICTURES} pictures")
        return [size for index, item in enumerate(value) for size in _check(f"{name}[{index}]", kind.item, item)]
    if isinstance(kind, Text) and isinstance(value, str) and len(value) > MOST_TEXT:
        raise InvalidInput(f"{name} has {len(value)} characters", f"allowed are {MOST_TEXT}")
    if isinstance(kind, Image | Segmentation) and isinstance(value, str):
        return [_check_picture(name, value)]
    return []


def _check_picture(name: str, uri: str) -> int:
    """The number of pixels that a picture's header tells, from the first bytes alone."""
    import io
    import warnings

    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    from core.interface import pictures

    data = pictures.from_data_uri(name, uri)
    kind = pictures.sniff(data)
    if kind is None:
        raise InvalidInput(f"{name} cannot be {shorten(uri)}", "allowed is a picture as a data URI in base64")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data), formats=[kind]) as picture:
                width, height = picture.size
    except Pillow.DecompressionBombError:
        width = height = 2**16
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, IndexError):
        return 0  # refused, with its reason, where it is decoded
    if width * height > MOST_PIXELS:
        raise InvalidInput(f"{name} has too many pixels, {width}x{height}", f"allowed are {MOST_PIXELS}")
    return int(width * height)


def _values(command: Command, data: Mapping[str, object]) -> dict[str, object]:
    check_sizes(command, data)
    return command.inputs_from_json(data)


def _forms(command: Command, outputs: Mapping[str, object], formats: dict[str, str]) -> dict[str, object]:
    forms: dict[str, object] = {}
    for name, value in outputs.items():
        kind = command.outputs[name]
        wanted = formats.get(name)
        forms[name] = kind.to_json(value, wanted) if wanted and isinstance(kind, Image) else kind.to_json(value)
    return forms


def _mentions(kind: DataType, wanted: type[DataType]) -> bool:
    return _mentions(kind.item, wanted) if isinstance(kind, Array) else isinstance(kind, wanted)
