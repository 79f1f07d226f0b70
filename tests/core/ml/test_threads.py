"""How many threads a worker takes, from made-up machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from core.ml import threads
from core.ml.hardware import fast_bfloat16


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(("load", "free"), [(0.0, 8), (8.0, 8), (12.2, 4), (15.9, 1), (40.0, 1)])
def test_busy_cores_are_left_alone(load: float, free: int, tmp_path: Path) -> None:
    assert threads.free_cores(load, tmp_path) == free


def test_a_number_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(before))
    monkeypatch.setattr(threads, "free_cores", lambda: 7)
    assert threads.size_thread_pools() == before
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads, "free_cores", lambda: 1)
    assert threads.size_thread_pools() == 1


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("flags : fpu amx_bf16 avx512f\n", True),
        ("Features : fp asimd bf16\n", True),
        ("flags : fpu avx2 avx512f\nbugs : avx512_bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_used_only_where_the_processor_has_it(text: str, able: bool, tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(text)
    assert fast_bfloat16(torch.device("cpu"), info) is able
    assert not fast_bfloat16(torch.device("cpu"), tmp_path / "missing")
