"""Large pages: what was allocated is moved, whole and unchanged; nothing else, and nothing where there are none."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch

from core.ml.generation import pages
from core.ml.generation.pages import LARGE, large_pages, room

SIZE = 4 * LARGE


def _large(address: int) -> int:
    """Bytes on large pages in the mapping around `address`."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head = line.split(maxsplit=1)[0]
        if "-" in head and not head.endswith(":"):
            start, stop = (int(number, 16) for number in head.split("-"))
            inside = start <= address < stop
        elif inside and head == "AnonHugePages:":
            return int(line.split()[1]) * 1024
    raise AssertionError("there is no such mapping")


def _anonymous(used: int) -> mmap.mmap:
    memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, used, mmap.PAGESIZE):
        memory[at : at + 4] = at.to_bytes(4, "little")
    memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _address(memory: mmap.mmap) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _possible() -> bool:
    with large_pages():
        memory = _anonymous(SIZE)
    return _large(_address(memory)) > 0


needs_pages = pytest.mark.skipif(
    not Path("/proc/self/smaps").is_file() or not _possible(), reason="this system moves nothing to large pages"
)


@needs_pages
def test_what_was_allocated_meanwhile_is_moved_and_stays_as_it_was() -> None:
    with large_pages():
        memory = _anonymous(SIZE)
    assert _large(_address(memory)) >= SIZE - 2 * LARGE
    assert all(memory[at : at + 4] == at.to_bytes(4, "little") for at in range(0, SIZE, mmap.PAGESIZE))


@needs_pages
def test_what_was_there_before_or_is_hardly_used_stays_where_it_is() -> None:
    before = _anonymous(SIZE)
    with large_pages():
        sparse = _anonymous(SIZE // 16)
    # The system may have set them side by side: then they are one mapping, in which nothing was moved either.
    assert _large(_address(before)) == 0
    assert _large(_address(sparse)) == 0


@needs_pages
def test_room_is_on_large_pages() -> None:
    made = room((3, LARGE), torch.int16).fill_(7)
    assert _large(made.data_ptr()) >= 4 * LARGE
    assert made.sum(dtype=torch.int64) == 7 * 3 * LARGE
    small = room((5, 3), torch.bfloat16).fill_(2)
    assert (small.shape, small.dtype, float(small.sum())) == ((5, 3), torch.bfloat16, 30.0)


def test_ranges_are_what_came_in_between() -> None:
    assert pages._subtract([(0, 10), (20, 30), (40, 50)], []) == [(0, 10), (20, 30), (40, 50)]
    assert pages._subtract([(0, 10), (20, 30), (40, 50)], [(2, 4), (6, 22), (29, 60)]) == [(0, 2), (4, 6), (22, 29)]
    assert pages._subtract([(5, 8)], [(0, 10)]) == []


def test_where_there_are_none_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pages, "_advice", lambda: None)
    with large_pages():
        assert bytearray(SIZE)[0] == 0
    monkeypatch.setattr(pages, "_advice", lambda: lambda *_: -1)
    with large_pages():
        memory = _anonymous(SIZE)
    assert memory[SIZE - mmap.PAGESIZE : SIZE - mmap.PAGESIZE + 4] == (SIZE - mmap.PAGESIZE).to_bytes(4, "little")
    monkeypatch.setattr(pages, "_MAPS", tmp_path / "none")
    assert pages._mapped() == []
