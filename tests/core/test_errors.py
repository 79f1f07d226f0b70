"""Which errors mean that there was not enough memory, whoever says so and however."""

from __future__ import annotations

import pytest

from core.errors import OutOfMemory, out_of_memory


class OutOfMemoryError(RuntimeError):
    """As torch calls its own, which nothing here imports."""


class Unspeakable(RuntimeError):
    """An error of foreign code that cannot even be told."""

    def __str__(self) -> str:
        raise ValueError("not that either")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 80 bytes"),
    ],
)
def test_a_lack_of_memory_is_known_in_all_its_words(error: BaseException) -> None:
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("sizes differ"), ValueError("out of memory"), Unspeakable(), OutOfMemory("said already")]
)
def test_others_are_none(error: BaseException) -> None:
    assert not out_of_memory(error)
