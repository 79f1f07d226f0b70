"""What the machine has: nvidia-smi in all its moods, control groups, names."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core import devices

ANSWER = (
    "0, GPU-aaaa-1, NVIDIA H200, 143771, 512, 41, 37, 570.86.15\n"
    "1, GPU-bbbb-2, NVIDIA H200, 143771, 0, 0, 30, 570.86.15\n"
)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program called nvidia-smi first in PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def write(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


async def both(timeout: float = 10.0) -> devices.Machine:
    waited, async_ = devices.machine(timeout), await devices.machine_async(timeout)
    assert waited.gpus == async_.gpus
    assert waited.gpu_problem == async_.gpu_problem
    return async_


async def test_gpus(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi(f"printf '{ANSWER}'")
    machine = await both()
    assert [gpu.index for gpu in machine.gpus] == [0, 1]
    assert machine.gpus[0] == devices.Gpu(
        0, "GPU-aaaa-1", "NVIDIA H200", 143771 * 2**20, 512 * 2**20, 0.41, 37, "570.86.15"
    )
    assert machine.gpu_problem == ""


async def test_what_the_driver_does_not_tell(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("echo '0, GPU-a, NVIDIA A100 MIG, [N/A], [N/A], [N/A], [N/A], 550.1'; echo 'a warning, of a line'")
    (gpu,) = (await both()).gpus
    assert (gpu.memory_total, gpu.memory_used, gpu.load, gpu.temperature) == (None, None, None, None)


async def test_a_driver_that_fails(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9")
    machine = await both()
    assert machine.gpus == ()
    assert "could not communicate" in machine.gpu_problem


async def test_a_driver_that_hangs_is_left_behind(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("exec sleep 60")
    started = time.monotonic()
    machine = await both(timeout=0.3)
    assert time.monotonic() - started < 10
    assert "no answer within 0.3 s" in machine.gpu_problem


async def test_a_program_that_cannot_run(nvidia_smi: Callable[[str], None], tmp_path: Path) -> None:
    nvidia_smi("")
    (tmp_path / "nvidia-smi").write_bytes(b"\x7fELF nonsense")
    assert "cannot be run" in (await both()).gpu_problem


async def test_no_gpu_is_no_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = await both()
    assert machine.gpus == ()
    assert machine.gpu_problem == ""
    assert 0 < machine.memory_used < machine.memory_total
    assert machine.cores > 0
    assert machine.user
    assert machine.host


@pytest.mark.parametrize(
    ("variable", "expected"),
    [(None, [0, 1]), ("1", [1]), ("1,0", [1, 0]), ("", []), ("-1", []), ("0,7,1", [0]), ("GPU-bb", [1]), (" 1 ", [1])],
)
def test_visible(variable: str | None, expected: list[int]) -> None:
    gpus = [gpu for line in ANSWER.splitlines() if (gpu := devices._gpu(line)) is not None]
    assert [gpu.index for gpu in devices.visible(gpus, variable)] == expected


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_quotas_of_version_2(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user.slice/job.scope\n",
            "sys/fs/cgroup/user.slice/cpu.max": "50000 100000",
            "sys/fs/cgroup/user.slice/memory.max": "max",
            "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000",
            "sys/fs/cgroup/user.slice/job.scope/memory.max": "1000000",
            "sys/fs/cgroup/user.slice/job.scope/memory.current": "400000",
        },
    )
    assert devices.allowed_cores(root) == 0.5
    assert devices.memory(root) == (1_000_000, 400_000)


def test_quotas_of_version_1(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/job\n4:cpu,cpuacct:/job\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "25000",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2000000",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "100",
        },
    )
    assert devices.allowed_cores(root) == 0.25
    assert devices.memory(root) == (2_000_000, 100)


def test_without_control_groups(tmp_path: Path) -> None:
    assert devices.allowed_cores(tmp_path) >= 1
    assert devices.memory(tmp_path)[0] > 2**20


def test_nonsense_in_the_files_is_no_limit(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("many\n")
    assert devices.allowed_cores(tmp_path) >= 1


def test_files_in_memory_count_as_free(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/job/memory"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job\n",
            f"{group}.max": "1000000",
            f"{group}.current": "900000",
            f"{group}.stat": "anon 100000\ninactive_file 600000\nactive_file 200000\nslab 1\n",
        },
    )
    assert devices.available_memory(root) == 900_000
    old = "sys/fs/cgroup/memory/job/memory"
    root = write(
        tmp_path / "v1",
        {
            "proc/self/cgroup": "5:memory:/job\n",
            f"{old}.limit_in_bytes": "2000000",
            f"{old}.usage_in_bytes": "1500000",
            f"{old}.stat": "inactive_file 5\ntotal_inactive_file 400000\ntotal_active_file 100000\n",
        },
    )
    assert devices.available_memory(root) == 1_000_000
    assert devices.available_memory(tmp_path / "none") > 2**20
