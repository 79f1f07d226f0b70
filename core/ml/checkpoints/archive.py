"""Zip archives as torch.save writes them: entries stored, not compressed, read in place.

Only the directory at the end is trusted for places, and only after every place was checked; nothing is unpacked, so
neither a decompression bomb nor a name that climbs out of a folder can do anything. Layout: PKWARE APPNOTE 4.3.
"""

from __future__ import annotations

import struct

from core.ml.checkpoints.problems import MAX_ENTRIES, MAX_HEADER, Unreadable, shown, truncated

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_MAX_COMMENT = 0xFFFF


class Archive:
    """The entries of a zip file.

    Raises:
        Unreadable: Not a zip file, truncated, with more entries than weights need, or with compressed ones.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._places: dict[str, tuple[int, int]] = {}
        begin, size, count = self._directory()
        if count > MAX_ENTRIES or size > MAX_HEADER:
            raise Unreadable("it has more entries than weights need")
        position, end = begin, begin + size
        for _ in range(count):
            position = self._entry(position, end)

    @property
    def names(self) -> list[str]:
        """Names of all entries, in the order of the directory."""
        return list(self._places)

    def read(self, name: str) -> memoryview:
        """The bytes of an entry, not copied.

        Raises:
            Unreadable: No such entry, or its place is not inside the file.
        """
        if name not in self._places:
            raise Unreadable(f"the entry {shown(name, 40)} is missing", "Download or copy it again")
        offset, size = self._places[name]
        signature, *_, name_length, extra_length = _LOCAL.unpack(_cut(self._data, offset, _LOCAL.size))
        if signature != b"PK\x03\x04":
            raise Unreadable("it is a damaged zip file", "Download or copy it again")
        return _cut(self._data, offset + _LOCAL.size + name_length + extra_length, size)

    def _directory(self) -> tuple[int, int, int]:
        """Offset, size in bytes and number of entries of the directory."""
        tail_begin = max(0, len(self._data) - _END.size - _MAX_COMMENT)
        found = bytes(self._data[tail_begin:]).rfind(b"PK\x05\x06")
        if found < 0:
            raise truncated()
        place = tail_begin + found
        _, disk, _, _, count, size, begin, _ = _END.unpack(_cut(self._data, place, _END.size))
        if 0xFFFF in (disk, count) or 0xFFFFFFFF in (size, begin):
            if place < _LOCATOR64.size:
                raise truncated()
            signature, _, place64, _ = _LOCATOR64.unpack(_cut(self._data, place - _LOCATOR64.size, _LOCATOR64.size))
            if signature != b"PK\x06\x07":
                raise Unreadable("it is a damaged zip file", "Download or copy it again")
            fields = _END64.unpack(_cut(self._data, place64, _END64.size))
            if fields[0] != b"PK\x06\x06":
                raise Unreadable("it is a damaged zip file", "Download or copy it again")
            count, size, begin = fields[7], fields[8], fields[9]
        _cut(self._data, begin, size)
        return begin, size, count

    def _entry(self, position: int, end: int) -> int:
        fields = _ENTRY.unpack(_cut(self._data, position, _ENTRY.size))
        signature, method = fields[0], int(fields[4])
        packed, size, offset = int(fields[8]), int(fields[9]), int(fields[16])
        name_length, extra_length, comment_length = int(fields[10]), int(fields[11]), int(fields[12])
        begin = position + _ENTRY.size
        behind = begin + name_length + extra_length + comment_length
        if signature != b"PK\x01\x02" or behind > end:
            raise Unreadable("it is a damaged zip file", "Download or copy it again")
        name = bytes(self._data[begin : begin + name_length]).decode("utf-8", "replace")
        extra = bytes(self._data[begin + name_length : begin + name_length + extra_length])
        size, packed, offset = _wide(extra, size, packed, offset)
        if method != 0 or packed != size or fields[3] & 1:
            raise Unreadable("its entries are compressed, which weights never are")
        if name in self._places:
            raise Unreadable("two of its entries have one name")
        self._places[name] = (offset, size)
        return behind


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The 64-bit values of a directory entry, which stand in extra field 1 in this order, where 32 bits are full."""
    values = [size, packed, offset]
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            field = extra[position + 4 : position + 4 + length]
            for index, value in enumerate(values):
                if value == 0xFFFFFFFF:
                    if len(field) < 8:
                        raise Unreadable("it is a damaged zip file", "Download or copy it again")
                    values[index] = int.from_bytes(field[:8], "little")
                    field = field[8:]
            break
        position += 4 + length
    return values[0], values[1], values[2]


def _cut(data: memoryview, begin: int, size: int) -> memoryview:
    if begin < 0 or size < 0 or begin + size > len(data):
        raise truncated()
    return data[begin : begin + size]
