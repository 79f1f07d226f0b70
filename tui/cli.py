"""`tarmac`: without a subcommand the studio, with one the same work without a screen.

stdout is data, stderr is talk. Nothing heavy is imported here: a command loads what it needs when it runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import InvalidInput, NotFound, Refused, TarmacError
from tui.exits import BAD_INPUT, DONE, INTERRUPTED, NOT_DONE, printable

if TYPE_CHECKING:
    from tui.opening import Place


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _tolerate_odd_encodings()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = _obey(given) if given else open_studio(None)
        sys.stdout.flush()
        return code
    except TarmacError as error:
        _complain(str(error))
        return BAD_INPUT if isinstance(error, InvalidInput | NotFound | Refused) else NOT_DONE
    except BrokenPipeError:
        # The reader has seen enough. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # stdout's disk is full, say
        _complain(f"cannot go on: {error}")
        return NOT_DONE
    except MemoryError:
        _complain("there is not enough memory")
        return NOT_DONE


def _obey(arguments: Sequence[str]) -> int:
    from tui.arguments import build_parser  # the first frame of the studio need not wait for it

    try:
        options = build_parser().parse_args(arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else NOT_DONE
    if options.version:
        return _version()
    code: int = options.run(options) if hasattr(options, "run") else open_studio(options.images)
    return code


def _version() -> int:
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"tarmac {version('tarmac')}")
    except PackageNotFoundError:
        print("tarmac, not installed")
    return DONE


def open_studio(images: str | None, opening: Place | None = None) -> int:
    """Open the studio, at a place if one is given.

    Raises:
        InvalidInput: There is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput("the studio needs a terminal", "input or output is a pipe", "See `tarmac --help`")
    from core import config
    from tui.app import run

    settings = config.load().settings
    if settings.threads:
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)  # read by the workers that the studio starts
    if images is None and settings.images != "auto":
        images = settings.images
    return run(images, mouse=settings.mouse, opening=opening)


def _complain(line: str) -> None:
    # Perhaps nobody is there to read it; the exit code still tells.
    with contextlib.suppress(BrokenPipeError, ValueError):
        print(f"tarmac: {printable(line)}", file=sys.stderr, flush=True)


def _tolerate_odd_encodings() -> None:
    """A terminal that cannot show an arrow shows a question mark; nothing ends for it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
