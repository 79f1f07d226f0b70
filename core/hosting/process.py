"""The gateway's process as everybody else sees it: started, found again, stopped. Imports no server.

deployments/.lock         held by the gateway that runs
deployments/gateway.toml  where it listens (`core.hosting.settings`)
deployments/gateway.json  the newest gateway: host, boot, pid, start time, its address, whether it is stopping
deployments/gateway.key   the key of this start, for the studio's own queries
deployments/gateway.log   what it printed
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import TarmacError
from core.hosting.deployments import Deployments
from core.library.manifest import clean_line
from core.runs.processes import Process

CONFIRMED_WITHIN = 60.0
"""Seconds; a machine under load may take long to start Python."""

_ANSWERS_AFTER_DRAIN = 15.0
"""Seconds beyond its drain time that a gateway gets to stop its workers, before it is killed."""


@dataclass(frozen=True)
class GatewayStatus:
    """What is known of the gateway.

    Attributes:
        state: "running"; "stopping" (it lets requests finish); "stopped"; "died" (it was killed: a start brings it
            back with everything that was active).
        url: Where this machine reaches it, "http://127.0.0.1:8600"; of one that does not run: where it will be, empty
            if no port was chosen yet.
        host: The address that it listens on.
        port: The port; 0 if none was chosen yet.
        scheme: "http" or "https".
        pid: Its process; 0 if there is none.
        started: Seconds since 1970; 0 if it does not run.
        sentence: What to know, where there is something: how it ended and what to do.
    """

    state: Literal["running", "stopping", "stopped", "died"]
    url: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    scheme: str = "http"
    pid: int = 0
    started: float = 0.0
    sentence: str = ""

    @property
    def runs(self) -> bool:
        """Whether it answers requests."""
        return self.state == "running"


def gateway_status(data_dir: Path | None = None) -> GatewayStatus:
    """What is known of the gateway. A few small reads; never raises."""
    deployments = Deployments(data_dir)
    try:
        settings = deployments.gateway_settings()
    except TarmacError as error:
        return GatewayStatus("stopped", sentence=str(error))
    place = (settings.url() if settings.port else "", settings.host, settings.port, settings.scheme)
    record = read_record(deployments.folder)
    process = _process(record)
    if process is None:
        return GatewayStatus("stopped", *place)
    if process.gone:
        how = f"it (process {process.pid}) ended without saying so: killed, or the machine was started anew"
        return GatewayStatus("died", *place, sentence=f"The gateway died: {how}. Start it: tarmac gateway start")
    url, host, scheme = (clean_line(str(record.get(key, ""))) for key in ("url", "address", "scheme"))
    port, started = record.get("port"), record.get("since")
    return GatewayStatus(
        "stopping" if record.get("stopping") else "running",
        url,
        host,
        port if isinstance(port, int) else 0,
        scheme or "http",
        process.pid,
        float(started) if isinstance(started, int | float) else 0.0,
        "" if process.here else f"It runs on {process.host}",
    )


async def start(data_dir: Path | None = None) -> GatewayStatus:
    """Start the gateway, detached, unless it runs; returns once it listens.

    Raises:
        TarmacError: It could not start; the sentence is its own: a port that is taken, a certificate that is none.
    """
    return await asyncio.to_thread(start_blocking, data_dir)


def start_blocking(data_dir: Path | None = None) -> GatewayStatus:
    """As `start`, for those without an event loop."""
    deployments = Deployments(data_dir)
    status = gateway_status(deployments.data_dir)
    if status.runs:
        return status
    command = [*gateway_command(deployments.data_dir), "--detach"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            env=_environment(),
            timeout=CONFIRMED_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TarmacError(
            "the gateway could not be started",
            f"it said nothing for {CONFIRMED_WITHIN:.0f} s",
            f"See {deployments.folder / 'gateway.log'}",
        ) from None
    except OSError as error:
        raise TarmacError("the gateway could not be started", error.strerror or str(error)) from error
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise TarmacError("the gateway could not be started", f"it ended: {last[0][:300]}") from None
    if "what" in answer:
        raise TarmacError.from_json(answer)
    return gateway_status(deployments.data_dir)


async def stop(data_dir: Path | None = None) -> GatewayStatus:
    """Stop the gateway: it takes no new requests, lets running ones finish, ends its workers. Deployments stay active.

    Raises:
        TarmacError: It runs on another machine, or could not be ended.
    """
    return await asyncio.to_thread(stop_blocking, data_dir)


def stop_blocking(data_dir: Path | None = None) -> GatewayStatus:
    """As `stop`, for those without an event loop."""
    deployments = Deployments(data_dir)
    process = _process(read_record(deployments.folder))
    if process is None or process.gone:
        return gateway_status(deployments.data_dir)
    if not process.here:
        raise TarmacError("the gateway cannot be stopped from here", f"it runs on {process.host}")
    patience = deployments.gateway_settings().drain + _ANSWERS_AFTER_DRAIN
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        process.signal(number)
        if _ended(process, seconds):
            return gateway_status(deployments.data_dir)
    raise TarmacError("the gateway could not be ended", f"process {process.pid} does not go away")


def studio_key(data_dir: Path | None = None) -> str:
    """The key that opens every deployment of the running gateway, for queries of the user's own programs; empty
    where no gateway has been started. Send it like a token. A new one at each start."""
    try:
        return (Deployments(data_dir).folder / "gateway.key").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def unit(data_dir: Path | None = None) -> str:
    """A systemd user unit that runs the gateway: `~/.config/systemd/user/tarmac-gateway.service`."""
    deployments = Deployments(data_dir)
    settings = deployments.gateway_settings()
    command = " ".join(shlex.quote(part).replace("%", "%%") for part in gateway_command(deployments.data_dir))
    kept = {name: _environment()[name] for name in ("TARMAC_HOME", "PYTHONPATH") if name in _environment()}
    lines = [f'Environment="{name}={value.replace("%", "%%")}"' for name, value in kept.items()]
    return "\n".join(
        [
            "[Unit]",
            "Description=Tarmac gateway: hosted models",
            "",
            "[Service]",
            "Type=simple",
            f"ExecStart={command}",
            *lines,
            "Restart=on-failure",
            "RestartSec=2",
            "KillMode=mixed",
            f"TimeoutStopSec={settings.drain + _ANSWERS_AFTER_DRAIN:.0f}",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )


def gateway_command(data_dir: Path) -> list[str]:
    """The command that runs the gateway in the foreground."""
    return [sys.executable, "-P", "-u", "-X", "utf8", "-m", "core.hosting", str(data_dir)]


def read_record(folder: Path) -> dict[str, object]:
    """gateway.json in the deployments folder; empty where there is none that can be read."""
    try:
        data = json.loads((folder / "gateway.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _ended(process: Process, seconds: float) -> bool:
    """Whether it ends within `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.gone:
            return True
        time.sleep(0.02)
    return False


def _process(record: Mapping[str, object]) -> Process | None:
    try:
        return Process.from_json(record) if record else None
    except ValueError:
        return None


def _environment() -> dict[str, str]:
    """Ours, so that the gateway finds this very program where it is not installed (`-P` hides the working folder)."""
    root = str(Path(__file__).resolve().parents[2])
    if Path(root).name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{known}{os.pathsep}{root}" if known else root}
