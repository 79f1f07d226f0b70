"""A job as its parent sees it: JSON lines on its standard output, and an end whatever happens to either process.

{"progress": text, "share": number or null} any number of times, then either {"result": ...} or {"error": ...} (the
error's JSON form); see `core.jobs.child` for the other side.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from core.errors import Refused, TarmacError
from core.library.manifest import clean_line
from core.workers.death import signal_name

Progress = Callable[[str, float | None], None]
"""Called on the event loop with what is being done and the share done, 0 to 1, or None where nobody can say."""

SILENCE = 900.0
"""Seconds without a word after which a job counts as stuck. The longest silent step loads a large text model."""

_LINE_LIMIT = 4 * 2**20
_ROOT = Path(__file__).resolve().parents[2]


async def run(
    module: str,
    arguments: Sequence[str],
    what: str,
    *,
    noun: str = "process",
    job: Mapping[str, object] | None = None,
    progress: Progress | None = None,
    silence: float = SILENCE,
) -> Mapping[str, object]:
    """Run `python -m module`, which has ended when this returns or raises. Cancelling kills it.

    Args:
        module: What answers in the way of `core.jobs.child`.
        arguments: Of its command line.
        what: Which cannot be done when it fails: "sneakers cannot be added".
        noun: What it is, for the sentence that tells of its death: "the conversion was killed".
        job: Plain data, the first line of its standard input.
        progress: Told how far it is.
        silence: Seconds without a word after which it is given up.

    Raises:
        TarmacError: What the job raised, or a `Refused` that says how the process ended.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working directory may be full of foreign files
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,  # the job, and then nothing: its end tells the child that we are gone
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))},
        limit=_LINE_LIMIT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    words = asyncio.create_task(_last_words(process.stderr))
    try:
        if job is not None:
            with suppress(ConnectionError):
                process.stdin.write(json.dumps(job).encode() + b"\n")
                await process.stdin.drain()
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), silence)
            except TimeoutError:
                raise Refused(what, f"nothing happened for {silence:.0f} seconds") from None
            except ValueError:
                raise Refused(what, "its description is too long") from None
            if not line:
                break
            message = _message(line)
            result, error = message.get("result"), message.get("error")
            if isinstance(result, dict):
                await process.wait()
                return result
            if isinstance(error, dict):
                raise TarmacError.from_json(error)
            if progress is not None and isinstance(message.get("progress"), str):
                share = message.get("share")
                progress(str(message["progress"]), float(share) if isinstance(share, int | float) else None)
        raise _died(what, noun, await process.wait(), await words)
    finally:
        await _end(process)
        words.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process and whatever it started, and wait until it is gone."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    await asyncio.shield(process.wait())


async def _last_words(stream: asyncio.StreamReader, longest: int = 4096) -> str:
    """The end of what the process wrote to standard error; read on so that it never waits for us."""
    tail = b""
    while chunk := await stream.read(65536):
        tail = (tail + chunk)[-longest:]
    return tail.decode("utf-8", "replace")


def _message(line: bytes) -> dict[str, object]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _died(what: str, noun: str, code: int, words: str) -> Refused:
    """The sentence for a job that ended without an answer."""
    lines = [line for line in words.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if code == -signal.SIGKILL:
        why, do = f"the {noun} was killed, perhaps for want of memory", "Close other programs and try again"
    elif code == -signal.SIGBUS:
        why, do = "a file changed or could not be read meanwhile", "Check the disk, then try again"
    elif code < 0:
        why, do = f"the {noun} was ended by {signal_name(-code)}", "A file may be damaged"
    else:
        why, do = f"the {noun} failed ({clean_line(last)[:200] or f'exit code {code}'})", ""
    return Refused(what, why, do)
