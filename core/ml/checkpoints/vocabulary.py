"""The names that pickled weights use, and the inert things they become here.

Sources of the list: the pickles of stylegan2-ada-pytorch and stylegan3, of TensorFlow-era StyleGAN2, and torch.save.
Source text that some of these files carry is never looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from core.ml.checkpoints.interpreter import Budget, Buildable, StandIn, describe_global, interpret, key
from core.ml.checkpoints.problems import Unreadable
from core.ml.checkpoints.tensors import DTYPES, MAX_DIMENSIONS, Storage, Tensor, c_strides

STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
"""Storage classes of torch by name, and their element types."""


@dataclass(eq=False, repr=False)
class Persisted:
    """A network or layer of an NVIDIA pickle: the name of its class and its attributes."""

    class_name: str
    state: dict[str, object]


@dataclass(eq=False, repr=False)
class TensorFlowNetwork(Buildable):
    """A network of a TensorFlow-era pickle; `state` holds name, static_kwargs, variables, components."""

    state: dict[str, object] = field(default_factory=dict)

    def build(self, state: object) -> None:
        """Take the attributes."""
        self.state = _attributes(state)


@dataclass(eq=False, repr=False)
class Namespace(Buildable):
    """Command-line arguments in a training file."""

    state: dict[str, object] = field(default_factory=dict)

    def build(self, state: object) -> None:
        """Take the attributes."""
        self.state = _attributes(state)


class NumberType(Buildable):
    """A NumPy dtype of plain numbers."""

    def __init__(self, code: object) -> None:
        if type(code) is not str or not re.fullmatch(r"[<>|=]?[fiub][1248]", code):
            raise Unreadable("it holds an array of something other than numbers")
        try:
            self.dtype = np.dtype(code)
        except TypeError:
            raise Unreadable("it holds an array of something other than numbers") from None

    def build(self, state: object) -> None:
        """Take the byte order, the only part of the state that numbers have."""
        order = state[1] if type(state) is tuple and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise Unreadable("it holds an array of unknown byte order")
        self.dtype = self.dtype.newbyteorder(order)


class NumPyArray(Buildable):
    """A NumPy array; it has its numbers after BUILD."""

    def __init__(self) -> None:
        self.tensor: Tensor | None = None

    def build(self, state: object) -> None:
        """Take (version, shape, dtype, Fortran order, bytes)."""
        if type(state) is not tuple or len(state) != 5:
            raise Unreadable("it is a damaged pickle")
        _, shape, kind, fortran, data = state
        if not isinstance(kind, NumberType) or not isinstance(data, memoryview):
            raise Unreadable("it holds an array of something other than numbers")
        shape = _numbers(shape)
        dtype = kind.dtype
        if math.prod(shape) * dtype.itemsize != len(data):
            raise Unreadable("the numbers of an array do not fill it", "Download or copy it again")
        tag = next((tag for tag, known in DTYPES.items() if known == dtype and tag != "BF16"), None)
        if tag is None:
            raise Unreadable("it holds an array of unknown numbers")
        strides = tuple(reversed(c_strides(tuple(reversed(shape))))) if fortran else ()
        self.tensor = Tensor(Storage(tag, len(data) // dtype.itemsize, data), shape, strides)


class _Function(StandIn):
    """A stand-in made of one function of the arguments; `made` is for names that NEWOBJ may use."""

    def __init__(self, called: Callable[..., object] | None, made: Callable[..., object] | None = None) -> None:
        self._called, self._made = called, made

    def call(self, arguments: tuple[object, ...]) -> object:
        return super().call(arguments) if self._called is None else _apply(self._called, arguments)

    def new(self, arguments: tuple[object, ...]) -> object:
        return super().new(arguments) if self._made is None else _apply(self._made, arguments)


@dataclass(frozen=True, eq=False)
class StorageType(StandIn):
    """The name of a storage class, which persistent ids mention."""

    tag: str


@dataclass(frozen=True, eq=False)
class _ArrayType(StandIn):
    """`numpy.ndarray`, which `_reconstruct` mentions."""


class TorchVocabulary:
    """What torch.save writes for tensors, containers and command-line arguments.

    Args:
        load_storage: Gives the storage of (element type, key, count); None in files that have no persistent ids.
    """

    def __init__(self, load_storage: Callable[[str, str, int], Storage] | None) -> None:
        self._load_storage = load_storage
        self._names: dict[tuple[str, str], StandIn] = {
            ("collections", "OrderedDict"): _Function(_ordered_dict, _ordered_dict),
            ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
            ("torch._utils", "_rebuild_parameter"): _Function(_parameter),
            ("argparse", "Namespace"): _Function(_namespace, _namespace),
        }
        self._names |= {("torch", name): StorageType(tag) for name, tag in STORAGES.items()}

    def find(self, module: str, name: str) -> StandIn:
        """The stand-in, or `Unreadable`."""
        found = self._names.get((module, name))
        if found is None:
            raise describe_global(module, name)
        return found

    def persistent(self, identity: object) -> object:
        """The storage that ("storage", type, key, place, count[, view]) names."""
        if self._load_storage is None:
            raise Unreadable("it refers to data outside the file")
        if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
            raise Unreadable("it is a damaged pickle")
        kind, name, count = identity[1], identity[2], identity[4]
        if not isinstance(kind, StorageType) or type(name) is not str or type(count) is not int:
            raise Unreadable("it is a damaged pickle")
        if not 0 <= count < 2**48:
            raise Unreadable("a storage has an impossible size")
        if len(identity) == 6 and identity[5] is not None:
            raise Unreadable("it is a torch file from before 2018", "Save it again with a newer torch")
        return self._load_storage(kind.tag, name, count)


class NetworkVocabulary:
    """What the pickles of NVIDIA's StyleGAN repositories use.

    Args:
        budget: Shared with the torch files nested inside.
        read_nested: Reads the bytes of a nested torch file.
    """

    def __init__(self, budget: Budget, read_nested: Callable[[memoryview, Budget], object]) -> None:
        def make_set(items: object) -> set[object]:
            if type(items) is not list:
                raise Unreadable("it is a damaged pickle")
            budget.opcodes -= len(items)  # one list can be copied many times
            return {key(item) for item in items}

        def nested(data: object) -> Storage:
            if not isinstance(data, memoryview):
                raise Unreadable("it is a damaged pickle")
            storage = read_nested(data, budget)
            if not isinstance(storage, Storage):
                raise Unreadable("it nests something other than numbers")
            return storage

        self._names: dict[tuple[str, str], StandIn] = {
            ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Function(_persisted),
            ("collections", "OrderedDict"): _Function(_ordered_dict, _ordered_dict),
            ("dnnlib.util", "EasyDict"): _Function(None, _ordered_dict),
            ("torch._utils", "_rebuild_parameter"): _Function(_parameter),
            ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
            ("torch.storage", "_load_from_bytes"): _Function(nested),
            ("numpy", "dtype"): _Function(_number_type),
            ("numpy", "ndarray"): _ArrayType(),
            ("builtins", "set"): _Function(make_set),
            ("dnnlib.tflib.network", "Network"): _Function(None, TensorFlowNetwork),
        }
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            self._names[module, "scalar"] = _Function(_scalar)
            self._names[module, "_reconstruct"] = _Function(_array)

    def find(self, module: str, name: str) -> StandIn:
        """The stand-in, or `Unreadable`."""
        found = self._names.get((module, name))
        if found is None:
            raise describe_global(module, name)
        return found

    def persistent(self, identity: object) -> object:
        """These files have none."""
        raise Unreadable("it refers to data outside the file")


def read_pickle(data: memoryview, vocabulary: NetworkVocabulary, budget: Budget) -> object:
    """The object of a plain pickle."""
    return interpret(data, 0, vocabulary, budget)[0]


def _apply(function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    try:
        return function(*arguments)
    except (TypeError, ValueError):  # the wrong number or kind of arguments
        raise Unreadable("it is a damaged pickle") from None


def _attributes(state: object) -> dict[str, object]:
    if type(state) is not dict:
        raise Unreadable("it holds an object without attributes")
    return state  # not copied: a memo could multiply it


def _persisted(meta: object) -> Persisted:
    if type(meta) is not dict or meta.get("type") != "class" or type(meta.get("class_name")) is not str:
        raise Unreadable("it holds a network that says not what it is")
    return Persisted(meta["class_name"], _attributes(meta.get("state")))


def _ordered_dict() -> dict[object, object]:
    return {}


def _namespace() -> Namespace:
    return Namespace()


def _numbers(values: object) -> tuple[int, ...]:
    if type(values) is not tuple or len(values) > MAX_DIMENSIONS:
        raise Unreadable("it holds a tensor without sizes")
    if any(type(value) is not int or not 0 <= value < 2**48 for value in values):
        raise Unreadable("a tensor has an impossible size, stride or offset")
    return values


def _tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> Tensor:
    if not isinstance(storage, Storage) or type(offset) is not int:
        raise Unreadable("it holds a tensor without numbers")
    return Tensor(storage, _numbers(size), _numbers(stride), offset)


def _parameter(data: object, *_: object) -> Tensor:
    if not isinstance(data, Tensor):
        raise Unreadable("it holds a parameter without numbers")
    return data


def _number_type(code: object, *_: object) -> NumberType:
    return NumberType(code)


def _array(kind: object, *_: object) -> NumPyArray:
    if not isinstance(kind, _ArrayType):
        raise Unreadable("it holds an array of an unknown class")
    return NumPyArray()


def _scalar(kind: object, data: object) -> object:
    if not isinstance(kind, NumberType) or not isinstance(data, memoryview) or len(data) != kind.dtype.itemsize:
        raise Unreadable("it is a damaged pickle")
    return np.frombuffer(data, kind.dtype)[0].item()
