"""Numbers as they lie in a foreign file: storages, and tensors as checked views of them.

Nothing is copied until somebody asks for `Tensor.array`; a storage is a slice of the memory-mapped file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import as_strided

from core.ml.checkpoints.problems import Unreadable, truncated

DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # NumPy has none: the raw bits
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
"""Element types by their safetensors tag, as the NumPy type that holds their bits."""
FLOATS = ("F64", "F32", "F16", "BF16")
MAX_DIMENSIONS = 8


@dataclass
class Storage:
    """A run of numbers of one type.

    `data` may be filled in after the tensors on it were made: old torch files hold all numbers at their end.
    """

    tag: str
    count: int
    data: memoryview | None = None

    def fill(self, data: memoryview) -> None:
        """Set the bytes.

        Raises:
            Unreadable: They are not exactly `count` numbers.
        """
        if len(data) != self.count * DTYPES[self.tag].itemsize:
            raise Unreadable("the numbers of a tensor do not fill its storage", "Download or copy it again")
        self.data = data

    def array(self) -> np.ndarray:
        """All numbers, [count], without a copy (BF16: their bits)."""
        if self.data is None:
            raise truncated()
        return np.frombuffer(self.data, DTYPES[self.tag])


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, checked when it is made: every element lies inside, and there are no more than stored.

    Raises:
        Unreadable: Offset, sizes or strides reach outside the storage, are negative or repeat numbers.
    """

    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...] = field(default=())
    """In elements; () with a shape means C order."""
    offset: int = 0

    def __post_init__(self) -> None:
        if not self.strides and self.shape:
            object.__setattr__(self, "strides", c_strides(self.shape))
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or len(self.shape) > MAX_DIMENSIONS:
            raise Unreadable("a tensor's sizes and strides do not fit together")
        if any(type(number) is not int or not 0 <= number < 2**48 for number in numbers):
            raise Unreadable("a tensor has an impossible size, stride or offset")
        if self.size == 0:
            return
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides))
        if last >= self.storage.count or self.size > self.storage.count:
            raise Unreadable("a tensor reaches outside its storage")

    @property
    def tag(self) -> str:
        """Element type, a key of `DTYPES`."""
        return self.storage.tag

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * DTYPES[self.tag].itemsize

    def bits(self) -> np.ndarray:
        """The numbers in C order (BF16: their bits); a view of the file where the strides allow it."""
        flat = self.storage.array()
        if self.size == 0:
            return np.empty(self.shape, flat.dtype)
        view = as_strided(
            flat[self.offset :], self.shape, [stride * flat.itemsize for stride in self.strides], writeable=False
        )
        return np.ascontiguousarray(view).reshape(self.shape)

    def array(self) -> np.ndarray:
        """The numbers in C order; BF16 as float32."""
        bits = self.bits()
        if self.tag == "BF16":
            return (bits.astype("<u4") << 16).view("<f4")
        return bits


def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of an array in C order."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


def from_array(array: np.ndarray) -> Tensor:
    """A tensor of our own making, C order.

    Args:
        array: One of the types in `DTYPES`.
    """
    shape = tuple(int(length) for length in np.shape(array))
    array = np.ascontiguousarray(array)
    tag = next(tag for tag, dtype in DTYPES.items() if tag != "BF16" and dtype == array.dtype)
    data = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
    return Tensor(Storage(tag, array.size, data), shape)
