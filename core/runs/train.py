"""The trainer process: `python -m core.runs.train FOLDER --attempt N`, started by a supervisor and by nothing else.

It writes what happens into the run folder and how it ended into attempts/N/exit.json. Its standard input is a pipe that
its supervisor holds: when that closes, and also when the kernel tells that the supervisor is gone, it saves what it can
and ends. SIGTERM without a wish to stop is an interruption: the run can go on later.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from core.errors import OutOfMemory, StorageError, TarmacError, out_of_memory
from core.runs.changes import changed
from core.runs.events import Phase
from core.runs.folder import RunFolder, publish, write_json
from core.runs.kinds import base_folder, dataset_folder, training
from core.runs.launchers import slurm
from core.runs.plan import RunPlan
from core.runs.plan_file import read_plan
from core.runs.processes import me
from core.runs.recorder import Fenced
from core.runs.recording import FolderRecorder

ORPHAN_GRACE = 20.0
"""Seconds that a trainer without a supervisor may take to save."""


def main(arguments: list[str]) -> NoReturn:
    """Train, tell how it ended, and leave."""
    parser = argparse.ArgumentParser(prog="python -m core.runs.train")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--world", type=int, default=1)
    parser.add_argument("--parent", type=int, default=0, help="the supervisor that holds our stdin; 0 in a Slurm step")
    options = parser.parse_args(arguments)
    sys.stdout, sys.stderr = Tolerant(sys.stdout), Tolerant(sys.stderr)
    rank, world = (options.rank, options.world) if options.parent else slurm.ranks()
    # Which GPU of its machine a rank takes; never what is left over from a job in whose shell we were started.
    os.environ["LOCAL_RANK"] = str(rank if options.parent else slurm.local_rank())
    folder = RunFolder(options.folder)
    interrupted = threading.Event()
    _listen(interrupted, options.parent)
    recorder: FolderRecorder | None = None
    told: dict[str, object]
    try:
        plan = changed(read_plan(folder.path), 0, folder.desired().options)
        recorder = FolderRecorder(folder, options.attempt, plan, leading=rank == 0)
        if rank == 0:
            write_json(folder.attempt(options.attempt) / "owner.json", me().to_json())
        told = _train(plan, folder, recorder, options.attempt, (rank, world), interrupted)
    except Fenced:
        told = {"state": "fenced"}
    except BaseException as problem:
        traceback.print_exc()
        chosen, began = (recorder.chosen, recorder.began_at) if recorder is not None else ({}, None)
        told = explain(problem, chosen, began=began is not None)
    told = {"step": recorder.step if recorder is not None else 0, **told}
    if rank == 0 and not folder.fenced(options.attempt):
        with contextlib.suppress(StorageError):
            write_json(folder.attempt(options.attempt) / "exit.json", told)
    # Without the farewells of libraries, which may hang.
    os._exit(1 if told["state"] == "failed" else 0)


def _train(
    plan: RunPlan,
    folder: RunFolder,
    recorder: FolderRecorder,
    attempt: int,
    place: tuple[int, int],
    interrupted: threading.Event,
) -> dict[str, object]:
    """Train, publish the model, and say how it ended as exit.json does."""
    rank, world = place
    data_dir = folder.path.parent.parent
    dataset, base = dataset_folder(plan, data_dir), _base(plan, data_dir, recorder)
    recorder.tell(Phase("importing the training code"))
    train = training(plan.kind)
    model = folder.path / f".new-model-{attempt}"
    outcome = train(
        plan,
        recorder,
        dataset=dataset,
        base=base,
        model=model,
        rank=rank,
        world=world,
        store=folder.attempt(attempt) / "ranks" if world > 1 and "MASTER_ADDR" not in os.environ else None,
        interrupted=interrupted.is_set,
    )
    told = {name: getattr(outcome, name) for name in ("state", "step", "what", "why", "do")}
    if outcome.state == "finished" and rank == 0 and model.is_dir():
        publish(model, folder.model, unless=lambda: folder.fenced(attempt))
    if outcome.state == "failed":
        memory = "memory" in outcome.what
        again = memory and recorder.began_at is not None and outcome.step > recorder.began_at
        told |= {"offer": dict(outcome.offer), "code": "out-of-memory" if memory else "died", "final": not again}
    return {**told, "target": recorder.steps()}


def _base(plan: RunPlan, data_dir: Path, recorder: FolderRecorder) -> Path | None:
    """Folder of the base; None without one, and where it is gone and no longer needed since there is a checkpoint."""
    try:
        return base_folder(plan, data_dir)
    except TarmacError:
        if recorder.last() is None:
            raise
        return None


def _listen(interrupted: threading.Event, parent: int) -> None:
    """Take signals as interruptions, and end with the supervisor."""
    signal.signal(signal.SIGTERM, lambda number, frame: interrupted.set())
    signal.signal(signal.SIGINT, lambda number, frame: interrupted.set())
    if not parent:
        return
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGTERM, 0, 0, 0)
    threading.Thread(target=_watch, args=(interrupted, parent), name="supervisor watch", daemon=True).start()


def _watch(interrupted: threading.Event, parent: int) -> NoReturn:
    """End soon after the supervisor has: its end of our standard input closes, whatever happens to it."""
    with contextlib.suppress(OSError):
        while os.getppid() == parent and os.read(0, 4096):
            pass
    interrupted.set()
    time.sleep(ORPHAN_GRACE)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def explain(problem: BaseException, chosen: Mapping[str, object], *, began: bool) -> dict[str, object]:
    """What exit.json says of an attempt that ended with `problem`.

    Args:
        problem: What was raised.
        chosen: What the training chose, for an offer.
        began: Whether it had trained before: what went well once may go well again.

    Returns:
        The words of an `Ended` event, `code` as of `Warned`, and `final`: whether beginning again cannot help.
    """
    text = " ".join(str(problem).split())[:300]
    offer: dict[str, object] = {}
    code, final = "died", False
    if isinstance(problem, OutOfMemory) or out_of_memory(problem):
        code, final = "out-of-memory", not began
        what, why, do = "there was not enough memory", text, "Take a smaller batch"
        batch = chosen.get("batch")
        if isinstance(batch, int) and batch > 1:
            offer = {"batch": max(1, batch // 2)}
            do = f"Take a smaller batch: {offer['batch']} instead of {batch}"
    elif isinstance(problem, StorageError):
        code, final = "disk-full", True
        what, why, do = problem.what, problem.why, problem.do
    elif isinstance(problem, TarmacError):
        final = True
        what, why, do = problem.what, problem.why, problem.do
    elif re.search(r"CUDA error|cuDNN error|NCCL error|CUDA driver|no NVIDIA|CUDA-capable device", str(problem)):
        code = "gpu-gone"
        what, why, do = "the GPU does not answer", text, "See `nvidia-smi`; the run goes on from its last checkpoint"
    else:
        what, why = "the training ended with an error", f"{type(problem).__name__}: {text}"
        do = "Its log has the details"
    return {"state": "failed", "what": what, "why": why, "do": do, "offer": offer, "code": code, "final": final}


class Tolerant(io.TextIOBase):
    """A stream of talk that nothing ends for: a full disk swallows what is printed.

    Args:
        stream: Where it goes.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as far as it goes; returns the length of `text`."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Every write is flushed."""

    def fileno(self) -> int:
        """Of the stream behind."""
        return int(self._stream.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
