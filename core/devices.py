"""What this machine has, found without any framework: GPUs, processors, memory, disk, and who is asking."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 5.0
"""Seconds that nvidia-smi gets: a driver that is starting takes one to three, a broken one never answers."""

_QUERY = "index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,driver_version"


@dataclass(frozen=True)
class Gpu:
    """One GPU. Memory in bytes; None where the driver does not tell (memory and load of MIG slices, say)."""

    index: int
    uuid: str
    name: str
    memory_total: int | None
    memory_used: int | None
    load: float | None
    """Share of the last sampling period in which a kernel ran, 0 to 1."""
    temperature: int | None
    """Degrees Celsius."""
    driver: str


@dataclass(frozen=True)
class Machine:
    """One look at the machine. Memory in bytes."""

    user: str
    host: str
    cores: float
    """Processors this process may use: affinity and control-group quota."""
    memory_total: int
    """What this process may use at most: the machine's, or its control group's limit."""
    memory_used: int
    gpus: tuple[Gpu, ...] = ()
    gpu_problem: str = ""
    """Why GPUs are not known, where there is a driver that does not answer."""


def machine(timeout: float = TIMEOUT) -> Machine:
    """Look now. Blocks for as long as nvidia-smi takes, at most `timeout` seconds: call it in a thread."""
    gpus: list[Gpu] = []
    problem = ""
    program = shutil.which("nvidia-smi")
    if program is not None:
        try:
            result = subprocess.run(
                _command(program), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
            )
            gpus, problem = _understand(result.returncode, result.stdout, result.stderr)
        except subprocess.TimeoutExpired:
            problem = _too_slow(timeout)
        except OSError as error:
            problem = f"nvidia-smi cannot be run: {error.strerror or error}"
    return _machine(gpus, problem)


async def machine_async(timeout: float = TIMEOUT) -> Machine:
    """As `machine`, without a thread; a driver that hangs is killed and told."""
    gpus: list[Gpu] = []
    problem = ""
    program = await asyncio.to_thread(shutil.which, "nvidia-smi")
    if program is not None:
        gpus, problem = await _ask(program, timeout)
    return await asyncio.to_thread(_machine, gpus, problem)


def visible(gpus: tuple[Gpu, ...] | list[Gpu], variable: str | None) -> list[Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES (`variable`) leaves, in its order; all of them without it.

    CUDA stops at the first entry that it does not know.
    """
    if variable is None:
        return list(gpus)
    chosen: list[Gpu] = []
    for entry in filter(None, (part.strip() for part in variable.split(","))):
        found = [gpu for gpu in gpus if entry == str(gpu.index) or (entry[:4] == "GPU-" and gpu.uuid.startswith(entry))]
        if not found:
            break
        chosen += found[:1]
    return chosen


def whoami() -> tuple[str, str]:
    """The user's name and the host's short name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid {os.getuid()}"
    return user, socket.gethostname().split(".")[0] or "localhost"


def allowed_cores(root: Path = Path("/")) -> float:
    """Processors this process may use: its affinity, and the quota of its control groups (v1 or v2).

    Args:
        root: Where /proc and /sys are, for tests.
    """
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for folder in _control_groups(root, "cpu"):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            if (folder / "cpu.max").exists():
                granted, period = (folder / "cpu.max").read_text().split()
            else:
                granted = (folder / "cpu.cfs_quota_us").read_text().strip()
                period = (folder / "cpu.cfs_period_us").read_text().strip()
            if granted not in ("max", "-1"):
                cores = min(cores, int(granted) / int(period))
    return cores


def memory(root: Path = Path("/")) -> tuple[int, int]:
    """Memory this process may use, and how much of it is used, in bytes."""
    import psutil

    whole = psutil.virtual_memory()
    total, used = int(whole.total), int(whole.total - whole.available)
    for folder in _control_groups(root, "memory"):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            with contextlib.suppress(OSError, ValueError):
                granted = int((folder / limit).read_text())
                if granted < total:
                    total, used = granted, min(int((folder / usage).read_text()), granted)
    return total, used


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that a new process may use before anything has to give way: what only mirrors files on disk counts as free.

    Args:
        root: Where /proc and /sys are, for tests.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    for folder in _control_groups(root, "memory"):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            with contextlib.suppress(OSError, ValueError):
                granted, used = int((folder / limit).read_text()), int((folder / usage).read_text())
                lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
                found = {parts[0]: int(parts[1]) for parts in lines if len(parts) == 2}
                files = sum(found.get(f"total_{name}", found.get(name, 0)) for name in ("active_file", "inactive_file"))
                free = min(free, max(0, granted - max(0, used - files)))
    return free


def _machine(gpus: list[Gpu], problem: str) -> Machine:
    user, host = whoami()
    total, used = memory()
    left = visible(gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return Machine(user, host, allowed_cores(), total, used, tuple(left), problem)


async def _ask(program: str, timeout: float) -> tuple[list[Gpu], str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(program),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return [], f"nvidia-smi cannot be run: {error.strerror or error}"
    try:
        output, errors = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError:
        return [], _too_slow(timeout)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _understand(process.returncode or 0, output, errors)


def _command(program: str) -> list[str]:
    return [program, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]


def _too_slow(timeout: float) -> str:
    return f"nvidia-smi gave no answer within {timeout:g} s"


def _understand(code: int, output: bytes, errors: bytes) -> tuple[list[Gpu], str]:
    text = output.decode(errors="replace")
    if code:
        lines = (errors.decode(errors="replace") + "\n" + text).strip().splitlines()
        return [], f"nvidia-smi: {lines[0].strip()[:200]}" if lines else f"nvidia-smi ended with {code}"
    gpus = [gpu for line in text.splitlines() if (gpu := _gpu(line)) is not None]
    return gpus, ""


def _gpu(line: str) -> Gpu | None:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != len(_QUERY.split(",")) or not parts[0].isdigit():
        return None
    total, used, load, temperature = (int(part) if part.isdigit() else None for part in parts[3:7])
    return Gpu(
        index=int(parts[0]),
        uuid=parts[1],
        name=parts[2],
        memory_total=None if total is None else total * 2**20,
        memory_used=None if used is None else used * 2**20,
        load=None if load is None else load / 100,
        temperature=temperature,
        driver=parts[7],
    )


def _control_groups(root: Path, controller: str) -> list[Path]:
    """Folders whose limits bind this process: its own control group and all above it, version 2 and version 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders: list[Path] = []
    for line in lines:
        controllers, _, group = line.partition(":")[2].partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / controllers
        folder = base / group.lstrip("/")
        while folder != base and base in folder.parents:
            folders.append(folder)
            folder = folder.parent
        folders.append(base)
    return folders
