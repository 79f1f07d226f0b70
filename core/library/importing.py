"""Taking a foreign file or folder into the library, without ever blocking and without trusting it.

The conversion runs in a process of its own (`python -m core.ml.checkpoints`) that writes into a staging folder; what it
finds out comes back as JSON lines. Only a finished, checked model is moved into the library. Whatever else happens, a
refusal, a cancel, a death of either process, the library stays as it was.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from core.errors import Refused, TarmacError
from core.library.manifest import Manifest, clean_line
from core.library.models import Library, Model

Progress = Callable[[str, float | None], None]
"""Called on the event loop with what is being done and the share done, 0 to 1, or None where nobody can say."""

SILENCE = 900.0
"""Seconds without a word after which a conversion counts as stuck. The longest silent step loads a large text model."""
_LINE_LIMIT = 4 * 2**20
_ROOT = Path(__file__).resolve().parents[2]


async def import_model(
    path: Path,
    *,
    name: str | None = None,
    library: Library,
    progress: Progress | None = None,
    silence: float = SILENCE,
) -> Model:
    """Convert `path` and add it to the library.

    Takes StyleGAN and StyleGAN2 weights (NVIDIA and TensorFlow-era pickles, rosinality .pt and .model, safetensors), a
    model folder of ours, or a text model's folder in Hugging Face layout. Cancelling the task ends the conversion and
    leaves nothing behind.

    Args:
        path: The file or folder. It is only read.
        name: What to call it; by default what the folder's manifest says, or the file's name.
        progress: Told how far it is.
        silence: Seconds without a word after which the conversion is given up.

    Raises:
        Refused: The file is not one of these, damaged or hostile.
        StorageError: The disk said no.
        OutOfMemory: The machine has not enough memory.
    """
    given = _absolute(path)
    if name is not None and not clean_line(name):
        raise Refused(f"cannot import {given.name}", "the name is empty")
    staging = await asyncio.to_thread(library.staging)
    try:
        result = await _convert(given, staging, progress, silence)
        manifest = _manifest(result, name)
        adopting = asyncio.create_task(asyncio.to_thread(library.adopt, staging, manifest))
        try:
            return await asyncio.shield(adopting)
        except asyncio.CancelledError:
            await asyncio.wait([adopting])  # the staging folder is not deleted under a move that has begun
            raise
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True))


def _absolute(path: Path) -> Path:
    """From the root, so that a leading "-" is no option and ".." has a name; asks the disk nothing about the file."""
    return Path(os.path.abspath(path))


async def _convert(path: Path, staging: Path, progress: Progress | None, silence: float) -> Mapping[str, object]:
    """What the conversion process found out; it has ended when this returns or raises."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working directory may be full of foreign files
        "-m",
        "core.ml.checkpoints",
        str(path),
        str(staging),
        stdin=asyncio.subprocess.PIPE,  # never written to: its end tells the child that we are gone
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))},
        limit=_LINE_LIMIT,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    words = asyncio.create_task(_last_words(process.stderr))
    try:
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), silence)
            except TimeoutError:
                raise Refused(f"cannot import {path.name}", f"nothing happened for {silence:.0f} seconds") from None
            except ValueError:
                raise Refused(f"cannot import {path.name}", "its description is too long") from None
            if not line:
                break
            message = _message(line)
            if isinstance(message.get("result"), dict):
                return message["result"]  # type: ignore[return-value]
            if isinstance(message.get("error"), dict):
                raise TarmacError.from_json(message["error"])  # type: ignore[arg-type]
            if progress is not None and isinstance(message.get("progress"), str):
                share = message.get("share")
                progress(str(message["progress"]), float(share) if isinstance(share, int | float) else None)
        raise _died(path, await process.wait(), await words)
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


def _died(path: Path, code: int, words: str) -> Refused:
    """The sentence for a conversion that ended without an answer."""
    lines = [line for line in words.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if code == -signal.SIGKILL:
        why, do = "the conversion was killed, perhaps for want of memory", "Close other programs and try again"
    elif code == -signal.SIGBUS:
        why, do = "it changed or could not be read while it was converted", "Check the disk, then try again"
    elif code < 0:
        why, do = f"the conversion was ended by {signal.Signals(-code).name}", ""
    else:
        why, do = f"the conversion failed ({clean_line(last)[:200] or f'exit code {code}'})", ""
    return Refused(f"cannot import {path.name}", why, do)


def _manifest(result: Mapping[str, object], name: str | None) -> Manifest:
    def text(values: Mapping[str, object], key: str) -> str:
        value = values.get(key)
        return value if isinstance(value, str) else ""

    def table(values: Mapping[str, object], key: str) -> Mapping[str, object]:
        value = values.get(key)
        return value if isinstance(value, dict) else {}

    card = table(result, "card")
    lineage = card.get("lineage")
    chosen = clean_line(name or "") or clean_line(text(result, "name")) or "imported model"
    return Manifest(
        name=chosen,
        kind=text(result, "kind"),
        adapter=text(result, "adapter"),
        interface=table(result, "interface"),
        author=text(card, "author"),
        licence=text(card, "licence"),
        description=text(card, "description"),
        lineage=tuple(str(item) for item in lineage) if isinstance(lineage, list) else (),
        architecture=table(result, "architecture"),
        scores=table(card, "scores"),
        recipe=table(card, "recipe"),
        origin=table(result, "origin"),
    )
