"""A real Slurm of two nodes with two pretend GPUs each, on one machine and loopback only, without systemd.

Needs slurmctld, slurmd, slurm-client and munge (the packages of Debian have these names). Everything is in one folder;
its processes end with `stop`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "munged")
PATIENCE = 60.0

_CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/s
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=30
MinJobAge=600
KillWait=5
InactiveLimit=0
JobRequeue=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
AccountingStorageType=accounting_storage/none
GresTypes=gpu
"""


def missing() -> list[str]:
    """The programs that are not on this machine."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


@dataclass
class Cluster:
    """One cluster that runs."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    @contextlib.contextmanager
    def out_of_sight(self, node: str, processes: Sequence[int]) -> Iterator[None]:
        """A node hangs and is given up: the processes of a job on it stand still, with all that keeps them.

        Args:
            node: Its name.
            processes: The trainer and the supervisor of the job. What stands still may be let go on with SIGCONT.
        """
        keepers = [keeper for pid in processes if (keeper := psutil.Process(pid).parent()) is not None]
        family = {each.pid: each for keeper in keepers for each in (keeper, *keeper.children(recursive=True))}
        os.kill(int((self.folder / f"slurmd-{node}.pid").read_text()), signal.SIGKILL)
        for each in family.values():
            each.suspend()
        try:
            self.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")
            yield
        finally:
            for each in family.values():
                with contextlib.suppress(psutil.Error):
                    each.kill()
            subprocess.run(["slurmd", "-N", node], env=self._whole_environment(), check=True, timeout=PATIENCE)
            with contextlib.suppress(AssertionError):  # refused when it has come back by itself
                self.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
            end = time.monotonic() + PATIENCE
            while "idle" not in (state := self.call("sinfo", "-h", "-n", node, "-o", "%T")):
                assert time.monotonic() < end, state
                time.sleep(0.2)

    def _whole_environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", **self.environment}

    def stop(self) -> None:
        """End every job, then every process of the cluster."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.call("scancel", "-u", "root" if os.getuid() == 0 else str(os.getuid()))
            end = time.monotonic() + 15
            while self.call("squeue", "-h", "-o", "%i").strip() and time.monotonic() < end:
                time.sleep(0.2)
        for name in ("slurmd-n1.pid", "slurmd-n2.pid", "slurmctld.pid", "munge/pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((self.folder / name).read_text()), signal.SIGTERM)


def start(folder: Path) -> Cluster:
    """Start a cluster whose files are all in `folder`, and wait until both nodes are idle. About two seconds."""
    for part in ("state", "log", "munge", "gpu", "spool-n1", "spool-n2"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "munge").chmod(0o755)
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    _munge(folder, environment)
    gpus = _pretend_gpus(folder)
    (folder / "gres.conf").write_text("".join(f"NodeName=n{node} Name=gpu File={gpus}\n" for node in (1, 2)))
    told = subprocess.run(["slurmd", "-C"], env=environment, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RealMemory=(\d+)", told)
    memory = int(found.group(1)) // 2 - 256 if found else 512
    host = socket.gethostname().partition(".")[0]
    ports = _free_ports(3)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    lines = [_CONFIGURATION.format(host=host, port=ports[0], user=user, folder=folder)]
    for node in (1, 2):
        lines.append(
            f"NodeName=n{node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} CPUs=2 RealMemory={memory} "
            "Gres=gpu:2 State=UNKNOWN\n"
        )
    lines.append("PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO\n")
    (folder / "slurm.conf").write_text("".join(lines))
    environment["SLURM_CONF"] = str(folder / "slurm.conf")
    for command in (["slurmctld"], ["slurmd", "-N", "n1"], ["slurmd", "-N", "n2"]):
        subprocess.run(command, env=environment, check=True, timeout=PATIENCE)
    cluster = Cluster(folder)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            if set(cluster.call("sinfo", "-h", "-o", "%T").split()) == {"idle"}:
                return cluster
        time.sleep(0.1)
    logs = "\n".join(path.read_text()[-2000:] for path in (folder / "log").iterdir())
    cluster.stop()
    raise AssertionError(f"the cluster did not come up\n{logs}")


def _munge(folder: Path, environment: dict[str, str]) -> None:
    """A key and a socket of our own."""
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    command = ["munged", "--force", f"--key-file={key}", f"--socket={folder}/munge/s"]
    command += [f"--pid-file={folder}/munge/pid", f"--log-file={folder}/munge/log", f"--seed-file={folder}/munge/seed"]
    subprocess.run([*command, "--num-threads=2"], env=environment, check=True, timeout=PATIENCE)


def _pretend_gpus(folder: Path) -> str:
    """Character devices that Slurm hands out as GPUs: what counts is their number."""
    try:
        for number in (0, 1):
            os.mknod(folder / "gpu" / f"nvidia{number}", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        return "/dev/tty[0-1]"
    return f"{folder}/gpu/nvidia[0-1]"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
