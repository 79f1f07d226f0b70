"""The data types that are pictures: image and segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from core.errors import InvalidInput
from core.interface.base import DataType, declared_count, declared_text, shorten
from core.interface.palette import distinct_color

Pixels = npt.NDArray[np.uint8]

_SIZE_KEYS = {
    "minWidth": "min_width",
    "minHeight": "min_height",
    "maxWidth": "max_width",
    "maxHeight": "max_height",
    "width": "width",
    "height": "height",
}


class _Sized(DataType):
    """A picture that may have to be of some size, in pixels."""

    min_width: int | None
    min_height: int | None
    max_width: int | None
    max_height: int | None
    width: int | None
    height: int | None

    def _check_declared_sizes(self) -> None:
        for argument in _SIZE_KEYS.values():
            if (value := getattr(self, argument)) is not None:
                setattr(self, argument, declared_count(value, f"a picture's {argument}", 1))
        for low, high in (("min_width", "max_width"), ("min_height", "max_height")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise InvalidInput(f"a picture's {low} cannot be {least}", f"allowed is at most its {high}, {most}")

    def _size_details(self) -> dict[str, object]:
        given = {key: getattr(self, argument) for key, argument in _SIZE_KEYS.items()}
        return {key: value for key, value in given.items() if value is not None}

    def _allowed_size(self) -> str:
        words = []
        for side in ("width", "height"):
            exact, least, most = (getattr(self, f"{prefix}{side}") for prefix in ("", "min_", "max_"))
            if exact is not None:
                words.append(f"{side} {exact}")
            elif least is not None and most is not None:
                words.append(f"{side} {least} to {most}")
            elif least is not None or most is not None:
                words.append(f"{side} at least {least}" if least is not None else f"{side} at most {most}")
        return f" of {' and '.join(words)}" if words else ""

    def _check_size(self, name: str, pixels: Pixels) -> None:
        for side, actual in (("height", pixels.shape[0]), ("width", pixels.shape[1])):
            exact, least, most = (getattr(self, f"{prefix}{side}") for prefix in ("", "min_", "max_"))
            if exact is None:
                fits = (least is None or actual >= least) and (most is None or actual <= most)
            else:
                fits = actual == exact
            if not fits:
                self.refuse(name, pixels, f"it is {pixels.shape[1]} pixels wide and {pixels.shape[0]} high")


@dataclass(eq=False)
class Image(_Sized):
    """A picture. Value inside the program: uint8 [height, width, channels], 0 to 255, sRGB.

    `channels` is 1 (grey), 3 (RGB) or 4 (RGBA); pictures of another of these are converted (grey by ITU-R 601 luma,
    alpha dropped or opaque). JSON form: a data URI; `default_output_format` is JPEG for 3 channels, else PNG.
    """

    description: str | None = None
    channels: int = 3
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    width: int | None = None
    height: int | None = None
    default_output_format: str | None = None

    type_name: ClassVar[str] = "image"
    spec_keys: ClassVar[Mapping[str, str]] = {
        "channels": "channels",
        "defaultOutputFormat": "default_output_format",
        **_SIZE_KEYS,
    }

    def __post_init__(self) -> None:
        if isinstance(self.channels, bool) or self.channels not in (1, 3, 4):
            raise InvalidInput(f"an image's channels cannot be {shorten(self.channels)}", "allowed is 1, 3 or 4")
        self._check_declared_sizes()
        wanted = self.default_output_format or ("JPEG" if self.channels == 3 else "PNG")
        if wanted not in (("PNG",) if self.channels == 4 else ("JPEG", "PNG")):
            raise InvalidInput(
                f"an image's default_output_format cannot be {shorten(wanted)}",
                "allowed is PNG" if self.channels == 4 else "allowed is JPEG or PNG",
            )
        self.default_output_format: str = wanted

    def details(self) -> dict[str, object]:
        return {
            "channels": self.channels,
            "defaultOutputFormat": self.default_output_format,
            **self._size_details(),
        }

    def allowed(self) -> str:
        kind = {1: "a grey", 3: "an RGB", 4: "an RGBA"}[self.channels]
        return f"{kind} picture{self._allowed_size()}"

    def validate(self, name: str, value: object) -> Pixels:
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim not in (2, 3):
            self.refuse(name, value, "it is not an array of bytes")
        pixels = value[:, :, None] if value.ndim == 2 else value
        if 0 in pixels.shape or pixels.shape[2] not in (1, 3, 4):
            self.refuse(name, value)
        self._check_size(name, pixels)
        return np.ascontiguousarray(_with_channels(pixels, self.channels))

    def from_bytes(self, name: str, data: bytes) -> Pixels:
        """The validated picture in the bytes of a picture file.

        Raises:
            InvalidInput: It is not a picture, broken, too large, or not allowed.
        """
        from core.interface import pictures

        return self.validate(name, pictures.decode(name, data, channels=self.channels))

    def from_json(self, name: str, data: object) -> Pixels:
        from core.interface import pictures

        if not isinstance(data, str):
            self.refuse(name, data, "a picture travels as a data URI")
        return self.from_bytes(name, pictures.from_data_uri(name, data))

    def to_json(self, value: object, format: str | None = None) -> str:
        """The picture as a data URI in `format` (JPEG or PNG; the default one if none is given)."""
        from core.interface import pictures

        assert isinstance(value, np.ndarray)
        return pictures.to_data_uri(value, format or str(self.default_output_format))


@dataclass(eq=False)
class Segmentation(_Sized):
    """A picture that gives every pixel a label. Value inside the program: uint8 [height, width] of ids.

    `label_to_id` gives each label an id from 0 to 255; labels without a colour in `label_to_color` get one of a fixed
    palette, by id. JSON form: a data URI of a PNG; coming in, grey means ids and colour means labels by the nearest
    label colour; going out, always colours.
    """

    label_to_id: Mapping[str, int] | None = None
    description: str | None = None
    label_to_color: Mapping[str, Sequence[int]] | None = None
    default_label: str | None = None
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    width: int | None = None
    height: int | None = None

    type_name: ClassVar[str] = "segmentation"
    spec_keys: ClassVar[Mapping[str, str]] = {
        "labelToId": "label_to_id",
        "labelToColor": "label_to_color",
        "defaultLabel": "default_label",
        **_SIZE_KEYS,
    }

    def __post_init__(self) -> None:
        given = self.label_to_id
        if not isinstance(given, Mapping) or not given:
            raise InvalidInput(
                f"a segmentation's label_to_id cannot be {shorten(given)}", "allowed is an object of ids by label"
            )
        self.ids: dict[str, int] = {declared_text(k, "a label"): _byte(v, f"the id of {k}") for k, v in given.items()}
        self.label_to_id = self.ids
        colors = self.label_to_color if self.label_to_color is not None else {}
        if not isinstance(colors, Mapping) or not set(colors) <= set(self.ids):
            raise InvalidInput(
                f"a segmentation's label_to_color cannot be {shorten(colors)}",
                "allowed is an object of colours by label",
            )
        self.colors: dict[str, list[int]] = {
            label: _color(colors[label], label) if label in colors else list(distinct_color(number))
            for label, number in self.ids.items()
        }
        self.label_to_color = self.colors
        if self.default_label is None:
            self.default_label = next(iter(self.ids))
        if self.default_label not in self.ids:
            raise InvalidInput(
                f"a segmentation's default_label cannot be {shorten(self.default_label)}",
                f"allowed is one of {', '.join(list(self.ids)[:8])}",
            )
        self._check_declared_sizes()

    def details(self) -> dict[str, object]:
        return {
            "labels": list(self.ids),
            "defaultLabel": self.default_label,
            "labelToId": dict(self.ids),
            "labelToColor": {label: list(color) for label, color in self.colors.items()},
            **self._size_details(),
        }

    def allowed(self) -> str:
        return f"a picture{self._allowed_size()} of the ids {_spans(sorted(set(self.ids.values())))}"

    def validate(self, name: str, value: object) -> Pixels:
        if isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] == 1:
            value = value[:, :, 0]
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 2 or 0 in value.shape:
            self.refuse(name, value, "it is not an array of ids")
        self._check_size(name, value)
        known = np.zeros(256, bool)
        known[list(self.ids.values())] = True
        unknown = np.flatnonzero((np.bincount(value.ravel(), minlength=256) > 0) & ~known)
        if len(unknown):
            self.refuse(name, value, f"it holds the id {unknown[0]}")
        return np.ascontiguousarray(value)

    def from_bytes(self, name: str, data: bytes) -> Pixels:
        """The validated label picture in the bytes of a picture file."""
        from core.interface import pictures

        pixels = pictures.decode(name, data, channels=None)
        return self.validate(name, pixels[:, :, 0] if pixels.shape[2] == 1 else self.nearest_ids(pixels))

    def from_json(self, name: str, data: object) -> Pixels:
        from core.interface import pictures

        if not isinstance(data, str):
            self.refuse(name, data, "a picture travels as a data URI")
        return self.from_bytes(name, pictures.from_data_uri(name, data))

    def to_json(self, value: object) -> str:
        from core.interface import pictures

        assert isinstance(value, np.ndarray)
        return pictures.to_data_uri(self.colored(value), "PNG")

    def colored(self, ids: Pixels) -> Pixels:
        """The colour map of a picture of ids: uint8 [height, width, 3]."""
        table = np.zeros((256, 3), np.uint8)
        for label, number in self.ids.items():
            table[number] = self.colors[label]
        return table[ids]

    def nearest_ids(self, pixels: Pixels) -> Pixels:
        """The ids of a colour map [height, width, 3 or 4]: each pixel's label is that of the nearest colour."""
        red, green, blue = (pixels[:, :, channel].astype(np.uint32) for channel in range(3))
        found, place = np.unique((red << 16) | (green << 8) | blue, return_inverse=True)
        shades = np.stack([found >> 16, (found >> 8) & 255, found & 255], axis=1).astype(np.int32)
        palette = np.array(list(self.colors.values()), np.int32)
        numbers = np.array(list(self.ids.values()), np.uint8)
        nearest = np.empty(len(shades), np.uint8)
        for start in range(0, len(shades), 4096):
            part = shades[start : start + 4096, None, :] - palette[None, :, :]
            nearest[start : start + 4096] = numbers[(part * part).sum(axis=2).argmin(axis=1)]
        return nearest[place].reshape(pixels.shape[:2])


