"""Both sides of a job: what is told, how an end is told, and that nobody outlives anybody."""

from __future__ import annotations

import asyncio
import signal
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from core.errors import NotFound, OutOfMemory, Refused
from core.jobs import parent
from core.jobs.parent import run

CHILD = """
import json, os, signal, sys, time
from core.errors import NotFound, OutOfMemory
from core.jobs.child import answer, be_humble, leave

line = sys.stdin.buffer.readline() if sys.argv[1] == "job" else b"{}"
be_humble()

def work(report):
    print("talk that is no answer")
    report("begun", 0.0)
    kind = sys.argv[1]
    if kind == "job":
        return {"echo": json.loads(line)}
    if kind == "refuse":
        raise NotFound("no such thing", "it is gone", "Look again")
    if kind == "memory":
        raise MemoryError
    if kind == "torch memory":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    if kind == "fail":
        raise ValueError("an odd mistake")
    if kind == "signal":
        os.kill(os.getpid(), int(sys.argv[2]))
    if kind == "forever":
        time.sleep(600)
    for number in range(1000):
        report("going", number / 1000)
    report("going", 1.0)
    return {"done": True}

leave(answer(work, OutOfMemory("too large", "not enough memory", "Make it smaller")))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_job.py").write_text(textwrap.dedent(CHILD))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "a_job"


async def test_a_result_and_what_was_told_before_it(module: str) -> None:
    told: list[tuple[str, float | None]] = []
    result = await run(module, ["go"], "it cannot be done", progress=lambda text, share: told.append((text, share)))
    assert result == {"done": True}
    assert told[0] == ("begun", 0.0)
    assert told[-1] == ("going", 1.0)
    assert len(told) < 100, "the same text is told ten times a second"


async def test_a_job_on_standard_input(module: str) -> None:
    assert await run(module, ["job"], "no", job={"a": [1, "ü"]}) == {"echo": {"a": [1, "ü"]}}


async def test_errors_come_back_as_they_were_raised(module: str) -> None:
    with pytest.raises(NotFound, match=r"no such thing: it is gone\. Look again"):
        await run(module, ["refuse"], "no")
    for kind in ("memory", "torch memory"):
        with pytest.raises(OutOfMemory, match="too large"):
            await run(module, [kind], "no")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fail"], r"x cannot be made: the work failed \(ValueError: an odd mistake\)"),
        (["signal", str(int(signal.SIGKILL))], "the work was killed, perhaps for want of memory"),
        (["signal", str(int(signal.SIGSEGV))], "the work was ended by SIGSEGV"),
        (["signal", str(int(signal.SIGBUS))], "a file changed or could not be read"),
        (["signal", str(int(signal.SIGRTMIN) + 1)], rf"the work was ended by signal {signal.SIGRTMIN + 1}"),
    ],
)
async def test_a_death_is_told_in_words(module: str, arguments: list[str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        await run(module, arguments, "x cannot be made", noun="work")


async def test_silence_ends_it(module: str) -> None:
    with pytest.raises(Refused, match="nothing happened for 1 seconds"):
        await run(module, ["forever"], "no", silence=1.0)
    assert not _children(module)


async def test_cancelling_ends_it(module: str) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(run(module, ["forever"], "no", progress=lambda text, share: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _children(module)


async def test_it_ends_with_its_parent(module: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "forever"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert b"begun" in await process.stdout.readline()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 3


def test_the_child_finds_the_program_wherever_it_is_started() -> None:
    assert parent._ROOT.is_absolute()
    assert (parent._ROOT / "core" / "jobs" / "parent.py").is_file()


def _children(module: str) -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if module in child.cmdline()]
