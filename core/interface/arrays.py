"""The data types made of several values: vector, array, and places in a picture (point, box, landmarks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from core.errors import InvalidInput
from core.interface.base import DataType, declared_count, declared_number, declared_text, finite, shorten

FloatVector = npt.NDArray[np.float32]

_MOST_NUMBERS = 2**24
"""Elements of the longest vector: far above any latent space, and no request can fill the memory with one."""


@dataclass(eq=False)
class Vector(DataType):
    """Numbers in a row, such as a place in a latent space.

    `sampling_mean` and `sampling_std` say how to draw one at random. Value inside the program: float32 [length].
    """

    length: int | None = None
    description: str | None = None
    default: Sequence[float] | FloatVector | None = None
    sampling_mean: int | float = 0
    sampling_std: int | float = 1

    type_name: ClassVar[str] = "vector"
    spec_keys: ClassVar[Mapping[str, str]] = {
        "length": "length",
        "samplingMean": "sampling_mean",
        "samplingStd": "sampling_std",
        "default": "default",
    }

    def __post_init__(self) -> None:
        if self.length is None and isinstance(self.default, Sequence | np.ndarray):
            self.length = len(self.default)
        self.length = declared_count(self.length, "a vector's length", 1)
        if self.length > _MOST_NUMBERS:
            raise InvalidInput(f"a vector's length cannot be {self.length}", f"allowed is at most {_MOST_NUMBERS}")
        declared_number(self.sampling_mean, "a vector's sampling_mean")
        if declared_number(self.sampling_std, "a vector's sampling_std") < 0:
            raise InvalidInput(f"a vector's sampling_std cannot be {self.sampling_std}", "allowed is a number from 0")
        self.default = None if self.default is None else self.validate("a vector's default", self.default)

    def details(self) -> dict[str, object]:
        return {
            "length": self.length,
            "samplingMean": self.sampling_mean,
            "samplingStd": self.sampling_std,
            "default": None if self.default is None else self.to_json(self.default),
        }

    def default_value(self) -> FloatVector | None:
        return None if self.default is None else np.array(self.default, np.float32)

    def sample(self, seed: int) -> FloatVector:
        """A random vector, float32 [length], the same for the same seed: normal, as the sampling says."""
        drawn = np.random.default_rng(seed).standard_normal(self.length, dtype=np.float32)
        return drawn * np.float32(self.sampling_std) + np.float32(self.sampling_mean)

    def allowed(self) -> str:
        return f"a vector of {self.length} finite numbers"

    def validate(self, name: str, value: object) -> FloatVector:
        if isinstance(value, np.ndarray):
            numbers = value
        elif isinstance(value, list | tuple):
            if len(value) != self.length:
                self.refuse(name, value, f"it has {len(value)} elements")
            numbers = _numbers(value)
        else:
            self.refuse(name, value)
        if numbers.ndim != 1 or numbers.dtype.kind not in "fiu":
            self.refuse(name, value)
        if len(numbers) != self.length:
            self.refuse(name, value, f"it has {len(numbers)} elements")
        with np.errstate(over="ignore"):
            result = np.ascontiguousarray(numbers, np.float32)
        bad = np.flatnonzero(~np.isfinite(result))
        if len(bad):
            self.refuse(name, value, f"element {bad[0]} is {numbers[bad[0]]}")
        return result

    def to_json(self, value: object) -> list[float]:
        return [float(number) for number in np.asarray(value, np.float32)]


@dataclass(eq=False)
class Array(DataType):
    """A list of values of one type. Value inside the program: a list of that type's values.

    Without a `default` it must be given, as in Runway's SDK, which has none.
    """

    item_type: DataType | type[DataType] | None = None
    description: str | None = None
    min_length: int = 0
    max_length: int | None = None
    default: Sequence[object] | None = None

    type_name: ClassVar[str] = "array"
    spec_keys: ClassVar[Mapping[str, str]] = {
        "itemType": "item_type",
        "minLength": "min_length",
        "maxLength": "max_length",
        "default": "default",
    }

    def __post_init__(self) -> None:
        item = self.item_type
        if isinstance(item, type) and issubclass(item, DataType):
            item = item()
        if not isinstance(item, DataType):
            raise InvalidInput(f"an array's item_type cannot be {shorten(item)}", "allowed is a data type")
        self.item: DataType = item
        self.item_type = item
        self.min_length = declared_count(self.min_length, "an array's min_length")
        if self.max_length is not None:
            self.max_length = declared_count(self.max_length, "an array's max_length", self.min_length)
        if self.default is not None:
            self.default = self.from_json("an array's default", self.default)

    @classmethod
    def build(cls, arguments: dict[str, object], depth: int) -> DataType:
        item = arguments.pop("item_type", None)
        return cls(item_type=DataType.from_spec(item, depth + 1), **arguments)  # type: ignore[arg-type]

    def details(self) -> dict[str, object]:
        limit = {} if self.max_length is None else {"maxLength": self.max_length}
        item = self.item.spec(f"{self.item.type_name}_array_item")
        default = {} if self.default is None else {"default": self.to_json(self.default)}
        return {"itemType": item, "minLength": self.min_length, **limit, **default}

    def default_value(self) -> list[object] | None:
        return None if self.default is None else list(self.default)

    def allowed(self) -> str:
        if self.max_length is not None:
            count = f"{self.min_length} to {self.max_length} elements"
        else:
            count = f"at least {self.min_length} elements" if self.min_length else "elements"
        return f"a list of {count}, each {self.item.allowed()}"

    def validate(self, name: str, value: object) -> list[object]:
        return [self.item.validate(f"{name}[{index}]", item) for index, item in enumerate(self._items(name, value))]

    def from_json(self, name: str, data: object) -> list[object]:
        return [self.item.from_json(f"{name}[{index}]", item) for index, item in enumerate(self._items(name, data))]

    def to_json(self, value: object) -> list[object]:
        assert isinstance(value, list | tuple)
        return [self.item.to_json(item) for item in value]

    def _items(self, name: str, value: object) -> Sequence[object]:
        if not isinstance(value, list | tuple):
            self.refuse(name, value)
        if len(value) < self.min_length or (self.max_length is not None and len(value) > self.max_length):
            self.refuse(name, value, f"it has {len(value)} elements")
        return value


@dataclass(eq=False)
class ImagePoint(DataType):
    """A place in a picture: [x, y] as shares of width and height, 0 to 1, from the top left."""

    description: str | None = None

    type_name: ClassVar[str] = "image_point"

    def allowed(self) -> str:
        return "[x, y] with numbers from 0 to 1"

    def validate(self, name: str, value: object) -> list[float]:
        point = _shares(value, 2)
        if point is None:
            self.refuse(name, value)
        return point


@dataclass(eq=False)
class ImageBoundingBox(DataType):
    """A box in a picture: [xmin, ymin, xmax, ymax] as shares of width and height, 0 to 1, from the top left."""

    description: str | None = None

    type_name: ClassVar[str] = "image_bounding_box"

    def allowed(self) -> str:
        return "[xmin, ymin, xmax, ymax] with numbers from 0 to 1, xmin below xmax and ymin below ymax"

    def validate(self, name: str, value: object) -> list[float]:
        box = _shares(value, 4)
        if box is None or box[0] >= box[2] or box[1] >= box[3]:
            self.refuse(name, value)
        return box


@dataclass(eq=False)
class ImageLandmarks(DataType):
    """Named places in a picture: `length` points [x, y]; `connections` are pairs of labels to join by a line."""

    length: int = 0
    description: str | None = None
    labels: Sequence[str] | None = None
    connections: Sequence[Sequence[str]] | None = None

    type_name: ClassVar[str] = "image_landmarks"
    spec_keys: ClassVar[Mapping[str, str]] = {"length": "length", "labels": "labels", "connections": "connections"}

    def __post_init__(self) -> None:
        self.length = declared_count(self.length, "the landmarks' length", 1)
        if self.labels is not None:
            names = self.labels
            if isinstance(names, str) or not isinstance(names, Sequence) or len(names) != self.length:
                raise InvalidInput(
                    f"the landmarks' labels cannot be {shorten(names)}", f"allowed is a list of {self.length} names"
                )
            self.labels = [declared_text(label, "a landmark's label") for label in names]
        if self.connections is not None:
            self.connections = [self._connection(pair) for pair in _list(self.connections)]

    def _connection(self, pair: object) -> list[str]:
        ends = _list(pair)
        if self.labels is None or len(ends) != 2 or not all(end in self.labels for end in ends):
            raise InvalidInput(f"the landmarks cannot be connected by {shorten(pair)}", "allowed are pairs of labels")
        return [str(end) for end in ends]

    def details(self) -> dict[str, object]:
        given = {"length": self.length, "labels": self.labels, "connections": self.connections}
        return {key: value for key, value in given.items() if value is not None}

    def allowed(self) -> str:
        return f"a list of {self.length} points [x, y] with numbers from 0 to 1"

    def validate(self, name: str, value: object) -> list[list[float]]:
        points = [_shares(point, 2) for point in value] if isinstance(value, list | tuple | np.ndarray) else []
        good = [point for point in points if point is not None]
        if len(good) != self.length or len(points) != self.length:
            self.refuse(name, value)
        return good


def _numbers(values: Sequence[object]) -> npt.NDArray[np.float64]:
    """A list of plain numbers as an array; one of objects if any is something else."""
    if not all(isinstance(item, int | float | np.integer | np.floating) for item in values):
        return np.empty(0, object)  # refused by its kind
    if any(isinstance(item, bool) for item in values):
        return np.empty(0, object)
    try:
        return np.array(values, np.float64)
    except OverflowError:
        return np.array([item if finite(item) else np.inf for item in values], np.float64)  # type: ignore[arg-type]


def _shares(value: object, count: int) -> list[float] | None:
    """`count` numbers from 0 to 1, or None."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple) or len(value) != count:
        return None
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float | np.floating) or not 0 <= item <= 1:
            return None
    return [float(item) for item in value]


def _list(value: object) -> Sequence[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInput(f"the landmarks' connections cannot be {shorten(value)}", "allowed are pairs of labels")
    return value
