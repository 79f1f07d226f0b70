"""Slurm, by its own commands: the job is the supervisor, and every attempt is a step of it.

Signals go to the steps alone (`--signal=TERM@60`, `scancel --signal=TERM`), so that trainers save while the supervisor
looks on; a TERM to the batch shell or to srun would end steps of several nodes at once. squeue is asked with a format
line of our own: its JSON differs between versions, and sacct is missing where there is no accounting.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from core.errors import InvalidInput, TarmacError
from core.paths import write_atomic
from core.runs.folder import write_json
from core.runs.launchers import Handle, Status
from core.runs.launchers.local import environment, supervisor_command
from core.runs.plan import Resources, RunPlan

_PATIENCE = 30.0
"""Seconds for a command of Slurm; a controller under load takes several."""

_QUEUED = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "COMPLETING", "STAGE_OUT", "RESIZING", "SIGNALING", "SUSPENDED", "STOPPED"}

_KEPT = ("TARMAC_HOME", "PYTHONPATH", "HF_HOME", "OMP_NUM_THREADS")
"""Variables that a job needs also where the cluster gives it none of the submitter's."""


class Slurm:
    """Submits, looks and cancels with sbatch, squeue and scancel."""

    name = "slurm"

    def check(self, plan: RunPlan) -> None:
        """Refuse where there is no Slurm.

        Raises:
            InvalidInput: sbatch is not on the path.
        """
        if shutil.which("sbatch") is None:
            raise InvalidInput(
                "the launcher slurm needs sbatch", "it is not on this machine's path", "Use a login node of the cluster"
            )

    async def submit(self, folder: Path, plan: RunPlan) -> Handle:
        """Submit the job.

        Raises:
            TarmacError: sbatch refused; its words.
        """
        self.check(plan)
        script = folder / "job.sh"
        await asyncio.to_thread(write_atomic, script, batch_script(folder, plan), 0o700)
        answer = await _ask("sbatch", "--parsable", str(script))
        job = answer.strip().partition(";")[0]
        if not job.isdigit():
            raise TarmacError("sbatch gave no job number", answer.strip()[:200])
        await asyncio.to_thread(write_json, folder / "launch.json", {"launcher": self.name, "id": job})
        return Handle(self.name, job, folder)

    async def poll(self, handles: Sequence[Handle]) -> dict[str, Status]:
        """What squeue says. A job that it has forgotten is gone.

        Raises:
            TarmacError: squeue does not answer.
        """
        if not handles:
            return {}
        answer = await _ask("squeue", "-u", getpass.getuser(), "-h", "-t", "all", "-o", "%i|%T|%r|%N")
        found = understand(answer)
        return {handle.id: found.get(handle.id, Status("gone")) for handle in handles}

    async def cancel(self, handle: Handle) -> None:
        """Wake the trainers with SIGTERM, which with the wish on disk means save and end; a waiting job goes at once.

        Raises:
            TarmacError: scancel refused.
        """
        status = (await self.poll([handle]))[handle.id]
        if status.state == "queued":
            await _ask("scancel", handle.id)
        elif status.state == "running":
            await _ask("scancel", "--signal=TERM", handle.id)


def understand(answer: str) -> dict[str, Status]:
    """squeue's lines "id|state|reason|nodes" by id."""
    found: dict[str, Status] = {}
    for line in answer.splitlines():
        parts = line.strip().split("|")
        if len(parts) < 4:
            continue
        job, word, reason, nodes = parts[0], parts[1], parts[2], parts[3]
        state = "queued" if word in _QUEUED else "running" if word in _RUNNING else "gone"
        found[job] = Status(state, reason if reason != "None" else "", nodes, word)
    return found


