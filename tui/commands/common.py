"""What the subcommands share: talk on stderr, data on stdout, and a model that runs while a command needs it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import unicodedata
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from core.library.models import Model
    from core.workers.session import Session

T = TypeVar("T")


def json_flag(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def device_flag(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: the setting)")


def print_json(data: object) -> None:
    """Print `data` as JSON on stdout."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(data, ensure_ascii=not utf8, indent=2 if sys.stdout.isatty() else None), flush=True)


def harmless(text: str) -> str:
    """`text` as it may be shown on stdout: a model may write escapes, and a terminal must not follow them.

    A pipe or a file gets every character as it is.
    """
    if not sys.stdout.isatty():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """`rows` in columns, as wide as their widest cell; columns `right` are right-aligned."""
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]

    def pad(cell: str, column: int) -> str:
        space = " " * (widths[column] - _width(cell))
        return space + cell if column in right else cell + space

    return "\n".join("  ".join(pad(cell, column) for column, cell in enumerate(row)).rstrip() for row in rows)


def size(count: float) -> str:
    """Bytes for people: "7.3 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


class Progress:
    """One line of progress on stderr, rewritten in place; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._dirty = False

    def __call__(self, text: str, share: float | None = None) -> None:
        """Show how far it is; `share` is 0 to 1 or None where nobody can say."""
        if self._shown:
            percent = f" {100 * share:.0f} %" if share is not None else ""
            line = "".join(char if char.isprintable() else " " for char in f"{text}{percent}")
            sys.stderr.write(f"\r\x1b[K{line[:100]}")
            sys.stderr.flush()
            self._dirty = True

    def clear(self) -> None:
        """Take the line away."""
        if self._dirty:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._dirty = False


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end. ctrl+c and SIGTERM cancel it, so that a worker is stopped before we leave.

    Raises:
        KeyboardInterrupt: It was interrupted; everything is cleaned up.
    """
    import asyncio  # 40 ms that `tarmac --help` need not wait for

    ended = False

    async def main() -> T:
        nonlocal ended
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            nonlocal ended
            if not ended:  # a second one must not break the cleaning up after the first
                ended = True
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, end)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@asynccontextmanager
async def running(
    model: Model, device: str | None, progress: Progress, options: Mapping[str, object] | None = None
) -> AsyncIterator[Session]:
    """A session with `model`, ready; stopped afterwards whatever happens.

    Raises:
        TarmacError: It could not be started.
    """
    from dataclasses import replace

    from core import config
    from core.workers.session import Session

    loaded = config.load()
    settings = loaded.settings
    for problem in loaded.problems:
        print(f"tarmac: {problem}", file=sys.stderr)
    if device is not None:
        config.check("device", device, "--device")
    if settings.threads:
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)
    target = model.target(device=device or settings.device)
    if options:
        target = replace(target, options={**target.options, **options})
    session = Session(target)
    try:
        progress(f"loading {model.name}")
        await session.start()
        yield session
    finally:
        with contextlib.suppress(BrokenPipeError):
            progress.clear()
        await session.stop()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
