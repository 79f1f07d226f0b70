"""This machine: the supervisor is a process of its own session that outlives whoever wished for it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import TarmacError
from core.runs.folder import RunFolder
from core.runs.launchers import Handle, Status
from core.runs.plan import RunPlan

_CONFIRMED_WITHIN = 60.0
"""Seconds; a machine under load may take long to start Python."""


class Local:
    """Starts supervisors here."""

    name = "local"

    def check(self, plan: RunPlan) -> None:
        """Every plan that names one machine can be tried."""
        if plan.resources.nodes > 1:
            from core.errors import InvalidInput

            raise InvalidInput(f"nodes is {plan.resources.nodes}", "one machine is one node", "Use the slurm launcher")

    async def submit(self, folder: Path, plan: RunPlan) -> Handle:
        """Start a supervisor, and wait until it says that the run is its own.

        Raises:
            TarmacError: It could not take the run; the sentence is its own.
        """
        process = await asyncio.create_subprocess_exec(
            *supervisor_command(folder),
            "--detach",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=environment(),
        )
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN):
                out, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise TarmacError(
                "the run could not be started", f"its supervisor said nothing for {_CONFIRMED_WITHIN:.0f} s"
            ) from None
        try:
            answer = json.loads(out)
        except ValueError:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
            raise TarmacError("the run could not be started", f"its supervisor ended: {last[0]}") from None
        if "what" in answer:
            raise TarmacError.from_json(answer)
        return Handle(self.name, "", folder)

    async def poll(self, handles: Sequence[Handle]) -> dict[str, Status]:
        """Nothing: a local supervisor is known by its record."""
        return {}

    async def cancel(self, handle: Handle) -> None:
        """Nothing: a local supervisor sees the wish to stop itself."""
        supervisor = RunFolder(handle.folder).supervisor()
        if supervisor is not None and supervisor.gone:
            return


def supervisor_command(folder: Path) -> list[str]:
    """The command that supervises the run in `folder`."""
    return [sys.executable, "-P", "-u", "-X", "utf8", "-m", "core.runs.supervise", str(folder)]


def environment() -> dict[str, str]:
    """Ours, so that a child finds this very program where it is not installed (`-P` hides the working folder)."""
    root = str(Path(__file__).resolve().parents[3])
    if Path(root).name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{known}{os.pathsep}{root}" if known else root}