def batch_script(folder: Path, plan: RunPlan) -> str:
    """The job: what it needs, and the supervisor."""
    need = plan.resources
    ranks = ranks_per_node(need)
    lines = [
        f"--job-name=tarmac-{folder.name}",
        f"--output={folder / 'log.txt'}",
        "--open-mode=append",
        "--requeue",
        "--signal=TERM@60",
        f"--nodes={need.nodes}",
        f"--ntasks-per-node={ranks}",
    ]
    lines += [f"--cpus-per-task={need.cpus}"] if need.cpus else []
    lines += [f"--gres=gpu:{need.gpus}"] if need.gpus else []
    lines += [f"--mem={need.memory_gb}G"] if need.memory_gb else []
    lines += [f"--time={_time(need.hours)}"] if need.hours else []
    lines += [f"--partition={need.queue}"] if need.queue else []
    for line in (*lines, *need.extra):
        if any(not char.isprintable() for char in line):
            raise InvalidInput("an option for Slurm holds a line end or a control character", repr(line)[:100])
    known = environment()
    kept = [f"export {name}={shlex.quote(known[name])}" for name in _KEPT if name in known]
    body = ["#!/bin/bash", *(f"#SBATCH {line}" for line in (*lines, *need.extra)), *kept]
    return "\n".join([*body, "exec " + shlex.join(supervisor_command(folder)), ""])


def ranks_per_node(need: Resources) -> int:
    """Ranks on each machine: those asked for, else one for each GPU, else one."""
    return max(1, -(-need.processes // need.nodes) if need.processes else need.gpus)


def step_command(train: Sequence[str], plan: RunPlan, number: int) -> tuple[list[str], dict[str, str]]:
    """How an attempt begins inside a job: one step with all ranks, and the variables that let them meet.

    Ranks of several machines meet over TCP at an address of the first, those of one machine over a file.
    """
    need = plan.resources
    ranks = ranks_per_node(need)
    count = ranks * need.nodes
    command = ["srun", "--input=none", "--kill-on-bad-exit=1", f"--nodes={need.nodes}", f"--ntasks={count}"]
    command += [f"--ntasks-per-node={ranks}"]
    command += [f"--cpus-per-task={need.cpus}"] if need.cpus else []  # not inherited from the job since 22.05
    if need.nodes == 1:
        return [*command, *train], {}
    port = 20_000 + int(os.environ.get("SLURM_JOB_ID", "0")) * 7 % 20_000 + number % 7  # an attempt's own
    return [*command, *train], {"MASTER_ADDR": own_address(), "MASTER_PORT": str(port)}


def ranks() -> tuple[int, int]:
    """In a process of a step: which rank it is, and of how many."""
    return int(os.environ.get("SLURM_PROCID", "0")), int(os.environ.get("SLURM_NTASKS", "1"))


def local_rank() -> int:
    """In a process of a step: its number among those on its machine."""
    return int(os.environ.get("SLURM_LOCALID", "0"))


def signal_steps(job: str, number: signal.Signals) -> None:
    """Signal the processes of every step of `job`, never the supervisor in its batch shell."""
    if number != signal.SIGKILL:
        _quietly("scancel", f"--signal={number.name.removeprefix('SIG')}", job)
        return
    for step in _quietly("squeue", "-s", "-h", "-j", job, "-o", "%i").split():
        if not step.endswith((".batch", ".extern")):
            _quietly("scancel", step)


def requeue(job: str) -> None:
    """Put the job we are in back into the queue, unless somebody has cancelled it."""
    if _quietly("squeue", "-h", "-j", job, "-o", "%T").strip() == "RUNNING":
        _quietly("scontrol", "requeue", job)


async def _ask(*command: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
    except FileNotFoundError:
        raise TarmacError(f"{command[0]} is not on this machine", "", "Use a login node of the cluster") from None
    try:
        async with asyncio.timeout(_PATIENCE):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise TarmacError(f"{command[0]} does not answer", f"it was given {_PATIENCE:.0f} s") from None
    if process.returncode:
        raise TarmacError(f"{command[0]} refused", " ".join(errors.decode(errors="replace").split())[:300])
    return out.decode(errors="replace")


def _quietly(*command: str) -> str:
    """What a command prints; empty if it fails, for there is nobody to tell."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def own_address() -> str:
    """An address of this machine that others can reach; its name, where that does not mean itself."""
    name = socket.gethostname()
    try:
        found = socket.gethostbyname(name)
    except OSError:
        found = "127.0.0.1"
    if not found.startswith("127."):
        return found
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # Debian's own names lead to 127.0.1.1
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses a way out
            return str(probe.getsockname()[0])
        except OSError:
            return name


def _time(hours: float) -> str:
    minutes = max(1, round(hours * 60))
    return f"{minutes // 1440}-{minutes % 1440 // 60:02d}:{minutes % 60:02d}:00"