def _with_channels(pixels: Pixels, channels: int) -> Pixels:
    """`pixels` [H, W, 1, 3 or 4] with another number of channels."""
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if channels == 1:
        # Fixed-point ITU-R 601-2 luma, as picture libraries round it.
        weights = np.array([19595, 38470, 7471], np.uint32)
        return ((pixels[:, :, :3].astype(np.uint32) @ weights + 0x8000) >> 16).astype(np.uint8)[:, :, None]
    color = np.repeat(pixels, 3, axis=2) if have == 1 else pixels[:, :, :3]
    if channels == 3:
        return color
    return np.concatenate([color, np.full((*pixels.shape[:2], 1), 255, np.uint8)], axis=2)


def _byte(value: object, what: str) -> int:
    number = declared_count(value, what)
    if number > 255:
        raise InvalidInput(f"{what} cannot be {number}", "allowed is a whole number from 0 to 255")
    return number


def _color(value: object, label: str) -> list[int]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 3:
        raise InvalidInput(f"the colour of {label} cannot be {shorten(value)}", "allowed is [red, green, blue]")
    return [_byte(part, f"a part of the colour of {label}") for part in value]


def _spans(numbers: list[int]) -> str:
    """Sorted numbers in words: "0 to 4, 7"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join(" to ".join(str(end) for end in span) for span in spans)
