"""torch.save files: the zip archives of today and the streams of five pickles from before torch 1.6.

Both are read in place from the memory-mapped file: a storage is a slice of it.
"""

from __future__ import annotations

import struct

from core.ml.checkpoints.archive import Archive
from core.ml.checkpoints.interpreter import Budget, interpret
from core.ml.checkpoints.problems import MAX_ENTRIES, Unreadable, shown, truncated
from core.ml.checkpoints.tensors import DTYPES, Storage
from core.ml.checkpoints.vocabulary import TorchVocabulary

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of an old torch file holds."""
LEGACY_PROTOCOL = 1001
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
"""The first bytes of an old torch file."""


def read_archive(data: memoryview, budget: Budget) -> object:
    """The object in a zip file of torch.save.

    Raises:
        Unreadable: Not such a file, damaged, compressed, or a pickle outside the vocabulary.
    """
    archive = Archive(data)
    pickles = [name for name in archive.names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Unreadable("it is a zip file without weights")
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}byteorder" in archive.names and bytes(archive.read(f"{prefix}byteorder")[:8]) != b"little":
        raise Unreadable("its numbers are big-endian")
    if f"{prefix}constants.pkl" in archive.names:
        raise Unreadable("it is a TorchScript program, not plain weights", "Save its state_dict instead")
    storages: dict[str, Storage] = {}

    def load(tag: str, key: str, count: int) -> Storage:
        storage = storages.get(key)
        if storage is None:
            storage = storages[key] = Storage(tag, count)
            storage.fill(archive.read(f"{prefix}data/{key}"))
        elif (storage.tag, storage.count) != (tag, count):
            raise Unreadable("two storages of different size have one name")
        return storage

    return interpret(archive.read(pickles[0]), 0, TorchVocabulary(load), budget)[0]


def read_stream(data: memoryview, budget: Budget) -> object:
    """The object in a torch file from before 1.6, or in the bytes that NVIDIA's pickles nest.

    Raises:
        Unreadable: Not such a file, truncated, or a pickle outside the vocabulary.
    """
    nothing = TorchVocabulary(None)
    magic, position = interpret(data, 0, nothing, budget)
    if magic != LEGACY_MAGIC:
        raise Unreadable("it is a pickle of something other than weights")
    protocol, position = interpret(data, position, nothing, budget)
    if protocol != LEGACY_PROTOCOL:
        raise Unreadable("it is a torch file of an unknown protocol")
    system, position = interpret(data, position, nothing, budget)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise Unreadable("its numbers are big-endian")
    storages: dict[str, Storage] = {}

    def load(tag: str, key: str, count: int) -> Storage:
        storage = storages.setdefault(key, Storage(tag, count))
        if (storage.tag, storage.count) != (tag, count):
            raise Unreadable("two storages of different size have one name")
        return storage

    found, position = interpret(data, position, TorchVocabulary(load), budget)
    keys, position = interpret(data, position, nothing, budget)
    if type(keys) is not list or len(keys) > MAX_ENTRIES:
        raise Unreadable("it is a damaged torch file")
    for key in keys:
        storage = storages.get(key) if type(key) is str else None
        if storage is None or storage.data is not None:
            raise Unreadable(f"it has numbers for an unknown storage {shown(key, 20)}")
        position = _fill(storage, data, position)
    if any(storage.data is None for storage in storages.values()):
        raise truncated()
    return found


def _fill(storage: Storage, data: memoryview, position: int) -> int:
    """Give `storage` the numbers at `position`: a 64-bit count, then the data. Returns the offset behind them."""
    begin = position + _COUNT.size
    if begin > len(data):
        raise truncated()
    count = int(_COUNT.unpack(data[position:begin])[0])
    if count != storage.count:
        raise Unreadable("the numbers of a tensor do not fill its storage", "Download or copy it again")
    end = begin + count * DTYPES[storage.tag].itemsize
    if end > len(data):
        raise truncated()
    storage.fill(data[begin:end])
    return end


_COUNT = struct.Struct("<q")
